/* A broker: takes what its admission lets in, flushes, acknowledges, and gives each feed its course.  Sessions go by connection; those of
 * a connection that is no more are forgotten, as are all in a crash. */
#include "sim/sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/admission.h"
#include "broker/course.h"
#include "broker/policy.h"
#include "link/message.h"
#include "link/pulse.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"
#include "wire/verify.h"

enum { STREAMS = SIM_NODES * SIM_LANES, STALL_US = 5 * TORAP_US_PER_S };

struct stream {
	struct torap_stream_id id;
	struct sim_disk disk;
	struct torap_position accepted;
	struct torap_buffer *head;
};

struct write_session {
	bool open;
	uint32_t connection;
	struct torap_pulse pulse;
	uint64_t acked; /* batches that the writer was told of */
};

struct feed_session {
	bool open;
	uint32_t connection;
	struct torap_pulse pulse;
	struct torap_window window;
	uint64_t next[STREAMS]; /* by stream; 0: not of this lane */
	struct torap_mono next_flush;
};

struct sim_broker {
	bool up;
	struct torap_mono back_at;
	struct broker_rules rules;
	struct stream streams[STREAMS]; /* node n, lane i: n * SIM_LANES + i */
	struct write_session writers[STREAMS];
	struct feed_session feeds[SIM_FEEDS][SIM_LANES];
};

struct sim_broker *sim_broker_create(struct sim_world *w)
{
	struct sim_broker *b = calloc(1, sizeof *b);
	assert(b);
	b->up = true;
	static const char policy[] =
		"feeds:\n"
		"  - { name: any, keys: [0000000000000000000000000000000000000000000000000000000000000001],\n"
		"      legal_basis: simulation, from: 2020-01-01, until: 2099-01-01, rows: [{ parts: [open] "
		"}] }\n"
		"writers: [{ id: node-0 }, { id: node-1 }]\n";
	struct torap_error err;
	int r = broker_policy_parse(&b->rules.policy, "sim", torap_bytes(policy, sizeof policy - 1), &err);
	if (r)
		sim_fail(w, "the policy: %s", err.text);
	b->rules.trust = torap_trust_ref(w->trust);
	for (size_t i = 0; i < STREAMS; i++) {
		b->streams[i].id = w->nodes[i / SIM_LANES].lanes[i % SIM_LANES].stream;
		b->streams[i].accepted.next_batch = 1;
	}
	return b;
}

static void forget_sessions(struct sim_broker *b)
{
	memset(b->writers, 0, sizeof b->writers);
	for (size_t f = 0; f < SIM_FEEDS; f++)
		for (size_t i = 0; i < SIM_LANES; i++) {
			torap_window_finish(&b->feeds[f][i].window);
			b->feeds[f][i] = (struct feed_session){ 0 };
		}
}

void sim_broker_destroy(struct sim_broker *b)
{
	forget_sessions(b);
	for (size_t i = 0; i < STREAMS; i++) {
		sim_disk_finish(&b->streams[i].disk);
		torap_buffer_unref(b->streams[i].head);
	}
	torap_trust_unref(b->rules.trust);
	broker_policy_unref(b->rules.policy);
	free(b);
}

static void accept_from_disk(struct stream *s)
{
	s->accepted = (struct torap_position){ .next_batch = 1 };
	for (size_t i = 0; i < s->disk.count; i++)
		torap_position_advance(&s->accepted, s->disk.batches[i]->manifest);
}

void sim_broker_crash(struct sim_world *w, struct sim_broker *b)
{
	sim_note(w, "the broker dies");
	b->up = false;
	b->back_at = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 6000));
	forget_sessions(b);
	for (size_t i = 0; i < STREAMS; i++) {
		sim_disk_crash(&b->streams[i].disk);
		uint64_t acked = w->nodes[i / SIM_LANES].lanes[i % SIM_LANES].acked;
		if (acked > b->streams[i].disk.flushed)
			sim_fail(w, "the broker acknowledged batch %" PRIu64 " of %s and lost it", acked,
				b->streams[i].id.writer);
		accept_from_disk(&b->streams[i]);
		b->streams[i].head = torap_buffer_unref(b->streams[i].head);
	}
}

static struct torap_stream_position position_of(const struct stream *s, uint64_t next)
{
	struct torap_stream_position p = { .stream = s->id, .at = { .next_batch = next } };
	if (next > 1) {
		p.at.has_digest = true;
		memcpy(p.at.last_digest, s->disk.batches[next - 2]->manifest->digest, TORAP_DIGEST_SIZE);
	}
	return p;
}

