#include "node/carrier_flow.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/batcher.h"
#include "wire/envelope.h"

enum {
	AGAIN_MAX = TORAP_HOLES_ASKED_MAX, /* what finds no room is asked for again by the broker */
	WINDOW_AGAIN = 1u << 31,           /* beside a stream's number: acknowledged by another rule */
};

static const struct node_stream *stream_of(const struct node_carrier *c, size_t i)
{
	size_t count;
	const struct node_stream *streams = node_batcher_streams(c->options.batcher, c->options.lane, &count);
	assert(i < count);
	return &streams[i];
}

int node_flow_find(const struct node_carrier *c, const struct torap_stream_id *id)
{
	for (size_t i = 0; i < c->streams_count; i++)
		if (torap_stream_id_equal(&stream_of(c, i)->id, id))
			return (int)i;
	return -1;
}

void node_flow_reset(struct node_carrier *c)
{
	if (c->has_window)
		torap_window_finish(&c->window);
	c->has_window = false;
	c->resumed = false;
	c->sent_first = c->sent_count = 0;
	c->again_first = c->again_count = 0;
	c->again_sent = false;
	node_sealed_unref_list(c->fetched);
	c->fetched = NULL;
}

/* A ring that grows: what is in flight is bounded by the window. */
static int push_sent(struct node_carrier *c, uint32_t stream, const struct node_mark *mark)
{
	if (c->sent_count == c->sent_room) {
		size_t room = c->sent_room ? c->sent_room * 2 : 64;
		struct node_sent *ring = malloc(room * sizeof *ring);
		if (!ring)
			return -ENOMEM;
		for (size_t i = 0; i < c->sent_count; i++)
			ring[i] = c->sent[(c->sent_first + i) % c->sent_room];
		free(c->sent);
		c->sent = ring;
		c->sent_room = room;
		c->sent_first = 0;
	}
	c->sent[(c->sent_first + c->sent_count++) % c->sent_room] = (struct node_sent){ stream, *mark };
	return 0;
}

/* Leaves out, in a copy, what has no valid consent any more.  Returns the batch itself when nothing is to be left out. */
static struct torap_batch *clear(struct node_carrier *c, struct torap_batch *batch, struct torap_batch **copy)
{
	for (unsigned g = 0; g < batch->manifest->groups_count; g++) {
		const struct torap_group *group = &batch->manifest->groups[g];
		if (!group->has_subject || c->options.may_send(c->options.hint, group->subject))
			continue;
		if (!*copy)
			*copy = torap_batch_clone(batch);
		if (!*copy)
			return NULL;
		for (unsigned f = group->first_frame; f < group->first_frame + group->parts_count; f++) {
			c->frames_refused += (*copy)->frames[f] != NULL;
			(*copy)->frames[f] = torap_buffer_unref((*copy)->frames[f]);
			(*copy)->omissions[f] = TORAP__OMISSION_REASON__OMISSION_REFUSED;
		}
	}
	return *copy ? *copy : batch;
}

static int send_frames(struct node_carrier *c, const struct torap_batch *batch, struct node_now now)
{
	struct torap_buffer *frames[TORAP_BATCH_MESSAGE_MAX];
	unsigned count = torap_batch_to_frames(frames, batch);
	if (!count)
		return -ENOMEM;
	int r = node_carrier_send(c, frames, count, now);
	torap_buffer_unref(frames[0]);
	return r;
}

static int send_cleared(struct node_carrier *c, struct node_sealed *s, struct node_now now)
{
	struct torap_batch *copy = NULL;
	const struct torap_batch *batch = clear(c, s->batch, &copy);
	int r = batch ? send_frames(c, batch, now) : -ENOMEM;
	torap_batch_destroy(copy);
	return r;
}

