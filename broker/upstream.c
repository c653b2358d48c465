#include "broker/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/mend.h"
#include "broker/own.h"
#include "broker/streams.h"
#include "broker/upstream_take.h"
#include "loop/app.h"
#include "loop/zlink.h"
#include "store/kv.h"

enum { PROTOCOL_VERSION = 1, FIRST_LANE = TORAP__LANE__LANE_CRITICAL, ACKS_MAX = 256 };

/* Where each stream of the lane is to go on: what is here, or the first of it that is not whole and that this upstream may complete. */
static size_t fill_cursor(const struct broker_upstream_lane *l, struct torap_stream_position *out)
{
	struct broker *b = l->upstream->broker;
	struct torap_kv_txn txn;
	size_t count = 0;
	torap_kv_begin(&txn, b->kv, false);
	for (size_t i = 0; i < b->streams->lane_count[l->lane]; i++) {
		struct broker_stream *s = b->streams->lanes[l->lane][i];
		if (!s->stored)
			continue;
		struct torap_stream_position *p = &out[count++];
		*p = (struct torap_stream_position){ .stream = s->id };
		int r = broker_source_resume(&txn, &l->upstream->source, s, &p->at);
		if (r)
			torap_fail("STORE-DAMAGED", "what is missing of %s cannot be read: %s", s->id.writer,
				strerror(r < 0 ? -r : EIO));
		torap_holes_hurry(&s->holes, torap_app_mono());
		broker_mend_ask(p, s);
	}
	torap_kv_abort(&txn);
	return count;
}

static struct torap_buffer *on_hello(void *hint, uint8_t lane)
{
	struct broker_upstream_lane *l = hint;
	struct broker *b = l->upstream->broker;
	struct torap_hello hello = {
		.version = PROTOCOL_VERSION,
		.role = TORAP__ROLE__ROLE_SUBSCRIBER,
		.lane = lane,
		.credit_bytes = l->upstream->config.credit_bytes,
		.start = TORAP__START__START_BEGINNING,
	};
	l->credit_bytes = hello.credit_bytes;
	broker_heard_clear(&l->heard);
	snprintf(hello.name, sizeof hello.name, "%s", l->upstream->config.feed);
	snprintf(hello.software, sizeof hello.software, "torap-broker %s", TORAP_VERSION);
	hello.positions = calloc(b->streams->lane_count[lane] + 1, sizeof *hello.positions);
	if (!hello.positions)
		return NULL;
	hello.positions_count = fill_cursor(l, hello.positions);
	struct torap_buffer *body = torap_hello_encode(&hello);
	torap_positions_destroy(l->said, l->said_count);
	l->said = hello.positions;
	l->said_count = hello.positions_count;
	return body;
}

static void on_message(void *hint, struct torap_zlink *link, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count)
{
	struct broker_upstream_lane *l = hint;
	(void)link;
	if (l->upstream->broker->stopping)
		return;
	broker_upstream_take(l, envelope, frames, count);
	if (l->heard.due)
		torap_wake_send(&l->upstream->broker->commits); /* A turn, soon: one for many messages. */
}

static void on_change(void *hint, struct torap_zlink *link, enum torap_dial_state before)
{
	struct broker_upstream_lane *l = hint;
	struct broker *b = l->upstream->broker;
	const struct torap_dialler *d = torap_zlink_dialler(link);
	if (b->stopping)
		return;
	if (d->state == TORAP_DIAL_FLOWING)
		broker_own_upstream_here(b->own, l->upstream->config.peer.name, l->lane);
	else if (before == TORAP_DIAL_FLOWING)
		broker_own_upstream_gone(
			b->own, l->upstream->config.peer.name, l->lane, torap_dial_reason_name(d->reason));
}

static void acknowledge(struct broker_upstream_lane *l)
{
	struct torap_stream_position positions[ACKS_MAX];
	while (l->heard.due && torap_zlink_flowing(l->link)) {
		size_t count =
			broker_heard_acks(&l->heard, l->upstream->broker->streams, positions, ACKS_MAX);
		struct torap_buffer *body = count ? torap_ack_encode(positions, count) : NULL;
		if (body)
			torap_zlink_send(l->link, TORAP__MESSAGE_TYPE__MESSAGE_ACK, body);
		else if (count)
			torap_zlink_refuse(l->link, TORAP__REFUSAL__CODE__BUSY); /* Out of memory. */
		torap_buffer_unref(body);
	}
}

/* Up to where it surely has what we say we have: what this session acknowledged, or what the hello said. */
static uint64_t surely_before(const struct broker_upstream_lane *l, const struct torap_stream_id *id)
{
	const struct broker_heard_stream *heard = broker_heard_find(&l->heard, id);
	uint64_t before = heard ? heard->acked : 0;
	for (size_t i = 0; i < l->said_count; i++)
		if (torap_stream_id_equal(&l->said[i].stream, id) && l->said[i].at.next_batch > before)
			before = l->said[i].at.next_batch;
	return before;
}

