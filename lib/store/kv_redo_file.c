#include "store/kv_redo_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int torap_kv_redo_file_open(const char *dir, bool make)
{
	size_t size = strlen(dir) + sizeof "/redo";
	char *path = malloc(size);
	if (!path)
		return -ENOMEM;
	snprintf(path, size, "%s/redo", dir);
	int fd = open(path, O_RDWR | O_CLOEXEC | (make ? O_CREAT : 0), 0600);
	if (fd < 0)
		fd = -errno;
	free(path);
	return fd;
}

int torap_kv_redo_file_read(int fd, size_t most, struct torap_writer *out)
{
	for (;;) {
		uint8_t *room = torap_write_room(out, most - out->size);
		if (!room)
			return -ENOMEM;
		size_t before = (size_t)(room - out->data);
		ssize_t size = pread(fd, room, most - before, (off_t)before);
		out->size = before + (size > 0 ? (size_t)size : 0);
		if (size < 0 && errno != EINTR)
			return -errno;
		if (size == 0 || out->size == most)
			return 0;
	}
}

int torap_kv_redo_file_write(int fd, struct torap_bytes bytes)
{
	for (size_t done = 0; done < bytes.size;) {
		ssize_t size = pwrite(fd, bytes.data + done, bytes.size - done, (off_t)done);
		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			return size ? -errno : -EIO;
		done += (size_t)size;
	}
	return 0;
}

int torap_kv_redo_file_flush(int fd)
{
	return fdatasync(fd) ? -errno : 0;
}

void torap_kv_redo_file_close(int fd)
{
	close(fd);
}