static void refuse(
	struct sim_world *w, struct sim_line *line, int code, const struct torap_stream_position *resume)
{
	struct torap_refusal refusal = { .code = code };
	if (resume) {
		refusal.has_resume = true;
		refusal.resume = *resume;
	}
	sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL,
		torap_refusal_encode(&refusal));
}

static void ack(struct sim_world *w, struct sim_line *line, struct stream *s, struct write_session *session)
{
	struct torap_stream_position p = position_of(s, s->disk.flushed + 1);
	session->acked = s->disk.flushed;
	sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_ACK, torap_ack_encode(&p, 1));
	torap_pulse_sent(&session->pulse, w->now);
}

/* --- writers --- */

static void writer_hello(
	struct sim_world *w, struct stream *s, struct write_session *session, struct sim_line *line)
{
	*session = (struct write_session){
		.open = true, .connection = line->connection, .acked = s->disk.flushed
	};
	torap_pulse_init(&session->pulse, 1000, 4000, w->now);
	struct torap_stream_position p = position_of(s, s->disk.flushed + 1);
	struct torap_welcome welcome = { .version = 1,
		.positions = &p,
		.positions_count = 1,
		.credit_bytes = 1 << 20,
		.heartbeat_ms = 1000 };
	sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_WELCOME,
		torap_welcome_encode(&welcome));
}

static void writer_batch(struct sim_world *w, struct sim_broker *b, struct stream *s,
	struct write_session *session, struct sim_line *line, const struct torap_envelope *envelope,
	struct sim_message *m)
{
	struct torap_batch *batch;
	struct torap_error err;
	int r = torap_batch_from_frames(&batch, envelope, m->frames + 1, m->count - 1, &err);
	if (r) {
		sim_fail(w, "a batch as it was sent is malformed: %s", err.text);
		return;
	}
	struct broker_admission a =
		broker_admission_judge(&b->rules, s->id.writer, s->id.lane, batch, &s->accepted);
	struct torap_stream_position resume = { .stream = s->id, .at = s->accepted };
	switch (a.answer) {
	case BROKER_ADMIT:
		torap_position_advance(&s->accepted, batch->manifest);
		sim_disk_append(&s->disk, batch);
		return;
	case BROKER_ADMIT_OLD:
		if (session->acked < s->disk.flushed || batch->manifest->batch_no <= s->disk.flushed)
			ack(w, line, s, session);
		break;
	case BROKER_ADMIT_GAP:
		refuse(w, line, TORAP__REFUSAL__CODE__RESUME, &resume);
		break;
	case BROKER_ADMIT_NOT:
		sim_fail(w, "an honest batch was refused: %s", a.reason);
		break;
	}
	torap_batch_destroy(batch);
}

static void step_writer(struct sim_world *w, struct sim_broker *b, size_t i)
{
	struct stream *s = &b->streams[i];
	struct write_session *session = &b->writers[i];
	struct sim_line *line = &w->nodes[i / SIM_LANES].lanes[i % SIM_LANES].line;
	if (session->open &&
		(session->connection != line->connection || torap_pulse_dead(&session->pulse, w->now)))
		session->open = false;
	for (struct sim_message *m; (m = sim_receive(w, line, SIM_TO_LISTENER)); sim_message_destroy(m)) {
		struct torap_envelope envelope;
		struct torap_error err;
		int r = torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err);
		assert(r == 0);
		if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HELLO) {
			writer_hello(w, s, session, line);
			continue;
		}
		if (!session->open) {
			refuse(w, line, TORAP__REFUSAL__CODE__NO_SESSION, NULL);
			continue;
		}
		torap_pulse_heard(&session->pulse, w->now);
		if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_BATCH)
			writer_batch(w, b, s, session, line, &envelope, m);
		if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HEAD) {
			struct torap_head head;
			enum torap_verdict v = torap_verify_head(
				&head, torap_buffer_bytes(m->frames[1]), torap_trust_lookup, w->trust);
			if (v != TORAP_VERDICT_GOOD)
				sim_fail(w, "an honest head was refused: %s", torap_verdict_name(v));
			torap_buffer_unref(s->head);
			s->head = torap_buffer_ref(m->frames[1]);
		}
	}
	if (session->open && session->acked < s->disk.flushed)
		ack(w, line, s, session);
	if (session->open && torap_pulse_heartbeat_due(&session->pulse, w->now)) {
		sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
		torap_pulse_sent(&session->pulse, w->now);
	}
}