static int send_batch(struct node_carrier *c, uint32_t stream, struct node_sealed *s, struct node_now now)
{
	int r = send_cleared(c, s, now);
	if (r == 0)
		r = torap_window_sent(&c->window, stream, s->mark.batch_no, s->bytes, now.mono);
	if (r == 0)
		r = push_sent(c, stream, &s->mark);
	if (r == 0) {
		if (c->sent_count == 1)
			c->behind_since = s->mark.sealed_at;
		c->batches_sent++;
		c->bytes_sent += s->bytes;
	}
	return r;
}

static struct node_sealed *take_fetched(struct node_carrier *c, uint32_t stream, uint64_t batch_no)
{
	while (c->fetched && (c->fetched_stream != stream || c->fetched->mark.batch_no < batch_no)) {
		struct node_sealed *s = c->fetched;
		c->fetched = s->next;
		node_sealed_unref(s);
	}
	return c->fetched && c->fetched->mark.batch_no == batch_no ? c->fetched : NULL;
}

static void read_back(struct node_carrier *c, uint32_t stream, uint64_t from, uint64_t to)
{
	if (c->replay.busy)
		return;
	c->asked_in = c->session;
	c->asked_again = false;
	c->fetched_stream = stream;
	c->replay.claims = NULL;
	c->replay.stream = stream_of(c, stream)->id;
	c->replay.from = from;
	c->replay.to = to;
	node_replay_ask(&c->replay);
}

/* In memory, or read back. */
static struct node_sealed *at_hand(struct node_carrier *c, uint32_t stream, uint64_t batch_no)
{
	struct node_sealed *s =
		node_batcher_recent(c->options.batcher, c->options.lane, &stream_of(c, stream)->id, batch_no);
	return s ? s : take_fetched(c, stream, batch_no);
}

/* 0: all of the stream has been sent.  1: later.  Negative: no connection. */
static int pump_stream(struct node_carrier *c, uint32_t i, struct node_now now)
{
	const struct node_stream *stream = stream_of(c, i);
	struct node_carried *at = &c->streams[i];
	while (at->next_send <= stream->sealed.batch_no) {
		struct node_sealed *s = at_hand(c, i, at->next_send);
		if (!s) {
			read_back(c, i, at->next_send, stream->sealed.batch_no);
			return 1;
		}
		if (!torap_window_open(&c->window, s->bytes))
			return 1;
		int r = send_batch(c, i, s, now);
		if (r)
			return r;
		at->next_send++;
	}
	return 0;
}

void node_flow_asked(struct node_carrier *c, const struct torap_stream_position *at)
{
	int stream = at->holes_count ? node_flow_find(c, &at->stream) : -1;
	if (stream < 0)
		return;
	if (!c->again)
		c->again = calloc(AGAIN_MAX, sizeof *c->again);
	for (size_t i = 0; c->again && i < at->holes_count && c->again_count < AGAIN_MAX; i++)
		c->again[(c->again_first + c->again_count++) % AGAIN_MAX] =
			(struct node_again){ (uint32_t)stream, at->holes[i] };
}

static void drop_again(struct node_carrier *c)
{
	c->again_first = (c->again_first + 1) % AGAIN_MAX;
	c->again_count--;
}

/* One of the batches that the broker asked for again.  It has been acknowledged long ago, so it stands beside the order and the ring of
 * what was sent; in the window, one at a time, under a number of its own.  Only when nothing else is to be sent: the replay's one question
 * is free then, and what it read ahead is of no use. */
