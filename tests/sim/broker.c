/* A broker: takes what its admission lets in, flushes, acknowledges, and gives each feed its course.  Sessions go by connection; those of
 * a connection that is no more are forgotten, as are all in a crash.  The nation's broker takes from no writer: its disk is that of its
 * subscription, which lives and dies with it. */
#include "sim/sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/admission.h"
#include "broker/course.h"
#include "broker/cut.h"
#include "broker/policy.h"
#include "broker/routing.h"
#include "link/message.h"
#include "link/pulse.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"
#include "wire/verify.h"

enum { STALL_US = 5 * TORAP_US_PER_S, POLICIES = 2 };

struct stream {
	struct torap_stream_id id;
	struct sim_disk disk; /* not the nation's */
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
	uint64_t next[SIM_STREAMS]; /* 0: not of this lane */
	struct torap_mono next_flush;
};

struct sim_broker {
	size_t number;
	bool up;
	struct torap_mono back_at, full_until;
	struct broker_rules rules;
	struct broker_policy *policies[POLICIES]; /* 1: almaty is granted personal parts */
	struct broker_routing *routing;
	struct stream streams[SIM_STREAMS];
	struct write_session writers[SIM_STREAMS];
	struct feed_session feeds[SIM_SUBSCRIBERS][SIM_LANES];
	const struct sim_subscriber *upstream; /* or NULL */
};

static struct broker_policy *make_policy(struct sim_world *w, bool almaty_personal)
{
	static const char format[] =
		"feeds:\n"
		"  - { name: centre, keys: [%064d], legal_basis: simulation, from: 2020-01-01, until: 2099-01-01,\n"
		"      rows: [{ parts: [open, personal] }] }\n"
		"  - { name: prosecutor, keys: [%064d], legal_basis: simulation, from: 2020-01-01, until: 2099-01-01,\n"
		"      rows: [{ facilities: [prison], parts: [open] }] }\n"
		"  - { name: almaty, keys: [%064d], legal_basis: simulation, from: 2020-01-01, until: 2099-01-01,\n"
		"      rows: [{ regions: [\"750000000\"], facilities: [prison], parts: [open%s] }] }\n"
		"  - { name: ministry, keys: [%064d], legal_basis: simulation, from: 2020-01-01, until: 2099-01-01,\n"
		"      rows: [{ parts: [open, personal] }] }\n"
		"  - { name: nation, keys: [%064d], legal_basis: simulation, from: 2020-01-01, until: 2099-01-01,\n"
		"      rows: [{ parts: [open] }] }\n"
		"writers: [{ id: node-0 }, { id: node-1 }, { id: node-2 }]\n";
	char text[4096];
	int size = snprintf(text, sizeof text, format, 1, 2, 3, almaty_personal ? ", personal" : "", 4, 5);
	assert(size > 0 && (size_t)size < sizeof text);
	struct broker_policy *policy = NULL;
	struct torap_error err;
	if (broker_policy_parse(&policy, "sim", torap_bytes(text, (size_t)size), &err))
		sim_fail(w, "the policy: %s", err.text);
	return policy;
}

struct sim_broker *sim_broker_create(struct sim_world *w, size_t number)
{
	struct sim_broker *b = calloc(1, sizeof *b);
	assert(b);
	b->number = number;
	b->up = true;
	b->upstream = number == SIM_NATION ? w->feeds[SIM_UPSTREAM].subscriber : NULL;
	for (size_t i = 0; i < POLICIES; i++)
		b->policies[i] = make_policy(w, i == 1);
	b->rules.policy = broker_policy_ref(b->policies[w->almaty_personal]);
	b->rules.trust = torap_trust_ref(w->trust);
	struct torap_error err;
	int r = broker_routing_create(&b->routing, b->rules.policy, &err);
	assert(r == 0);
	for (size_t i = 0; i < SIM_STREAMS; i++) {
		b->streams[i].id = *sim_stream(w, i);
		b->streams[i].accepted.next_batch = 1;
	}
	return b;
}

const struct sim_disk *sim_broker_disk(const struct sim_broker *b, size_t stream)
{
	return b->upstream ? sim_subscriber_disk(b->upstream, stream) : &b->streams[stream].disk;
}

static struct torap_buffer *head_of(const struct sim_broker *b, size_t stream)
{
	return b->upstream ? sim_subscriber_head(b->upstream, stream) : b->streams[stream].head;
}

static void forget_sessions(struct sim_broker *b)
{
	memset(b->writers, 0, sizeof b->writers);
	for (size_t f = 0; f < SIM_SUBSCRIBERS; f++)
		for (size_t i = 0; i < SIM_LANES; i++) {
			torap_window_finish(&b->feeds[f][i].window);
			b->feeds[f][i] = (struct feed_session){ 0 };
		}
}

