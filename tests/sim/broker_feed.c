/* A subscriber's session at a broker: the course of each stream, and beside it what is sent once more (broker/feed.c, feed_again.c). */
#include "sim/broker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/course.h"
#include "broker/cut.h"
#include "broker/policy.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"

enum { WINDOW_AGAIN = 1u << 31 }; /* beside a stream's number: acknowledged by another rule */

static uint32_t place_of(const struct sim_broker *b, const struct sim_feed *feed)
{
	int place = broker_policy_find(b->rules.policy, feed->name);
	assert(place >= 0);
	return (uint32_t)place;
}

void sim_feed_end(struct sim_feed_session *session)
{
	torap_window_finish(&session->window);
	free(session->again);
	*session = (struct sim_feed_session){ 0 };
}

/* --- once more --- */

static void push(struct sim_feed_session *session, size_t i, uint64_t batch_no)
{
	for (size_t k = 0; k < session->again_count; k++)
		if (session->again[k].stream == i && session->again[k].batch_no == batch_no)
			return;
	if (session->again_count == session->again_room) {
		session->again_room = session->again_room ? 2 * session->again_room : 16;
		session->again = realloc(session->again, session->again_room * sizeof *session->again);
		assert(session->again);
	}
	session->again[session->again_count++] = (struct sim_again){ i, batch_no };
}

static void asked(
	struct sim_broker *b, struct sim_feed_session *session, const struct torap_stream_position *p)
{
	size_t i = sim_broker_stream(b, &p->stream);
	for (size_t k = 0; k < p->holes_count; k++)
		if (p->holes[k] >= 1 && p->holes[k] < session->next[i])
			push(session, i, p->holes[k]);
}

static bool grants(struct sim_broker *b, uint32_t place, const struct torap_manifest *m, const bool *came)
{
	for (unsigned g = 0; g < m->groups_count; g++) {
		uint8_t parts = broker_routing_parts(b->routing, place, &m->groups[g].class);
		for (unsigned i = 0; i < m->groups[g].parts_count; i++)
			if (came[m->groups[g].first_frame + i] && parts >> m->groups[g].parts[i].part & 1)
				return true;
	}
	return false;
}

void sim_feeds_mended(
	struct sim_world *w, struct sim_broker *b, size_t i, uint64_t batch_no, const bool *came)
{
	const struct torap_manifest *m = b->disks[i].batches[batch_no - 1]->manifest;
	for (size_t f = 0; f < SIM_FEEDS; f++) {
		struct sim_feed_session *session = &b->feeds[f][i % SIM_LANES];
		if (session->open && batch_no < session->next[i] &&
			(!came || grants(b, place_of(b, &w->feeds[f]), m, came)))
			push(session, i, batch_no);
	}
}

/* --- hello and acknowledgements --- */

static void hello(struct sim_world *w, struct sim_broker *b, size_t f, size_t lane, struct torap_bytes body)
{
	struct sim_feed_session *session = &b->feeds[f][lane];
	struct sim_line *line = &w->feeds[f].lines[lane];
	const struct broker_policy_feed *entry = &b->rules.policy->feeds[place_of(b, &w->feeds[f])];
	struct torap_hello hello;
	struct torap_error err;
	int r = torap_hello_decode(&hello, body, &err);
	assert(r == 0);
	sim_feed_end(session);
	session->open = true;
	session->connection = line->connection;
	torap_pulse_init(&session->pulse, 1000, 4000, w->now);
	torap_window_init(&session->window, hello.credit_bytes, w->now);
	struct torap_stream_position begins[SIM_NODES];
	for (size_t n = 0; n < SIM_NODES; n++) {
		size_t i = n * SIM_LANES + lane;
		session->next[i] = 1;
		for (size_t k = 0; k < hello.positions_count; k++)
			if (torap_stream_id_equal(&hello.positions[k].stream, &b->stream[i]->id))
				/* Perhaps past what is here: it comes from a broker that is further. */
				session->next[i] = hello.positions[k].at.next_batch;
		session->acked[i] = session->next[i] - 1;
		begins[n] = sim_broker_position(b, i, session->next[i]);
	}
	for (size_t k = 0; k < hello.positions_count; k++)
		asked(b, session, &hello.positions[k]);
	struct torap_welcome welcome = { .version = 1,
		.positions = begins,
		.positions_count = SIM_NODES,
		.heartbeat_ms = 1000,
		.granted = entry->rows,
		.granted_count = entry->rows_count,
		.trust = w->trust->signed_bytes };
	sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_WELCOME,
		torap_welcome_encode(&welcome));
	torap_hello_finish(&hello);
}