/* --- feeds --- */

static void feed_hello(struct sim_world *w, struct sim_broker *b, size_t f, size_t lane,
	struct sim_line *line, struct torap_bytes body)
{
	struct feed_session *session = &b->feeds[f][lane];
	struct torap_hello hello;
	struct torap_error err;
	int r = torap_hello_decode(&hello, body, &err);
	assert(r == 0);
	torap_window_finish(&session->window);
	*session = (struct feed_session){ .open = true, .connection = line->connection };
	torap_pulse_init(&session->pulse, 1000, 4000, w->now);
	torap_window_init(&session->window, hello.credit_bytes, w->now);
	struct torap_stream_position begins[SIM_NODES];
	for (size_t n = 0; n < SIM_NODES; n++) {
		struct stream *s = &b->streams[n * SIM_LANES + lane];
		uint64_t next = 1;
		for (size_t i = 0; i < hello.positions_count; i++)
			if (torap_stream_id_equal(&hello.positions[i].stream, &s->id))
				next = hello.positions[i].at.next_batch;
		if (next > s->disk.flushed + 1)
			sim_fail(w, "a subscriber has more of a stream than the broker flushed");
		session->next[n * SIM_LANES + lane] = next;
		begins[n] = position_of(s, next);
	}
	struct torap_welcome welcome = { .version = 1,
		.positions = begins,
		.positions_count = SIM_NODES,
		.heartbeat_ms = 1000,
		.granted = &w->feeds[f].row,
		.granted_count = 1,
		.trust = w->trust->signed_bytes };
	sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_WELCOME,
		torap_welcome_encode(&welcome));
	torap_hello_finish(&hello);
}

struct look {
	const struct sim_disk *disk;
	const struct torap_grant_row *row;
};

/* Which frames of a batch the feed is granted; true: at least one. */
static bool granted(const struct torap_grant_row *row, const struct torap_batch *b, bool *frames)
{
	bool any = false;
	for (unsigned g = 0; g < b->manifest->groups_count; g++) {
		const struct torap_group *group = &b->manifest->groups[g];
		bool parts[4];
		if (!torap_grant_parts(row, 1, &group->class, parts))
			continue;
		any = true;
		for (unsigned i = 0; i < group->parts_count; i++)
			frames[group->first_frame + i] = parts[group->parts[i].part];
	}
	return any;
}

static enum broker_look look(void *hint, uint64_t batch_no, size_t *bytes)
{
	struct look *l = hint;
	if (batch_no > l->disk->flushed)
		return BROKER_LOOK_ABSENT;
	const struct torap_batch *b = l->disk->batches[batch_no - 1];
	bool frames[SIM_FRAMES_MAX] = { false };
	*bytes = torap_batch_size(b);
	return granted(l->row, b, frames) ? BROKER_LOOK_MATCH : BROKER_LOOK_QUIET;
}

static void send_batch(struct sim_world *w, const struct torap_grant_row *row, const struct torap_batch *b,
	struct sim_line *line)
{
	bool wanted[SIM_FRAMES_MAX] = { false };
	granted(row, b, wanted);
	struct torap_buffer *frames[SIM_FRAMES_MAX] = { torap_envelope_batch(b), b->signed_manifest };
	for (unsigned i = 0; i < b->manifest->frames_count; i++)
		frames[2 + i] = wanted[i] ? b->frames[i] : NULL;
	sim_send(w, line, SIM_TO_DIALLER, frames, 2 + b->manifest->frames_count);
	torap_buffer_unref(frames[0]);
}

static void send_run(
	struct sim_world *w, const struct stream *s, uint64_t from, uint64_t to, struct sim_line *line)
{
	struct torap_buffer *manifests[TORAP_RUN_MANIFESTS_MAX];
	for (uint64_t no = from; no <= to; no++)
		manifests[no - from] = s->disk.batches[no - 1]->signed_manifest;
	struct torap_buffer *frames[2] = { torap_envelope_stream(
						   TORAP__MESSAGE_TYPE__MESSAGE_RUN, &s->id, from),
		torap_run_encode(manifests, (size_t)(to - from + 1)) };
	sim_send(w, line, SIM_TO_DIALLER, frames, 2);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(frames[1]);
}