bool broker_upstreams_ask(struct broker_upstreams *u, size_t i, struct broker_stream *s)
{
	struct broker_upstream_lane *l = &u->list[i]->lanes[s->id.lane];
	struct torap_stream_position p = { .stream = s->id };
	if (!torap_zlink_flowing(l->link))
		return false;
	p.at.next_batch = surely_before(l, &s->id);
	if (s->holes.count == 0 || s->holes.list[0].batch_no >= p.at.next_batch)
		return false;
	broker_mend_ask_in_turn(l->upstream->broker, &p, s, (unsigned)i + 1);
	bool asks = p.holes_count;
	struct torap_buffer *body = asks ? torap_ack_encode(&p, 1) : NULL;
	if (body)
		torap_zlink_send(l->link, TORAP__MESSAGE_TYPE__MESSAGE_ACK, body);
	torap_buffer_unref(body);
	free(p.holes);
	return asks;
}

unsigned broker_upstreams_count(const struct broker_upstreams *u)
{
	return u ? (unsigned)u->count : 0;
}

/* Calls `each` for every lane of every upstream. */
static void for_lanes(
	struct broker_upstreams *u, void (*each)(struct broker_upstream_lane *l, void *hint), void *hint)
{
	for (size_t i = 0; u && i < u->count; i++)
		for (int lane = FIRST_LANE; lane < TORAP_LANES; lane++)
			if (u->list[i]->lanes[lane].link)
				each(&u->list[i]->lanes[lane], hint);
}

static void turn(struct broker_upstream_lane *l, void *hint)
{
	(void)hint;
	if (l->heard.due && torap_zlink_flowing(l->link))
		acknowledge(l);
}

void broker_upstreams_turn(struct broker_upstreams *u)
{
	for_lanes(u, turn, NULL);
}

static void owe(struct broker_upstream_lane *l, void *hint)
{
	const struct broker_stream *s = hint;
	if (s->id.lane == l->lane)
		broker_heard_owe(&l->heard, &s->id);
}

void broker_upstreams_owe(struct broker_upstreams *u, const struct broker_stream *s)
{
	for_lanes(u, owe, (void *)(uintptr_t)s);
}

static void full(struct broker_upstream_lane *l, void *hint)
{
	const struct broker_stream *s = hint;
	if (s->id.lane == l->lane && torap_zlink_flowing(l->link) && broker_heard_find(&l->heard, &s->id))
		torap_zlink_refuse(l->link, TORAP__REFUSAL__CODE__BUSY);
}

void broker_upstreams_full(struct broker_upstreams *u, const struct broker_stream *s)
{
	for_lanes(u, full, (void *)(uintptr_t)s);
}

static void greet_again(struct broker_upstream_lane *l, void *hint)
{
	(void)hint;
	torap_zlink_begin_anew_soon(l->link);
}

void broker_upstreams_greet_again(struct broker_upstreams *u)
{
	for_lanes(u, greet_again, NULL);
}

size_t *broker_upstreams_waiting(struct broker_upstreams *u, const struct broker_source *source, uint8_t lane)
{
	for (size_t i = 0; u && i < u->count; i++)
		if (u->list[i]->source.serial == source->serial)
			return &u->list[i]->lanes[lane].waiting_bytes;
	return NULL;
}

struct broker_lag broker_upstream_lag(const struct broker_upstream_lane *l, struct torap_wall now)
{
	struct broker_lag lag = { 0 };
	for (size_t i = 0; i < l->heard.count; i++) {
		const struct broker_stream *s =
			broker_streams_find(l->upstream->broker->streams, &l->heard.list[i]->id);
		if (s)
			broker_lag_ahead(&lag, s, now);
	}
	return lag;
}

/* In and out. */

static void free_upstream(struct broker_upstream *u)
{
	for (int lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		struct broker_upstream_lane *l = &u->lanes[lane];
		broker_heard_clear(&l->heard);
		torap_grant_rows_destroy(l->granted, l->granted_count);
		torap_positions_destroy(l->said, l->said_count);
	}
	broker_upstream_config_finish(&u->config);
	free(u);
}

static void on_link_closed(void *hint)
{
	struct broker_upstream *u = hint;
	if (--u->closing == 0)
		free_upstream(u);
}

static void close_upstream(struct broker_upstream *u)
{
	u->closing = 1;
	for (int lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		struct torap_zlink *link = u->lanes[lane].link;
		u->lanes[lane].link = NULL;
		u->closing++;
		torap_zlink_close(link, on_link_closed, u);
	}
	on_link_closed(u);
}

static int copy_config(
	struct broker_upstream_config *out, const struct broker_upstream_config *c, struct torap_error *err)
{
	*out = *c;
	out->peer.name = strdup(c->peer.name);
	out->peer.endpoint = strdup(c->peer.endpoint);
	out->feed = strdup(c->feed);
	return out->peer.name && out->peer.endpoint && out->feed
		       ? 0
		       : torap_errorf(err, -ENOMEM, "out of memory");
}

