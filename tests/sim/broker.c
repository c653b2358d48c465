/* A broker: takes what its admission lets in, flushes, acknowledges, and gives each feed its course.  A crash leaves it what its disk holds. */
#include "sim/broker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/policy.h"
#include "proto/session.pb-c.h"

enum { SCANNED_A_STEP = 64, WAITING_MAX = 2 << 20 /* twice a writer's credit */ };

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
		"  - { name: nation-0, keys: [%064d], legal_basis: simulation, from: 2020-01-01, until: 2099-01-01,\n"
		"      rows: [{ parts: [open] }] }\n"
		"  - { name: nation-1, keys: [%064d], legal_basis: simulation, from: 2020-01-01, until: 2099-01-01,\n"
		"      rows: [{ facilities: [prison], parts: [open, personal] }] }\n"
		"writers: [{ id: node-0 }, { id: node-1 }, { id: node-2 }]\n";
	char text[4096];
	int size = snprintf(text, sizeof text, format, 1, 2, 3, almaty_personal ? ", personal" : "", 4, 5, 6);
	assert(size > 0 && (size_t)size < sizeof text);
	struct broker_policy *policy = NULL;
	struct torap_error err;
	if (broker_policy_parse(&policy, "sim", torap_bytes(text, (size_t)size), &err))
		sim_fail(w, "the policy: %s", err.text);
	return policy;
}

/* What a process reads at its start. */
static void start(struct sim_world *w, struct sim_broker *b)
{
	b->up = true;
	b->streams = broker_streams_create();
	assert(b->streams);
	for (size_t i = 0; i < SIM_STREAMS; i++) {
		struct broker_stream *s = broker_streams_add(b->streams, sim_stream(w, i));
		assert(s);
		for (size_t k = 0; k < b->disks[i].count; k++)
			torap_position_advance(&s->flushed, b->disks[i].batches[k]->manifest);
		s->stored = b->disks[i].count;
		s->number = (uint32_t)i + 1;
		s->accepted = s->flushed;
		s->recent_from = s->flushed.next_batch;
		b->stream[i] = s;
	}
	if (b->number == SIM_NATION)
		sim_upstream_start(w, b);
}

static void drop_waiting(struct sim_broker *b)
{
	while (b->waiting) {
		struct sim_arrival *a = b->waiting;
		b->waiting = a->next;
		torap_batch_destroy(a->batch);
		free(a);
	}
}

static void stop(struct sim_world *w, struct sim_broker *b)
{
	drop_waiting(b);
	memset(b->writers, 0, sizeof b->writers);
	memset(b->scanned, 0, sizeof b->scanned);
	for (size_t f = 0; f < SIM_FEEDS; f++)
		for (size_t i = 0; i < SIM_LANES; i++)
			sim_feed_end(&b->feeds[f][i]);
	if (b->number == SIM_NATION)
		sim_upstream_forget(w, b);
	b->streams = broker_streams_destroy(b->streams);
}

struct sim_broker *sim_broker_create(struct sim_world *w, size_t number)
{
	struct sim_broker *b = calloc(1, sizeof *b);
	assert(b);
	b->number = number;
	for (size_t i = 0; i < SIM_POLICIES; i++)
		b->policies[i] = make_policy(w, i == 1);
	b->rules.policy = broker_policy_ref(b->policies[w->almaty_personal]);
	b->rules.trust = torap_trust_ref(w->trust);
	struct torap_error err;
	int r = broker_routing_create(&b->routing, b->rules.policy, &err);
	assert(r == 0);
	start(w, b);
	return b;
}

void sim_broker_destroy(struct sim_world *w, struct sim_broker *b)
{
	stop(w, b);
	for (size_t i = 0; i < SIM_STREAMS; i++)
		sim_disk_finish(&b->disks[i]);
	broker_routing_destroy(b->routing);
	torap_trust_unref(b->rules.trust);
	broker_policy_unref(b->rules.policy);
	for (size_t i = 0; i < SIM_POLICIES; i++)
		broker_policy_unref(b->policies[i]);
	free(b);
}

const struct sim_disk *sim_broker_disk(const struct sim_broker *b, size_t stream)
{
	return &b->disks[stream];
}

size_t sim_broker_stream(const struct sim_broker *b, const struct torap_stream_id *id)
{
	for (size_t i = 0; i < SIM_STREAMS; i++)
		if (torap_stream_id_equal(&b->stream[i]->id, id))
			return i;
	assert(!"a stream that nobody writes");
	return 0;
}