static void acknowledged(
	struct sim_world *w, struct sim_broker *b, size_t f, size_t lane, struct torap_bytes body)
{
	struct sim_feed_session *session = &b->feeds[f][lane];
	struct torap_stream_position *p;
	size_t count;
	struct torap_error err;
	if (torap_ack_decode(&p, &count, body, &err)) {
		sim_fail(w, "%s sent an acknowledgement that cannot be read: %s", w->feeds[f].name, err.text);
		return;
	}
	for (size_t k = 0; k < count; k++) {
		size_t i = sim_broker_stream(b, &p[k].stream);
		uint64_t batch_no = p[k].at.next_batch - 1;
		torap_window_acked(&session->window, (uint32_t)i, batch_no, w->now);
		/* A subscriber may have come from another broker with more on its way to the disk; a broker keeps them apart. */
		if (f >= SIM_UPSTREAM && batch_no > session->acked[i] && batch_no > b->disks[i].flushed)
			sim_fail(w, "%s acknowledges batch %" PRIu64 " of %s, which broker %zu does not have",
				w->feeds[f].name, batch_no, b->stream[i]->id.writer, b->number);
		if (batch_no > session->acked[i])
			session->acked[i] = batch_no;
		if (batch_no > w->feeds[f].acked[i])
			w->feeds[f].acked[i] = batch_no;
		if (session->again_sent && session->again_stream == i) {
			torap_window_acked(&session->window, (uint32_t)i | WINDOW_AGAIN, UINT64_MAX, w->now);
			session->again_sent = false;
		}
		asked(b, session, &p[k]);
	}
	torap_positions_destroy(p, count);
}

static void message(struct sim_world *w, struct sim_broker *b, size_t f, size_t lane, struct sim_message *m)
{
	struct sim_feed_session *session = &b->feeds[f][lane];
	struct torap_envelope envelope;
	struct torap_error err;
	int r = torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err);
	assert(r == 0);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HELLO) {
		hello(w, b, f, lane, torap_buffer_bytes(m->frames[1]));
		return;
	}
	if (!session->open) {
		sim_broker_refuse(w, &w->feeds[f].lines[lane], TORAP__REFUSAL__CODE__NO_SESSION, NULL);
		return;
	}
	torap_pulse_heard(&session->pulse, w->now);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_ACK)
		acknowledged(w, b, f, lane, torap_buffer_bytes(m->frames[1]));
}

/* --- sending --- */

struct look {
	struct sim_broker *broker;
	const struct sim_disk *disk;
	size_t stream;
	uint32_t feed;
};

/* In memory, or read from the disk. */
static const struct torap_batch *find(const struct look *l, uint64_t batch_no)
{
	const struct broker_recent *e = broker_stream_recent(l->broker->stream[l->stream], batch_no);
	return e ? e->batch : l->disk->batches[batch_no - 1];
}

static enum broker_look look(void *hint, uint64_t batch_no, size_t *bytes)
{
	struct look *l = hint;
	if (batch_no > l->disk->flushed)
		return BROKER_LOOK_ABSENT;
	const struct torap_batch *b = find(l, batch_no);
	struct broker_recent *e = broker_stream_recent(l->broker->stream[l->stream], batch_no);
	if (!(e ? broker_recent_matches(e, l->broker->routing, l->feed)
		: broker_cut_matches(l->broker->routing, l->feed, b))) {
		*bytes = b->signed_manifest->size;
		return BROKER_LOOK_QUIET;
	}
	*bytes = broker_cut_size(l->broker->routing, l->feed, b);
	return BROKER_LOOK_MATCH;
}

static void send_view(
	struct sim_world *w, const struct look *l, const struct torap_batch *view, size_t f, size_t lane)
{
	struct torap_buffer *frames[SIM_FRAMES_MAX] = { torap_envelope_batch(view), view->signed_manifest };
	for (unsigned i = 0; i < view->manifest->frames_count; i++) {
		unsigned group, part;
		frames[2 + i] = view->frames[i];
		torap_batch_locate(view, i, &group, &part);
		if (view->frames[i] && !sim_is_granted(w, f, &view->manifest->groups[group], part))
			sim_fail(w, "broker %zu sends %s a frame beyond the policy in force",
				l->broker->number, w->feeds[f].name);
	}
	sim_send(w, &w->feeds[f].lines[lane], SIM_TO_DIALLER, frames, 2 + view->manifest->frames_count);
	torap_buffer_unref(frames[0]);
}

static void send_run(
	struct sim_world *w, const struct look *l, const struct broker_step *step, struct sim_line *line)
{
	struct torap_buffer *manifests[TORAP_RUN_MANIFESTS_MAX];
	for (uint64_t no = step->from; no <= step->to; no++)
		manifests[no - step->from] = l->disk->batches[no - 1]->signed_manifest;
	struct torap_buffer *frames[2] = {
		torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_RUN,
			&l->disk->batches[step->from - 1]->manifest->stream, step->from),
		torap_run_encode(manifests, (size_t)(step->to - step->from + 1)),
	};
	sim_send(w, line, SIM_TO_DIALLER, frames, 2);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(frames[1]);
}

