#include "node/retention.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "conf/trust.h"
#include "node/batcher.h"
#include "node/own.h"
#include "node/room.h"
#include "node/uplink.h"
#include "node/writes.h"

struct node_retention {
	struct node_retention_options options;
	struct torap_sweeper *sweeper;
	struct torap_sweep_gate *gates;
	size_t gates_room;
	int64_t shortest_us;   /* of the terms that rules name; INT64_MAX: there are none */
	uint32_t pressed_lane; /* the highest lane that gives; 0: none has to */
	uint64_t sweeps;       /* as they stood when that was judged */
	size_t given_up;       /* brokers, likewise */
	bool exhausted;
	struct node_now now;
};

/* An event on its way to the disk, with its account's row. */
struct saying {
	struct node_entry entry;
	struct node_retention *retention;
	struct torap_sweep_account account;
};

static void on_said(struct node_entry *entry, enum node_entry_result result)
{
	struct saying *s = (struct saying *)entry;
	torap_sweeper_told(
		s->retention->sweeper, s->account.number, s->account.reason, result == NODE_ENTRY_DURABLE);
	free(s);
}

static struct node_event *make_event(
	const struct node_retention *r, const struct torap_sweep_account *account)
{
	const struct torap_sweep_tally *t = &account->tally;
	struct node_own own = { .kind = TORAP__KIND__KIND_DELETION };
	char batches[24], frames[24], bytes[24], lanes[TORAP_LANES][24];
	snprintf(batches, sizeof batches, "%" PRIu64, t->batches);
	snprintf(frames, sizeof frames, "%" PRIu64, t->frames);
	snprintf(bytes, sizeof bytes, "%" PRIu64, t->bytes);
	node_fields_add(&own.detail, "reason", torap_sweep_reason_name(account->reason));
	node_fields_add(&own.detail, "batches", batches);
	node_fields_add(&own.detail, "frames", frames);
	node_fields_add(&own.detail, "bytes", bytes);
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
		snprintf(lanes[lane], sizeof lanes[lane], "%" PRIu64, t->lanes[lane]);
		if (t->lanes[lane])
			node_fields_add(&own.detail, torap_lane_name(lane), lanes[lane]);
	}
	return node_own_event(r->options.region, &own, r->now);
}

static bool tell(void *hint, const struct torap_sweep_account *account)
{
	struct node_retention *r = hint;
	uint8_t key[TORAP_SWEEP_KEY_SIZE];
	struct saying *s = calloc(1, sizeof *s);
	if (!s)
		return false;
	s->entry.done = on_said;
	s->retention = r;
	s->account = *account;
	torap_sweep_account_key(key, account->number, account->reason);
	node_writes_delete(
		&s->entry.writes, (enum node_table)TORAP_SWEEP_TABLE, torap_bytes(key, sizeof key));
	s->entry.event = make_event(r, account);
	if (s->entry.event && node_batcher_add(r->options.batcher, &s->entry) == 0) {
		torap_info("DELETED", "%" PRIu64 " frames of %" PRIu64 " batches, %" PRIu64 " bytes (%s)",
			account->tally.frames, account->tally.batches, account->tally.bytes,
			torap_sweep_reason_name(account->reason));
		return true;
	}
	node_event_destroy(s->entry.event);
	torap_writer_finish(&s->entry.writes);
	free(s);
	return false;
}

/* What a rule deletes is not to be sent from memory either. */
static void on_deleted(void *hint)
{
	struct node_retention *r = hint;
	struct torap_wall before = r->now.wall;
	if (r->shortest_us == INT64_MAX)
		return;
	before.us -= r->shortest_us;
	node_batcher_forget(r->options.batcher, before);
}

/* Rules. */

