/* floor_open.c: what a start cannot do without: a process, LMDB's file opened, and the row of each stream read.
 *
 *     floor_open DIR               one line of JSON: when it was done, by the monotonic clock
 *     floor_open DIR --frames      and every frame read, in order: the floor of a replay */
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>

#include "bench/samples.h"

enum { STREAM_KEY = 4 }; /* lib/store/README.md: a stream's row is named by its number */

static void check(int rc, const char *what)
{
	if (rc)
		bench_fail("%s: %s", what, mdb_strerror(rc));
}

static MDB_cursor *cursor_of(MDB_txn *txn, const char *name)
{
	MDB_dbi table;
	MDB_cursor *cursor;
	check(mdb_dbi_open(txn, name, 0, &table), name);
	check(mdb_cursor_open(txn, table, &cursor), name);
	return cursor;
}

static uint64_t count_streams(MDB_txn *txn)
{
	MDB_cursor *cursor = cursor_of(txn, "streams");
	MDB_val key, value;
	uint64_t count = 0;
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
		count += key.mv_size == STREAM_KEY;
	mdb_cursor_close(cursor);
	return count;
}

/* Every byte is touched. */
static uint64_t read_frames(MDB_txn *txn, uint64_t *bytes)
{
	MDB_cursor *cursor = cursor_of(txn, "frames");
	MDB_val key, value;
	uint64_t sum = 0;
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		const uint8_t *at = value.mv_data;
		for (size_t i = 0; i + sizeof sum <= value.mv_size; i += sizeof sum) {
			uint64_t word;
			memcpy(&word, at + i, sizeof word);
			sum += word;
		}
		*bytes += value.mv_size;
	}
	mdb_cursor_close(cursor);
	return sum;
}

int main(int argc, char **argv)
{
	MDB_env *env;
	MDB_txn *txn;
	uint64_t bytes = 0, sum = 0;
	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "--frames") != 0)) {
		printf("usage: floor_open DIR [--frames]\n");
		return 2;
	}
	check(mdb_env_create(&env), "create");
	check(mdb_env_set_maxdbs(env, 32), "tables");
	check(mdb_env_open(env, argv[1], MDB_RDONLY | MDB_NOTLS | MDB_NORDAHEAD, 0600), argv[1]);
	check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "begin");
	uint64_t streams = count_streams(txn);
	int64_t opened_us = bench_mono_us();
	if (argc == 3)
		sum = read_frames(txn, &bytes);
	printf("{\"streams\":%" PRIu64 ",\"opened_us\":%" PRId64 ",\"bytes\":%" PRIu64 ",\"sum\":%" PRIu64
	       ",\"read_s\":%.4f}\n",
		streams, opened_us, bytes, sum, (double)(bench_mono_us() - opened_us) / 1e6);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return 0;
}
