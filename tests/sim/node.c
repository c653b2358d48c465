/* A node: makes events, seals them, flushes, and sends what is flushed.  Its journal is a sim_disk a lane; a crash takes what was not
 * flushed, and the sealer begins again from what was, so that numbers nobody has seen are used again and no others. */
#include "sim/sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "link/message.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"
#include "wire/verify.h"

enum {
	STALL_US = 5 * TORAP_US_PER_S,
	WINDOW_AGAIN = 1u << 31, /* beside the stream's number: acknowledged by another rule */
};

static const struct torap_manifest *last_manifest(const struct sim_disk *d)
{
	return d->count ? d->batches[d->count - 1]->manifest : NULL;
}

static size_t stream_of(const struct sim_world *w, const struct sim_node *n, const struct sim_writer *l)
{
	return (size_t)(n - w->nodes) * SIM_LANES + (size_t)(l - n->lanes);
}

/* `before`: the sealer of this process that it takes over from; NULL after a start. */
static void continue_stream(struct sim_node *n, struct sim_writer *l, const struct torap_sealer *before)
{
	static const uint8_t nothing[TORAP_DIGEST_SIZE];
	const struct torap_manifest *m = last_manifest(&l->disk);
	struct torap_error err;
	int r = torap_sealer_create(&l->sealer, &l->stream, l->disk.count, m ? m->first_seq + m->count : 1,
		m ? m->digest : nothing, &n->keys[n->key], &err);
	assert(r == 0);
	if (m)
		torap_sealer_dated(l->sealer, (struct torap_wall){ m->sealed_at_us }, before);
}

void sim_node_start(struct sim_world *w, struct sim_node *n)
{
	n->up = true;
	for (size_t i = 0; i < SIM_LANES; i++) {
		struct sim_writer *l = &n->lanes[i];
		continue_stream(n, l, NULL);
		for (size_t b = 0; b < SIM_CITIES; b++) {
			struct sim_uplink *u = &l->uplinks[b];
			u->next_batch = 0;
			u->again_count = 0;
			u->again_sent = false;
			torap_dialler_init(
				&u->dialler, &torap_dial_defaults, sim_random(w, UINT32_MAX), w->now);
			torap_window_init(&u->window, 1 << 20, w->now);
			sim_line_reset(w, &u->line);
		}
	}
}

void sim_node_crash(struct sim_world *w, struct sim_node *n)
{
	sim_note(w, "%s dies", n->name);
	n->up = false;
	n->back_at = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 6000));
	for (size_t i = 0; i < SIM_LANES; i++) {
		struct sim_writer *l = &n->lanes[i];
		l->sealer = torap_sealer_destroy(l->sealer);
		sim_disk_crash(&l->disk);
		for (size_t b = 0; b < SIM_CITIES; b++) {
			torap_window_finish(&l->uplinks[b].window);
			sim_line_reset(w, &l->uplinks[b].line);
		}
	}
}

static void make_event(struct sim_world *w, struct sim_node *n, struct sim_writer *l)
{
	static const uint16_t kinds[SIM_LANES] = { TORAP__KIND__KIND_PANIC, TORAP__KIND__KIND_BURGLARY,
		TORAP__KIND__KIND_MOTION };
	static const uint8_t severities[SIM_LANES] = { TORAP__SEVERITY__SEVERITY_CRITICAL,
		TORAP__SEVERITY__SEVERITY_HIGH, TORAP__SEVERITY__SEVERITY_INFORMATION };
	size_t lane = (size_t)(l - n->lanes);
	bool prison = sim_random(w, 3) == 0;
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	Torap__EventPersonal personal = TORAP__EVENT_PERSONAL__INIT;
	char device[32];
	snprintf(device, sizeof device, "device-%" PRIu64, w->events++);
	open.device = device;
	open.state = TORAP__STATE__STATE_PULSE;
	personal.text = device;
	struct torap_event event = { .class = { n->region,
					     prison ? TORAP__FACILITY__FACILITY_PRISON
						    : TORAP__FACILITY__FACILITY_SCHOOL,
					     kinds[lane], severities[lane] },
		.open = &open,
		.personal = &personal };
	uint64_t seq;
	int r = torap_sealer_add(l->sealer, &event, &seq);
	assert(r == 0);
}