static void judge(const void *hint, const struct torap_class *class, unsigned part,
	int64_t after_us[static TORAP_SWEEP_REASONS])
{
	const struct node_keeping *keeping = hint;
	struct torap_retention_term term = torap_retention_term_of(&keeping->trust->retention, class, part);
	after_us[TORAP_SWEEP_AT_MOST] = term.at_most_us;
	after_us[TORAP_SWEEP_EXPIRED] = term.keep_us;
	after_us[TORAP_SWEEP_DELIVERED] = term.keep_us == TORAP_FOR_EVER ? keeping->keep_us : TORAP_FOR_EVER;
	after_us[TORAP_SWEEP_FORCED] = TORAP_FOR_EVER;
}

void node_keeping_rules(struct torap_sweep_rules *out, const struct node_keeping *keeping)
{
	const struct torap_retention_rules *rules = &keeping->trust->retention;
	*out = (struct torap_sweep_rules){ .judge = judge, .hint = keeping };
	uint64_t says[2] = { rules->fingerprint, (uint64_t)keeping->keep_us };
	crypto_generichash((uint8_t *)&out->fingerprint, sizeof out->fingerprint, (const uint8_t *)says,
		sizeof says, NULL, 0);
	for (size_t i = 0; i < rules->count; i++) {
		torap_sweep_rules_add(out, TORAP_SWEEP_AT_MOST, rules->list[i].term.at_most_us);
		torap_sweep_rules_add(out, TORAP_SWEEP_EXPIRED, rules->list[i].term.keep_us);
	}
	torap_sweep_rules_add(out, TORAP_SWEEP_DELIVERED, keeping->keep_us);
}

static void release(void *owner)
{
	struct node_keeping *keeping = owner;
	torap_trust_unref(keeping->trust);
	free(keeping);
}

void node_retention_rules(struct node_retention *r, struct torap_trust *trust)
{
	struct torap_sweep_rules rules;
	struct node_keeping *keeping = malloc(sizeof *keeping);
	if (!keeping) {
		torap_fail("OUT-OF-MEMORY", "no memory for new retention rules; the old ones stay in force");
		return;
	}
	*keeping = (struct node_keeping){ torap_trust_ref(trust), r->options.keep_us };
	node_keeping_rules(&rules, keeping);
	r->shortest_us = INT64_MAX;
	for (size_t i = 0; i < rules.terms_count; i++)
		if (rules.terms[i].reason != TORAP_SWEEP_DELIVERED &&
			rules.terms[i].after_us < r->shortest_us)
			r->shortest_us = rules.terms[i].after_us;
	torap_sweeper_rules(r->sweeper, &rules, keeping, release);
}

/* Gates. */

/* The last batch of a stream that all brokers have acknowledged: the required ones, or those that are not given up.  What nobody is asked
 * for has been delivered to nobody. */
static uint64_t acknowledged(const struct node_retention *r, uint32_t lane, size_t stream, bool required_only)
{
	uint64_t least = UINT64_MAX;
	bool any = required_only;
	for (size_t i = 0; i < *r->options.uplinks_count; i++) {
		const struct node_uplink *u = r->options.uplinks[i];
		const struct node_carrier *c = node_uplink_carrier(u, lane);
		if (required_only ? !node_uplink_required(u) : node_uplink_given_up(u))
			continue;
		any = true;
		uint64_t here = stream < c->streams_count ? c->streams[stream].acked.batch_no : 0;
		if (here < least)
			least = here;
	}
	return any ? least : 0;
}

static bool gives(const struct node_retention *r, uint32_t lane)
{
	if (r->options.keep_us != NODE_KEEP_WHILE_ROOM)
		return true; /* After its time. */
	return r->pressed_lane && lane >= r->pressed_lane;
}

/* How many there are; 0 when memory ran out, and then nothing may go. */
static size_t make_gates(struct node_retention *r)
{
	size_t count = 0;
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
		size_t streams_count;
		const struct node_stream *streams =
			node_batcher_streams(r->options.batcher, lane, &streams_count);
		if (count + streams_count > r->gates_room) {
			size_t room = count + streams_count + 16;
			struct torap_sweep_gate *more = realloc(r->gates, room * sizeof *more);
			if (!more)
				return 0;
			r->gates = more;
			r->gates_room = room;
		}
		for (size_t i = 0; i < streams_count; i++) {
			struct torap_sweep_gate *gate = &r->gates[count++];
			*gate = (struct torap_sweep_gate){ .stream = streams[i].id };
			gate->through[TORAP_SWEEP_AT_MOST] = UINT64_MAX;
			gate->through[TORAP_SWEEP_EXPIRED] = acknowledged(r, lane, i, true);
			if (gives(r, lane))
				gate->through[TORAP_SWEEP_DELIVERED] = acknowledged(r, lane, i, false);
		}
	}
	return count;
}

