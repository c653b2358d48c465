#include "broker/state.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "store/committer.h"
#include "store/kv.h"
#include "store/kv_key.h"

static const char incarnation_key[] = "incarnation";
static const char trust_key[] = "trust version";

static int get(struct torap_kv_txn *txn, const char *key, uint64_t *out)
{
	struct torap_bytes value;
	int r = torap_kv_get(txn, BROKER_TABLE_STATE, torap_bytes(key, strlen(key)), &value);
	if (r)
		return r;
	struct torap_reader reader = torap_reader(value);
	*out = torap_read_u64(&reader);
	return torap_read_end(&reader) ? 0 : -EBADMSG;
}

static int put(struct torap_kv_txn *txn, const char *key, uint64_t number)
{
	struct torap_kv_key value = { 0 };
	torap_kv_key_u64(&value, number);
	return torap_kv_put(
		txn, BROKER_TABLE_STATE, torap_bytes(key, strlen(key)), torap_kv_key_bytes(&value));
}

static int put_flushed(struct torap_kv *kv, const char *key, uint64_t number, struct torap_error *err)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	put(&txn, key, number);
	int r = torap_kv_commit(&txn, err);
	return r > 0 ? torap_errorf(err, -ENOSPC, "the store is full") : r;
}

int broker_state_open(struct broker_state *out, struct torap_kv *kv, struct torap_error *err)
{
	struct broker_state s = { 0 };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	int incarnation = get(&txn, incarnation_key, &s.incarnation);
	int trust = get(&txn, trust_key, &s.trust_version);
	torap_kv_abort(&txn);
	if (incarnation < 0 || trust < 0)
		return torap_errorf(err, -EIO, "the store's table of states cannot be read");
	if (incarnation == TORAP_KV_MISSING) {
		randombytes_buf(&s.incarnation, sizeof s.incarnation);
		int r = put_flushed(kv, incarnation_key, s.incarnation, err);
		if (r)
			return r;
	}
	*out = s;
	return 0;
}

uint64_t broker_state_peek_trust(const char *dir)
{
	/* Not all of the broker's: a store may be older than some of them. */
	static const char *const tables[] = { TORAP_JOURNAL_TABLE_NAMES, "state", NULL };
	struct torap_kv_options options = { .tables = tables, .read_only = true };
	struct torap_kv *kv = NULL;
	struct torap_kv_txn txn;
	uint64_t version = 0;
	char *file;
	if (asprintf(&file, "%s/data.mdb", dir) < 0)
		return 0;
	bool is_there = access(file, R_OK) == 0; /* Else LMDB would make a lock file there. */
	free(file);
	if (!is_there || torap_kv_open(&kv, dir, &options, NULL))
		return 0;
	torap_kv_begin(&txn, kv, false);
	if (get(&txn, trust_key, &version))
		version = 0;
	torap_kv_abort(&txn);
	torap_kv_close(kv);
	return version;
}

int broker_state_trust(struct broker_state *s, struct torap_kv *kv, uint64_t version, struct torap_error *err)
{
	if (version <= s->trust_version)
		return 0;
	int r = put_flushed(kv, trust_key, version, err);
	if (!r)
		s->trust_version = version;
	return r;
}

struct trust_job {
	struct torap_commit_job job;
	uint64_t version;
	void (*on_full)(uint64_t version);
};

static struct trust_job *of(struct torap_commit_job *job)
{
	return (struct trust_job *)((char *)job - offsetof(struct trust_job, job));
}

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	return put(txn, trust_key, of(job)->version);
}

static void done(struct torap_commit_job *job, int result)
{
	if (result)
		of(job)->on_full(of(job)->version);
	free(of(job));
}

int broker_state_trust_later(struct broker_state *s, struct torap_committer *committer, uint64_t version,
	void (*on_full)(uint64_t version))
{
	if (version <= s->trust_version)
		return 0;
	struct trust_job *j = malloc(sizeof *j);
	if (!j)
		return -ENOMEM;
	*j = (struct trust_job){ /* Before what is judged by it. */
		.job = { .apply = apply, .done = done, .urgent = true },
		.version = version,
		.on_full = on_full
	};
	s->trust_version = version;
	torap_committer_submit(committer, &j->job);
	return 0;
}
