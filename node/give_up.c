#include "node/give_up.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "node/batcher.h"
#include "node/config.h"
#include "node/own.h"
#include "node/uplink.h"
#include "node/writes.h"
#include "store/kv.h"

enum {
	LOOK_EVERY_MS = 1000,
	IN_THE_WAY_S = 2, /* so much further behind than the required ones */
	CAUGHT_UP_S = 5,
	LATE_FOR_MS = 15000, /* longer than it takes to see that the clock has jumped */
	KEY_SIZE = 80,
};

/* Of one uplink. */
struct broker {
	bool told; /* an event says so: its row is there */
	bool pending;
	bool late;
	struct torap_mono late_since;
	const char *reason;
};

struct node_give_up {
	struct node_give_up_options options;
	struct broker brokers[NODE_BROKERS_MAX];
	bool exhausted; /* when it was looked at last */
	struct torap_mono next;
};

struct saying {
	struct node_entry entry;
	struct node_give_up *give_up;
	size_t broker;
	bool given_up;
};

static struct torap_bytes key_of(char text[static KEY_SIZE], const struct node_uplink *u)
{
	int size = snprintf(text, KEY_SIZE, "given-up/%.63s", node_uplink_name(u));
	return torap_bytes(text, (size_t)size);
}

static void on_said(struct node_entry *entry, enum node_entry_result result)
{
	struct saying *s = (struct saying *)entry;
	struct broker *b = &s->give_up->brokers[s->broker];
	b->pending = false;
	if (result == NODE_ENTRY_DURABLE)
		b->told = s->given_up; /* Else there was no room for it: in a second again. */
	free(s);
}

/* The event, and the row that stands while it is true. */
static void tell(struct node_give_up *g, size_t i, struct node_now now)
{
	const struct node_uplink *u = g->options.uplinks[i];
	struct broker *b = &g->brokers[i];
	bool given_up = node_uplink_given_up(u);
	char key[KEY_SIZE];
	uint8_t one = 1;
	struct node_own own = {
		.kind = TORAP__KIND__KIND_LINK_LOST,
		.state = given_up ? TORAP__STATE__STATE_START : TORAP__STATE__STATE_END,
	};
	if (b->pending || b->told == given_up)
		return;
	node_fields_add(&own.detail, "broker", node_uplink_name(u));
	node_fields_add(&own.detail, "reason", given_up ? b->reason : "caught up");
	struct saying *s = calloc(1, sizeof *s);
	if (!s)
		return;
	*s = (struct saying){ .entry.done = on_said, .give_up = g, .broker = i, .given_up = given_up };
	if (given_up)
		node_writes_put(
			&s->entry.writes, NODE_TABLE_STATE, key_of(key, u), torap_bytes(&one, sizeof one));
	else
		node_writes_delete(&s->entry.writes, NODE_TABLE_STATE, key_of(key, u));
	s->entry.event = node_own_event(g->options.region, &own, now);
	b->pending = s->entry.event && node_batcher_add(g->options.batcher, &s->entry) == 0;
	if (b->pending)
		return;
	node_event_destroy(s->entry.event);
	torap_writer_finish(&s->entry.writes);
	free(s);
}

/* How far behind it is in its worst lane, and whether every lane flows. */
static double lag_seconds(const struct node_uplink *u, bool *flows, struct node_now now)
{
	double most = 0;
	*flows = true;
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
		const struct node_carrier *c = node_uplink_carrier(u, lane);
		double here = node_carrier_lag(c, now).seconds;
		most = here > most ? here : most;
		*flows = *flows && c->resumed;
	}
	return most;
}

/* Of the required broker that is furthest behind; negative: there is none. */
static double required_lag(const struct node_give_up *g, struct node_now now)
{
	double most = -1;
	for (size_t i = 0; i < *g->options.uplinks_count; i++) {
		bool flows;
		double lag = lag_seconds(g->options.uplinks[i], &flows, now);
		if (node_uplink_required(g->options.uplinks[i]) && lag > most)
			most = lag;
	}
	return most;
}

