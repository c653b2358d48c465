#include "broker/absent.h"

#include <stdlib.h>
#include <string.h>

#include "broker/audience.h"
#include "broker/broker.h"
#include "broker/feed.h"
#include "broker/session.h"
#include "broker/streams.h"
#include "loop/app.h"

/* Of a stream, by its place in the lane. */
struct position {
	uint64_t acked;
	struct broker_lag_begin lag;
};

struct record {
	struct broker_absence absence;
	struct position *positions;
	size_t count; /* streams beyond have appeared later, and begin at their begin */
};

struct broker_absent {
	struct broker_policy *policy; /* whose feeds the records are of */
	struct record **records;      /* by feed and lane */
};

struct broker_absent *broker_absent_create(void)
{
	return calloc(1, sizeof(struct broker_absent));
}

static void record_destroy(struct record *r)
{
	if (r)
		free(r->positions);
	free(r);
}

static void clear(struct broker_absent *a)
{
	for (size_t i = 0; a->policy && i < a->policy->feeds_count * TORAP_LANES; i++)
		record_destroy(a->records[i]);
	free(a->records);
	a->policy = broker_policy_unref(a->policy);
	a->records = NULL;
}

struct broker_absent *broker_absent_destroy(struct broker_absent *a)
{
	if (a)
		clear(a);
	free(a);
	return NULL;
}

/* Another policy is in force: the records of feeds that it names, too, go over to it.  False: without memory. */
static bool follow_policy(struct broker_absent *a, struct broker_policy *policy)
{
	if (a->policy == policy)
		return true;
	struct broker_absent new = { .records = calloc(policy->feeds_count * TORAP_LANES + 1,
					     sizeof(struct record *)) };
	if (!new.records)
		return false;
	new.policy = broker_policy_ref(policy);
	for (size_t i = 0; a->policy && i < a->policy->feeds_count * TORAP_LANES; i++) {
		int place = a->records[i] ? broker_policy_find(policy, a->policy->feeds[i / TORAP_LANES].name)
					  : -1;
		if (place < 0)
			continue;
		new.records[(size_t)place * TORAP_LANES + i % TORAP_LANES] = a->records[i];
		a->records[i] = NULL;
	}
	clear(a);
	*a = new;
	return true;
}

/* What it had acknowledged; of a session that was not welcomed nothing is known. */
static void take_positions(struct record *r, const struct broker_feed *f)
{
	struct position *positions = f->welcomed ? calloc(f->follows_room + 1, sizeof *positions) : NULL;
	if (!positions)
		return; /* Without memory, too, the older ones stay: it was there at least. */
	for (size_t i = 0; i < f->follows_room; i++)
		if (f->follows[i])
			positions[i] = (struct position){ f->follows[i]->acked, f->follows[i]->lag };
	free(r->positions);
	r->positions = positions;
	r->count = f->follows_room;
	r->absence.has_lag = true;
}

void broker_absent_left(struct broker *b, const struct broker_feed *f)
{
	struct broker_absent *a = b->absent;
	int place = broker_policy_find(b->rules.policy, f->session->name);
	if (b->stopping || place < 0 || broker_audience_first(b->audience, (uint32_t)place, f->lane) ||
		!follow_policy(a, b->rules.policy))
		return;
	struct record **at = &a->records[(size_t)place * TORAP_LANES + f->lane];
	if (!*at)
		*at = calloc(1, sizeof **at);
	if (!*at)
		return;
	(*at)->absence.why = f->session->why;
	(*at)->absence.since = torap_app_wall();
	memcpy((*at)->absence.key, f->session->key, sizeof(*at)->absence.key);
	take_positions(*at, f);
}

/* A stream that came after the subscriber had gone.  NULL: without memory. */
static struct position *position_of(struct record *r, const struct broker_stream *s)
{
	if (s->place >= r->count) {
		struct position *grown = realloc(r->positions, (s->place + 1) * sizeof *grown);
		if (!grown)
			return NULL;
		memset(grown + r->count, 0, (s->place + 1 - r->count) * sizeof *grown);
		r->positions = grown;
		r->count = s->place + 1;
	}
	return &r->positions[s->place];
}

static struct broker_lag lag_of(struct broker *b, struct record *r, const struct broker_policy_feed *feed,
	uint8_t lane, struct torap_wall now)
{
	struct broker_lag lag = { 0 };
	for (size_t i = 0; i < b->streams->lane_count[lane]; i++) {
		const struct broker_stream *s = b->streams->lanes[lane][i];
		struct position *p =
			broker_rules_touch(&b->rules, feed, s->id.writer) ? position_of(r, s) : NULL;
		if (p)
			broker_lag_behind(&lag, b, s, p->acked, &p->lag, now);
	}
	return lag;
}

void broker_absent_each(struct broker *b, struct torap_wall now,
	void (*each)(void *hint, const struct broker_policy_feed *feed, uint8_t lane,
		const struct broker_absence *a),
	void *hint)
{
	const struct broker_policy *policy = b->rules.policy;
	if (!follow_policy(b->absent, b->rules.policy))
		return;
	for (uint32_t i = 0; i < policy->feeds_count; i++) {
		for (int lane = TORAP__LANE__LANE_CRITICAL;
			lane < TORAP_LANES && broker_policy_feed_valid(&policy->feeds[i], now); lane++) {
			struct record *r = b->absent->records[i * TORAP_LANES + (uint32_t)lane];
			struct broker_absence absence = r ? r->absence : (struct broker_absence){ 0 };
			if (broker_audience_first(b->audience, i, (uint8_t)lane))
				continue;
			if (absence.has_lag)
				absence.lag = lag_of(b, r, &policy->feeds[i], (uint8_t)lane, now);
			each(hint, &policy->feeds[i], (uint8_t)lane, &absence);
		}
	}
}
