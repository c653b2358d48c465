/* A subscriber: verifies what comes, keeps batches and cursor together, acknowledges what is flushed. */
#include "sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agents/follow/streams.h"
#include "base/error.h"
#include "link/message.h"
#include "link/run.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"
#include "wire/verify.h"

enum { WRITERS = SIM_NODES + SIM_BROKERS };

/* A batch on its way to the disk. */
struct waiting {
	struct waiting *next;
	size_t stream;
	struct torap_batch *batch;
};

struct sim_subscriber {
	struct sim_feed *feed;
	bool up;
	struct torap_mono back_at, stuck_until;
	struct torap_dialler diallers[SIM_LANES];
	struct follow_streams streams; /* in memory: as it verified them */
	struct {
		struct torap_stream_id id;
		struct sim_disk disk; /* batches; their number is the cursor */
		bool ack_due;
	} held[SIM_STREAMS];
	struct waiting *waiting;
	struct torap_mono next_look;
	struct torap_trust *trust, *kept_trust; /* NULL before the first welcome; on the disk */
	struct torap_mono trust_since;
};

static void start(struct sim_world *w, struct sim_subscriber *s)
{
	s->up = true;
	for (size_t i = 0; i < SIM_STREAMS; i++) {
		struct torap_position at = { .next_batch = 1 };
		for (size_t k = 0; k < s->held[i].disk.count; k++)
			torap_position_advance(&at, s->held[i].disk.batches[k]->manifest);
		struct follow_stream *stream = follow_streams_add(&s->streams, &s->held[i].id);
		assert(stream);
		follow_stream_begin(stream, &at);
		s->held[i].ack_due = false;
		for (size_t k = 0; k < s->held[i].disk.count; k++)
			if (torap_batch_lacks(s->held[i].disk.batches[k]))
				torap_holes_add(&stream->holes, k + 1, w->now);
	}
	for (size_t i = 0; i < SIM_LANES; i++) {
		torap_dialler_init(&s->diallers[i], &torap_dial_defaults, sim_random(w, UINT32_MAX), w->now);
		sim_line_reset(w, &s->feed->lines[i]);
	}
}

struct sim_subscriber *sim_subscriber_create(struct sim_world *w, struct sim_feed *feed)
{
	struct sim_subscriber *s = calloc(1, sizeof *s);
	assert(s);
	s->feed = feed;
	for (size_t i = 0; i < SIM_STREAMS; i++)
		s->held[i].id = *sim_stream(w, i);
	start(w, s);
	return s;
}

static void drop_waiting(struct sim_subscriber *s)
{
	while (s->waiting) {
		struct waiting *a = s->waiting;
		s->waiting = a->next;
		torap_batch_destroy(a->batch);
		free(a);
	}
}

void sim_subscriber_destroy(struct sim_subscriber *s)
{
	if (!s)
		return;
	drop_waiting(s);
	follow_streams_finish(&s->streams);
	for (size_t i = 0; i < SIM_STREAMS; i++)
		sim_disk_finish(&s->held[i].disk);
	torap_trust_unref(s->trust);
	torap_trust_unref(s->kept_trust);
	free(s);
}

void sim_subscriber_crash(struct sim_world *w, struct sim_subscriber *s)
{
	sim_note(w, "the subscriber of %s dies", s->feed->name);
	s->up = false;
	s->back_at = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 6000));
	follow_streams_finish(&s->streams);
	drop_waiting(s);
	torap_trust_unref(s->trust);
	s->trust = s->kept_trust ? torap_trust_ref(s->kept_trust) : NULL;
	for (size_t i = 0; i < SIM_LANES; i++)
		sim_line_reset(w, &s->feed->lines[i]);
}

size_t sim_subscriber_trust(const struct sim_subscriber *s)
{
	return s->trust ? s->trust->version - 1 : 0;
}

struct torap_mono sim_subscriber_trust_since(const struct sim_subscriber *s)
{
	return s->trust_since;
}

const struct sim_disk *sim_subscriber_disk(const struct sim_subscriber *s, size_t stream)
{
	return &s->held[stream].disk;
}