void sim_broker_destroy(struct sim_broker *b)
{
	forget_sessions(b);
	for (size_t i = 0; i < SIM_STREAMS; i++) {
		sim_disk_finish(&b->streams[i].disk);
		torap_buffer_unref(b->streams[i].head);
	}
	broker_routing_destroy(b->routing);
	torap_trust_unref(b->rules.trust);
	broker_policy_unref(b->rules.policy);
	for (size_t i = 0; i < POLICIES; i++)
		broker_policy_unref(b->policies[i]);
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
	sim_note(w, "broker %zu dies", b->number);
	b->up = false;
	b->back_at = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 6000));
	forget_sessions(b);
	if (b->upstream) {
		sim_subscriber_crash(w, w->feeds[SIM_UPSTREAM].subscriber);
		return;
	}
	for (size_t i = 0; i < SIM_STREAMS; i++) {
		sim_disk_crash(&b->streams[i].disk);
		uint64_t acked = w->nodes[i / SIM_LANES].lanes[i % SIM_LANES].uplinks[b->number].acked;
		if (acked > b->streams[i].disk.flushed)
			sim_fail(w, "broker %zu acknowledged batch %" PRIu64 " of %s and lost it", b->number,
				acked, b->streams[i].id.writer);
		accept_from_disk(&b->streams[i]);
		b->streams[i].head = torap_buffer_unref(b->streams[i].head);
	}
}

/* Where a stream stands before batch `next`; past what is here, nothing is known of it. */
static struct torap_stream_position position_of(const struct sim_broker *b, size_t i, uint64_t next)
{
	const struct sim_disk *disk = sim_broker_disk(b, i);
	struct torap_stream_position p = { .stream = b->streams[i].id, .at = { .next_batch = next } };
	if (next > 1 && next <= disk->count + 1) {
		p.at.has_digest = true;
		memcpy(p.at.last_digest, disk->batches[next - 2]->manifest->digest, TORAP_DIGEST_SIZE);
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

/* --- writers --- */

static void ack(struct sim_world *w, struct sim_broker *b, struct sim_line *line, size_t i)
{
	struct torap_stream_position p = position_of(b, i, b->streams[i].disk.flushed + 1);
	b->writers[i].acked = b->streams[i].disk.flushed;
	sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_ACK, torap_ack_encode(&p, 1));
	torap_pulse_sent(&b->writers[i].pulse, w->now);
}

static void writer_hello(struct sim_world *w, struct sim_broker *b, struct sim_line *line, size_t i)
{
	struct write_session *session = &b->writers[i];
	*session = (struct write_session){
		.open = true, .connection = line->connection, .acked = b->streams[i].disk.flushed
	};
	torap_pulse_init(&session->pulse, 1000, 4000, w->now);
	struct torap_stream_position p = position_of(b, i, b->streams[i].disk.flushed + 1);
	struct torap_welcome welcome = { .version = 1,
		.positions = &p,
		.positions_count = 1,
		.credit_bytes = 1 << 20,
		.heartbeat_ms = 1000 };
	sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_WELCOME,
		torap_welcome_encode(&welcome));
}

static void writer_batch(struct sim_world *w, struct sim_broker *b, struct sim_line *line, size_t i,
	const struct torap_envelope *envelope, struct sim_message *m)
{
	struct torap_batch *batch;
	struct torap_error err;
	struct stream *s = &b->streams[i];
	struct write_session *session = &b->writers[i];
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
		if (torap_mono_reached(b->full_until, w->now)) {
			torap_position_advance(&s->accepted, batch->manifest);
			sim_disk_append(&s->disk, batch);
			return;
		}
		refuse(w, line, TORAP__REFUSAL__CODE__BUSY, NULL);
		session->open = false;
		break;
	case BROKER_ADMIT_OLD:
		if (session->acked < s->disk.flushed || batch->manifest->batch_no <= s->disk.flushed)
			ack(w, b, line, i);
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

static void writer_head(struct sim_world *w, struct stream *s, struct torap_buffer *bytes)
{
	struct torap_head head;
	enum torap_verdict v =
		torap_verify_head(&head, torap_buffer_bytes(bytes), torap_trust_lookup, w->trust);
	if (v != TORAP_VERDICT_GOOD)
		sim_fail(w, "an honest head was refused: %s", torap_verdict_name(v));
	torap_buffer_unref(s->head);
	s->head = torap_buffer_ref(bytes);
}

static void writer_message(
	struct sim_world *w, struct sim_broker *b, struct sim_line *line, size_t i, struct sim_message *m)
{
	struct torap_envelope envelope;
	struct torap_error err;
	int r = torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err);
	assert(r == 0);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HELLO) {
		writer_hello(w, b, line, i);
		return;
	}
	if (!b->writers[i].open) {
		refuse(w, line, TORAP__REFUSAL__CODE__NO_SESSION, NULL);
		return;
	}
	torap_pulse_heard(&b->writers[i].pulse, w->now);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_BATCH)
		writer_batch(w, b, line, i, &envelope, m);
	else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HEAD)
		writer_head(w, &b->streams[i], m->frames[1]);
}

