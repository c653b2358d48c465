/* kv_env.h: what kv.c opens and kv_txn.c works in.  Private to lib/store. */
#pragma once

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/kv.h"
#include "store/kv_format.h"
#include "store/kv_redo.h"
#include "store/kv_room.h"

struct torap_error;

struct torap_kv {
	MDB_env *env;
	char *dir;
	int lock_fd;               /* -1: read only, or not locked yet */
	struct torap_kv_room room; /* the writer's, once open */
	unsigned tables_count;
	MDB_dbi tables[TORAP_KV_TABLES_MAX];
	const char *const *names; /* of the tables */
	struct torap_kv_format format;
	struct torap_kv_redo redo;
	atomic_bool ahead; /* the redo holds what LMDB has not committed yet: who reads waits for it */
	pthread_mutex_t mutex;
	pthread_cond_t level;
	uint64_t times_ahead; /* under the mutex */
};

/* LMDB's own codes are below any errno; its others are positive errnos.  0, an answer of torap_kv_answer, or negative. */
int torap_kv_translate(int rc);
/* For open, where "missing" and "full" are failures like any other. */
int torap_kv_open_failed(const struct torap_kv *kv, int rc, const char *what, struct torap_error *err);