static void ask_holes(struct sim_world *w, struct follow_stream *stream, struct torap_stream_position *p)
{
	size_t most =
		stream->holes.count < TORAP_HOLES_ASKED_MAX ? stream->holes.count : TORAP_HOLES_ASKED_MAX;
	p->holes = most ? malloc(most * sizeof *p->holes) : NULL;
	if (p->holes)
		p->holes_count = torap_holes_ask(&stream->holes, p->holes, most, w->now);
}

static void say_hello(struct sim_world *w, struct sim_subscriber *s, size_t lane)
{
	struct torap_stream_position cursor[WRITERS];
	for (size_t n = 0; n < WRITERS; n++) {
		size_t i = n * SIM_LANES + lane;
		struct follow_stream *stream = follow_streams_find(&s->streams, &s->held[i].id);
		/* What is on the disk, not what is on its way there: a batch that comes twice is dropped by its number. */
		follow_stream_greet(stream);
		cursor[n] = (struct torap_stream_position){ .stream = stream->id, .at = stream->flushed };
		torap_holes_hurry(&stream->holes, w->now);
		ask_holes(w, stream, &cursor[n]);
	}
	struct torap_hello hello = { .version = 1,
		.role = TORAP__ROLE__ROLE_SUBSCRIBER,
		.lane = (uint8_t)sim_lane(lane),
		.positions = cursor,
		.positions_count = WRITERS,
		.credit_bytes = 16 << 10 };
	strcpy(hello.name, s->feed->name);
	sim_say(w, &s->feed->lines[lane], SIM_TO_LISTENER, TORAP__MESSAGE_TYPE__MESSAGE_HELLO,
		torap_hello_encode(&hello));
	for (size_t n = 0; n < WRITERS; n++)
		free(cursor[n].holes);
}

