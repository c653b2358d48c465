#include "store/kv_whole.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

enum { META_PAGES = 2, PAGE_MIN = 4096, FREE_TABLE = 0 };

static int was_cut(const char *dir, uint64_t has, uint64_t needs, struct torap_error *err)
{
	return torap_errorf(err, -EBADMSG,
		"%s/data.mdb: was cut short: it has %" PRIu64 " of %" PRIu64
		" bytes; restore a copy, or move the directory away and begin without what it held",
		dir, has, needs);
}

int torap_kv_whole_begin(const char *dir, struct torap_error *err)
{
	char *file;
	struct stat st;
	if (asprintf(&file, "%s/data.mdb", dir) < 0)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", dir);
	bool is_there = stat(file, &st) == 0;
	free(file);
	if (!is_there || st.st_size >= META_PAGES * PAGE_MIN)
		return 0;
	if (st.st_size > 0)
		return was_cut(dir, (uint64_t)st.st_size, META_PAGES * PAGE_MIN, err);
	return torap_errorf(err, -EBADMSG,
		"%s/data.mdb: is empty: it was cut short, or the first start here broke off; restore a copy, or remove the file to begin anew",
		dir);
}

/* Pages at the end that were given back before they were ever written need not be in the file.  To know them the list of free pages is
 * read, which itself may lie where nothing is any more. */

static _Thread_local sigjmp_buf beyond_the_end;

static void on_bus(int number)
{
	siglongjmp(beyond_the_end, number);
}

struct look {
	MDB_txn *txn;
	MDB_cursor *cursor;
	uint64_t from, found; /* free pages with this number or a higher one */
};

static int count_free(struct look *look, MDB_env *env)
{
	MDB_val key, row;
	int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &look->txn);
	if (!rc)
		rc = mdb_cursor_open(look->txn, FREE_TABLE, &look->cursor);
	while (!rc && !(rc = mdb_cursor_get(look->cursor, &key, &row, MDB_NEXT))) {
		size_t count, page; /* A row is a list of page numbers that begins with its length. */
		memcpy(&count, row.mv_data, sizeof count);
		for (size_t i = 1; i <= count && (i + 1) * sizeof page <= row.mv_size; i++) {
			memcpy(&page, (const char *)row.mv_data + i * sizeof page, sizeof page);
			look->found += page >= look->from;
		}
	}
	return rc;
}

/* False: they cannot be read, or there are others. */
static bool are_free(MDB_env *env, uint64_t from, uint64_t end)
{
	struct sigaction action = { .sa_handler = on_bus }, before;
	struct look look = { .from = from };
	volatile bool read = false;
	sigaction(SIGBUS, &action, &before);
	if (sigsetjmp(beyond_the_end, 1) == 0)
		read = count_free(&look, env) == MDB_NOTFOUND;
	sigaction(SIGBUS, &before, NULL);
	if (look.cursor)
		mdb_cursor_close(look.cursor);
	if (look.txn)
		mdb_txn_abort(look.txn);
	return read && look.found == end - from;
}

int torap_kv_whole(MDB_env *env, const char *dir, struct torap_error *err)
{
	MDB_envinfo info;
	MDB_stat stat;
	struct stat file;
	int fd;
	int rc = mdb_env_info(env, &info);
	if (!rc)
		rc = mdb_env_stat(env, &stat);
	if (!rc)
		rc = mdb_env_get_fd(env, &fd);
	if (!rc && fstat(fd, &file))
		rc = errno;
	if (rc)
		return torap_errorf(err, -EIO, "%s: cannot ask for the size: %s", dir, mdb_strerror(rc));
	/* In this order: beside a process that writes, the file is as long as a commit that was seen. */
	uint64_t page_bytes = stat.ms_psize, pages = (uint64_t)info.me_last_pgno + 1;
	uint64_t has = (uint64_t)file.st_size / page_bytes;
	if (has >= pages || are_free(env, has, pages))
		return 0;
	return was_cut(dir, (uint64_t)file.st_size, pages * page_bytes, err);
}
