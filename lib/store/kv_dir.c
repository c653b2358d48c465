#include "store/kv_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static int flush(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = fsync(fd) ? -errno : 0;
	close(fd);
	return r;
}

static int flush_parent(const char *dir)
{
	size_t size = strlen(dir) + sizeof "/..";
	char *parent = malloc(size);
	if (!parent)
		return -ENOMEM;
	snprintf(parent, size, "%s/..", dir);
	int r = flush(parent);
	free(parent);
	return r;
}

int torap_kv_dir_make(const char *dir, struct torap_error *err)
{
	if (!mkdir(dir, 0700)) {
		int r = flush_parent(dir);
		return r ? torap_errorf(
				   err, r, "%s: cannot flush its parent directory: %s", dir, strerror(-r))
			 : 0;
	}
	int code = errno;
	struct stat st;
	if (code == EEXIST && !stat(dir, &st) && !S_ISDIR(st.st_mode))
		code = ENOTDIR;
	if (code == EEXIST)
		return 0;
	return torap_errorf(err, -code, "%s: cannot make the directory: %s", dir, strerror(code));
}

int torap_kv_dir_flush(const char *dir, struct torap_error *err)
{
	int r = flush(dir);
	return r ? torap_errorf(err, r, "%s: cannot flush the directory: %s", dir, strerror(-r)) : 0;
}
