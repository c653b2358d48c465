#include "node/make_room.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/trust.h"
#include "node/config.h"
#include "node/owner.h"
#include "node/tables.h"
#include "node/uplink.h"
#include "store/kv.h"
#include "store/sweep.h"

struct work {
	const struct node_config *config;
	struct torap_trust *trust;
	struct torap_kv *kv;
	struct torap_wall before;
	unsigned reason; /* enum torap_sweep_reason */
	int64_t age_us;
	struct torap_sweep_gate *gates;
	size_t gates_count;
	uint64_t kept; /* batches that are old enough, and may not go */
	uint32_t account;
};

static void judge(const void *hint, const struct torap_class *class, unsigned part,
	int64_t after_us[static TORAP_SWEEP_REASONS])
{
	const struct work *w = hint;
	struct torap_retention_term term = torap_retention_term_of(&w->trust->retention, class, part);
	for (unsigned i = 0; i < TORAP_SWEEP_REASONS; i++)
		after_us[i] = INT64_MAX;
	bool kept_longer =
		w->reason != TORAP_SWEEP_FORCED && term.keep_us != TORAP_FOR_EVER && term.keep_us > w->age_us;
	after_us[w->reason] = kept_longer ? term.keep_us : w->age_us;
}

/* What every configured broker has acknowledged, as far as this journal knows: perhaps less than the truth, never more. */
static int acknowledged(
	const struct work *w, struct torap_kv_txn *txn, const struct torap_stream_id *stream, uint64_t *out)
{
	*out = UINT64_MAX;
	for (size_t i = 0; i < w->config->brokers_count; i++) {
		uint64_t next = 1;
		int r = node_uplink_receipt(txn, w->config->brokers[i].name, stream, &next);
		if (r < 0)
			return r;
		if (next - 1 < *out)
			*out = next - 1;
	}
	return 0;
}

struct reading {
	struct work *work;
	struct torap_kv_txn *txn;
};

static int add_gate(void *hint, const struct torap_journal_head *head)
{
	const struct reading *reading = hint;
	struct work *w = reading->work;
	struct torap_sweep_gate *more = realloc(w->gates, (w->gates_count + 1) * sizeof *more);
	if (!more)
		return -ENOMEM;
	w->gates = more;
	struct torap_sweep_gate *gate = &more[w->gates_count++];
	*gate = (struct torap_sweep_gate){ .stream = head->stream };
	uint64_t through, first_later;
	int r = acknowledged(w, reading->txn, &head->stream, &through);
	if (r == 0)
		r = torap_journal_find_time(reading->txn, head->number, w->before, &first_later);
	if (r)
		return r < 0 ? r : -EBADMSG;
	gate->through[TORAP_SWEEP_DELIVERED] = through;
	gate->through[TORAP_SWEEP_FORCED] = UINT64_MAX;
	if (w->reason != TORAP_SWEEP_FORCED && through + 1 < first_later)
		w->kept += first_later - 1 - through;
	return 0;
}

static int next_account(void *hint, uint32_t account, unsigned reason, const struct torap_sweep_tally *tally)
{
	struct work *w = hint;
	(void)reason, (void)tally;
	if (account >= w->account)
		w->account = account + 1;
	return 0;
}

static int look(struct work *w, struct torap_error *err)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, w->kv, false);
	struct reading reading = { w, &txn };
	int r = torap_journal_heads(&txn, add_gate, &reading);
	if (r == 0)
		r = torap_sweep_accounts(&txn, next_account, w);
	torap_kv_abort(&txn);
	return r ? torap_errorf(err, r < 0 ? r : -EIO, "%s: cannot be read: %s", w->config->journal,
			   strerror(r < 0 ? -r : EIO))
		 : 0;
}

static int sweep(
	struct work *w, struct torap_wall now, struct torap_sweep_tally *sum, struct torap_error *err)
{
	struct torap_sweep_rules rules = { .judge = judge, .hint = w };
	torap_sweep_rules_add(&rules, w->reason, w->age_us);
	struct torap_sweep s = { .rules = &rules,
		.now = now,
		.gates = w->gates,
		.gates_count = w->gates_count,
		.account = w->account,
		.passing = true };
	while (!s.done) {
		struct torap_kv_txn txn;
		torap_kv_begin(&txn, w->kv, true);
		int r = torap_sweep_piece(&s, &txn);
		if (r == 0 || txn.failure)
			r = torap_kv_commit(&txn, err);
		else
			r = torap_errorf(err, r, "%s: %s", w->config->journal, strerror(abs(r)));
		torap_kv_abort(&txn);
		if (r)
			return r < 0 ? r : -ENOSPC;
		torap_sweep_tally_add(sum, &s.tally[w->reason]);
	}
	return 0;
}

static void say(const struct work *w, const struct torap_sweep_tally *sum)
{
	printf("%s: %" PRIu64 " frames of %" PRIu64 " batches deleted, %" PRIu64 " bytes (%s)%s\n",
		w->config->journal, sum->frames, sum->batches, sum->bytes, torap_sweep_reason_name(w->reason),
		sum->frames ? "; the node's next start records it as an event" : "");
	if (w->kept)
		printf("%" PRIu64
		       " batches are as old and stay: not every broker has given its receipt; --force deletes them, too\n",
			w->kept);
}

int node_make_room(const struct node_config *config, struct torap_trust *trust, struct torap_wall now,
	struct torap_wall before, bool force, struct torap_error *err)
{
	static const char *const tables[] = { NODE_TABLE_NAMES };
	struct torap_kv_options options = { .tables = tables, .map_size = config->journal_size };
	struct torap_sweep_tally sum = { 0 };
	struct work w = { .config = config, .trust = trust, .before = before };
	w.reason = force ? TORAP_SWEEP_FORCED : TORAP_SWEEP_DELIVERED;
	w.age_us = now.us - before.us;
	int r = torap_kv_open(&w.kv, config->journal, &options, err);
	if (r == 0)
		r = node_owner_check(w.kv, config->journal, config->name, err);
	if (r == 0)
		r = look(&w, err);
	if (r == 0)
		r = sweep(&w, now, &sum, err);
	if (r == 0)
		say(&w, &sum);
	torap_kv_close(w.kv);
	free(w.gates);
	return r;
}