static int pump_again(struct node_carrier *c, struct node_now now)
{
	while (c->again_count && !c->again_sent && !c->replay.busy) {
		const struct node_again next = c->again[c->again_first];
		const struct node_carried *at = &c->streams[next.stream];
		bool is_sent = !at->skipped && next.batch_no && next.batch_no < at->next_send;
		struct node_sealed *s = is_sent ? at_hand(c, next.stream, next.batch_no) : NULL;
		if (is_sent && !s) {
			node_sealed_unref_list(c->fetched);
			c->fetched = NULL;
			read_back(c, next.stream, next.batch_no, next.batch_no);
			c->asked_again = true;
			return 0;
		}
		if (s && !torap_window_open(&c->window, s->bytes))
			return 0;
		drop_again(c);
		if (!s)
			continue; /* It claims to lack what was never sent. */
		int r = send_cleared(c, s, now);
		if (r == 0)
			r = torap_window_sent(
				&c->window, next.stream | WINDOW_AGAIN, s->mark.batch_no, s->bytes, now.mono);
		if (r)
			return r;
		c->batches_again++;
		c->bytes_sent += s->bytes;
		c->again_sent = true;
		c->again_stream = next.stream;
	}
	return 0;
}

int node_flow_pump(struct node_carrier *c, struct node_now now)
{
	int r = 0;
	for (uint32_t i = 0; c->resumed && i < c->streams_count && r == 0; i++)
		if (!c->streams[i].skipped && !c->streams[i].ended)
			r = pump_stream(c, i, now);
	if (c->resumed && r == 0)
		r = pump_again(c, now);
	return r < 0 ? r : 0;
}

static void ask_claims(struct node_carrier *c)
{
	c->asked_in = c->session;
	c->replay.claims = c->claims;
	c->replay.claims_count = c->claims_count;
	node_replay_ask(&c->replay);
}

void node_flow_resume(struct node_carrier *c, struct node_claim *claims, size_t count, uint64_t credit_bytes,
	struct node_now now)
{
	node_flow_reset(c);
	torap_window_init(&c->window, credit_bytes, now.mono);
	c->has_window = true;
	c->session++;
	/* A question of an earlier session may still be read from the old claims: then these are asked when it is over. */
	if (!c->replay.busy) {
		free(c->claims);
		c->claims = claims;
		c->claims_count = count;
		ask_claims(c);
	} else {
		free(c->next_claims);
		c->next_claims = claims;
		c->next_claims_count = count;
	}
}

static void fork_stream(struct node_carrier *c, const struct node_claim *claim)
{
	const struct node_stream *stream = stream_of(c, claim->index);
	c->streams[claim->index].skipped = true;
	c->options.on_fork(c->options.hint, c->options.lane, c->options.broker, &stream->id,
		claim->word == NODE_CLAIM_AHEAD ? "ahead" : "differs",
		c->streams[claim->index].acked.batch_no + 1);
}

/* When the oldest batch that the broker lacks was sealed, as far as memory knows. */
static void look_behind(struct node_carrier *c)
{
	for (size_t i = 0; i < c->streams_count; i++) {
		const struct node_stream *stream = stream_of(c, i);
		const struct node_carried *at = &c->streams[i];
		if (at->skipped || at->ended || at->acked.batch_no >= stream->sealed.batch_no)
			continue;
		const struct node_sealed *s = node_batcher_recent(
			c->options.batcher, c->options.lane, &stream->id, at->acked.batch_no + 1);
		if (s)
			c->behind_since = s->mark.sealed_at;
		return;
	}
}

static void on_claims(struct node_carrier *c)
{
	for (size_t i = 0; i < c->claims_count; i++) {
		const struct node_claim *claim = &c->claims[i];
		struct node_carried *at = &c->streams[claim->index];
		at->skipped = at->ended = at->waits = false;
		if (claim->word != NODE_CLAIM_TRUE) {
			fork_stream(c, claim);
			continue;
		}
		at->receipt_due = at->receipt_due || at->acked.batch_no != claim->mark.batch_no;
		at->acked = claim->mark;
		at->next_send = claim->next_batch;
	}
	look_behind(c);
	c->resumed = true;
}

