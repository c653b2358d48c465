/* faulty_disk.c: a disk that fails when it is told to.  Loaded into a process by LD_PRELOAD; the system tests steer it.
 *
 * TORAP_FAULT_FILE is the one file whose writes can fail (data.mdb of a store), TORAP_FAULT_PLAN a file that says how; while there
 * is none, all is well.  It holds "WHERE NTH HOW":
 *
 *     data | meta | flush    a page, one of LMDB's two meta pages, fdatasync or fsync; counted since the plan is there
 *     NTH                    from this one on, all of them, until the plan is taken away
 *     EIO | ENOSPC | EFBIG | short   what comes back; short: half of it is written, and said to be
 *     wait                   it comes back when the plan is taken away
 *
 * or "beyond BYTES": the file cannot be longer, whether allocated or written, and its file system says that no more is left.
 * TORAP_FAULT_ALLOCATES=no: its file system knows no allocation ahead. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum { META_BYTES = 8192, WORD_MAX = 16, WAIT_US = 10000 };

enum verdict { PASSES, FAILS, IS_SHORT };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long seen; /* of what the plan names; under the mutex */

static void *next(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);
	if (!f)
		abort();
	return f;
}

static bool is_ours(int fd)
{
	const char *path = getenv("TORAP_FAULT_FILE");
	struct stat a, b;
	return path && !fstat(fd, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The words of the plan; how many. */
static int read_plan(char where[WORD_MAX], long *number, char how[WORD_MAX])
{
	const char *path = getenv("TORAP_FAULT_PLAN");
	FILE *plan = path ? fopen(path, "re") : NULL;
	if (!plan)
		return 0;
	char line[64] = "";
	bool is_read = fgets(line, sizeof line, plan) != NULL;
	fclose(plan);
	return is_read ? sscanf(line, "%15s %ld %15s", where, number, how) : 0;
}

/* Judges a write up to `end`, or a flush; errno is set when it fails. */
static enum verdict judge(int fd, const char *what, off_t end)
{
	char where[WORD_MAX], how[WORD_MAX];
	long number;
	if (!is_ours(fd))
		return PASSES;
	int words = read_plan(where, &number, how);
	if (words == 2 && !strcmp(where, "beyond") && end > number) {
		errno = ENOSPC;
		return FAILS;
	}
	if (words == 0)
		__atomic_store_n(&seen, 0, __ATOMIC_RELAXED);
	if (words != 3 || strcmp(where, what) != 0)
		return PASSES;
	pthread_mutex_lock(&mutex);
	bool due = ++seen >= number;
	pthread_mutex_unlock(&mutex);
	if (!due)
		return PASSES;
	if (!strcmp(how, "short"))
		return IS_SHORT;
	if (!strcmp(how, "wait")) {
		while (read_plan(where, &number, how))
			usleep(WAIT_US);
		return PASSES;
	}
	errno = !strcmp(how, "ENOSPC") ? ENOSPC : !strcmp(how, "EFBIG") ? EFBIG : EIO;
	return FAILS;
}

static enum verdict judge_write(int fd, off_t offset, size_t size)
{
	return judge(fd, offset < META_BYTES ? "meta" : "data", offset + (off_t)size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	ssize_t (*f)(int, const void *, size_t, off_t) = next("pwrite");
	enum verdict v = judge_write(fd, offset, size);
	return v == FAILS ? -1 : f(fd, bytes, v == IS_SHORT ? size / 2 : size, offset);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	ssize_t (*f)(int, const void *, size_t) = next("write");
	if (!is_ours(fd))
		return f(fd, bytes, size);
	enum verdict v = judge_write(fd, lseek(fd, 0, SEEK_CUR), size);
	return v == FAILS ? -1 : f(fd, bytes, v == IS_SHORT ? size / 2 : size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	ssize_t (*f)(int, const struct iovec *, int) = next("writev");
	if (!is_ours(fd))
		return f(fd, parts, count);
	size_t size = 0;
	for (int i = 0; i < count; i++)
		size += parts[i].iov_len;
	enum verdict v = judge_write(fd, lseek(fd, 0, SEEK_CUR), size);
	if (v == IS_SHORT) /* LMDB gives at least one page. */
		return write(fd, parts[0].iov_base, parts[0].iov_len / 2);
	return v == FAILS ? -1 : f(fd, parts, count);
}

int fdatasync(int fd)
{
	int (*f)(int) = next("fdatasync");
	return judge(fd, "flush", 0) == PASSES ? f(fd) : -1;
}

int fsync(int fd)
{
	int (*f)(int) = next("fsync");
	return judge(fd, "flush", 0) == PASSES ? f(fd) : -1;
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
	int (*f)(int, int, off_t, off_t) = next("fallocate");
	if (getenv("TORAP_FAULT_ALLOCATES") && is_ours(fd)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return judge(fd, "allocate", offset + size) == PASSES ? f(fd, mode, offset, size) : -1;
}

int fstatvfs(int fd, struct statvfs *out)
{
	int (*f)(int, struct statvfs *) = next("fstatvfs");
	char where[WORD_MAX], how[WORD_MAX];
	long number;
	int r = f(fd, out);
	struct stat file;
	if (r || !is_ours(fd) || read_plan(where, &number, how) != 2 || fstat(fd, &file))
		return r;
	off_t left = number - (off_t)file.st_blocks * 512;
	out->f_bavail = left > 0 ? (fsblkcnt_t)left / out->f_frsize : 0;
	return 0;
}
