#include "broker/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/feed.h"
#include "broker/session.h"
#include "broker/writer.h"
#include "link/message.h"
#include "wire/taxonomy.h"
#include "zmtp/listener.h"

enum { CUT_AFTER_MS = 300 }; /* until a refusal has most likely reached its peer */

struct broker_sessions {
	struct broker_session *first;
	size_t count;
};

struct broker_sessions *broker_sessions_create(void)
{
	return calloc(1, sizeof(struct broker_sessions));
}

struct broker_sessions *broker_sessions_destroy(struct broker_sessions *all)
{
	free(all);
	return NULL;
}

void broker_sessions_add(struct broker_sessions *all, struct broker_session *s)
{
	s->previous = NULL;
	s->next = all->first;
	if (s->next)
		s->next->previous = s;
	all->first = s;
	all->count++;
}

bool broker_sessions_full(const struct broker_sessions *all)
{
	return all->count >= BROKER_SESSIONS_MAX;
}

void broker_sessions_each(
	struct broker_sessions *all, void (*each)(void *hint, struct broker_session *s), void *hint)
{
	for (struct broker_session *s = all->first; s; s = s->next)
		if (!s->ended)
			each(hint, s);
}

struct broker_session *broker_sessions_writer(
	const struct broker_sessions *all, const char *writer, uint8_t lane)
{
	for (struct broker_session *s = all->first; s; s = s->next)
		if (!s->ended && s->writer && s->lane == lane && strcmp(s->name, writer) == 0)
			return s;
	return NULL;
}

static void leave(struct broker_sessions *all, struct broker_session *s)
{
	if (s->next)
		s->next->previous = s->previous;
	if (s->previous)
		s->previous->next = s->next;
	else
		all->first = s->next;
	all->count--;
}

static void bury(struct broker_sessions *all, struct broker_session *s)
{
	torap_info("SESSION-ENDED", "%s %s, lane %s: %s",
		s->role == TORAP__ROLE__ROLE_WRITER ? "writer" : "feed", s->name, torap_lane_name(s->lane),
		s->why);
	s->writer = broker_writer_destroy(s->writer);
	s->feed = broker_feed_destroy(s->feed);
	if (s->peer)
		torap_zmtp_cut(s->peer, s->cut_later ? CUT_AFTER_MS : 0);
	leave(all, s);
	free(s);
}

void broker_sessions_bury(struct broker_sessions *all)
{
	for (struct broker_session *s = all->first, *next; s; s = next) {
		next = s->next;
		if (s->ended)
			bury(all, s);
	}
}