/* What is damaged here goes out as damaged: the rest of the batch, and of the stream, must not wait for it. */
static void look_for_damage(struct node_carrier *c, const struct node_sealed *s)
{
	struct node_carried *at = &c->streams[c->fetched_stream];
	const struct torap_batch *b = s->batch;
	unsigned damaged = 0;
	for (unsigned i = 0; i < b->manifest->frames_count; i++)
		damaged += !b->frames[i] && b->omissions[i] == TORAP__OMISSION_REASON__OMISSION_DAMAGED;
	c->frames_damaged += damaged;
	if (damaged)
		c->options.on_damaged(c->options.hint, &b->manifest->stream, s->mark.batch_no);
	if (!damaged || s->mark.batch_no <= at->damage_told)
		return;
	char text[TORAP_STREAM_TEXT_SIZE];
	at->damage_told = s->mark.batch_no;
	torap_fail("BATCH-DAMAGED",
		"%s batch %" PRIu64
		": %u frames are damaged in the journal; broker %s gets the batch without them",
		torap_stream_id_format(&b->manifest->stream, text), s->mark.batch_no, damaged,
		c->options.broker);
}

void node_flow_last_head(struct node_carrier *c, size_t stream, struct node_now now)
{
	struct torap_buffer *frames[2] = {
		torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_HEAD, &stream_of(c, stream)->id, 0),
		node_batcher_last_head(c->options.batcher, c->options.lane, stream, now),
	};
	/* One that does not go is said again in the next session. */
	if (frames[0] && frames[1])
		(void)node_carrier_send(c, frames, 2, now);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(frames[1]);
}

/* What comes next is gone, and nobody may go on behind a gap: the stream ends here for this broker, and the lane goes on without it. */
static void end_stream(struct node_carrier *c, uint32_t i, const char *why, struct node_now now)
{
	struct node_carried *at = &c->streams[i];
	const struct torap_stream_id *stream = &stream_of(c, i)->id;
	char text[TORAP_STREAM_TEXT_SIZE];
	c->batches_unreadable++;
	if (at->next_send > at->damage_told) {
		at->damage_told = at->next_send;
		torap_fail("BATCH-UNREADABLE",
			"broker %s lacks %s batch %" PRIu64
			", whose manifest cannot be read: the stream ends there for it, and what follows is told again in a newer one: %s",
			c->options.broker, torap_stream_id_format(stream, text), at->next_send, why);
	}
	if (i + 1u < c->streams_count)
		node_flow_last_head(c, i, now);
	c->options.on_unreadable(c->options.hint, c->options.broker, stream, at->next_send);
}

/* Somebody may have it: the stream waits for that, some seconds at most, for what stands behind may be an alarm. */
static void look_for_other(struct node_carrier *c, struct node_now now)
{
	struct node_carried *at = &c->streams[c->fetched_stream];
	at->ended = true;
	at->waits = c->options.fetch(c->options.hint, &stream_of(c, c->fetched_stream)->id, at->next_send);
	if (!at->waits)
		end_stream(c, c->fetched_stream, c->replay.err.text, now);
}

void node_flow_fetched(struct node_carrier *c, uint32_t stream, bool mended, struct node_now now)
{
	struct node_carried *at = &c->streams[stream];
	at->waits = false;
	at->ended = !mended;
	if (!mended)
		end_stream(c, stream, "no broker that had it gave it back", now);
}

static void on_batches(struct node_carrier *c, struct node_now now)
{
	assert(!c->fetched);
	c->fetched = c->replay.batches;
	c->replay.batches = NULL;
	for (const struct node_sealed *s = c->fetched; s; s = s->next)
		look_for_damage(c, s);
	if (c->replay.unreadable_count)
		look_for_other(c, now);
}