static void dial(
	struct sim_world *w, struct sim_subscriber *s, size_t lane, enum torap_dial_input in, int refusal)
{
	struct torap_dial_out out;
	struct sim_line *line = &s->feed->lines[lane];
	torap_dialler_step(&s->diallers[lane], in, refusal, w->now, &out);
	if (out.reset) {
		sim_line_reset(w, line);
		s->feed->at[lane] = (s->feed->at[lane] + 1) % s->feed->brokers_count;
		line->broker = s->feed->brokers[s->feed->at[lane]];
	}
	if (out.say_hello)
		say_hello(w, s, lane);
	if (out.heartbeat)
		sim_say(w, line, SIM_TO_LISTENER, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
	bool said = out.say_hello || out.heartbeat;
	if (out.say_hello)
		torap_dialler_step(&s->diallers[lane], TORAP_DIAL_IN_OPEN, 0, w->now, &out);
	if (said)
		torap_dialler_step(&s->diallers[lane], TORAP_DIAL_IN_SENT, 0, w->now, &out);
}

static void submit(struct sim_subscriber *s, struct torap_batch *batch)
{
	struct waiting **end = &s->waiting, *a = malloc(sizeof *a);
	assert(a);
	*a = (struct waiting){ .batch = batch };
	while (!torap_stream_id_equal(&s->held[a->stream].id, &batch->manifest->stream))
		a->stream++;
	while (*end)
		end = &(*end)->next;
	*end = a;
}

static void take_batch(struct sim_world *w, struct sim_subscriber *s, size_t lane, struct torap_batch *batch)
{
	struct follow_stream *stream = follow_streams_find(&s->streams, &batch->manifest->stream);
	if (!stream) {
		sim_fail(w, "%s was sent a stream that nobody writes", s->feed->name);
		torap_batch_destroy(batch);
		return;
	}
	enum torap_verdict v = follow_stream_check(stream, s->trust, batch);
	if (v == TORAP_VERDICT_GOOD || v == TORAP_VERDICT_OLD) {
		follow_stream_shown(stream, batch->manifest);
		follow_rights_enforce(batch, s->trust);
		submit(s, batch);
		return;
	}
	torap_batch_destroy(batch);
	if (v == TORAP_VERDICT_GAP)
		dial(w, s, lane, TORAP_DIAL_IN_CLOSE,
			0); /* Something was lost on the way: resume by the cursor. */
	else
		sim_fail(w, "%s found an honest batch to be %s", s->feed->name, torap_verdict_name(v));
}

static void take_run(struct sim_world *w, struct sim_subscriber *s, size_t lane, struct torap_bytes body)
{
	struct torap_run run;
	struct torap_error err;
	int r = torap_run_decode(&run, body, &err);
	assert(r == 0);
	uint32_t connection = s->feed->lines[lane].connection;
	for (size_t i = 0; i < run.count && connection == s->feed->lines[lane].connection; i++) {
		struct torap_buffer *bytes = torap_buffer_copy(run.manifests[i]);
		struct torap_batch *batch;
		r = torap_batch_create(&batch, bytes, &err);
		assert(r == 0);
		torap_buffer_unref(bytes);
		take_batch(w, s, lane, batch);
	}
	torap_run_finish(&run);
}

/* Whom to believe; never an older one than before (agents/follow/welcome.c). */
static void take_welcome(struct sim_world *w, struct sim_subscriber *s, size_t lane, struct torap_bytes body)
{
	struct torap_welcome welcome;
	struct torap_trust *trust;
	struct torap_error err;
	int r = torap_welcome_decode(&welcome, body, &err);
	assert(r == 0);
	if (s->diallers[lane].state != TORAP_DIAL_GREETING) {
		torap_welcome_finish(&welcome);
		return;
	}
	if (!welcome.trust || torap_trust_decode(&trust, torap_buffer_bytes(welcome.trust), sim_trust_root(),
				      sim_wall(w), &err)) {
		sim_fail(w, "%s is welcomed without a trust file: %s", s->feed->name, err.text);
	} else {
		bool newer = !s->trust || trust->version > s->trust->version;
		if (newer) {
			torap_trust_unref(s->trust);
			s->trust = torap_trust_ref(trust);
			s->trust_since = w->now;
		}
		torap_trust_unref(trust);
	}
	torap_welcome_finish(&welcome);
	dial(w, s, lane, TORAP_DIAL_IN_WELCOME, 0);
}

static void on_message(struct sim_world *w, struct sim_subscriber *s, size_t lane, struct sim_message *m)
{
	struct torap_envelope envelope;
	struct torap_error err;
	int r = torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err);
	assert(r == 0);
	dial(w, s, lane, TORAP_DIAL_IN_HEARD, 0);
	bool flowing = s->diallers[lane].state == TORAP_DIAL_FLOWING;
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_WELCOME) {
		take_welcome(w, s, lane, torap_buffer_bytes(m->frames[1]));
	} else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL) {
		struct torap_refusal refusal;
		r = torap_refusal_decode(&refusal, torap_buffer_bytes(m->frames[1]), &err);
		assert(r == 0);
		dial(w, s, lane, TORAP_DIAL_IN_REFUSED, refusal.code);
		torap_refusal_finish(&refusal);
	} else if (flowing && envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_BATCH) {
		struct torap_batch *batch;
		r = torap_batch_from_frames(&batch, &envelope, m->frames + 1, m->count - 1, &err);
		if (r)
			sim_fail(w, "%s got a malformed batch: %s", s->feed->name, err.text);
		else
			take_batch(w, s, lane, batch);
	} else if (flowing && envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_RUN) {
		take_run(w, s, lane, torap_buffer_bytes(m->frames[1]));
	} else if (flowing && envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_HEAD) {
		struct torap_head head;
		enum torap_verdict v = torap_verify_head(
			&head, torap_buffer_bytes(m->frames[1]), torap_trust_lookup, s->trust);
		struct follow_stream *stream = follow_streams_find(&s->streams, &envelope.stream);
		if (v != TORAP_VERDICT_GOOD || !stream ||
			follow_stream_head(stream, &head, m->frames[1]) >= FOLLOW_HEAD_ROLLBACK)
			sim_fail(w, "%s takes an honest head for a lie", s->feed->name);
	}
}

