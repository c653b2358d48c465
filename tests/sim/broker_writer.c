/* A writer's session at a broker: batches and heads in, acknowledgements and questions for holes out. */
#include "sim/broker.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "broker/admission.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"
#include "wire/verify.h"

struct sim_line *sim_writer_line(struct sim_world *w, const struct sim_broker *b, size_t i)
{
	return &w->nodes[i / SIM_LANES].lanes[i % SIM_LANES].uplinks[b->number].line;
}

static void hello(struct sim_world *w, struct sim_broker *b, struct sim_line *line, size_t i)
{
	struct sim_write_session *session = &b->writers[i];
	struct broker_stream *s = b->stream[i];
	*session = (struct sim_write_session){ .open = true, .connection = line->connection };
	torap_pulse_init(&session->pulse, 1000, 4000, w->now);
	struct torap_stream_position p = sim_broker_position(b, i, s->flushed.next_batch);
	s->writer_got = s->flushed;
	torap_holes_hurry(&s->holes, w->now);
	sim_broker_ask(w, b, i, &p, (struct torap_holes_turn){ 0, 1 });
	struct torap_welcome welcome = { .version = 1,
		.positions = &p,
		.positions_count = 1,
		.credit_bytes = 1 << 20,
		.heartbeat_ms = 1000 };
	sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_WELCOME,
		torap_welcome_encode(&welcome));
	free(p.holes);
}

void sim_writer_acknowledge(struct sim_world *w, struct sim_broker *b, size_t i)
{
	struct sim_write_session *session = &b->writers[i];
	struct broker_stream *s = b->stream[i];
	/* Frames of it that were missing here are on their way to the disk: it is owed again when they are there. */
	if (!session->open || s->writer_merges || !s->writer_got.next_batch) {
		session->owed = false;
		return;
	}
	bool ahead = s->flushed.next_batch > s->writer_got.next_batch;
	struct torap_stream_position p = { .stream = s->id, .at = ahead ? s->writer_got : s->flushed };
	if (s->ask_writer)
		sim_broker_ask(w, b, i, &p, sim_broker_turn(b, 0));
	s->ask_writer = session->owed = false;
	sim_say(w, sim_writer_line(w, b, i), SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_ACK,
		torap_ack_encode(&p, 1));
	torap_pulse_sent(&session->pulse, w->now);
	free(p.holes);
}

void sim_writer_full(struct sim_world *w, struct sim_broker *b, size_t i)
{
	if (b->writers[i].open)
		sim_broker_refuse(w, sim_writer_line(w, b, i), TORAP__REFUSAL__CODE__BUSY, NULL);
	b->writers[i].open = false;
}

static bool hear(struct broker_stream *s, const struct torap_manifest *m, enum broker_admission_answer answer)
{
	if (answer == BROKER_ADMIT_GAP || m->batch_no < s->writer_got.next_batch)
		return false;
	torap_position_advance(&s->writer_got, m);
	return true;
}

static void take_again(
	struct sim_world *w, struct sim_broker *b, size_t i, struct torap_batch **take, bool in_order)
{
	struct broker_stream *s = b->stream[i];
	bool is_hole = torap_holes_has(&s->holes, (*take)->manifest->batch_no);
	if (broker_stream_differs(s, (*take)->manifest))
		sim_fail(w, "an honest batch was taken for a fork");
	if (is_hole || (in_order && !broker_stream_holds(s, *take)))
		sim_broker_arrival(w, b, i, take, in_order ? BROKER_SOURCE_WRITER : BROKER_SOURCE_NONE, 0);
	else
		b->writers[i].owed = true;
}

static void take(struct sim_world *w, struct sim_broker *b, struct sim_line *line, size_t i,
	const struct torap_envelope *envelope, struct sim_message *m)
{
	struct torap_batch *batch;
	struct torap_error err;
	struct broker_stream *s = b->stream[i];
	if (torap_batch_from_frames(&batch, envelope, m->frames + 1, m->count - 1, &err)) {
		sim_fail(w, "a batch as it was sent is malformed: %s", err.text);
		return;
	}
	struct broker_admission a =
		broker_admission_judge(&b->rules, s->id.writer, s->id.lane, batch, &s->accepted);
	struct torap_stream_position resume = { .stream = s->id, .at = s->accepted };
	bool in_order = a.answer != BROKER_ADMIT_NOT && hear(s, batch->manifest, a.answer);
	switch (a.answer) {
	case BROKER_ADMIT:
		sim_broker_arrival(w, b, i, &batch, BROKER_SOURCE_NONE, 0);
		break;
	case BROKER_ADMIT_OLD:
		take_again(w, b, i, &batch, in_order);
		break;
	case BROKER_ADMIT_GAP:
		sim_broker_refuse(w, line, TORAP__REFUSAL__CODE__RESUME, &resume);
		break;
	case BROKER_ADMIT_NOT:
		sim_fail(w, "an honest batch was refused: %s", a.reason);
		break;
	}
	torap_batch_destroy(batch);
}

static void take_head(struct sim_world *w, struct broker_stream *s, struct torap_buffer *bytes)
{
	struct torap_head head;
	enum torap_verdict v =
		torap_verify_head(&head, torap_buffer_bytes(bytes), torap_trust_lookup, w->trust);
	if (v != TORAP_VERDICT_GOOD)
		sim_fail(w, "an honest head was refused: %s", torap_verdict_name(v));
	else if (broker_stream_head(s, &head, bytes) >= BROKER_HEAD_ROLLBACK)
		sim_fail(w, "a broker takes an honest head for a lie");
}

static void message(
	struct sim_world *w, struct sim_broker *b, struct sim_line *line, size_t i, struct sim_message *m)
{
	struct torap_envelope envelope;
	struct torap_error err;
	int r = torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err);
	assert(r == 0);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HELLO) {
		hello(w, b, line, i);
		return;
	}
	if (!b->writers[i].open) {
		sim_broker_refuse(w, line, TORAP__REFUSAL__CODE__NO_SESSION, NULL);
		return;
	}
	torap_pulse_heard(&b->writers[i].pulse, w->now);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_BATCH)
		take(w, b, line, i, &envelope, m);
	else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HEAD)
		take_head(w, b->stream[i], m->frames[1]);
}

void sim_writer_step(struct sim_world *w, struct sim_broker *b, size_t i)
{
	struct sim_write_session *session = &b->writers[i];
	struct sim_line *line = sim_writer_line(w, b, i);
	if (session->open &&
		(session->connection != line->connection || torap_pulse_dead(&session->pulse, w->now)))
		session->open = false;
	for (struct sim_message *m; (m = sim_receive(w, line, SIM_TO_LISTENER)); sim_message_destroy(m))
		message(w, b, line, i, m);
	if (session->owed)
		sim_writer_acknowledge(w, b, i);
	if (session->open && torap_pulse_heartbeat_due(&session->pulse, w->now)) {
		sim_say(w, line, SIM_TO_DIALLER, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
		torap_pulse_sent(&session->pulse, w->now);
	}
}