static size_t count_given_up(const struct node_retention *r)
{
	size_t count = 0;
	for (size_t i = 0; i < *r->options.uplinks_count; i++)
		count += node_uplink_given_up(r->options.uplinks[i]);
	return count;
}

/* Bulk gives first.  A sweep that found nothing more to give, and the next lane has to.  With a broker given up it begins anew. */
static void press_lanes(struct node_retention *r, const struct torap_sweeper_counts *counts)
{
	size_t given_up = count_given_up(r);
	if (r->pressed_lane == 0 || given_up != r->given_up) {
		r->pressed_lane = TORAP__LANE__LANE_BULK;
		r->exhausted = false;
	} else if (counts->sweeps == r->sweeps) {
		return;
	} else if (counts->last.frames == 0) {
		r->exhausted = r->pressed_lane == TORAP__LANE__LANE_CRITICAL;
		if (r->exhausted)
			return; /* There is nothing: in some seconds again. */
		r->pressed_lane--;
	} else {
		r->exhausted = false;
	}
	r->given_up = given_up;
	r->sweeps = counts->sweeps;
	torap_sweeper_hurry(r->sweeper);
}

static void judge_pressure(struct node_retention *r)
{
	struct torap_sweeper_counts counts = torap_sweeper_counts(r->sweeper);
	if (!r->options.room->pressed) {
		r->pressed_lane = 0;
		r->exhausted = false;
		r->sweeps = counts.sweeps;
	} else if (r->options.keep_us == NODE_KEEP_WHILE_ROOM) {
		press_lanes(r, &counts);
	} else if (r->options.keep_us != NODE_KEEP_FOR_EVER && counts.sweeps > r->sweeps + 1) {
		r->exhausted = counts.last.frames == 0; /* The first may have begun before the need. */
	}
}

void node_retention_tick(struct node_retention *r, struct node_now now)
{
	r->now = now;
	judge_pressure(r);
	if (!torap_sweeper_tick(r->sweeper, now.mono, now.wall))
		return;
	static const struct torap_sweep_gate none;
	size_t count = make_gates(r);
	torap_sweeper_go(r->sweeper, count ? r->gates : &none, count);
}

int node_retention_create(struct node_retention **out, const struct node_retention_options *options,
	struct node_now now, struct torap_error *err)
{
	struct node_retention *r = calloc(1, sizeof *r);
	if (!r)
		return torap_errorf(err, -ENOMEM, "retention: out of memory");
	struct torap_sweeper_options sweeper = { .kv = options->kv,
		.committer = options->committer,
		.tell = tell,
		.on_deleted = on_deleted,
		.hint = r };
	r->options = *options;
	r->now = now;
	r->shortest_us = INT64_MAX;
	int code = torap_sweeper_create(&r->sweeper, &sweeper, now.mono, now.wall, err);
	if (code) {
		free(r);
		return code;
	}
	*out = r;
	return 0;
}

struct node_retention *node_retention_destroy(struct node_retention *r)
{
	if (r) {
		torap_sweeper_destroy(r->sweeper);
		free(r->gates);
		free(r);
	}
	return NULL;
}

void node_retention_stop(struct node_retention *r)
{
	torap_sweeper_stop(r->sweeper);
}

bool node_retention_exhausted(const struct node_retention *r)
{
	return r->exhausted;
}

struct torap_sweeper_counts node_retention_counts(const struct node_retention *r)
{
	return torap_sweeper_counts(r->sweeper);
}