/* Batch and cursor in one transaction.  What is there already may bring what was missing. */
static bool write(struct sim_disk *disk, struct torap_batch **take)
{
	uint64_t no = (*take)->manifest->batch_no;
	bool next = no == disk->count + 1;
	if (next) {
		sim_disk_append(disk, *take);
		*take = NULL;
		disk->flushed = disk->count;
	} else if (no <= disk->count) {
		sim_disk_merge(disk, *take);
	}
	return next;
}

static void apply(struct sim_world *w, struct sim_subscriber *s, struct waiting *a)
{
	struct sim_disk *disk = &s->held[a->stream].disk;
	struct follow_stream *stream = follow_streams_find(&s->streams, &s->held[a->stream].id);
	uint64_t no = a->batch->manifest->batch_no;
	if (write(disk, &a->batch))
		follow_stream_flushed(stream, disk->batches[no - 1]);
	if (torap_batch_lacks(disk->batches[no - 1]))
		torap_holes_add(&stream->holes, no, torap_mono_add_ms(w->now, TORAP_HOLES_AGAIN_MS));
	else
		torap_holes_remove(&stream->holes, no);
	s->held[a->stream].ack_due = true;
}

static void acknowledge(struct sim_world *w, struct sim_subscriber *s)
{
	bool look = torap_mono_reached(s->next_look, w->now);
	if (look)
		s->next_look = torap_mono_add_ms(w->now, 1000);
	for (size_t i = 0; i < SIM_STREAMS; i++) {
		struct follow_stream *stream = follow_streams_find(&s->streams, &s->held[i].id);
		size_t lane = i % SIM_LANES;
		/* One that says nothing new asks for what is missing. */
		s->held[i].ack_due |= look && torap_holes_due(&stream->holes, w->now);
		if (!s->held[i].ack_due || s->diallers[lane].state != TORAP_DIAL_FLOWING)
			continue;
		s->held[i].ack_due = false;
		struct torap_stream_position p = { .stream = stream->id, .at = *follow_stream_owed(stream) };
		ask_holes(w, stream, &p);
		sim_say(w, &s->feed->lines[lane], SIM_TO_LISTENER, TORAP__MESSAGE_TYPE__MESSAGE_ACK,
			torap_ack_encode(&p, 1));
		free(p.holes);
	}
}

/* False: the flush failed and the process exits; the disk may have it all or none of it. */
static bool flush(struct sim_world *w, struct sim_subscriber *s)
{
	bool fails = s->waiting && sim_fault(w, SIM_FLUSH), has_it = fails && sim_random(w, 2);
	if (s->trust != s->kept_trust && (!fails || has_it)) {
		torap_trust_unref(s->kept_trust);
		s->kept_trust = torap_trust_ref(s->trust);
	}
	while (s->waiting && (!fails || has_it)) {
		struct waiting *a = s->waiting;
		s->waiting = a->next;
		if (fails)
			write(&s->held[a->stream].disk, &a->batch);
		else
			apply(w, s, a);
		torap_batch_destroy(a->batch);
		free(a);
	}
	if (fails)
		sim_subscriber_crash(w, s);
	return !fails;
}

void sim_subscriber_step(struct sim_world *w, struct sim_subscriber *s)
{
	if (!w->calm && !torap_mono_reached(s->stuck_until, w->now))
		return;
	if (sim_fault(w, SIM_STUCK))
		s->stuck_until = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 12000));
	if (!s->up) {
		if (!torap_mono_reached(s->back_at, w->now))
			return;
		start(w, s);
	}
	for (size_t lane = 0; lane < SIM_LANES; lane++) {
		if (sim_fault(w, SIM_CRASH)) {
			sim_subscriber_crash(w, s);
			return;
		}
		for (struct sim_message *m; (m = sim_receive(w, &s->feed->lines[lane], SIM_TO_DIALLER));
			sim_message_destroy(m))
			on_message(w, s, lane, m);
		dial(w, s, lane, TORAP_DIAL_IN_TICK, 0);
	}
	if (sim_random(w, 3) == 0 && !flush(w, s))
		return;
	acknowledge(w, s);
}
