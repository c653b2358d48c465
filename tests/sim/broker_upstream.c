/* The nation's broker subscribes to both cities at once, and takes what they give as its own (broker/upstream.c, upstream_take.c). */
#include "sim/broker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/admission.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"
#include "wire/verify.h"

static struct sim_line *line_of(struct sim_world *w, size_t u, size_t lane)
{
	return &w->feeds[SIM_UPSTREAM + u].lines[lane];
}

void sim_upstream_start(struct sim_world *w, struct sim_broker *b)
{
	for (size_t u = 0; u < SIM_CITIES; u++)
		for (size_t lane = 0; lane < SIM_LANES; lane++) {
			torap_dialler_init(&b->upstreams[u][lane].dialler, &torap_dial_defaults,
				sim_random(w, UINT32_MAX), w->now);
			line_of(w, u, lane)->ordered = true;
			sim_line_reset(line_of(w, u, lane));
		}
}

void sim_upstream_forget(struct sim_world *w, struct sim_broker *b)
{
	for (size_t u = 0; u < SIM_CITIES; u++)
		for (size_t lane = 0; lane < SIM_LANES; lane++) {
			struct sim_upstream *l = &b->upstreams[u][lane];
			broker_heard_clear(&l->heard);
			torap_grant_rows_destroy(l->granted, l->granted_count);
			*l = (struct sim_upstream){ 0 };
			sim_line_reset(line_of(w, u, lane));
		}
}

/* Where a city is to go on: the first batch that is not whole here and that it has not shown us yet (broker/source.c). */
static uint64_t resume_at(const struct sim_broker *b, size_t u, size_t i)
{
	const struct sim_disk *disk = &b->disks[i];
	for (uint64_t no = b->shown[u][i] ? b->shown[u][i] : 1; no <= disk->count; no++)
		for (unsigned frame = 0; frame < disk->batches[no - 1]->manifest->frames_count; frame++)
			if (!disk->batches[no - 1]->frames[frame] &&
				disk->batches[no - 1]->omissions[frame] ==
					TORAP__OMISSION_REASON__OMISSION_NOT_HELD)
				return no;
	return disk->count + 1;
}

static void say_hello(struct sim_world *w, struct sim_broker *b, size_t u, size_t lane)
{
	struct sim_upstream *l = &b->upstreams[u][lane];
	struct torap_stream_position cursor[SIM_NODES];
	size_t count = 0;
	broker_heard_clear(&l->heard);
	memset(l->said, 0, sizeof l->said);
	for (size_t i = lane; i < SIM_STREAMS; i += SIM_LANES) {
		if (!b->stream[i]->stored)
			continue;
		l->said[i] = resume_at(b, u, i);
		cursor[count] = sim_broker_position(b, i, l->said[i]);
		torap_holes_hurry(&b->stream[i]->holes, w->now);
		sim_broker_ask(w, b, i, &cursor[count++], (struct torap_holes_turn){ 0, 1 });
	}
	struct torap_hello hello = { .version = 1,
		.role = TORAP__ROLE__ROLE_SUBSCRIBER,
		.lane = (uint8_t)sim_lane(lane),
		.positions = cursor,
		.positions_count = count,
		.credit_bytes = 16 << 10 };
	strcpy(hello.name, w->feeds[SIM_UPSTREAM + u].name);
	sim_say(w, line_of(w, u, lane), SIM_TO_LISTENER, TORAP__MESSAGE_TYPE__MESSAGE_HELLO,
		torap_hello_encode(&hello));
	for (size_t i = 0; i < count; i++)
		free(cursor[i].holes);
}

static void dial(struct sim_world *w, struct sim_broker *b, size_t u, size_t lane, enum torap_dial_input in,
	int refusal)
{
	struct torap_dial_out out;
	struct torap_dialler *d = &b->upstreams[u][lane].dialler;
	torap_dialler_step(d, in, refusal, w->now, &out);
	if (out.reset)
		sim_line_reset(line_of(w, u, lane));
	if (out.say_hello)
		say_hello(w, b, u, lane);
	if (out.heartbeat)
		sim_say(w, line_of(w, u, lane), SIM_TO_LISTENER, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT,
			NULL);
	if (out.say_hello || out.heartbeat)
		torap_dialler_step(d, TORAP_DIAL_IN_SENT, 0, w->now, &out);
}

static bool flows(const struct sim_broker *b, size_t u, size_t lane)
{
	return b->upstreams[u][lane].dialler.state == TORAP_DIAL_FLOWING;
}

