#include "node/bus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "node/batcher.h"
#include "node/own.h"
#include "node/writes.h"
#include "store/kv.h"
#include "wire/stream.h"

enum {
	SHED_EVERY_MS = 60 * 1000,
	CLOCK_EVERY_MS = 1000,
	RETRY_MS = 1000,
	RENEWALS_MAX = 3 * NODE_STREAMS_BURST, /* new incarnations of which no event is durable yet */
};

static const char clean_key[] = "clean", clock_key[] = "clock";

struct renewal {
	bool waits, pending; /* for an event; it is on its way */
	struct torap_mono next;
	char broker[TORAP_WRITER_ID_MAX + 1];
	char old[TORAP_STREAM_TEXT_SIZE];
	const char *reason;
};

struct node_bus {
	struct node_bus_options options;
	bool was_clean;
	bool up_said, up_pending;
	struct torap_mono up_retry;
	bool clock_off, clock_pending; /* as last recorded */
	struct torap_mono next_clock, next_canary;
	uint64_t canaries;
	struct {
		uint64_t told;
		bool pending, said; /* its event is on its way; the log knows of this one */
		struct torap_mono next;
	} shed[TORAP_LANES];
	struct renewal renewals[RENEWALS_MAX];
};

/* An own event on its way to the disk. */
struct saying {
	struct node_entry entry;
	struct node_bus *bus;
	void (*then)(struct node_bus *b, struct saying *s, bool durable); /* or NULL */
	uint64_t number;                                                  /* of `then`, */
	uint32_t lane;                                                    /* likewise */
	struct torap_mono at;                                             /* likewise */
};

static struct torap_bytes key_of(const char *key)
{
	return torap_bytes(key, strlen(key));
}

static void on_said(struct node_entry *entry, enum node_entry_result result)
{
	struct saying *s = (struct saying *)entry;
	if (s->then)
		s->then(s->bus, s, result == NODE_ENTRY_DURABLE);
	free(s);
}

static struct saying *begin(struct node_bus *b)
{
	struct saying *s = calloc(1, sizeof *s);
	if (s) {
		s->entry.done = on_said;
		s->bus = b;
	}
	return s;
}

/* False: not now. */
static bool say(struct node_bus *b, struct saying *s, const struct node_own *own, struct node_now now)
{
	if (!s)
		return false;
	s->entry.event = node_own_event(b->options.region, own, now);
	if (s->entry.event && node_batcher_add(b->options.batcher, &s->entry) == 0)
		return true;
	node_event_destroy(s->entry.event);
	torap_writer_finish(&s->entry.writes);
	free(s);
	return false;
}

static void on_up(struct node_bus *b, struct saying *s, bool durable)
{
	(void)s;
	b->up_pending = false;
	b->up_said = durable;
}

void node_bus_up(struct node_bus *b, struct node_now now)
{
	struct node_own own = { .kind = TORAP__KIND__KIND_NODE_UP };
	node_fields_add(&own.detail, "version", TORAP_VERSION);
	node_fields_add(&own.detail, "clean", b->was_clean ? "yes" : "no");
	struct saying *s = begin(b);
	if (s) {
		s->then = on_up;
		node_writes_delete(&s->entry.writes, NODE_TABLE_STATE, key_of(clean_key));
	}
	b->up_pending = say(b, s, &own, now);
	b->up_retry = torap_mono_add_ms(now.mono, RETRY_MS);
}

static void on_renewal(struct node_bus *b, struct saying *s, bool durable)
{
	struct renewal *r = &b->renewals[s->number];
	r->pending = false;
	r->waits = !durable; /* No room: in a second again. */
}

static void tell_renewal(struct node_bus *b, struct renewal *r, struct node_now now)
{
	if (!r->waits || r->pending || !torap_mono_reached(r->next, now.mono))
		return;
	r->next = torap_mono_add_ms(now.mono, RETRY_MS);
	struct node_own own = { .kind = TORAP__KIND__KIND_NEW_INCARNATION };
	node_fields_add(&own.detail, "broker", r->broker);
	node_fields_add(&own.detail, "old", r->old);
	node_fields_add(&own.detail, "reason", r->reason);
	struct saying *s = begin(b);
	if (s) {
		s->then = on_renewal;
		s->number = (uint64_t)(r - b->renewals);
	}
	r->pending = say(b, s, &own, now);
}

void node_bus_new_incarnation(struct node_bus *b, const char *broker, const struct torap_stream_id *old,
	const char *reason, struct node_now now)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	torap_stream_id_format(old, text);
	if (strcmp(reason, "unreadable") == 0)
		torap_warn("NEW-INCARNATION",
			"broker %s lacks what cannot be read here of %s: a new stream begins, and what follows is told again in it",
			broker, text);
	else
		torap_warn("NEW-INCARNATION",
			"broker %s has another copy of %s (%s): a new stream begins, the old one is never continued",
			broker, text, reason);
	struct renewal *r = b->renewals;
	while (r < b->renewals + RENEWALS_MAX && r->waits)
		r++;
	if (r == b->renewals + RENEWALS_MAX) {
		torap_fail("EVENT-LOST", "too many wait to be told: no event says that %s is not continued",
			text);
		return;
	}
	*r = (struct renewal){ .waits = true, .reason = reason };
	snprintf(r->broker, sizeof r->broker, "%s", broker);
	memcpy(r->old, text, sizeof r->old);
	tell_renewal(b, r, now);
}

static void on_clock(struct node_bus *b, struct saying *s, bool durable)
{
	b->clock_pending = false;
	if (durable)
		b->clock_off = s->number;
}

