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
	size_t *first;                /* by feed: the place of its first key; behind the last feed, of all */
	struct record **records;      /* by place and lane */
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
	size_t count = a->policy ? a->first[a->policy->feeds_count] * TORAP_LANES : 0;
	for (size_t i = 0; i < count; i++)
		record_destroy(a->records[i]);
	free(a->records);
	free(a->first);
	a->policy = broker_policy_unref(a->policy);
	a->records = NULL;
	a->first = NULL;
}

struct broker_absent *broker_absent_destroy(struct broker_absent *a)
{
	if (a)
		clear(a);
	free(a);
	return NULL;
}

/* For the feeds and keys of this policy, without a record.  False: without memory. */
static bool make(struct broker_absent *a, struct broker_policy *policy)
{
	size_t *first = calloc(policy->feeds_count + 1, sizeof *first);
	for (size_t i = 0; first && i < policy->feeds_count; i++)
		first[i + 1] = first[i] + policy->feeds[i].keys_count;
	struct record **records =
		first ? calloc(first[policy->feeds_count] * TORAP_LANES + 1, sizeof(struct record *)) : NULL;
	if (!records) {
		free(first);
		return false;
	}
	*a = (struct broker_absent){ broker_policy_ref(policy), first, records };
	return true;
}

/* NULL: the feed has no such key (any more). */
static struct record **records_of(const struct broker_absent *a, size_t feed, const uint8_t *key)
{
	const struct broker_policy_feed *f = &a->policy->feeds[feed];
	for (size_t k = 0; k < f->keys_count; k++)
		if (memcmp(f->keys[k], key, sizeof f->keys[k]) == 0)
			return &a->records[(a->first[feed] + k) * TORAP_LANES];
	return NULL;
}

/* Another policy is in force: the records of feeds and keys that it names, too, go over to it.  False: without memory. */
static bool follow_policy(struct broker_absent *a, struct broker_policy *policy)
{
	struct broker_absent new;
	if (a->policy == policy)
		return true;
	if (!make(&new, policy))
		return false;
	for (size_t i = 0; a->policy && i < a->policy->feeds_count; i++) {
		const struct broker_policy_feed *f = &a->policy->feeds[i];
		int place = broker_policy_find(policy, f->name);
		for (size_t k = 0; place >= 0 && k < f->keys_count; k++) {
			struct record **from = records_of(a, i, f->keys[k]),
				      **to = records_of(&new, (size_t)place, f->keys[k]);
			if (!to)
				continue;
			memcpy(to, from, TORAP_LANES * sizeof *to);
			memset(from, 0, TORAP_LANES * sizeof *from);
		}
	}
	clear(a);
	*a = new;
	return true;
}

static bool is_here(const struct broker *b, uint32_t feed, const uint8_t *key, uint8_t lane)
{
	for (const struct broker_feed *f = broker_audience_first(b->audience, feed, lane); f;
		f = f->next_same)
		if (memcmp(f->session->key, key, sizeof f->session->key) == 0)
			return true;
	return false;
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
	const uint8_t *key = f->session->key;
	int place = broker_policy_find(b->rules.policy, f->session->name);
	if (b->stopping || place < 0 || is_here(b, (uint32_t)place, key, f->lane) ||
		!follow_policy(a, b->rules.policy))
		return;
	struct record **at = records_of(a, (size_t)place, key);
	if (!at)
		return;
	at += f->lane;
	if (!*at)
		*at = calloc(1, sizeof **at);
	if (!*at)
		return;
	(*at)->absence.why = f->session->why;
	(*at)->absence.since = torap_app_wall();
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
	void (*each)(void *hint, const struct broker_policy_feed *feed, const uint8_t *key, uint8_t lane,
		const struct broker_absence *a),
	void *hint)
{
	const struct broker_policy *policy = b->rules.policy;
	if (!follow_policy(b->absent, b->rules.policy))
		return;
	for (uint32_t i = 0; i < policy->feeds_count; i++) {
		const struct broker_policy_feed *f = &policy->feeds[i];
		size_t subscribers = broker_policy_feed_valid(f, now) ? f->keys_count * TORAP_LANES : 0;
		for (size_t n = 0; n < subscribers; n++) {
			uint8_t lane = n % TORAP_LANES;
			const uint8_t *key = f->keys[n / TORAP_LANES];
			struct record *r = b->absent->records[b->absent->first[i] * TORAP_LANES + n];
			struct broker_absence absence = r ? r->absence : (struct broker_absence){ 0 };
			if (lane < TORAP__LANE__LANE_CRITICAL || is_here(b, i, key, lane))
				continue;
			if (absence.has_lag)
				absence.lag = lag_of(b, r, f, lane, now);
			each(hint, f, key, lane, &absence);
		}
	}
}