/* Without it there would be room: the required brokers have what it lacks. */
static bool is_in_the_way(const struct node_give_up *g, double lag, struct node_now now)
{
	double required = required_lag(g, now);
	return required >= 0 && lag > required + IN_THE_WAY_S;
}

static bool has_caught_up(const struct node_uplink *u, struct node_now now)
{
	bool flows;
	double lag = lag_seconds(u, &flows, now);
	return flows && lag < CAUGHT_UP_S;
}

static void judge(struct node_give_up *g, size_t i, bool exhausted, bool steady, struct node_now now)
{
	struct node_uplink *u = g->options.uplinks[i];
	int64_t lag_max_us = node_uplink_lag_max(u);
	bool flows;
	double lag = lag_seconds(u, &flows, now);
	struct broker *b = &g->brokers[i];
	bool late = steady && lag_max_us && lag * TORAP_US_PER_S > (double)lag_max_us;
	if (late && !b->late)
		b->late_since = now.mono;
	b->late = late;
	bool is_late = late && torap_mono_reached(torap_mono_add_ms(b->late_since, LATE_FOR_MS), now.mono);
	if (!node_uplink_given_up(u) && (is_late || (exhausted && is_in_the_way(g, lag, now)))) {
		b->reason = is_late ? "lag_max" : "room";
		node_uplink_give_up(u, true);
		torap_warn("BROKER-GIVEN-UP",
			"broker %s is best effort, and its oldest batch has waited for %.0f s (%s): what it lacks may go; it then gets manifests without frames",
			node_uplink_name(u), lag,
			is_late ? "more than its lag_max" : "the journal needs the room");
	} else if (node_uplink_given_up(u) && has_caught_up(u, now) && !late && !exhausted) {
		node_uplink_give_up(u, false);
		torap_notice("BROKER-CAUGHT-UP", "broker %s has caught up: the journal keeps for it again",
			node_uplink_name(u));
	}
}

void node_give_up_tick(struct node_give_up *g, bool exhausted, bool steady, struct node_now now)
{
	bool sudden = exhausted && !g->exhausted; /* alarms fill what is left within a second */
	if (!sudden && !torap_mono_reached(g->next, now.mono))
		return;
	g->exhausted = exhausted;
	g->next = torap_mono_add_ms(now.mono, LOOK_EVERY_MS);
	for (size_t i = 0; i < *g->options.uplinks_count; i++) {
		const struct node_uplink *u = g->options.uplinks[i];
		if (!node_uplink_required(u))
			judge(g, i, exhausted, steady, now);
		/* One that was given up, and is required since the start, has not caught up by that. */
		if (!node_uplink_required(u) || has_caught_up(u, now))
			tell(g, i, now);
	}
}

int node_give_up_create(
	struct node_give_up **out, const struct node_give_up_options *options, struct torap_error *err)
{
	struct node_give_up *g = calloc(1, sizeof *g);
	if (!g)
		return torap_errorf(err, -ENOMEM, "give up: out of memory");
	g->options = *options;
	struct torap_kv_txn txn;
	int r = 0;
	torap_kv_begin(&txn, options->kv, false);
	for (size_t i = 0; i < *options->uplinks_count && r >= 0; i++) {
		struct node_uplink *u = options->uplinks[i];
		char key[KEY_SIZE];
		struct torap_bytes value;
		r = torap_kv_get(&txn, NODE_TABLE_STATE, key_of(key, u), &value);
		g->brokers[i].told = r == 0;
		g->brokers[i].reason = "before";
		if (r == 0 && !node_uplink_required(u))
			node_uplink_give_up(u, true);
		else if (r == 0)
			torap_notice("BROKER-KEPT-FOR",
				"broker %s was given up, and is required now: the journal keeps for it again; of what went meanwhile it gets manifests",
				node_uplink_name(u));
	}
	torap_kv_abort(&txn);
	if (r < 0) {
		free(g);
		return torap_errorf(err, r, "journal: the table state cannot be read: %s", strerror(-r));
	}
	*out = g;
	return 0;
}

struct node_give_up *node_give_up_destroy(struct node_give_up *g)
{
	free(g);
	return NULL;
}