static void step_writer(struct sim_world *w, struct sim_broker *b, size_t i)
{
	struct write_session *session = &b->writers[i];
	struct sim_line *line = &w->nodes[i / SIM_LANES].lanes[i % SIM_LANES].uplinks[b->number].line;
	if (session->open &&
		(session->connection != line->connection || torap_pulse_dead(&session->pulse, w->now)))
		session->open = false;
	for (struct sim_message *m; (m = sim_receive(w, line, SIM_TO_LISTENER)); sim_message_destroy(m))
		writer_message(w, b, line, i, m);
	if (session->open && session->acked < b->streams[i].disk.flushed)
		ack(w, b, line, i);
	if (session->open && torap_pulse_heartbeat_due(&session->pulse, w->now)) {
		sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
		torap_pulse_sent(&session->pulse, w->now);
	}
}

/* --- feeds --- */

static uint32_t place_of(const struct sim_broker *b, const struct sim_feed *feed)
{
	int place = broker_policy_find(b->rules.policy, feed->name);
	assert(place >= 0);
	return (uint32_t)place;
}

static void feed_hello(
	struct sim_world *w, struct sim_broker *b, size_t f, size_t lane, struct torap_bytes body)
{
	struct feed_session *session = &b->feeds[f][lane];
	struct sim_line *line = &w->feeds[f].lines[lane];
	const struct broker_policy_feed *entry = &b->rules.policy->feeds[place_of(b, &w->feeds[f])];
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
		size_t i = n * SIM_LANES + lane;
		uint64_t next = 1;
		for (size_t k = 0; k < hello.positions_count; k++)
			if (torap_stream_id_equal(&hello.positions[k].stream, &b->streams[i].id))
				next = hello.positions[k].at.next_batch;
		session->next[i] =
			next; /* Perhaps past what is here: it comes from a broker that is further. */
		begins[n] = position_of(b, i, next);
	}
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

struct look {
	struct sim_broker *broker;
	const struct sim_disk *disk;
	uint32_t feed;
};

static enum broker_look look(void *hint, uint64_t batch_no, size_t *bytes)
{
	struct look *l = hint;
	if (batch_no > l->disk->flushed)
		return BROKER_LOOK_ABSENT;
	const struct torap_batch *b = l->disk->batches[batch_no - 1];
	if (!broker_cut_matches(l->broker->routing, l->feed, b)) {
		*bytes = b->signed_manifest->size;
		return BROKER_LOOK_QUIET;
	}
	*bytes = broker_cut_size(l->broker->routing, l->feed, b);
	return BROKER_LOOK_MATCH;
}

static void send_batch(
	struct sim_world *w, const struct look *l, const struct torap_batch *b, size_t f, size_t lane)
{
	struct torap_batch view;
	broker_cut_make(&view, l->broker->routing, l->feed, b);
	struct torap_buffer *frames[SIM_FRAMES_MAX] = { torap_envelope_batch(&view), view.signed_manifest };
	for (unsigned i = 0; i < view.manifest->frames_count; i++) {
		unsigned group, part;
		frames[2 + i] = view.frames[i];
		torap_batch_locate(b, i, &group, &part);
		if (view.frames[i] && !sim_is_granted(w, f, &b->manifest->groups[group], part))
			sim_fail(w, "broker %zu sends %s a frame beyond the policy in force",
				l->broker->number, w->feeds[f].name);
	}
	sim_send(w, &w->feeds[f].lines[lane], SIM_TO_DIALLER, frames, 2 + view.manifest->frames_count);
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
	struct feed_session *session = &b->feeds[f][lane];
	struct look hint = { b, sim_broker_disk(b, i), place_of(b, &w->feeds[f]) };
	for (;;) {
		struct broker_step step =
			broker_course_step(session->next[i], hint.disk->flushed, flush, look, &hint);
		if (step.what == BROKER_STEP_NONE || !torap_window_open(&session->window, step.bytes))
			return;
		assert(step.what != BROKER_STEP_READ);
		if (step.what == BROKER_STEP_RUN)
			send_run(w, &hint, &step, &w->feeds[f].lines[lane]);
		else
			send_batch(w, &hint, hint.disk->batches[step.from - 1], f, lane);
		torap_window_sent(&session->window, (uint32_t)i, step.to, step.bytes, w->now);
		torap_pulse_sent(&session->pulse, w->now);
		session->next[i] = step.to + 1;
	}
}

