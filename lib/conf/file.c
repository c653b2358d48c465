#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static int fail(const char *path, const char *what, struct torap_error *err)
{
	int code = errno ? -errno : -EIO;
	return torap_errorf(err, code, "%s: %s%s%s", path, what, *what ? ": " : "", strerror(-code));
}

/* Reads up to `size` bytes; -1 and errno on failure. */
static ssize_t read_all(int fd, uint8_t *data, size_t size)
{
	size_t have = 0;
	while (have < size) {
		ssize_t n = read(fd, data + have, size - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/* The descriptor is checked, not the name: what is read is what was judged. */
static int check(
	int fd, const char *path, size_t most, bool secret, struct stat *out, struct torap_error *err)
{
	struct stat st;
	if (fstat(fd, &st))
		return fail(path, "", err);
	if (!S_ISREG(st.st_mode))
		return torap_errorf(err, -EINVAL, "%s: is not a regular file", path);
	if (secret && st.st_mode & 077)
		return torap_errorf(err, -EPERM,
			"%s: holds secrets, and others may use it (mode %04o); mend it by: chmod 600 %s",
			path, (unsigned)(st.st_mode & 07777), path);
	if ((uint64_t)st.st_size > most)
		return torap_errorf(
			err, -EFBIG, "%s: %lld bytes; the limit is %zu", path, (long long)st.st_size, most);
	*out = st;
	return 0;
}

/* Reads what was there when the file was judged.  Somebody who writes to it meanwhile, rather than to replace it, makes a half of it: that
 * is no file to go by. */
static int read_judged(
	int fd, const char *path, uint8_t *data, const struct stat *was, struct torap_error *err)
{
	uint8_t more;
	struct stat is;
	size_t size = (size_t)was->st_size;
	ssize_t n = read_all(fd, data, size);
	ssize_t beyond = n < 0 ? n : read_all(fd, &more, 1);
	if (beyond < 0 || fstat(fd, &is))
		return fail(path, "", err);
	if ((size_t)n < size || beyond > 0 || is.st_size != was->st_size ||
		is.st_mtim.tv_sec != was->st_mtim.tv_sec || is.st_mtim.tv_nsec != was->st_mtim.tv_nsec)
		return torap_errorf(err, -EAGAIN, "%s: was changed while it was read; try again", path);
	return 0;
}

static int read_file(
	struct torap_buffer **out, const char *path, size_t most, bool secret, struct torap_error *err)
{
	/* Not blocking, so that a pipe in the place of a file is refused and not waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(path, "", err);

	struct stat st = { 0 };
	struct torap_buffer *b = NULL;
	int r = check(fd, path, most, secret, &st, err);
	if (r)
		goto done;
	b = torap_buffer_create((size_t)st.st_size);
	if (!b) {
		r = torap_errorf(err, -ENOMEM, "%s: out of memory", path);
		goto done;
	}
	r = read_judged(fd, path, b->data, &st, err);
	if (r)
		goto done;
	*out = b;
	b = NULL;
done:
	torap_buffer_unref(b);
	close(fd);
	return r;
}

int torap_file_read(struct torap_buffer **out, const char *path, size_t most, struct torap_error *err)
{
	return read_file(out, path, most, false, err);
}

int torap_file_read_secret(struct torap_buffer **out, const char *path, size_t most, struct torap_error *err)
{
	return read_file(out, path, most, true, err);
}

static int write_all(int fd, struct torap_bytes bytes)
{
	size_t done = 0;
	while (done < bytes.size) {
		ssize_t n = write(fd, bytes.data + done, bytes.size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int torap_file_flush_folder(const char *path, struct torap_error *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == path ? strdup("/") : slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	if (!dir)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);

	int r = 0;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		r = fail(dir, "cannot flush the folder", err);
	if (fd >= 0)
		close(fd);
	free(dir);
	return r;
}

/* Writes a file that is not there yet.  On failure it is not there again. */
static int write_new(const char *path, mode_t mode, struct torap_bytes bytes, struct torap_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return fail(path, "cannot create", err);

	int r = 0;
	if (fchmod(fd, mode) || write_all(fd, bytes) || fsync(fd)) /* fchmod: whatever the umask is */
		r = fail(path, "cannot write", err);
	if (close(fd) && !r)
		r = fail(path, "cannot write", err);
	if (r)
		unlink(path);
	return r;
}

int torap_file_create(const char *path, mode_t mode, struct torap_bytes bytes, struct torap_error *err)
{
	int r = write_new(path, mode, bytes, err);
	return r ? r : torap_file_flush_folder(path, err);
}

int torap_file_replace(const char *path, mode_t mode, struct torap_bytes bytes, struct torap_error *err)
{
	char *beside;
	if (asprintf(&beside, "%s.new", path) < 0)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	if (unlink(beside) && errno != ENOENT) { /* left by a crash */
		int code = fail(beside, "", err);
		free(beside);
		return code;
	}
	int r = write_new(beside, mode, bytes, err);
	if (!r && rename(beside, path)) {
		r = fail(path, "cannot replace", err);
		unlink(beside);
	}
	free(beside);
	return r ? r : torap_file_flush_folder(path, err);
}