static struct torap_wall wall_of(const struct sim_world *w, const struct sim_node *n)
{
	return (struct torap_wall){ sim_wall(w).us + n->clock_off_us };
}

static void seal(struct sim_world *w, struct sim_node *n, struct sim_writer *l)
{
	struct torap_batch *batch;
	struct torap_error err;
	int r = torap_sealer_seal(l->sealer, wall_of(w, n), &batch, &err);
	assert(r == 0);
	sim_disk_append(&l->disk, batch);
}

static void flush(struct sim_world *w, struct sim_node *n, struct sim_writer *l)
{
	l->disk.flushed = l->disk.count;
	sim_flushed(w, stream_of(w, n, l), l->disk.flushed);
	const struct torap_manifest *m = last_manifest(&l->disk);
	l->events_flushed = m ? m->first_seq + m->count - 1 : 0;
}

static void say_hello(struct sim_world *w, struct sim_node *n, struct sim_writer *l, struct sim_uplink *u)
{
	struct torap_stream_position at = { .stream = l->stream,
		.at = { .next_batch = l->disk.flushed + 1 } };
	if (l->disk.flushed) {
		at.at.has_digest = true;
		memcpy(at.at.last_digest, l->disk.batches[l->disk.flushed - 1]->manifest->digest,
			TORAP_DIGEST_SIZE);
	}
	struct torap_hello hello = { .version = 1,
		.role = TORAP__ROLE__ROLE_WRITER,
		.lane = l->stream.lane,
		.positions = &at,
		.positions_count = 1 };
	strcpy(hello.name, n->name);
	sim_say(w, &u->line, SIM_TO_LISTENER, TORAP__MESSAGE_TYPE__MESSAGE_HELLO, torap_hello_encode(&hello));
}

static void begin_window(struct sim_world *w, struct sim_uplink *u, uint64_t credit)
{
	torap_window_finish(&u->window);
	torap_window_init(&u->window, credit, w->now);
}

