#include "agents/follow/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/follow/printed.h"
#include "agents/follow/store.h"
#include "base/error.h"
#include "base/log.h"
#include "conf/file.h"

/* By its folder's real path, for the file need not be there yet.  A digest, because a path may be longer than a key. */
static int name_file(char name[static FOLLOW_OUTPUT_NAME_SIZE], const char *path, struct torap_error *err)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	char folder[PATH_MAX], real[PATH_MAX], whole[2 * PATH_MAX];
	snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash + 1 - path) : 1, slash ? path : ".");
	if (!realpath(folder, real))
		return torap_errorf(err, -errno, "%s: %s", folder, strerror(errno));
	int n = snprintf(whole, sizeof whole, "%s/%s", real, base);
	uint8_t digest[crypto_generichash_BYTES_MIN];
	crypto_generichash(digest, sizeof digest, (const uint8_t *)whole, (size_t)n, NULL, 0);
	char hex[2 * sizeof digest + 1];
	snprintf(
		name, FOLLOW_OUTPUT_NAME_SIZE, "file/%s", torap_hex(hex, torap_bytes(digest, sizeof digest)));
	return 0;
}

/* Brings the file to the length that is committed. */
static int settle(int fd, const char *path, uint64_t length, struct torap_error *err)
{
	struct stat st;
	if (fstat(fd, &st))
		return torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return torap_errorf(err, -EINVAL, "%s: is no regular file", path);
	uint64_t size = (uint64_t)st.st_size;
	if (size < length)
		return torap_errorf(err, -EINVAL,
			"%s: holds %" PRIu64 " of the %" PRIu64 " bytes that were written; it was changed",
			path, size, length);
	if (size > length && ftruncate(fd, (off_t)length))
		return torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
	return fsync(fd) ? torap_errorf(err, -errno, "%s: %s", path, strerror(errno)) : 0;
}

/* Before the first byte is written: what is found after a kill must be known for ours. */
static int claim(struct torap_kv *kv, const char *name, struct torap_error *err)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	follow_printed_put_length(&txn, name, 0);
	int r = torap_kv_commit(&txn, err);
	return r > 0 ? follow_store_full(kv, err) : r;
}

static int read_length(struct torap_kv *kv, const char *name, bool *known, uint64_t *length)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	int r = follow_printed_length(&txn, name, length);
	torap_kv_abort(&txn);
	*known = r == 0;
	if (r == TORAP_KV_MISSING)
		*length = 0;
	return r == TORAP_KV_MISSING ? 0 : r;
}

/* A length for the file that is at `path`, or is not there yet. */
static int know(
	struct torap_kv *kv, const char *name, const char *path, uint64_t *length, struct torap_error *err)
{
	struct stat st;
	bool there = stat(path, &st) == 0, known;
	if (read_length(kv, name, &known, length))
		return torap_errorf(err, -EIO, "%s: its length cannot be read from the directory", path);
	if (!known && there && st.st_size > 0)
		return torap_errorf(err, -EEXIST,
			"%s: holds %jd bytes that this directory did not write; name another file", path,
			(intmax_t)st.st_size);
	if (known && !there && *length > 0)
		torap_notice("OUTPUT-ANEW", "%s is gone; going on in a new file after %" PRIu64 " bytes",
			path, *length);
	if (known && (there || *length == 0))
		return 0;
	*length = 0;
	return claim(kv, name, err);
}

int follow_output_file_open(int *out_fd, char name[static FOLLOW_OUTPUT_NAME_SIZE], uint64_t *out_length,
	struct torap_kv *kv, const char *path, struct torap_error *err)
{
	uint64_t length;
	int r = name_file(name, path, err);
	if (!r)
		r = know(kv, name, path, &length, err);
	if (r)
		return r;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
	r = settle(fd, path, length, err);
	if (!r)
		r = torap_file_flush_folder(path, err);
	if (r) {
		close(fd);
		return r;
	}
	*out_fd = fd;
	*out_length = length;
	return 0;
}

static int write_failed(const char *what, struct torap_error *err)
{
	int code = errno;
	return torap_errorf(err, torap_error_is_room(code) ? FOLLOW_OUTPUT_FILE_FULL : -code,
		"the output file cannot be %s: %s", what, strerror(code));
}

int follow_output_file_write(int fd, uint64_t offset, struct torap_bytes bytes, struct torap_error *err)
{
	while (bytes.size) {
		ssize_t n = pwrite(fd, bytes.data, bytes.size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return write_failed("written", err);
		bytes.data += n;
		bytes.size -= (size_t)n;
		offset += (uint64_t)n;
	}
	/* No room for what the flush brings to the disk: its length is not committed, and all of it is written again. */
	return fdatasync(fd) ? write_failed("flushed", err) : 0;
}