/* What the city leaves out without a reason was not granted to us: here it is not held. */
static void note_omissions(struct sim_world *w, const struct sim_upstream *l, struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	for (unsigned i = 0; i < m->frames_count; i++) {
		unsigned group, part;
		bool parts[4];
		if (batch->frames[i] || batch->omissions[i] != TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED)
			continue;
		torap_batch_locate(batch, i, &group, &part);
		torap_grant_parts(l->granted, l->granted_count, &m->groups[group].class, parts);
		if (parts[m->groups[group].parts[part].part])
			sim_fail(w, "the nation was given a batch without a granted frame, and no reason");
		batch->omissions[i] = TORAP__OMISSION_REASON__OMISSION_NOT_HELD;
	}
}

static void take_again(struct sim_world *w, struct sim_broker *b, size_t u, size_t i,
	struct broker_heard_stream *heard, struct torap_batch **take)
{
	struct broker_heard *all = &b->upstreams[u][i % SIM_LANES].heard;
	struct broker_stream *s = b->stream[i];
	const struct torap_manifest *m = (*take)->manifest;
	if (broker_stream_differs(s, m))
		sim_fail(w, "the nation takes an honest batch for a fork");
	broker_heard_batch(all, heard, m, false);
	if (!broker_stream_holds(s, *take) || torap_batch_is_damaged(*take) ||
		torap_holes_has(&s->holes, m->batch_no))
		sim_broker_arrival(w, b, i, take, BROKER_SOURCE_UPSTREAM, u);
}

static void take(struct sim_world *w, struct sim_broker *b, size_t u, size_t lane, struct torap_batch *batch)
{
	struct sim_upstream *l = &b->upstreams[u][lane];
	const struct torap_manifest *m = batch->manifest;
	size_t i = sim_broker_stream(b, &m->stream);
	struct broker_heard_stream *heard = broker_heard_add(&l->heard, &m->stream);
	assert(heard);
	note_omissions(w, l, batch);
	struct broker_stream *s = b->stream[i];
	struct broker_admission a = broker_admission_judge_relayed(&b->rules, batch, &s->accepted);
	switch (a.answer) {
	case BROKER_ADMIT:
		broker_heard_batch(&l->heard, heard, m, false);
		sim_broker_arrival(w, b, i, &batch, BROKER_SOURCE_UPSTREAM, u);
		break;
	case BROKER_ADMIT_OLD:
		take_again(w, b, u, i, heard, &batch);
		break;
	case BROKER_ADMIT_GAP: /* Passed over: what is before it went with a commit that failed. */
		broker_heard_batch(&l->heard, heard, m, true);
		break;
	case BROKER_ADMIT_NOT:
		sim_fail(w, "the nation refused an honest batch: %s", a.reason);
		break;
	}
	torap_batch_destroy(batch);
}

static void take_run(
	struct sim_world *w, struct sim_broker *b, size_t u, size_t lane, struct torap_bytes body)
{
	struct torap_bytes manifests[TORAP_RUN_MANIFESTS_MAX];
	size_t count;
	struct torap_error err;
	int r = torap_run_decode(manifests, &count, TORAP_RUN_MANIFESTS_MAX, body, &err);
	assert(r == 0);
	for (size_t k = 0; k < count; k++) {
		struct torap_buffer *bytes = torap_buffer_copy(manifests[k]);
		struct torap_batch *batch;
		r = torap_batch_create(&batch, bytes, &err);
		assert(r == 0);
		torap_buffer_unref(bytes);
		memset(batch->omissions, TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED,
			batch->manifest->frames_count);
		take(w, b, u, lane, batch);
	}
}

static void take_head(struct sim_world *w, struct sim_broker *b, struct torap_buffer *bytes)
{
	struct torap_head head;
	enum torap_verdict v =
		torap_verify_head(&head, torap_buffer_bytes(bytes), torap_trust_lookup, w->trust);
	if (v != TORAP_VERDICT_GOOD || broker_stream_head(b->stream[sim_broker_stream(b, &head.stream)],
					       &head, bytes) >= BROKER_HEAD_ROLLBACK)
		sim_fail(w, "the nation takes an honest head for a lie");
}

