#include "broker/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/feed.h"
#include "broker/session.h"
#include "broker/writer.h"
#include "link/message.h"
#include "wire/taxonomy.h"

enum {
	BUCKETS = 16384,
	CUT_AFTER_MS = 300, /* until a refusal has most likely reached its peer */
};

/* A connection whose session has ended. */
struct leaving {
	struct leaving *next;
	struct broker_wire wire;
	struct torap_mono at;
};

struct broker_sessions {
	struct broker_session *buckets[BUCKETS]; /* by routing id */
	size_t count;
	struct leaving *leaving;
};

struct broker_sessions *broker_sessions_create(void)
{
	return calloc(1, sizeof(struct broker_sessions));
}

struct broker_sessions *broker_sessions_destroy(struct broker_sessions *all)
{
	while (all && all->leaving) {
		struct leaving *leaving = all->leaving;
		all->leaving = leaving->next;
		broker_wire_cut(leaving->wire);
		free(leaving);
	}
	free(all);
	return NULL;
}

static size_t bucket_of(const uint8_t *peer, size_t size)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < size; i++)
		h = (h ^ peer[i]) * 0x100000001b3u;
	return h % BUCKETS;
}

struct broker_session *broker_sessions_find(
	const struct broker_sessions *all, const struct broker_door *door, const uint8_t *peer, size_t size)
{
	for (struct broker_session *s = all->buckets[bucket_of(peer, size)]; s; s = s->next)
		if (!s->ended && s->door == door && s->peer_size == size && memcmp(s->peer, peer, size) == 0)
			return s;
	return NULL;
}

void broker_sessions_add(struct broker_sessions *all, struct broker_session *s)
{
	struct broker_session **bucket = &all->buckets[bucket_of(s->peer, s->peer_size)];
	s->next = *bucket;
	*bucket = s;
	all->count++;
}

bool broker_sessions_full(const struct broker_sessions *all)
{
	return all->count >= BROKER_SESSIONS_MAX;
}

void broker_sessions_each(
	struct broker_sessions *all, void (*each)(void *hint, struct broker_session *s), void *hint)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct broker_session *s = all->buckets[i]; s; s = s->next)
			if (!s->ended)
				each(hint, s);
}

struct broker_session *broker_sessions_writer(
	const struct broker_sessions *all, const char *writer, uint8_t lane)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct broker_session *s = all->buckets[i]; s; s = s->next)
			if (!s->ended && s->writer && s->lane == lane && strcmp(s->name, writer) == 0)
				return s;
	return NULL;
}

/* The connection of a session that ended.  Cut at once, or in a moment, when the peer was told why. */
static void let_go(struct broker_sessions *all, const struct broker_session *s, struct torap_mono now)
{
	if (s->keep_wire || s->wire.fd < 0)
		return;
	struct leaving *leaving = s->cut_later ? malloc(sizeof *leaving) : NULL;
	if (!leaving) {
		broker_wire_cut(s->wire);
		return;
	}
	*leaving = (struct leaving){
		.next = all->leaving, .wire = s->wire, .at = torap_mono_add_ms(now, CUT_AFTER_MS)
	};
	all->leaving = leaving;
}

static void bury(struct broker_sessions *all, struct broker_session *s, struct torap_mono now)
{
	torap_info("SESSION-ENDED", "%s %s, lane %s: %s",
		s->role == TORAP__ROLE__ROLE_WRITER ? "writer" : "feed", s->name, torap_lane_name(s->lane),
		s->why);
	s->writer = broker_writer_destroy(s->writer);
	s->feed = broker_feed_destroy(s->feed);
	let_go(all, s, now);
	free(s);
	all->count--;
}

void broker_sessions_bury(struct broker_sessions *all, struct torap_mono now)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct broker_session **at = &all->buckets[i]; *at;) {
			struct broker_session *s = *at;
			if (!s->ended) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			bury(all, s, now);
		}
	}
}

void broker_sessions_tick(struct broker_sessions *all, struct torap_mono now)
{
	for (struct leaving **at = &all->leaving; *at;) {
		struct leaving *leaving = *at;
		if (!torap_mono_reached(leaving->at, now)) {
			at = &leaving->next;
			continue;
		}
		*at = leaving->next;
		broker_wire_cut(leaving->wire);
		free(leaving);
	}
}
