#include "store/kv_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"

/* The holder as it wrote itself into the file; 0: not to be read. */
static long holder(int fd)
{
	char text[32];
	ssize_t size = pread(fd, text, sizeof text - 1, 0);
	if (size <= 0)
		return 0;
	text[size] = 0;
	return strtol(text, NULL, 10);
}

static int busy(int fd, const char *path, const char *dir, struct torap_error *err)
{
	long pid = holder(fd);
	if (pid > 0)
		return torap_errorf(err, -EBUSY, "%s: in use by process %ld, which holds %s", dir, pid, path);
	return torap_errorf(err, -EBUSY, "%s: in use by another process, which holds %s", dir, path);
}

/* A full disk must not keep a store closed that has to be opened to make room: then the file names nobody. */
static int name_holder(int fd, const char *path, struct torap_error *err)
{
	char text[32];
	int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	ssize_t written = pwrite(fd, text, (size_t)size, 0);
	if (written < 0 && errno != ENOSPC && errno != EDQUOT)
		return torap_errorf(err, -errno, "%s: cannot write: %s", path, strerror(errno));
	if (ftruncate(fd, written == size ? size : 0))
		return torap_errorf(err, -errno, "%s: cannot cut to size: %s", path, strerror(errno));
	return 0;
}

static int take(int fd, const char *path, const char *dir, struct torap_error *err)
{
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			return busy(fd, path, dir, err);
		return torap_errorf(err, -errno, "%s: cannot lock: %s", path, strerror(errno));
	}
	return name_holder(fd, path, err);
}

int torap_kv_lock_take(int *out_fd, const char *dir, struct torap_error *err)
{
	size_t size = strlen(dir) + sizeof "/lock";
	char *path = malloc(size);
	if (!path)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", dir);
	snprintf(path, size, "%s/lock", dir);

	int r;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		r = torap_errorf(err, -errno, "%s: cannot open: %s", path, strerror(errno));
	} else {
		r = take(fd, path, dir, err);
		if (r)
			close(fd);
		else
			*out_fd = fd;
	}
	free(path);
	return r;
}
