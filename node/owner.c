#include "node/owner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "node/tables.h"
#include "store/journal.h"
#include "store/kv.h"

struct look {
	const char *writer;
	char other[TORAP_WRITER_ID_MAX + 1];
};

static int on_head(void *hint, const struct torap_journal_head *head)
{
	struct look *look = hint;
	if (strcmp(head->stream.writer, look->writer) == 0)
		return 0;
	snprintf(look->other, sizeof look->other, "%s", head->stream.writer);
	return 1;
}

int node_owner_check(struct torap_kv *kv, const char *dir, const char *writer, struct torap_error *err)
{
	struct look look = { .writer = writer };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	int r = torap_journal_heads(&txn, on_head, &look);
	torap_kv_abort(&txn);
	if (look.other[0])
		return torap_errorf(err, -EPERM,
			"%s: the journal of node \"%s\"; node \"%s\" would never send what it holds.  Name the node \"%s\", or give it an empty directory",
			dir, look.other, writer, look.other);
	return r ? torap_errorf(
			   err, r < 0 ? r : -EIO, "%s: its streams cannot be read: %s", dir, strerror(abs(r)))
		 : 0;
}

int node_owner_check_dir(const char *dir, const char *writer, struct torap_error *err)
{
	/* Not all of the node's: a journal may be older than some of them. */
	static const char *const tables[] = { TORAP_JOURNAL_TABLE_NAMES, NULL };
	struct torap_kv_options options = { .tables = tables, .read_only = true };
	struct torap_kv *kv = NULL;
	char *file;
	if (asprintf(&file, "%s/data.mdb", dir) < 0)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", dir);
	bool is_there = access(file, F_OK) == 0;
	free(file);
	if (!is_there)
		return 0;
	int r = torap_kv_open(&kv, dir, &options, err);
	if (r == 0)
		r = node_owner_check(kv, dir, writer, err);
	torap_kv_close(kv);
	return r;
}
