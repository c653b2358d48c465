/* kv_env.h: what kv.c opens and kv_txn.c works in.  Private to lib/store. */
#pragma once

#include <lmdb.h>

#include "store/kv.h"
#include "store/kv_room.h"

struct torap_kv {
	MDB_env *env;
	char *dir;
	int lock_fd;               /* -1: read only, or not locked yet */
	struct torap_kv_room room; /* the writer's, once open */
	unsigned tables_count;
	MDB_dbi tables[TORAP_KV_TABLES_MAX];
};

/* LMDB's own codes are below any errno; its others are positive errnos.  0, an answer of torap_kv_answer, or negative. */
int torap_kv_translate(int rc);