static void feed_ack(
	struct sim_world *w, struct sim_broker *b, size_t f, size_t lane, struct torap_bytes body)
{
	struct torap_stream_position *p;
	size_t count;
	struct torap_error err;
	int r = torap_ack_decode(&p, &count, body, &err);
	assert(r == 0);
	for (size_t k = 0; k < count; k++)
		for (size_t i = 0; i < SIM_STREAMS; i++) {
			if (!torap_stream_id_equal(&p[k].stream, &b->streams[i].id))
				continue;
			uint64_t batch_no = p[k].at.next_batch - 1;
			torap_window_acked(&b->feeds[f][lane].window, (uint32_t)i, batch_no, w->now);
			if (batch_no > w->feeds[f].acked[i])
				w->feeds[f].acked[i] = batch_no;
		}
	torap_positions_destroy(p, count);
}

static void feed_message(
	struct sim_world *w, struct sim_broker *b, size_t f, size_t lane, struct sim_message *m)
{
	struct feed_session *session = &b->feeds[f][lane];
	struct torap_envelope envelope;
	struct torap_error err;
	int r = torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err);
	assert(r == 0);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HELLO) {
		feed_hello(w, b, f, lane, torap_buffer_bytes(m->frames[1]));
		return;
	}
	if (!session->open) {
		refuse(w, &w->feeds[f].lines[lane], TORAP__REFUSAL__CODE__NO_SESSION, NULL);
		return;
	}
	torap_pulse_heard(&session->pulse, w->now);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_ACK)
		feed_ack(w, b, f, lane, torap_buffer_bytes(m->frames[1]));
}

/* Heads, and the manifests that wait. */
static void send_heads(struct sim_world *w, struct sim_broker *b, struct sim_line *line, size_t lane)
{
	for (size_t i = lane; i < SIM_STREAMS; i += SIM_LANES) {
		struct torap_buffer *frames[2] = { NULL, head_of(b, i) };
		if (!frames[1])
			continue;
		frames[0] = torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_HEAD, &b->streams[i].id, 0);
		sim_send(w, line, SIM_TO_DIALLER, frames, 2);
		torap_buffer_unref(frames[0]);
	}
}

static void step_feed(struct sim_world *w, struct sim_broker *b, size_t f, size_t lane)
{
	const struct sim_feed *feed = &w->feeds[f];
	struct feed_session *session = &b->feeds[f][lane];
	struct sim_line *line = &w->feeds[f].lines[lane];
	bool here = feed->brokers[feed->at[lane]] == b->number;
	if (session->open && (!here || session->connection != line->connection ||
				     torap_pulse_dead(&session->pulse, w->now) ||
				     torap_window_age_us(&session->window, w->now) > STALL_US))
		session->open = false;
	if (!here)
		return;
	for (struct sim_message *m; (m = sim_receive(w, line, SIM_TO_LISTENER)); sim_message_destroy(m))
		feed_message(w, b, f, lane, m);
	if (!session->open)
		return;
	bool flush = torap_mono_reached(session->next_flush, w->now);
	if (flush)
		session->next_flush = torap_mono_add_ms(w->now, 1000);
	for (size_t i = lane; i < SIM_STREAMS; i += SIM_LANES)
		send_course(w, b, f, i, flush);
	if (flush)
		send_heads(w, b, line, lane);
	if (torap_pulse_heartbeat_due(&session->pulse, w->now)) {
		sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
		torap_pulse_sent(&session->pulse, w->now);
	}
}

/* Another policy holds from the next frame on. */
static void follow_policy(struct sim_world *w, struct sim_broker *b)
{
	struct broker_policy *policy = b->policies[w->almaty_personal];
	if (policy == b->rules.policy)
		return;
	broker_policy_unref(b->rules.policy);
	b->rules.policy = broker_policy_ref(policy);
	int r = broker_routing_policy(b->routing, policy);
	assert(r == 0);
}

void sim_broker_step(struct sim_world *w, struct sim_broker *b)
{
	if (!b->up) {
		if (!torap_mono_reached(b->back_at, w->now))
			return;
		b->up = true;
	}
	follow_policy(w, b);
	if (sim_fault(w, SIM_FULL))
		b->full_until = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 8000));
	for (size_t i = 0; i < SIM_STREAMS; i++) {
		if (sim_fault(w, SIM_CRASH)) {
			sim_broker_crash(w, b);
			return;
		}
		if (!b->upstream)
			step_writer(w, b, i);
	}
	if (sim_random(w, 3) == 0) /* One flush for all streams. */
		for (size_t i = 0; i < SIM_STREAMS; i++)
			b->streams[i].disk.flushed = b->streams[i].disk.count;
	for (size_t f = 0; f < SIM_SUBSCRIBERS; f++)
		for (size_t lane = 0; lane < SIM_LANES; lane++)
			step_feed(w, b, f, lane);
}