static void look_at_clock(struct node_bus *b, struct node_now now)
{
	bool off = !now.clock_known;
	b->next_clock = torap_mono_add_ms(now.mono, CLOCK_EVERY_MS);
	if (off == b->clock_off || b->clock_pending)
		return;
	struct node_own own = {
		.kind = TORAP__KIND__KIND_CLOCK_OFF,
		.state = off ? TORAP__STATE__STATE_START : TORAP__STATE__STATE_END,
	};
	struct saying *s = begin(b);
	uint8_t one = 1;
	if (s) {
		s->then = on_clock;
		s->number = off;
		if (off)
			node_writes_put(
				&s->entry.writes, NODE_TABLE_STATE, key_of(clock_key), torap_bytes(&one, 1));
		else
			node_writes_delete(&s->entry.writes, NODE_TABLE_STATE, key_of(clock_key));
	}
	b->clock_pending = say(b, s, &own, now);
	if (b->clock_pending && off)
		torap_warn("CLOCK-OFF",
			"the kernel says that this host's clock is not synchronised; events say so");
	else if (b->clock_pending)
		torap_notice("CLOCK-GOOD", "this host's clock is synchronised again");
}

static void send_canaries(struct node_bus *b, struct node_now now)
{
	char number[24];
	b->next_canary.us = now.mono.us + b->options.canary_us;
	snprintf(number, sizeof number, "%" PRIu64, ++b->canaries);
	for (uint32_t lane = TORAP__LANE__LANE_CRITICAL; lane < TORAP_LANES; lane++) {
		struct node_own own = { .kind = torap_lane_canary(lane) };
		node_fields_add(&own.detail, "number", number);
		(void)say(b, begin(b), &own, now); /* One that is missing is what canaries are for. */
	}
}

static void on_shed(struct node_bus *b, struct saying *s, bool durable)
{
	b->shed[s->lane].pending = false;
	if (!durable)
		return; /* There is no room for it either: in a second again. */
	b->shed[s->lane].told += s->number;
	b->shed[s->lane].said = false;
	b->shed[s->lane].next = torap_mono_add_ms(s->at, SHED_EVERY_MS);
}

/* What was refused for want of room becomes an event as soon as there is room for it. */
static void tell_shed(struct node_bus *b, uint32_t lane, struct node_now now)
{
	uint64_t count = b->options.shed(b->options.hint, lane) - b->shed[lane].told;
	if (count == 0 || b->shed[lane].pending || !torap_mono_reached(b->shed[lane].next, now.mono))
		return;
	b->shed[lane].next = torap_mono_add_ms(now.mono, RETRY_MS);
	if (count > UINT32_MAX)
		count = UINT32_MAX; /* The others are told with the next one. */
	struct node_own own = { .kind = TORAP__KIND__KIND_SHED, .count = (uint32_t)count };
	node_fields_add(&own.detail, "lane", torap_lane_name(lane));
	if (!b->shed[lane].said)
		torap_warn("SHED",
			"%" PRIu64
			" observations of the %s lane were refused for want of room; their devices were told nothing and repeat",
			count, torap_lane_name(lane));
	b->shed[lane].said = true;
	struct saying *s = begin(b);
	if (s) {
		s->then = on_shed;
		s->number = count;
		s->lane = lane;
		s->at = now.mono;
	}
	b->shed[lane].pending = say(b, s, &own, now);
}

void node_bus_tick(struct node_bus *b, struct node_now now)
{
	if (!b->up_said && !b->up_pending && torap_mono_reached(b->up_retry, now.mono))
		node_bus_up(b, now);
	if (torap_mono_reached(b->next_clock, now.mono))
		look_at_clock(b, now);
	if (torap_mono_reached(b->next_canary, now.mono))
		send_canaries(b, now);
	for (uint32_t lane = TORAP__LANE__LANE_CRITICAL; lane < TORAP_LANES; lane++)
		tell_shed(b, lane, now);
	for (size_t i = 0; i < RENEWALS_MAX; i++)
		tell_renewal(b, &b->renewals[i], now);
}

static int has_row(struct torap_kv_txn *txn, const char *key, bool *out)
{
	struct torap_bytes value;
	int r = torap_kv_get(txn, NODE_TABLE_STATE, key_of(key), &value);
	*out = r == 0;
	return r < 0 ? r : 0;
}

int node_bus_create(struct node_bus **out, const struct node_bus_options *options, struct torap_error *err)
{
	struct node_bus *b = calloc(1, sizeof *b);
	if (!b)
		return torap_errorf(err, -ENOMEM, "bus: out of memory");
	b->options = *options;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, options->kv, false);
	int r = has_row(&txn, clean_key, &b->was_clean);
	if (r == 0)
		r = has_row(&txn, clock_key, &b->clock_off);
	torap_kv_abort(&txn);
	if (r) {
		free(b);
		return torap_errorf(err, r, "journal: the table state cannot be read: %s", strerror(-r));
	}
	*out = b;
	return 0;
}

struct node_bus *node_bus_destroy(struct node_bus *b)
{
	free(b);
	return NULL;
}

int node_bus_write_clean(struct node_bus *b, struct torap_error *err)
{
	struct torap_kv_txn txn;
	uint8_t one = 1;
	torap_kv_begin(&txn, b->options.kv, true);
	torap_kv_put(&txn, NODE_TABLE_STATE, key_of(clean_key), torap_bytes(&one, 1));
	int r = torap_kv_commit(&txn, err);
	return r == TORAP_KV_FULL ? torap_errorf(err, -ENOSPC, "journal: no room") : r;
}