/* Whoever was told that a batch is flushed must find it so. */
static void check_told(struct sim_world *w, const struct sim_broker *b)
{
	for (size_t i = 0; i < SIM_STREAMS; i++) {
		uint64_t acked = 0;
		if (b->number == SIM_NATION)
			for (size_t u = 0; u < SIM_CITIES; u++)
				acked = w->feeds[SIM_UPSTREAM + u].acked[i] > acked
						? w->feeds[SIM_UPSTREAM + u].acked[i]
						: acked;
		else
			acked = w->nodes[i / SIM_LANES].lanes[i % SIM_LANES].uplinks[b->number].acked;
		if (acked > b->disks[i].flushed)
			sim_fail(w, "broker %zu acknowledged batch %" PRIu64 " of %s and lost it", b->number,
				acked, sim_stream(w, i)->writer);
	}
}

void sim_broker_crash(struct sim_world *w, struct sim_broker *b)
{
	sim_note(w, "broker %zu dies", b->number);
	b->up = false;
	b->back_at = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 6000));
	stop(w, b);
	check_told(w, b);
}

struct torap_stream_position sim_broker_position(const struct sim_broker *b, size_t i, uint64_t next)
{
	const struct sim_disk *disk = &b->disks[i];
	struct torap_stream_position p = { .stream = b->stream[i]->id, .at = { .next_batch = next } };
	if (next > 1 && next <= disk->count + 1) {
		p.at.has_digest = true;
		memcpy(p.at.last_digest, disk->batches[next - 2]->manifest->digest, TORAP_DIGEST_SIZE);
	}
	return p;
}