static void dial(struct sim_world *w, struct sim_node *n, struct sim_writer *l, struct sim_uplink *u,
	enum torap_dial_input in, int refusal)
{
	struct torap_dial_out out;
	torap_dialler_step(&u->dialler, in, refusal, w->now, &out);
	if (out.ended) {
		u->next_batch = 0;
		u->again_count = 0;
		u->again_sent = false;
		begin_window(w, u, 0);
	}
	if (out.reset)
		sim_line_reset(w, &u->line);
	if (out.say_hello) {
		say_hello(w, n, l, u);
		torap_dialler_step(&u->dialler, TORAP_DIAL_IN_OPEN, 0, w->now, &out);
		torap_dialler_step(&u->dialler, TORAP_DIAL_IN_SENT, 0, w->now, &out);
	}
	if (out.heartbeat) {
		sim_say(w, &u->line, SIM_TO_LISTENER, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
		torap_dialler_step(&u->dialler, TORAP_DIAL_IN_SENT, 0, w->now, &out);
	}
}

static void asked(struct sim_uplink *u, const struct torap_stream_position *p)
{
	for (size_t i = 0; i < p->holes_count && u->again_count < SIM_AGAIN_MAX; i++)
		u->again[u->again_count++] = p->holes[i];
}

static void on_welcome(struct sim_world *w, struct sim_node *n, struct sim_writer *l, struct sim_uplink *u,
	struct torap_bytes body)
{
	struct torap_welcome welcome;
	struct torap_error err;
	int r = torap_welcome_decode(&welcome, body, &err);
	assert(r == 0);
	bool fresh = u->dialler.state == TORAP_DIAL_GREETING;
	dial(w, n, l, u, TORAP_DIAL_IN_WELCOME, 0);
	if (fresh && u->dialler.state == TORAP_DIAL_FLOWING) {
		u->next_batch = welcome.positions_count ? welcome.positions[0].at.next_batch : 1;
		if (u->next_batch > l->disk.flushed + 1)
			sim_fail(w,
				"a broker has batch %" PRIu64
				" of %s, whose journal ends at %zu: a number was used before its flush",
				u->next_batch - 1, n->name, l->disk.flushed);
		begin_window(w, u, welcome.credit_bytes);
		if (welcome.positions_count)
			asked(u, &welcome.positions[0]);
	}
	torap_welcome_finish(&welcome);
}

static void on_ack(struct sim_world *w, struct sim_uplink *u, struct torap_bytes body)
{
	struct torap_stream_position *p;
	size_t count;
	struct torap_error err;
	int r = torap_ack_decode(&p, &count, body, &err);
	assert(r == 0);
	for (size_t i = 0; i < count; i++) {
		torap_window_acked(&u->window, 0, p[i].at.next_batch - 1, w->now);
		if (p[i].at.next_batch - 1 > u->acked)
			u->acked = p[i].at.next_batch - 1;
		if (u->again_sent)
			torap_window_acked(&u->window, WINDOW_AGAIN, UINT64_MAX, w->now);
		u->again_sent = false;
		asked(u, &p[i]);
	}
	torap_positions_destroy(p, count);
}

static void on_refusal(struct sim_world *w, struct sim_node *n, struct sim_writer *l, struct sim_uplink *u,
	struct torap_bytes body)
{
	struct torap_refusal refusal;
	struct torap_error err;
	int r = torap_refusal_decode(&refusal, body, &err);
	assert(r == 0);
	dial(w, n, l, u, TORAP_DIAL_IN_REFUSED, refusal.code);
	if (refusal.code == TORAP__REFUSAL__CODE__RESUME && u->next_batch &&
		refusal.resume.at.next_batch <= l->disk.flushed + 1) {
		u->next_batch = refusal.resume.at.next_batch;
		begin_window(w, u, u->window.credit_bytes);
	}
	torap_refusal_finish(&refusal);
}

static void on_message(struct sim_world *w, struct sim_node *n, struct sim_writer *l, struct sim_uplink *u,
	struct sim_message *m)
{
	struct torap_envelope envelope;
	struct torap_error err;
	int r = torap_envelope_decode(&envelope, torap_buffer_bytes(m->frames[0]), &err);
	assert(r == 0);
	dial(w, n, l, u, TORAP_DIAL_IN_HEARD, 0);
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_WELCOME)
		on_welcome(w, n, l, u, torap_buffer_bytes(m->frames[1]));
	else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_ACK)
		on_ack(w, u, torap_buffer_bytes(m->frames[1]));
	else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL)
		on_refusal(w, n, l, u, torap_buffer_bytes(m->frames[1]));
}

static void send_batch(struct sim_world *w, struct sim_uplink *u, const struct torap_batch *b)
{
	struct torap_buffer *frames[TORAP_BATCH_MESSAGE_MAX];
	sim_send(w, &u->line, SIM_TO_LISTENER, frames, torap_batch_to_frames(frames, b));
	torap_buffer_unref(frames[0]);
}

/* What the broker asked for once more: one at a time, when nothing else is to be sent. */
static void send_again(struct sim_world *w, struct sim_writer *l, struct sim_uplink *u)
{
	while (u->again_count && !u->again_sent && u->next_batch == l->disk.flushed + 1) {
		uint64_t no = u->again[0];
		size_t size = no && no < u->next_batch ? torap_batch_size(l->disk.batches[no - 1]) : 0;
		if (size && !torap_window_open(&u->window, size))
			return;
		memmove(u->again, u->again + 1, --u->again_count * sizeof *u->again);
		if (!size)
			continue;
		send_batch(w, u, l->disk.batches[no - 1]);
		torap_window_sent(&u->window, WINDOW_AGAIN, no, size, w->now);
		u->again_sent = true;
	}
}