static int open_links(struct broker_upstream *u, struct broker *b, struct torap_error *err)
{
	struct torap_zlink_options options = {
		.loop = &b->app->loop,
		.turn = b->turns,
		.secret_key = b->keys.curve_secret,
		.public_key = b->keys.curve_public,
		.peers = &u->config.peer,
		.peers_count = 1,
		.hello = on_hello,
		.on_message = on_message,
		.on_change = on_change,
	};
	for (int lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		struct broker_upstream_lane *l = &u->lanes[lane];
		l->upstream = u;
		options.lane = l->lane = (uint8_t)lane;
		options.hint = l;
		int r = torap_zlink_open(&l->link, &options, err);
		if (r)
			return r;
	}
	return 0;
}

static int open_upstream(
	struct broker_upstreams *all, const struct broker_upstream_config *c, struct torap_error *err)
{
	struct broker_upstream *u = calloc(1, sizeof *u);
	if (!u)
		return torap_errorf(err, -ENOMEM, "out of memory");
	u->broker = all->broker;
	u->source.kind = BROKER_SOURCE_UPSTREAM;
	u->source.serial = ++all->serial;
	snprintf(u->source.name, sizeof u->source.name, "%s", c->peer.name);
	int r = copy_config(&u->config, c, err);
	if (!r)
		r = open_links(u, all->broker, err);
	if (r)
		close_upstream(u);
	else
		all->fresh[all->fresh_count++] = u;
	return r;
}

struct broker_upstreams *broker_upstreams_create(struct broker *b)
{
	struct broker_upstreams *u = calloc(1, sizeof *u);
	if (u)
		u->broker = b;
	return u;
}

static struct broker_upstream *find(const struct broker_upstreams *u, const char *name)
{
	for (size_t i = 0; i < u->count; i++)
		if (strcmp(u->list[i]->config.peer.name, name) == 0)
			return u->list[i];
	return NULL;
}

static void undo(struct broker_upstreams *u)
{
	while (u->fresh_count)
		close_upstream(u->fresh[--u->fresh_count]);
}

int broker_upstreams_prepare(
	struct broker_upstreams *u, const struct broker_config *next, struct torap_error *err)
{
	int r = 0;
	for (size_t i = 0; i < next->upstreams_count && r == 0; i++)
		if (!find(u, next->upstreams[i].peer.name))
			r = open_upstream(u, &next->upstreams[i], err);
	if (r)
		undo(u);
	return r;
}

static bool same(const struct broker_upstream_config *a, const struct broker_upstream_config *b)
{
	return strcmp(a->peer.endpoint, b->peer.endpoint) == 0 && strcmp(a->feed, b->feed) == 0 &&
	       memcmp(a->peer.key, b->peer.key, sizeof a->peer.key) == 0 &&
	       a->credit_bytes == b->credit_bytes;
}

/* Its links stay what they are, and go over to what is new. */
static void change(struct broker_upstream *u, struct broker_upstream_config *next, bool rekeyed)
{
	bool changed = !same(&u->config, next);
	if (!changed && !rekeyed)
		return;
	struct broker_upstream_config old = u->config;
	u->config = *next;
	*next = old;
	for (int lane = FIRST_LANE; lane < TORAP_LANES; lane++)
		if (!torap_zlink_redirect(u->lanes[lane].link, &u->config.peer, 1))
			torap_zlink_begin_anew_soon(u->lanes[lane].link);
	torap_notice("UPSTREAM-CHANGED", "upstream %s: %s; its links begin anew within some seconds",
		u->config.peer.name,
		changed ? "another endpoint, key, feed or credit" : "our key is another");
}

static bool is_in(const struct broker_config *c, const char *name)
{
	for (size_t i = 0; i < c->upstreams_count; i++)
		if (strcmp(c->upstreams[i].peer.name, name) == 0)
			return true;
	return false;
}

void broker_upstreams_settle(struct broker_upstreams *u, struct broker_config *next, bool rekeyed, bool take)
{
	struct broker_upstream *list[BROKER_UPSTREAMS_MAX];
	size_t fresh = 0;
	if (!take) {
		undo(u);
		return;
	}
	for (size_t i = 0; i < next->upstreams_count; i++) {
		list[i] = find(u, next->upstreams[i].peer.name);
		if (list[i])
			change(list[i], &next->upstreams[i], rekeyed);
		else
			list[i] = u->fresh[fresh++]; /* They were opened in this order. */
	}
	for (size_t i = 0; i < u->count; i++) {
		if (is_in(next, u->list[i]->source.name))
			continue;
		torap_notice("UPSTREAM-REMOVED", "%s is no upstream any more; what it brought stays",
			u->list[i]->source.name);
		close_upstream(u->list[i]);
	}
	memcpy(u->list, list, next->upstreams_count * sizeof(struct broker_upstream *));
	u->count = next->upstreams_count;
	u->fresh_count = 0;
}

void broker_upstreams_close(struct broker_upstreams *u)
{
	while (u && u->count)
		close_upstream(u->list[--u->count]);
}

struct broker_upstreams *broker_upstreams_destroy(struct broker_upstreams *u)
{
	free(u);
	return NULL;
}