void sim_broker_refuse(
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

/* --- holes --- */

void sim_broker_found(struct sim_world *w, struct sim_broker *b, size_t i, uint64_t batch_no)
{
	if (torap_holes_add(&b->stream[i]->holes, batch_no, w->now) == TORAP_HOLES_NEW)
		sim_note(w, "broker %zu finds batch %" PRIu64 " of %s damaged", b->number, batch_no,
			b->stream[i]->id.writer);
}

void sim_broker_ask(struct sim_world *w, struct sim_broker *b, size_t i, struct torap_stream_position *p,
	struct torap_holes_turn turn)
{
	struct torap_holes *holes = &b->stream[i]->holes;
	size_t most = holes->count < TORAP_HOLES_ASKED_MAX ? holes->count : TORAP_HOLES_ASKED_MAX;
	p->holes = most ? malloc(most * sizeof *p->holes) : NULL;
	if (!p->holes)
		return;
	p->holes_count = torap_holes_ask_in_turn(holes, turn, p->holes, most, w->now);
	while (p->holes_count && p->holes[p->holes_count - 1] >= p->at.next_batch)
		p->holes_count--;
}

static bool ask_writer(struct sim_broker *b, size_t i)
{
	struct broker_stream *s = b->stream[i];
	s->ask_writer = b->writers[i].open && s->writer_got.next_batch;
	b->writers[i].owed |= s->ask_writer;
	return s->ask_writer;
}

struct torap_holes_turn sim_broker_turn(const struct sim_broker *b, unsigned source)
{
	return (struct torap_holes_turn){ source, b->number == SIM_NATION ? 1 + SIM_CITIES : 1 };
}

/* Whoever brings the stream, one after the other: what one has not, the next may have. */
static void ask_due(struct sim_world *w, struct sim_broker *b, size_t i)
{
	struct torap_holes *holes = &b->stream[i]->holes;
	for (unsigned source = 0; source < sim_broker_turn(b, 0).peers; source++) {
		struct torap_holes_turn turn = sim_broker_turn(b, source);
		if (torap_holes_due_in_turn(holes, turn, w->now) &&
			!(source == 0 ? ask_writer(b, i) : sim_upstream_ask(w, b, source - 1, i)))
			torap_holes_pass(holes, turn, w->now);
	}
}

/* A bit flips on the disk: not in what is in memory. */
static void damage(struct sim_world *w, struct sim_broker *b)
{
	size_t i = sim_random(w, SIM_STREAMS);
	struct sim_disk *disk = &b->disks[i];
	if (!disk->count)
		return;
	size_t batch = sim_random(w, disk->count);
	unsigned frame = (unsigned)sim_random(w, disk->batches[batch]->manifest->frames_count);
	if (sim_disk_drop(disk, batch, frame, TORAP__OMISSION_REASON__OMISSION_DAMAGED))
		sim_note(w, "broker %zu: frame %u of batch %zu of %s is damaged", b->number, frame, batch + 1,
			sim_stream(w, i)->writer);
	sim_harm(w, i, batch);
}

static void scan(struct sim_world *w, struct sim_broker *b)
{
	for (size_t i = 0; i < SIM_STREAMS; i++)
		for (size_t k = 0; k < SCANNED_A_STEP && b->disks[i].count; k++) {
			size_t batch = b->scanned[i]++ % b->disks[i].count;
			if (torap_batch_is_damaged(b->disks[i].batches[batch]))
				sim_broker_found(w, b, i, batch + 1);
		}
}

static void mend(struct sim_world *w, struct sim_broker *b)
{
	if (sim_fault(w, SIM_DAMAGE))
		damage(w, b);
	if (!torap_mono_reached(b->next_mend, w->now))
		return;
	b->next_mend = torap_mono_add_ms(w->now, 1000);
	scan(w, b);
	for (size_t i = 0; i < SIM_STREAMS; i++)
		ask_due(w, b, i);
}

/* --- the way to the disk --- */

void sim_broker_arrival(struct sim_world *w, struct sim_broker *b, size_t i, struct torap_batch **take,
	enum broker_source_kind source, size_t upstream)
{
	struct broker_stream *s = b->stream[i];
	const struct torap_manifest *m = (*take)->manifest;
	struct sim_arrival **end = &b->waiting, *a = malloc(sizeof *a);
	(void)w;
	assert(a);
	*a = (struct sim_arrival){ .stream = i,
		.batch = *take,
		.source = source,
		.upstream = upstream,
		.mends = torap_holes_has(&s->holes, m->batch_no) };
	if (m->batch_no == s->accepted.next_batch)
		torap_position_advance(&s->accepted, m);
	s->waiting++;
	s->writer_merges += source == BROKER_SOURCE_WRITER;
	*take = NULL;
	while (*end)
		end = &(*end)->next;
	*end = a;
}

static void owe(struct sim_broker *b, size_t i, const struct sim_arrival *a)
{
	if (a->source != BROKER_SOURCE_UPSTREAM)
		b->writers[i].owed = true;
	for (size_t u = 0; b->number == SIM_NATION && u < SIM_CITIES; u++)
		broker_heard_owe(&b->upstreams[u][i % SIM_LANES].heard, &b->stream[i]->id);
}

static void merged(struct sim_world *w, struct sim_broker *b, size_t i, const struct sim_arrival *a)
{
	struct broker_stream *s = b->stream[i];
	const struct torap_manifest *m = a->batch->manifest;
	const struct broker_recent *e = broker_stream_recent(s, m->batch_no);
	bool came[SIM_FRAMES_MAX] = { 0 };
	for (unsigned k = 0; k < m->frames_count; k++)
		came[k] = a->batch->frames[k] && !(e && e->batch->frames[k]);
	if (a->mends)
		torap_holes_hurry_one(&s->holes, m->batch_no - 1, w->now);
	broker_stream_merged(b->streams, s, a->batch);
	sim_feeds_mended(w, b, i, m->batch_no, a->mends ? NULL : came);
}

/* What stands on the disk is another batch object over the same bytes: memory and disk are damaged one without the other. */
static void put(struct sim_broker *b, const struct sim_arrival *a)
{
	uint64_t *shown = &b->shown[a->upstream][a->stream], next = a->batch->manifest->batch_no + 1;
	struct sim_disk *disk = &b->disks[a->stream];
	struct torap_batch *copy = torap_batch_clone(a->batch);
	assert(copy);
	sim_disk_append(disk, copy);
	disk->flushed = disk->count;
	if (a->source == BROKER_SOURCE_UPSTREAM && next > *shown)
		*shown = next;
}

static void apply(struct sim_world *w, struct sim_broker *b, struct sim_arrival *a)
{
	struct broker_stream *s = b->stream[a->stream];
	struct sim_disk *disk = &b->disks[a->stream];
	uint64_t no = a->batch->manifest->batch_no, *shown = &b->shown[a->upstream][a->stream];
	s->waiting--;
	s->writer_merges -= a->source == BROKER_SOURCE_WRITER;
	if (no == disk->count + 1) {
		bool damaged = torap_batch_is_damaged(a->batch);
		put(b, a);
		s->stored = true;
		broker_stream_flushed(b->streams, s, &a->batch, sim_wall(w));
		if (damaged)
			sim_broker_found(w, b, a->stream, no);
	} else if (no <= disk->count) {
		bool is_merged = sim_disk_merge(disk, a->batch);
		if (a->source == BROKER_SOURCE_UPSTREAM && no + 1 > *shown)
			*shown = no + 1;
		if (torap_batch_is_damaged(disk->batches[no - 1]))
			sim_broker_found(w, b, a->stream, no);
		else if (a->mends)
			torap_holes_remove(&s->holes, no);
		if (is_merged)
			merged(w, b, a->stream, a);
	} else {
		return; /* The one before it failed: this one went with it. */
	}
	owe(b, a->stream, a);
}

static void full(struct sim_world *w, struct sim_broker *b, const struct sim_arrival *a)
{
	struct broker_stream *s = b->stream[a->stream];
	uint64_t no = a->batch->manifest->batch_no;
	s->waiting--;
	s->writer_merges -= a->source == BROKER_SOURCE_WRITER;
	if (no > broker_stream_due(s))
		return; /* As above. */
	if (no == broker_stream_due(s))
		broker_stream_fall_back(s);
	sim_writer_full(w, b, a->stream);
	if (b->number == SIM_NATION)
		sim_upstream_full(w, b, a->stream);
}

/* The flush failed: the process exits, and the disk may have it all or none of it. */
static void fail_flush(struct sim_world *w, struct sim_broker *b)
{
	bool has_it = sim_random(w, 2);
	for (const struct sim_arrival *a = b->waiting; has_it && a; a = a->next) {
		struct sim_disk *disk = &b->disks[a->stream];
		uint64_t no = a->batch->manifest->batch_no;
		if (no == disk->count + 1)
			put(b, a);
		else if (no <= disk->count)
			sim_disk_merge(disk, a->batch);
	}
	sim_note(
		w, "broker %zu: a flush fails; the disk has %s", b->number, has_it ? "all of it" : "nothing");
	sim_broker_crash(w, b);
}

/* One flush for all that waits.  On a disk that becomes full under way, only the first of it finds room. */
static void flush(struct sim_world *w, struct sim_broker *b)
{
	bool is_full = !torap_mono_reached(b->full_until, w->now);
	uint64_t room = is_full ? sim_random(w, 4) : UINT64_MAX;
	while (b->waiting) {
		struct sim_arrival *a = b->waiting;
		b->waiting = a->next;
		if (room) {
			apply(w, b, a);
			room--;
		} else {
			full(w, b, a);
		}
		torap_batch_destroy(a->batch);
		free(a);
	}
}

void sim_broker_check(struct sim_world *w, const struct sim_broker *b)
{
	size_t bytes[SIM_STREAMS] = { 0 };
	if (!b->up)
		return;
	if (b->streams->recent_bytes > BROKER_RECENT_BYTES_MAX)
		sim_fail(w, "broker %zu keeps %zu bytes of batches in memory", b->number,
			b->streams->recent_bytes);
	for (const struct sim_arrival *a = b->waiting; a; a = a->next)
		bytes[a->stream] += torap_batch_size(a->batch);
	for (size_t i = 0; i < SIM_STREAMS; i++)
		if (bytes[i] > WAITING_MAX)
			sim_fail(w, "broker %zu holds %zu bytes of a stream that wait for the disk",
				b->number, bytes[i]);
	for (size_t f = 0; f < SIM_FEEDS; f++)
		for (size_t lane = 0; lane < SIM_LANES; lane++) {
			const struct torap_window *window = &b->feeds[f][lane].window;
			if (window->in_flight_bytes > window->credit_bytes && window->in_flight_count > 1)
				sim_fail(w, "broker %zu has more in flight to %s than its credit", b->number,
					w->feeds[f].name);
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

/* False: it died. */
static bool take(struct sim_world *w, struct sim_broker *b)
{
	for (size_t i = 0; i < SIM_STREAMS; i++) {
		if (sim_fault(w, SIM_CRASH)) {
			sim_broker_crash(w, b);
			return false;
		}
		if (b->number != SIM_NATION)
			sim_writer_step(w, b, i);
		else if (i < (size_t)SIM_CITIES * SIM_LANES)
			sim_upstream_step(w, b, i / SIM_LANES, i % SIM_LANES);
	}
	if (b->waiting && sim_random(w, 3) == 0) {
		if (sim_fault(w, SIM_FLUSH)) {
			fail_flush(w, b);
			return false;
		}
		flush(w, b);
	}
	return true;
}

void sim_broker_step(struct sim_world *w, struct sim_broker *b)
{
	if (!w->calm && !torap_mono_reached(b->stuck_until, w->now))
		return;
	if (!b->up) {
		if (!torap_mono_reached(b->back_at, w->now))
			return;
		start(w, b);
	}
	follow_policy(w, b);
	if (sim_fault(w, SIM_FULL))
		b->full_until = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 8000));
	if (w->calm)
		b->full_until = w->now;
	if (sim_fault(w, SIM_STUCK))
		b->stuck_until = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 12000));
	/* Another has pushed it out of memory: feeds read it from the disk. */
	if (sim_random(w, 100) == 0)
		broker_streams_forget(b->streams, (struct torap_wall){ INT64_MAX });
	if (!take(w, b))
		return;
	mend(w, b);
	for (size_t f = 0; f < SIM_FEEDS; f++)
		for (size_t lane = 0; lane < SIM_LANES; lane++)
			sim_feed_step(w, b, f, lane);
}