static void send_batches(struct sim_world *w, struct sim_writer *l, struct sim_uplink *u)
{
	while (u->next_batch && u->next_batch <= l->disk.flushed) {
		const struct torap_batch *b = l->disk.batches[u->next_batch - 1];
		size_t size = torap_batch_size(b);
		if (!torap_window_open(&u->window, size))
			return;
		send_batch(w, u, b);
		torap_window_sent(&u->window, 0, u->next_batch++, size, w->now);
	}
}

static void send_head(struct sim_world *w, struct sim_node *n, struct sim_writer *l, struct sim_uplink *u)
{
	struct torap_buffer *frames[2] = { torap_envelope_stream(
						   TORAP__MESSAGE_TYPE__MESSAGE_HEAD, &l->stream, 0),
		torap_sealer_head(l->sealer, wall_of(w, n)) };
	sim_send(w, &u->line, SIM_TO_LISTENER, frames, 2);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(frames[1]);
	u->next_head = torap_mono_add_ms(w->now, 2000);
}

static void step_uplink(struct sim_world *w, struct sim_node *n, struct sim_writer *l, struct sim_uplink *u)
{
	for (struct sim_message *m; (m = sim_receive(w, &u->line, SIM_TO_DIALLER)); sim_message_destroy(m))
		on_message(w, n, l, u, m);
	dial(w, n, l, u, TORAP_DIAL_IN_TICK, 0);
	if (torap_window_age_us(&u->window, w->now) > STALL_US)
		dial(w, n, l, u, TORAP_DIAL_IN_STALLED, 0);
	send_batches(w, l, u);
	if (u->next_batch)
		send_again(w, l, u);
	if (u->next_batch && l->disk.flushed == l->disk.count && torap_mono_reached(u->next_head, w->now))
		send_head(w, n, l, u);
}

/* A full disk takes nothing: the event is refused, and its device hears no "durable". */
static void make_events(struct sim_world *w, struct sim_node *n, struct sim_writer *l)
{
	bool full = !torap_mono_reached(n->full_until, w->now);
	for (uint64_t events = sim_random(w, 3); events > 0; events--) {
		if (full)
			w->refused++;
		else
			make_event(w, n, l);
	}
}

/* The flush failed: the process exits, and the disk may have it all or none of it. */
static void fail_flush(struct sim_world *w, struct sim_node *n)
{
	bool has_it = sim_random(w, 2);
	for (size_t i = 0; has_it && i < SIM_LANES; i++) {
		n->lanes[i].disk.flushed = n->lanes[i].disk.count;
		sim_flushed(w, stream_of(w, n, &n->lanes[i]), n->lanes[i].disk.flushed);
	}
	sim_note(w, "%s: a flush fails; the disk has %s", n->name, has_it ? "all of it" : "nothing");
	sim_node_crash(w, n);
}

/* What no rule keeps may go when both brokers have acknowledged it; what the law says must go goes without them.  Manifests stay. */
static void expire_batch(
	struct sim_world *w, struct sim_node *n, struct sim_writer *l, size_t batch, bool delivered)
{
	const struct torap_manifest *m = l->disk.batches[batch]->manifest;
	int64_t age_us = w->now.us - sim_flushed_at(w, stream_of(w, n, l), batch).us;
	for (unsigned g = 0; g < m->groups_count; g++)
		for (unsigned p = 0; p < m->groups[g].parts_count; p++) {
			struct torap_retention_term term =
				torap_retention_term_of(&sim_trusts[n->trust]->retention, &m->groups[g].class,
					m->groups[g].parts[p].part);
			bool kept = term.keep_us != TORAP_FOR_EVER && age_us < term.keep_us;
			if ((delivered && !kept) || age_us >= term.at_most_us)
				sim_disk_drop(&l->disk, batch, m->groups[g].first_frame + p,
					TORAP__OMISSION_REASON__OMISSION_EXPIRED);
		}
}

