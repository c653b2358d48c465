/* The beginning of a session: who we are and where we stand, what we are granted, whom to believe. */
#include "agents/follow/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

void follow_ask_holes(struct follow_stream *s, struct torap_stream_position *p)
{
	size_t most = s->holes.count < TORAP_HOLES_ASKED_MAX ? s->holes.count : TORAP_HOLES_ASKED_MAX;
	p->holes = most ? malloc(most * sizeof *p->holes) : NULL;
	if (p->holes)
		p->holes_count = torap_holes_ask(&s->holes, p->holes, most, torap_app_mono());
}

struct torap_buffer *follow_hello(struct follow *f, uint8_t lane)
{
	struct torap_hello hello = {
		.version = 1,
		.role = TORAP__ROLE__ROLE_SUBSCRIBER,
		.lane = lane,
		.credit_bytes = f->config->credit_bytes,
		.start = f->lanes[lane].started ? TORAP__START__START_BEGINNING : f->options.start,
		.start_at = f->options.start_at,
		.expected = f->config->expected,
		.expected_count = f->config->expected_count,
	};
	snprintf(hello.name, sizeof hello.name, "%s", f->config->feed);
	snprintf(hello.software, sizeof hello.software, "torap-follow %s", TORAP_VERSION);

	hello.positions = calloc(f->streams.count + 1, sizeof *hello.positions);
	if (!hello.positions)
		return NULL;
	f->lanes[lane].let_go = false;
	size_t asked = 0; /* over all streams: a message has a most */
	/* What is on the disk, not what is on its way there: a batch that comes twice is dropped by its number. */
	for (size_t i = 0; i < f->streams.count; i++) {
		struct follow_stream *s = f->streams.list[i];
		if (!s->pinned || s->id.lane != lane)
			continue;
		follow_stream_greet(s);
		struct torap_stream_position *p = &hello.positions[hello.positions_count++];
		*p = (struct torap_stream_position){ .stream = s->id, .at = s->flushed };
		/* Perhaps another broker than the one that lacked them. */
		torap_holes_hurry(&s->holes, torap_app_mono());
		if (asked < TORAP_HOLES_MAX)
			follow_ask_holes(s, p);
		asked += p->holes_count;
	}
	struct torap_buffer *body = torap_hello_encode(&hello);
	torap_positions_destroy(hello.positions, hello.positions_count);
	return body;
}

/* Grants. */

static void compare_grant(struct follow *f, struct torap_zlink *l, const struct follow_lane *lane)
{
	if (f->config->expected_count && torap_grant_falls_short(lane->granted, lane->granted_count,
						 f->config->expected, f->config->expected_count))
		torap_warn("GRANT-SHORT",
			"broker %s grants feed %s less than expected on the %s lane: this is not the whole "
			"feed",
			torap_zlink_peer(l)->name, f->config->feed, torap_lane_name(torap_zlink_lane(l)));
}

/* Takes the rows.  A grant that was not in force before gets a number; *out is then what to store, else its body is NULL. */
static bool take_grant(struct follow *f, struct torap_zlink *l, struct torap_grant_row *rows, size_t count,
	struct follow_grant *out)
{
	*out = (struct follow_grant){ 0 };
	struct torap_buffer *body = torap_grant_encode(rows, count);
	if (!body)
		return false;
	struct follow_lane *lane = &f->lanes[torap_zlink_lane(l)];
	torap_grant_rows_destroy(lane->granted, lane->granted_count);
	lane->granted = rows;
	lane->granted_count = count;
	if (!f->last_grant.body ||
		!torap_bytes_equal(torap_buffer_bytes(f->last_grant.body), torap_buffer_bytes(body))) {
		torap_buffer_unref(f->last_grant.body);
		f->last_grant = (struct follow_grant){
			.number = f->last_grant.number + 1,
			.since = torap_app_wall(),
			.body = torap_buffer_ref(body),
		};
		*out = f->last_grant;
	}
	lane->grant = f->last_grant.number;
	torap_buffer_unref(body);
	compare_grant(f, l, lane);
	return true;
}

void follow_receive_grant(struct follow *f, struct torap_zlink *l, struct torap_bytes body)
{
	struct torap_grant_row *rows;
	size_t count;
	struct torap_error err;
	struct follow_grant new;
	if (torap_grant_decode(&rows, &count, body, &err)) {
		torap_warn("GRANT-MALFORMED", "broker %s: %s", torap_zlink_peer(l)->name, err.text);
		torap_zlink_refuse(l, TORAP__REFUSAL__CODE__MALFORMED);
		return;
	}
	if (follow_may_tell(&f->grant_told))
		torap_notice("GRANT-CHANGED", "broker %s changed what feed %s is granted on the %s lane",
			torap_zlink_peer(l)->name, f->config->feed, torap_lane_name(torap_zlink_lane(l)));
	if (!take_grant(f, l, rows, count, &new)) {
		torap_grant_rows_destroy(rows, count);
		follow_end(f, "out of memory");
		return;
	}
	if (new.body)
		follow_commit_welcome(f, torap_zlink_lane(l), NULL, 0, false, &new, NULL);
}

/* A trust file that does not come into force. */
static void tell_stays(const struct follow *f, struct torap_zlink *l, const struct torap_trust *trust)
{
	if (trust->version < f->trust->version)
		torap_warn("TRUST-OLD",
			"broker %s sends version %" PRIu64 " of the trust file; version %" PRIu64
			", seen before, stays in force",
			torap_zlink_peer(l)->name, trust->version, f->trust->version);
	else if (torap_trust_contradicts(trust, f->trust))
		torap_fail("TRUST-DIFFERS",
			"broker %s sends another version %" PRIu64
			" of the trust file than was seen before, which stays in force: sign it with a "
			"higher number",
			torap_zlink_peer(l)->name, trust->version);
}