static void welcomed(
	struct sim_world *w, struct sim_broker *b, size_t u, size_t lane, struct torap_bytes body)
{
	struct sim_upstream *l = &b->upstreams[u][lane];
	struct torap_welcome welcome;
	struct torap_error err;
	int r = torap_welcome_decode(&welcome, body, &err);
	assert(r == 0);
	torap_grant_rows_destroy(l->granted, l->granted_count);
	l->granted = welcome.granted;
	l->granted_count = welcome.granted_count;
	welcome.granted = NULL;
	welcome.granted_count = 0;
	torap_welcome_finish(&welcome);
	dial(w, b, u, lane, TORAP_DIAL_IN_WELCOME, 0);
}

static void message(
	struct sim_world *w, struct sim_broker *b, size_t u, size_t lane, const struct sim_message *m)
{
	struct torap_envelope envelope;
	struct torap_error err;
	int r = torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err);
	assert(r == 0);
	dial(w, b, u, lane, TORAP_DIAL_IN_HEARD, 0);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_WELCOME) {
		welcomed(w, b, u, lane, torap_buffer_bytes(m->frames[1]));
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL) {
		struct torap_refusal refusal;
		r = torap_refusal_decode(&refusal, torap_buffer_bytes(m->frames[1]), &err);
		assert(r == 0);
		dial(w, b, u, lane, TORAP_DIAL_IN_REFUSED, refusal.code);
		torap_refusal_finish(&refusal);
	} else if (!flows(b, u, lane)) {
		return;
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_BATCH) {
		struct torap_batch *batch;
		if (torap_batch_from_frames(
			    &batch, &envelope, (struct torap_buffer **)m->frames + 1, m->count - 1, &err))
			sim_fail(w, "the nation got a malformed batch: %s", err.text);
		else
			take(w, b, u, lane, batch);
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_RUN) {
		take_run(w, b, u, lane, torap_buffer_bytes(m->frames[1]));
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HEAD) {
		take_head(w, b, m->frames[1]);
	}
}

static void acknowledge(struct sim_world *w, struct sim_broker *b, size_t u, size_t lane)
{
	struct torap_stream_position positions[SIM_NODES];
	struct broker_heard *heard = &b->upstreams[u][lane].heard;
	size_t count = heard->due ? broker_heard_acks(heard, b->streams, positions, SIM_NODES) : 0;
	if (count)
		sim_say(w, line_of(w, u, lane), SIM_TO_LISTENER, TORAP__MESSAGE_TYPE__MESSAGE_ACK,
			torap_ack_encode(positions, count));
}

void sim_upstream_step(struct sim_world *w, struct sim_broker *b, size_t u, size_t lane)
{
	struct sim_line *line = line_of(w, u, lane);
	sim_line_suffers(w, line);
	for (struct sim_message *m; (m = sim_receive(w, line, SIM_TO_DIALLER)); sim_message_destroy(m))
		message(w, b, u, lane, m);
	dial(w, b, u, lane, TORAP_DIAL_IN_TICK, 0);
	if (flows(b, u, lane))
		acknowledge(w, b, u, lane);
}

void sim_upstream_full(struct sim_world *w, struct sim_broker *b, size_t i)
{
	size_t lane = i % SIM_LANES;
	for (size_t u = 0; u < SIM_CITIES; u++)
		if (flows(b, u, lane) && broker_heard_find(&b->upstreams[u][lane].heard, &b->stream[i]->id))
			dial(w, b, u, lane, TORAP_DIAL_IN_REFUSED, TORAP__REFUSAL__CODE__BUSY);
}

bool sim_upstream_ask(struct sim_world *w, struct sim_broker *b, size_t u, size_t i)
{
	size_t lane = i % SIM_LANES;
	struct broker_stream *s = b->stream[i];
	struct sim_upstream *l = &b->upstreams[u][lane];
	if (!flows(b, u, lane))
		return false;
	/* Up to where it surely has what we say we have. */
	const struct broker_heard_stream *heard = broker_heard_find(&l->heard, &s->id);
	struct torap_stream_position p = { .stream = s->id };
	p.at.next_batch = heard && heard->acked > l->said[i] ? heard->acked : l->said[i];
	if (s->holes.count == 0 || s->holes.list[0].batch_no >= p.at.next_batch)
		return false;
	sim_broker_ask(w, b, i, &p, sim_broker_turn(b, (unsigned)u + 1));
	bool asks = p.holes_count;
	if (asks)
		sim_say(w, line_of(w, u, lane), SIM_TO_LISTENER, TORAP__MESSAGE_TYPE__MESSAGE_ACK,
			torap_ack_encode(&p, 1));
	free(p.holes);
	return asks;
}