/* The broker lacks it and so do we: what is asked for next may be there. */
static void cannot_give_again(struct node_carrier *c)
{
	const struct node_again *first = &c->again[c->again_first];
	struct node_carried *at = &c->streams[first->stream];
	c->batches_unreadable++;
	if (!c->replay.failed) {
		const struct torap_stream_id *stream = &stream_of(c, first->stream)->id;
		c->options.on_unreadable(c->options.hint, NULL, stream, first->batch_no);
		c->options.fetch(
			c->options.hint, stream, first->batch_no); /* It asks again when that is back. */
	}
	if (first->batch_no > at->damage_told) {
		at->damage_told = first->batch_no;
		torap_fail("BATCH-DAMAGED", "broker %s, lane %s lacks a batch that cannot be read here: %s",
			c->options.broker, torap_lane_name(c->options.lane), c->replay.err.text);
	}
	node_sealed_unref_list(c->replay.batches);
	c->replay.batches = NULL;
	drop_again(c);
}

void node_flow_answered(struct node_replay *r)
{
	struct node_carrier *c = r->hint;
	struct node_now now;
	c->options.now(c->options.hint, &now);
	bool stale = c->asked_in != c->session || c->closing || !c->has_window;
	if (stale) {
		node_sealed_unref_list(r->batches);
		r->batches = NULL;
		if (c->closing || !c->next_claims)
			return;
		free(c->claims);
		c->claims = c->next_claims;
		c->claims_count = c->next_claims_count;
		c->next_claims = NULL;
		ask_claims(c);
		return;
	}
	bool is_gone = r->failed || r->unreadable_count;
	if (!r->claims && c->asked_again && is_gone) {
		cannot_give_again(c);
	} else if (r->failed) {
		/* The journal itself is in trouble: say so, and try again with the next session. */
		torap_fail("REPLAY-FAILED", "broker %s, lane %s: %s", c->options.broker,
			torap_lane_name(c->options.lane), r->err.text);
		node_sealed_unref_list(r->batches);
		r->batches = NULL;
		node_carrier_step(c, TORAP_DIAL_IN_BROKEN, 0, now);
		return;
	}
	if (r->claims)
		on_claims(c);
	else if (!c->asked_again || !is_gone)
		on_batches(c, now);
	if (node_flow_pump(c, now))
		node_carrier_step(c, TORAP_DIAL_IN_LOST, 0, now);
}

/* A stream's own stand in order.  Streams mix only while the rest of an older one is being sent. */
static void forget_sent(struct node_carrier *c, uint32_t stream, uint64_t batch_no)
{
	struct node_carried *at = &c->streams[stream];
	size_t kept = 0;
	for (size_t i = 0; i < c->sent_count; i++) {
		const struct node_sent *s = &c->sent[(c->sent_first + i) % c->sent_room];
		if (s->stream == stream && s->mark.batch_no > batch_no && kept == 0) {
			c->sent_first = (c->sent_first + i) % c->sent_room;
			c->sent_count -= i;
			return;
		}
		if (s->stream == stream && s->mark.batch_no <= batch_no) {
			at->acked = s->mark;
			at->receipt_due = true;
		} else {
			c->sent[(c->sent_first + kept++) % c->sent_room] = *s;
		}
	}
	c->sent_count = kept;
}

int node_flow_ack(struct node_carrier *c, const struct torap_stream_position *at, struct node_now now)
{
	int i = node_flow_find(c, &at->stream);
	if (i < 0 || !c->resumed)
		return 0; /* Of a stream that we do not send (any more). */
	if (at->at.next_batch > c->streams[i].next_send || at->at.next_batch == 0)
		return -EBADMSG;
	torap_window_acked(&c->window, (uint32_t)i, at->at.next_batch - 1, now.mono);
	if (c->again_sent && c->again_stream == (uint32_t)i) {
		torap_window_acked(&c->window, (uint32_t)i | WINDOW_AGAIN, UINT64_MAX, now.mono);
		c->again_sent = false;
	}
	node_flow_asked(c, at);
	forget_sent(c, (uint32_t)i, at->at.next_batch - 1);
	if (c->sent_count)
		c->behind_since = c->sent[c->sent_first].mark.sealed_at;
	else
		look_behind(c);
	return 0;
}