/* Trust.  True: there is one to verify by; *out_new: it has to be stored. */
static bool take_trust(
	struct follow *f, struct torap_zlink *l, const struct torap_buffer *bytes, bool *out_new)
{
	*out_new = false;
	if (!bytes) {
		if (!f->trust)
			torap_fail("TRUST-MISSING", "broker %s sends no trust file: nothing can be verified",
				torap_zlink_peer(l)->name);
		return f->trust;
	}
	struct torap_trust *trust;
	struct torap_error err;
	if (torap_trust_decode(&trust, torap_buffer_bytes(bytes), f->config->root, torap_app_wall(), &err)) {
		f->totals.refused++;
		torap_fail("TRUST-REFUSED", "broker %s: %s", torap_zlink_peer(l)->name, err.text);
		return false;
	}
	if (f->trust && trust->version <= f->trust->version) {
		tell_stays(f, l, trust);
		torap_trust_unref(trust);
		return true;
	}
	torap_trust_unref(f->trust);
	f->trust = trust;
	*out_new = true;
	return true;
}

/* Only the first welcome of a lane may leave something out, and only when we asked for less than all.  Whatever begins later than
 * that is a hole: the broker has no more, or does not give it. */
static bool begins_late(const struct follow *f, uint8_t lane)
{
	return f->lanes[lane].started || f->options.start == TORAP__START__START_BEGINNING;
}

static void tell_late(struct torap_zlink *l, const struct torap_stream_position *p)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	torap_warn("BEGINS-LATE",
		"broker %s begins %s at batch %" PRIu64
		"; what was before is not here, and torap verify says so",
		torap_zlink_peer(l)->name, torap_stream_id_format(&p->stream, text), p->at.next_batch);
}

/* A new broker, which began where its operator chose.  What it sends of the stream does not continue what is here, and is refused. */
static void tell_beyond(struct torap_zlink *l, const struct follow_stream *s, uint64_t begin)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	torap_fail("BEGINS-BEYOND",
		"broker %s begins %s at batch %" PRIu64 ", and batch %" PRIu64
		" is the next one here: follow a broker that has what is between, or begin another directory",
		torap_zlink_peer(l)->name, torap_stream_id_format(&s->id, text), begin, s->at.next_batch);
}

/* Streams begin where the broker says, once.  *any_new: some of them begin now. */
static bool take_positions(
	struct follow *f, struct torap_zlink *l, struct torap_welcome *w, uint8_t lane, bool *any_new)
{
	*any_new = false;
	for (size_t i = 0; i < w->positions_count; i++) {
		struct torap_stream_position *p = &w->positions[i];
		if (p->stream.lane != lane || p->at.next_batch == 0)
			return false;
		struct follow_stream *s = follow_streams_add(&f->streams, &p->stream);
		if (!s)
			return false;
		p->at.next_seq = p->at.next_batch == 1 ? 1 : 0;
		/* Nobody signed what a broker says of a batch that we have not: only batches are held against batches. */
		p->at.has_digest = false;
		if (s->pinned) {
			if (p->at.next_batch > s->at.next_batch)
				tell_beyond(l, s, p->at.next_batch);
			continue;
		}
		*any_new = true;
		follow_stream_begin(s, &p->at);
		if (p->at.next_batch > 1 && begins_late(f, lane))
			tell_late(l, p);
	}
	follow_writers_carried(f, lane, w->positions, w->positions_count);
	return true;
}

static void welcome(struct follow *f, struct torap_zlink *l, struct torap_welcome *w)
{
	uint8_t lane = torap_zlink_lane(l);
	bool new_trust, new_streams, is_first = !f->lanes[lane].started;
	struct follow_grant grant;
	if (!take_trust(f, l, w->trust, &new_trust)) {
		torap_zlink_refuse(l, TORAP__REFUSAL__CODE__BAD_SIGNATURE);
		return;
	}
	if (!take_positions(f, l, w, lane, &new_streams)) {
		torap_fail("WELCOME-REFUSED", "broker %s: its welcome holds a position that cannot be",
			torap_zlink_peer(l)->name);
		torap_zlink_refuse(l, TORAP__REFUSAL__CODE__MALFORMED);
		return;
	}
	if (!take_grant(f, l, w->granted, w->granted_count, &grant)) {
		follow_end(f, "out of memory");
		return;
	}
	w->granted = NULL; /* taken */
	w->granted_count = 0;
	bool late = begins_late(f, lane);
	f->lanes[lane].started = true;
	/* Else it says what is in the store, or on its way there: links that come and go while there is no room add nothing to what waits. */
	if (is_first || new_streams || new_trust || grant.body)
		follow_commit_welcome(f, lane, w->positions, w->positions_count, late,
			grant.body ? &grant : NULL, new_trust ? f->trust : NULL);
	torap_zlink_welcomed(l);
}

void follow_receive_welcome(struct follow *f, struct torap_zlink *l, struct torap_bytes body)
{
	struct torap_welcome w;
	struct torap_error err;
	if (torap_welcome_decode(&w, body, &err)) {
		torap_warn("WELCOME-MALFORMED", "broker %s: %s", torap_zlink_peer(l)->name, err.text);
		torap_zlink_refuse(l, TORAP__REFUSAL__CODE__MALFORMED);
		return;
	}
	welcome(f, l, &w);
	torap_welcome_finish(&w);
}