static void send_course(struct sim_world *w, struct sim_broker *b, size_t f, struct feed_session *session,
	size_t i, struct sim_line *line, bool flush)
{
	const struct stream *s = &b->streams[i];
	struct look hint = { &s->disk, &w->feeds[f].row };
	for (;;) {
		struct broker_step step =
			broker_course_step(session->next[i], s->disk.flushed, flush, look, &hint);
		if (step.what == BROKER_STEP_NONE || !torap_window_open(&session->window, step.bytes))
			return;
		assert(step.what != BROKER_STEP_READ);
		if (step.what == BROKER_STEP_RUN)
			send_run(w, s, step.from, step.to, line);
		else
			send_batch(w, &w->feeds[f].row, s->disk.batches[step.from - 1], line);
		torap_window_sent(&session->window, (uint32_t)i, step.to, step.bytes, w->now);
		torap_pulse_sent(&session->pulse, w->now);
		session->next[i] = step.to + 1;
	}
}

static void feed_message(struct sim_world *w, struct sim_broker *b, size_t f, size_t lane,
	struct sim_line *line, struct sim_message *m)
{
	struct feed_session *session = &b->feeds[f][lane];
	struct torap_envelope envelope;
	struct torap_error err;
	int r = torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err);
	assert(r == 0);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HELLO) {
		feed_hello(w, b, f, lane, line, torap_buffer_bytes(m->frames[1]));
		return;
	}
	if (!session->open) {
		refuse(w, line, TORAP__REFUSAL__CODE__NO_SESSION, NULL);
		return;
	}
	torap_pulse_heard(&session->pulse, w->now);
	if (envelope.type != TORAP__MESSAGE_TYPE__MESSAGE_ACK)
		return;
	struct torap_stream_position *p;
	size_t count;
	r = torap_ack_decode(&p, &count, torap_buffer_bytes(m->frames[1]), &err);
	assert(r == 0);
	for (size_t k = 0; k < count; k++)
		for (size_t i = 0; i < STREAMS; i++) {
			if (!torap_stream_id_equal(&p[k].stream, &b->streams[i].id))
				continue;
			uint64_t batch_no = p[k].at.next_batch - 1;
			uint64_t *acked = &w->feeds[f].acked[i / SIM_LANES][i % SIM_LANES];
			torap_window_acked(&session->window, (uint32_t)i, batch_no, w->now);
			*acked = batch_no > *acked ? batch_no : *acked;
		}
	torap_positions_destroy(p, count);
}

static void step_feed(struct sim_world *w, struct sim_broker *b, size_t f, size_t lane)
{
	struct feed_session *session = &b->feeds[f][lane];
	struct sim_line *line = &w->feeds[f].lines[lane];
	if (session->open &&
		(session->connection != line->connection || torap_pulse_dead(&session->pulse, w->now) ||
			torap_window_age_us(&session->window, w->now) > STALL_US))
		session->open = false;
	for (struct sim_message *m; (m = sim_receive(w, line, SIM_TO_LISTENER)); sim_message_destroy(m))
		feed_message(w, b, f, lane, line, m);
	if (!session->open)
		return;
	bool flush = torap_mono_reached(session->next_flush, w->now);
	if (flush)
		session->next_flush = torap_mono_add_ms(w->now, 1000);
	for (size_t i = lane; i < STREAMS; i += SIM_LANES) {
		send_course(w, b, f, session, i, line, flush);
		if (flush && b->streams[i].head) {
			struct torap_buffer *frames[2] = { torap_envelope_stream(
								   TORAP__MESSAGE_TYPE__MESSAGE_HEAD,
								   &b->streams[i].id, 0),
				b->streams[i].head };
			sim_send(w, line, SIM_TO_DIALLER, frames, 2);
			torap_buffer_unref(frames[0]);
		}
	}
	if (torap_pulse_heartbeat_due(&session->pulse, w->now)) {
		sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
		torap_pulse_sent(&session->pulse, w->now);
	}
}

void sim_broker_step(struct sim_world *w, struct sim_broker *b)
{
	if (!b->up) {
		if (!torap_mono_reached(b->back_at, w->now))
			return;
		b->up = true;
	}
	for (size_t i = 0; i < STREAMS; i++) {
		if (sim_chance(w, 1)) {
			sim_broker_crash(w, b);
			w->crashes++;
			return;
		}
		step_writer(w, b, i);
	}
	if (sim_random(w, 3) == 0) /* One flush for all streams. */
		for (size_t i = 0; i < STREAMS; i++)
			b->streams[i].disk.flushed = b->streams[i].disk.count;
	for (size_t f = 0; f < SIM_FEEDS; f++)
		for (size_t lane = 0; lane < SIM_LANES; lane++)
			step_feed(w, b, f, lane);
}
