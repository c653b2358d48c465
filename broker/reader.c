#include "broker/reader.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/damage.h"
#include "broker/policy.h"
#include "broker/rules.h"
#include "loop/low_latency.h"
#include "store/kv.h"

static bool want(void *hint, const struct torap_batch *batch, size_t group, size_t part)
{
	const struct broker_read *r = hint;
	const struct broker_policy_feed *f = &r->policy->feeds[r->feed];
	const struct torap_group *g = &batch->manifest->groups[group];
	bool parts[4];
	torap_grant_parts(f->rows, f->rows_count, &g->class, parts);
	return g->parts[part].part < 4 && parts[g->parts[part].part];
}

/* Nothing is sent from the first on that is not what its writer signed.  Each signature is looked at, for whoever gets it looks at it, too. */
static void prove(struct broker_read *r)
{
	size_t good = 0;
	while (good < r->count && broker_provenance_of(r->entries[good].batch, r->kv, r->number, r->trust) !=
					  TORAP_PROVENANCE_DAMAGED)
		good++;
	for (; r->count > good; r->count--)
		torap_batch_destroy(r->entries[r->count - 1].batch);
	if (good == 0 && !r->result)
		r->result = torap_errorf(&r->error, -EBADMSG, "its manifest is not what its writer signed");
}

/* On a worker thread. */
static void read_batches(uv_work_t *work)
{
	struct broker_read *r = work->data;
	torap_low_latency_behind(true);
	r->result = torap_journal_read_range(r->kv, r->number, r->from, r->bytes_max, TORAP_RUN_MANIFESTS_MAX,
		want, r, r->entries, &r->count, &r->error);
	if (r->result < 0)
		r->count = 0;
	if (r->count)
		prove(r);
	torap_low_latency_behind(false);
}

static void on_read(uv_work_t *work, int status)
{
	struct broker_read *r = work->data;
	if (status < 0 && !r->result)
		r->result = torap_errorf(&r->error, status, "reading was cancelled");
	if (r->on_done)
		r->on_done(r, r->hint);
	else
		broker_read_destroy(r);
}

int broker_read_start(struct broker_read **out, uv_loop_t *loop, struct torap_kv *kv, uint32_t number,
	uint64_t from, size_t bytes_max, struct broker_rules *rules, uint32_t feed,
	void (*on_done)(struct broker_read *r, void *hint), void *hint)
{
	struct broker_read *r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	r->work.data = r;
	r->kv = kv;
	r->number = number;
	r->from = from;
	r->bytes_max = bytes_max;
	r->policy = broker_policy_ref(rules->policy);
	r->trust = torap_trust_ref(rules->trust);
	r->feed = feed;
	r->on_done = on_done;
	r->hint = hint;
	int uv = uv_queue_work(loop, &r->work, read_batches, on_read);
	assert(uv == 0); /* It only fails without a callback. */
	*out = r;
	return 0;
}

struct broker_read *broker_read_destroy(struct broker_read *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->count; i++)
		torap_batch_destroy(r->entries[i].batch);
	broker_policy_unref(r->policy);
	torap_trust_unref(r->trust);
	free(r);
	return NULL;
}

struct broker_read *broker_read_abandon(struct broker_read *r)
{
	if (r)
		r->on_done = NULL;
	return NULL;
}

const struct torap_journal_entry *broker_read_entry(const struct broker_read *r, uint64_t batch_no)
{
	return batch_no >= r->from && batch_no - r->from < r->count ? &r->entries[batch_no - r->from] : NULL;
}

static int find(struct torap_kv_txn *txn, struct broker_search_place *place, struct torap_wall at)
{
	int r = torap_journal_find_time(txn, place->number, at, &place->found.next_batch);
	if (r)
		return r;
	if (place->found.next_batch > place->last)
		place->found.next_batch = place->last + 1;
	if (place->found.next_batch <= 1)
		return 0;
	struct torap_batch *before = NULL;
	r = torap_journal_read(txn, place->number, place->found.next_batch - 1, torap_journal_want_none, NULL,
		&before, NULL, NULL);
	if (r == TORAP_KV_MISSING)
		return 0; /* This store began here: there is no batch before. */
	if (r)
		return r;
	place->found.has_digest = true;
	memcpy(place->found.last_digest, before->manifest->digest, TORAP_DIGEST_SIZE);
	torap_batch_destroy(before);
	return 0;
}

/* On a worker thread. */
static void search(uv_work_t *work)
{
	struct broker_search *s = work->data;
	struct torap_kv_txn txn;
	torap_low_latency_behind(true);
	torap_kv_begin(&txn, s->kv, false);
	s->result = txn.failure;
	for (size_t i = 0; i < s->count && !s->result; i++)
		s->result = find(&txn, &s->places[i], s->at);
	torap_kv_abort(&txn);
	torap_low_latency_behind(false);
}

static void on_searched(uv_work_t *work, int status)
{
	struct broker_search *s = work->data;
	if (status < 0 && !s->result)
		s->result = status;
	if (s->on_done)
		s->on_done(s, s->hint);
	free(s);
}

struct broker_search *broker_search_create(size_t count)
{
	struct broker_search *s = calloc(1, sizeof *s + count * sizeof s->places[0]);
	if (s)
		s->count = count;
	return s;
}

int broker_search_start(struct broker_search *s, uv_loop_t *loop, struct torap_kv *kv, struct torap_wall at,
	void (*on_done)(struct broker_search *s, void *hint), void *hint)
{
	s->work.data = s;
	s->kv = kv;
	s->at = at;
	s->on_done = on_done;
	s->hint = hint;
	return uv_queue_work(loop, &s->work, search, on_searched);
}