static void expire(struct sim_world *w, struct sim_node *n, struct sim_writer *l)
{
	uint64_t acked =
		l->uplinks[0].acked < l->uplinks[1].acked ? l->uplinks[0].acked : l->uplinks[1].acked;
	if (!sim_fault(w, SIM_EXPIRE))
		return;
	if (l->expired < acked)
		expire_batch(w, n, l, l->expired++, true);
	if (l->disk.flushed)
		expire_batch(w, n, l, sim_random(w, l->disk.flushed), false);
}

/* A bit flips in what was flushed. */
static void damage(struct sim_world *w, struct sim_node *n, size_t lane)
{
	struct sim_disk *disk = &n->lanes[lane].disk;
	if (!disk->flushed || !sim_fault(w, SIM_DAMAGE))
		return;
	size_t batch = sim_random(w, disk->flushed);
	unsigned frame = (unsigned)sim_random(w, disk->batches[batch]->manifest->frames_count);
	if (sim_disk_drop(disk, batch, frame, TORAP__OMISSION_REASON__OMISSION_DAMAGED))
		sim_harm(w, stream_of(w, n, &n->lanes[lane]), batch);
}

/* False: the process is gone. */
static bool step_lane(struct sim_world *w, struct sim_node *n, struct sim_writer *l)
{
	if (!w->calm)
		make_events(w, n, l);
	if (torap_sealer_count(l->sealer) && (w->calm || sim_random(w, 4) == 0))
		seal(w, n, l);
	if (l->disk.flushed < l->disk.count && sim_random(w, 3) == 0) {
		if (sim_fault(w, SIM_FLUSH)) {
			fail_flush(w, n);
			return false;
		}
		flush(w, n, l);
	}
	expire(w, n, l);
	damage(w, n, (size_t)(l - n->lanes));
	for (size_t b = 0; b < SIM_CITIES; b++)
		step_uplink(w, n, l, &l->uplinks[b]);
	return true;
}

/* A day, an hour or a moment, in either direction, or back to the truth. */
static void jump(struct sim_world *w, struct sim_node *n)
{
	static const int64_t steps_s[] = { 86400, -86400, 3600, -3600, 1, -1 };
	uint64_t which = sim_random(w, sizeof steps_s / sizeof steps_s[0] + 1);
	if (which == sizeof steps_s / sizeof steps_s[0])
		n->clock_off_us = 0;
	else
		n->clock_off_us += steps_s[which] * TORAP_US_PER_S;
	sim_note(w, "the clock of %s is off by %" PRId64 " s", n->name, n->clock_off_us / TORAP_US_PER_S);
}

/* On a reload: what is open is sealed with the old key, the stream goes on with the new one. */
static void change_key(struct sim_world *w, struct sim_node *n)
{
	n->key++;
	sim_note(w, "%s takes its next key", n->name);
	for (size_t i = 0; i < SIM_LANES; i++) {
		struct sim_writer *l = &n->lanes[i];
		if (torap_sealer_count(l->sealer))
			seal(w, n, l);
		struct torap_sealer *before = l->sealer;
		continue_stream(n, l, before);
		torap_sealer_destroy(before);
	}
}

void sim_node_step(struct sim_world *w, struct sim_node *n)
{
	if (!w->calm && !torap_mono_reached(n->stuck_until, w->now))
		return;
	if (sim_fault(w, SIM_STUCK))
		n->stuck_until = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 12000));
	if (sim_fault(w, SIM_FULL))
		n->full_until = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 8000));
	if (sim_fault(w, SIM_JUMP))
		jump(w, n);
	if (!n->up) {
		if (!torap_mono_reached(n->back_at, w->now))
			return;
		sim_node_start(w, n);
	}
	if (n->trust < w->trust && sim_random(w, 60) == 0)
		n->trust = w->trust;
	if (n->key + 1 < SIM_KEYS && n->trust >= SIM_TRUST_KEYS && sim_fault(w, SIM_KEY))
		change_key(w, n);
	for (size_t i = 0; i < SIM_LANES; i++) {
		if (sim_fault(w, SIM_CRASH)) {
			sim_node_crash(w, n); /* Between any two steps of its lanes. */
			return;
		}
		if (!step_lane(w, n, &n->lanes[i]))
			return;
	}
}