static void send_course(struct sim_world *w, struct sim_broker *b, size_t f, size_t i, bool flush)
{
	size_t lane = i % SIM_LANES;
	struct sim_feed_session *session = &b->feeds[f][lane];
	struct look hint = { b, &b->disks[i], i, place_of(b, &w->feeds[f]) };
	for (;;) {
		struct broker_step step =
			broker_course_step(session->next[i], hint.disk->flushed, flush, look, &hint);
		if (step.what == BROKER_STEP_NONE || !torap_window_open(&session->window, step.bytes))
			return;
		assert(step.what != BROKER_STEP_READ);
		if (step.what == BROKER_STEP_RUN) {
			send_run(w, &hint, &step, &w->feeds[f].lines[lane]);
		} else {
			struct torap_batch view;
			const struct torap_batch *batch = find(&hint, step.from);
			if (torap_batch_is_damaged(batch))
				sim_broker_found(w, b, i, step.from);
			broker_cut_make(&view, b->routing, hint.feed, batch);
			send_view(w, &hint, &view, f, lane);
		}
		torap_window_sent(&session->window, (uint32_t)i, step.to, step.bytes, w->now);
		torap_pulse_sent(&session->pulse, w->now);
		session->next[i] = step.to + 1;
	}
}

/* Is it worth sending: is there a granted frame, or word that none will come? */
static bool is_answer(const struct torap_batch *view)
{
	for (unsigned i = 0; i < view->manifest->frames_count; i++)
		if (view->frames[i])
			return true;
	return !torap_batch_lacks(view);
}

static void send_again(struct sim_world *w, struct sim_broker *b, size_t f, size_t lane)
{
	struct sim_feed_session *session = &b->feeds[f][lane];
	if (!session->again_count || session->again_sent ||
		!torap_window_open(&session->window, TORAP_WINDOW_MIN / 2))
		return;
	struct sim_again next = session->again[0];
	struct look l = { b, &b->disks[next.stream], next.stream, place_of(b, &w->feeds[f]) };
	memmove(session->again, session->again + 1, --session->again_count * sizeof *session->again);
	if (next.batch_no > l.disk->count)
		return;
	const struct torap_batch *batch = l.disk->batches[next.batch_no - 1];
	struct torap_batch view;
	if (torap_batch_is_damaged(batch))
		sim_broker_found(w, b, next.stream, next.batch_no);
	if (!broker_cut_matches(b->routing, l.feed, batch))
		return;
	size_t bytes = broker_cut_make(&view, b->routing, l.feed, batch);
	if (!is_answer(&view))
		return;
	send_view(w, &l, &view, f, lane);
	torap_window_sent(
		&session->window, (uint32_t)next.stream | WINDOW_AGAIN, next.batch_no, bytes, w->now);
	session->again_sent = true;
	session->again_stream = next.stream;
}

static void send_heads(struct sim_world *w, struct sim_broker *b, struct sim_line *line, size_t lane)
{
	for (size_t i = lane; i < SIM_STREAMS; i += SIM_LANES) {
		struct torap_buffer *frames[2] = { NULL, b->stream[i]->head };
		if (!frames[1])
			continue;
		frames[0] = torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_HEAD, &b->stream[i]->id, 0);
		sim_send(w, line, SIM_TO_DIALLER, frames, 2);
		torap_buffer_unref(frames[0]);
	}
}

static void send(struct sim_world *w, struct sim_broker *b, size_t f, size_t lane)
{
	struct sim_feed_session *session = &b->feeds[f][lane];
	struct sim_line *line = &w->feeds[f].lines[lane];
	bool flush = torap_mono_reached(session->next_flush, w->now);
	if (flush)
		session->next_flush = torap_mono_add_ms(w->now, 1000);
	for (size_t i = lane; i < SIM_STREAMS; i += SIM_LANES)
		send_course(w, b, f, i, flush);
	send_again(w, b, f, lane);
	if (flush)
		send_heads(w, b, line, lane);
	if (torap_pulse_heartbeat_due(&session->pulse, w->now)) {
		sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
		torap_pulse_sent(&session->pulse, w->now);
	}
}

void sim_feed_step(struct sim_world *w, struct sim_broker *b, size_t f, size_t lane)
{
	const struct sim_feed *feed = &w->feeds[f];
	struct sim_feed_session *session = &b->feeds[f][lane];
	struct sim_line *line = &w->feeds[f].lines[lane];
	bool here = feed->brokers[feed->at[lane]] == b->number;
	if (session->open && (!here || session->connection != line->connection ||
				     torap_pulse_dead(&session->pulse, w->now) ||
				     torap_window_age_us(&session->window, w->now) > SIM_STALL_US))
		sim_feed_end(session);
	if (!here)
		return;
	for (struct sim_message *m; (m = sim_receive(w, line, SIM_TO_LISTENER)); sim_message_destroy(m))
		message(w, b, f, lane, m);
	if (session->open)
		send(w, b, f, lane);
}
