/* floor_lmdb.c: what the disk gives: LMDB with full synchronisation, one large record a transaction, and a bare fdatasync() beside it, one after
 * the other and after rest.
 *
 * No network, nothing decoded, nothing verified: the most that a store with a flush for each batch can take here. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/samples.h"

enum { SYNC_BYTES = 4096, REST_US = 10000, RESTED_MAX = 200 };

static void check(int rc, const char *what)
{
	if (rc)
		bench_fail("%s: %s", what, mdb_strerror(rc));
}

/* One put and one commit.  Returns microseconds. */
static int64_t put_one(MDB_env *env, MDB_dbi table, uint64_t number, void *bytes, size_t size)
{
	int64_t since = bench_mono_us();
	MDB_txn *txn;
	check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
	memcpy(bytes, &number, sizeof number);
	MDB_val key = { sizeof number, &number }, value = { size, bytes };
	check(mdb_put(txn, table, &key, &value, MDB_APPEND), "put");
	check(mdb_txn_commit(txn), "commit");
	return bench_mono_us() - since;
}

static void measure_lmdb(const char *dir, uint64_t records, size_t size)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi table;
	check(mdb_env_create(&env), "create");
	check(mdb_env_set_mapsize(env, records * (size + 16384) + (64 << 20)), "map size");
	check(mdb_env_open(env, dir, MDB_NORDAHEAD, 0600), dir);
	check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
	check(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &table), "table");
	check(mdb_txn_commit(txn), "commit");
	void *bytes = calloc(1, size);
	if (!bytes)
		bench_fail("out of memory");
	struct bench_samples commits = { 0 };
	int64_t since = bench_mono_us();
	for (uint64_t i = 0; i < records; i++)
		bench_samples_add(&commits, put_one(env, table, i, bytes, size));
	double seconds = (double)(bench_mono_us() - since) / 1e6;
	printf("\"records\":%" PRIu64
	       ",\"size\":%zu,\"seconds\":%.3f,\"per_s\":%.1f,\"mb_per_s\":%.1f,\"commit_p50_ms\":%.3f,"
	       "\"commit_p99_ms\":%.3f",
		records, size, seconds, (double)records / seconds, (double)(records * size) / seconds / 1e6,
		bench_samples_percentile_ms(&commits, 0.5), bench_samples_percentile_ms(&commits, 0.99));
	bench_samples_finish(&commits);
	free(bytes);
	mdb_env_close(env);
}

/* What LMDB does to flush: write a page at a place that the file has already, then fdatasync().  `rest_us` before each: disk and processor
 * have gone to sleep, as between two alarms. */
static void measure_sync(int fd, const char *name, uint64_t times, useconds_t rest_us)
{
	uint8_t page[SYNC_BYTES] = { 1 };
	struct bench_samples samples = { 0 };
	for (uint64_t i = 0; i < times; i++) {
		if (rest_us)
			usleep(rest_us);
		int64_t since = bench_mono_us();
		page[0] = (uint8_t)i;
		if (pwrite(fd, page, sizeof page, 0) != sizeof page || fdatasync(fd) < 0)
			bench_fail("fdatasync: %s", strerror(errno));
		bench_samples_add(&samples, bench_mono_us() - since);
	}
	printf(",\"%s_p50_ms\":%.3f,\"%s_p99_ms\":%.3f,\"%s_p999_ms\":%.3f", name,
		bench_samples_percentile_ms(&samples, 0.5), name, bench_samples_percentile_ms(&samples, 0.99),
		name, bench_samples_percentile_ms(&samples, 0.999));
	bench_samples_finish(&samples);
}

static void measure_syncs(const char *dir, uint64_t times)
{
	char path[4096];
	uint8_t page[SYNC_BYTES] = { 0 };
	snprintf(path, sizeof path, "%s/sync.bin", dir);
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || pwrite(fd, page, sizeof page, 0) != sizeof page || fsync(fd) < 0)
		bench_fail("%s: %s", path, strerror(errno));
	measure_sync(fd, "sync", times, 0);
	measure_sync(fd, "rested", times < RESTED_MAX ? times : RESTED_MAX, REST_US);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "dir", required_argument, NULL, 'd' },
		{ "records", required_argument, NULL, 'r' }, { "size", required_argument, NULL, 's' },
		{ "syncs", required_argument, NULL, 'y' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	const char *dir = NULL;
	uint64_t records = 1000, size = 200000, syncs = 1000;
	for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (o == 'd')
			dir = optarg;
		else if (o == 'r')
			records = bench_number("records", optarg, 1 << 24);
		else if (o == 's')
			size = bench_number("size", optarg, 64 << 20);
		else if (o == 'y')
			syncs = bench_number("syncs", optarg, 1 << 24);
		else {
			printf("usage: floor_lmdb --dir DIR [--records N] [--size BYTES] [--syncs N]\n"
			       "One line of JSON: flushed LMDB commits a second, and how long one "
			       "fdatasync() takes.\n");
			return o == 'h' ? 0 : 2;
		}
	}
	if (!dir || !records || size < sizeof(uint64_t) || !syncs)
		bench_fail("--dir is missing, or nothing is to be measured");
	printf("{");
	measure_lmdb(dir, records, size);
	measure_syncs(dir, syncs);
	printf("}\n");
	return 0;
}
