#include "broker/status.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/absent.h"
#include "broker/broker.h"
#include "broker/door.h"
#include "broker/feed.h"
#include "broker/feed_wire.h"
#include "broker/own.h"
#include "broker/session.h"
#include "broker/sessions.h"
#include "broker/streams.h"
#include "broker/upstream.h"
#include "broker/writer.h"
#include "loop/app.h"
#include "loop/zlink.h"

struct links {
	struct broker *broker;
	json_t *list;
	struct torap_wall now;
};

static json_t *link_of(
	const char *peer, const char *role, uint32_t lane, const char *state, const char *reason)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "peer", peer, "role", role, "lane",
		torap_lane_name(lane), "state", state, "reason", reason);
}

/* A link that is away, by the words of whoever ended it. */
static json_t *link_away(const char *peer, const char *role, uint32_t lane, const char *why)
{
	char reason[64];
	snprintf(reason, sizeof reason, "%s", why ? why : "not-yet");
	for (char *c = reason; *c; c++)
		if (*c == ' ')
			*c = '-';
	return link_of(peer, role, lane, "down", reason);
}

static void set_since(json_t *link, struct torap_wall at)
{
	char since[TORAP_WALL_TEXT_SIZE];
	json_object_set_new(link, "since", json_string(torap_wall_format(at, since)));
}

static void set_lag(json_t *link, const struct broker_lag *lag)
{
	json_object_set_new(link, "lag_batches", json_integer((json_int_t)lag->batches));
	json_object_set_new(link, "lag_events", json_integer((json_int_t)lag->events));
	json_object_set_new(link, "lag_bytes", json_integer((json_int_t)lag->bytes));
	json_object_set_new(link, "lag_seconds", json_real(lag->seconds));
}

/* Its first bytes tell the subscribers of a feed apart, in the metrics as well; `keys`: how many of them it has. */
static void set_key(json_t *link, const uint8_t *key, const struct broker_policy_feed *feed)
{
	char hex[2 * 4 + 1];
	json_object_set_new(link, "key", json_string(torap_hex(hex, torap_bytes(key, 4))));
	json_object_set_new(link, "keys", json_integer((json_int_t)feed->keys_count));
}

static const char *reason_of(const struct broker_feed *f)
{
	if (f->stall.stalled)
		return "stalled";
	if (!f->welcomed)
		return "searching";
	for (size_t i = 0; i < f->follows_room; i++)
		if (f->follows[i] && f->follows[i]->damaged)
			return "store-damaged";
	return "fine";
}

static struct torap_wall wall_of(const struct links *links, struct torap_mono at)
{
	return (struct torap_wall){ links->now.us - (torap_app_mono().us - at.us) };
}

static void add_session(void *hint, struct broker_session *s)
{
	struct links *links = hint;
	struct broker_lag lag = s->feed ? broker_feed_lag(s->feed, links->now)
					: broker_writer_lag(links->broker, s->name, s->lane, links->now);
	bool stalled = s->feed && s->feed->stall.stalled;
	json_t *link =
		link_of(s->name, s->feed ? "subscriber" : "writer", s->lane, stalled ? "down" : "flowing",
			s->feed                                       ? reason_of(s->feed)
			: s->writer && broker_writer_waits(s->writer) ? "flushing"
								      : "fine");
	if (s->feed)
		set_key(link, s->key, &links->broker->rules.policy->feeds[s->feed->place]);
	json_object_set_new(link, "software", json_string(s->software));
	json_object_set_new(link, "endpoint", json_string(s->door->endpoint));
	set_since(link, stalled ? wall_of(links, broker_feed_stalled_since(s->feed)) : s->since);
	set_lag(link, &lag);
	json_array_append_new(links->list, link);
}

static void add_absent(void *hint, const struct broker_policy_feed *feed, const uint8_t *key, uint8_t lane,
	const struct broker_absence *a)
{
	struct links *links = hint;
	json_t *link = link_away(feed->name, "subscriber", lane, a->why);
	set_key(link, key, feed);
	if (a->why)
		set_since(link, a->since);
	if (a->has_lag)
		set_lag(link, &a->lag);
	json_array_append_new(links->list, link);
}

/* A writer that is expected and not here is what an operator looks for. */
static void add_missing(struct broker *b, struct links *links)
{
	for (size_t i = 0; i < b->rules.policy->writers_count; i++) {
		const char *id = b->rules.policy->writers[i].id;
		for (int lane = TORAP__LANE__LANE_CRITICAL; lane < TORAP_LANES; lane++) {
			struct torap_mono since;
			if (broker_sessions_writer(b->sessions, id, (uint8_t)lane))
				continue;
			const char *why = broker_own_link_lost(b->own, id, (uint32_t)lane, &since);
			struct broker_lag lag = broker_writer_lag(b, id, (uint8_t)lane, links->now);
			json_t *link = link_away(id, "writer", (uint32_t)lane, why);
			if (why)
				set_since(link, wall_of(links, since));
			set_lag(link, &lag);
			json_array_append_new(links->list, link);
		}
	}
}

/* Our own links, and how far behind the writers' newest heads we are by them. */
static void add_upstreams(const struct broker *b, struct links *links)
{
	for (size_t i = 0; b->upstreams && i < b->upstreams->count; i++) {
		const struct broker_upstream *u = b->upstreams->list[i];
		for (int lane = TORAP__LANE__LANE_CRITICAL; lane < TORAP_LANES; lane++) {
			const struct torap_dialler *d = torap_zlink_dialler(u->lanes[lane].link);
			struct broker_lag lag = broker_upstream_lag(&u->lanes[lane], links->now);
			json_t *link = link_of(u->config.peer.name, "upstream", lane,
				torap_dial_state_name(d->state), torap_dial_reason_name(d->reason));
			set_since(link, wall_of(links, d->since));
			set_lag(link, &lag);
			json_array_append_new(links->list, link);
		}
	}
}

static json_t *streams_of(const struct broker *b)
{
	json_t *list = json_array();
	for (size_t i = 0; i < b->streams->count; i++) {
		const struct broker_stream *s = b->streams->all[i];
		char text[TORAP_STREAM_TEXT_SIZE];
		json_array_append_new(list,
			json_pack("{s:s, s:I, s:I, s:I}", "stream", torap_stream_id_format(&s->id, text),
				"last_batch", (json_int_t)broker_stream_last(s), "next_seq",
				(json_int_t)s->flushed.next_seq, "holes", (json_int_t)s->holes.count));
	}
	return list;
}

void broker_status_page(void *broker, struct torap_writer *body)
{
	struct broker *b = broker;
	struct torap_app_clock clock = torap_app_clock();
	struct links links = { b, json_array(), torap_app_wall() };
	b->lag_reads = BROKER_LAG_READS;
	broker_sessions_each(b->sessions, add_session, &links);
	broker_absent_each(b, links.now, add_absent, &links);
	add_missing(b, &links);
	add_upstreams(b, &links);
	json_t *page = json_pack("{s:s, s:s, s:s, s:o, s:s, s:I, s:o, s:o}", "process", "torap-broker",
		"name", b->config->name, "version", TORAP_VERSION, "clock", torap_clock_json(&clock),
		"policy", b->rules.policy->digest, "trust_version", (json_int_t)b->rules.trust->version,
		"links", links.list, "streams", streams_of(b));
	char *text = page ? json_dumps(page, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	if (text)
		torap_write_bytes(body, torap_bytes(text, strlen(text)));
	else
		body->failed = true; /* Out of memory. */
	free(text);
	json_decref(page);
}
