/* The checkers know what no process knows: every node's journal, and what each feed may have. */
#include "sim/sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "link/message.h"
#include "proto/session.pb-c.h"
#include "wire/envelope.h"
#include "wire/open.h"
#include "wire/verify.h"

enum {
	HOLDERS = SIM_SUBSCRIBERS + SIM_BROKERS, /* who has copies: the feeds, then the brokers */
	OVERDUE_US = 20 * TORAP_US_PER_S,        /* what must be deleted is, so long after its time */
	SILENT_US =
		60 * TORAP_US_PER_S, /* so long in the calm no lane of a broker is: canaries come each 20 s */
};

/* What happened to a batch of a writer. */
struct fate {
	struct torap_mono flushed_at;
	bool harmed; /* a copy of it was damaged, anywhere */
};

struct sim_checks {
	struct fate *fates[SIM_STREAMS];
	size_t fates_count[SIM_STREAMS], fates_room[SIM_STREAMS];
	struct sim_disk own[SIM_BROKERS * SIM_LANES]; /* what the brokers wrote themselves */
	size_t checked[HOLDERS][SIM_STREAMS];         /* batches that were looked at */
	size_t whole[HOLDERS][SIM_STREAMS];           /* in the calm: they have all that is due */
	uint64_t versions[SIM_BROKERS];               /* of their stores, when they were looked at */
};

void sim_checks_begin(struct sim_world *w)
{
	w->checks = calloc(1, sizeof *w->checks);
	assert(w->checks);
}

void sim_checks_end(struct sim_world *w)
{
	for (size_t s = 0; s < SIM_STREAMS; s++)
		free(w->checks->fates[s]);
	for (size_t i = 0; i < SIM_BROKERS * SIM_LANES; i++)
		sim_disk_finish(&w->checks->own[i]);
	free(w->checks);
}

/* What its writer has sealed of a stream. */
const struct sim_disk *sim_sealed(const struct sim_world *w, size_t s)
{
	return s < SIM_NODE_STREAMS ? &w->nodes[s / SIM_LANES].lanes[s % SIM_LANES].disk
				    : &w->checks->own[s - SIM_NODE_STREAMS];
}

void sim_flushed(struct sim_world *w, size_t s, size_t count)
{
	struct sim_checks *c = w->checks;
	if (count > c->fates_room[s]) {
		c->fates_room[s] = 2 * count + 64;
		c->fates[s] = realloc(c->fates[s], c->fates_room[s] * sizeof *c->fates[s]);
		assert(c->fates[s]);
	}
	while (c->fates_count[s] < count)
		c->fates[s][c->fates_count[s]++] = (struct fate){ .flushed_at = w->now };
}

struct torap_mono sim_flushed_at(const struct sim_world *w, size_t s, size_t batch)
{
	return w->checks->fates[s][batch].flushed_at;
}

void sim_harm(struct sim_world *w, size_t s, size_t batch)
{
	if (batch < w->checks->fates_count[s])
		w->checks->fates[s][batch].harmed = true;
}

/* --- what is due --- */

enum due { DUE_NEVER, DUE_PERHAPS, DUE_ALWAYS };

/* By what the nation's broker is granted, by either city. */
static bool nation_has(const struct sim_world *w, const struct torap_group *group, uint8_t kind)
{
	for (size_t u = 0; u < SIM_CITIES; u++) {
		bool parts[4];
		if (torap_grant_parts(&w->feeds[SIM_UPSTREAM + u].row, 1, &group->class, parts) &&
			parts[kind])
			return true;
	}
	return false;
}

static size_t node_of(size_t s)
{
	return s < SIM_NODE_STREAMS ? s / SIM_LANES : SIM_NODES;
}

/* What a holder is to have: a feed, or (feed NULL) a broker.  Perhaps: what the policy granted at one time and denied at another, what a
 * node was not to say for a while, what a broker writes itself (not everybody comes there). */
static enum due due_of(const struct sim_world *w, const struct sim_feed *feed, size_t broker, size_t s,
	const struct torap_group *group, unsigned part)
{
	bool parts[4];
	uint8_t kind = group->parts[part].part;
	if (feed && (!torap_grant_parts(&feed->row, 1, &group->class, parts) || !parts[kind]))
		return DUE_NEVER;
	if ((feed ? feed->brokers[0] : broker) == SIM_NATION && !nation_has(w, group, kind) &&
		s < SIM_NODE_STREAMS)
		return DUE_NEVER; /* The broker does not have it itself. */
	if (s >= SIM_NODE_STREAMS ||
		(w->trust >= SIM_TRUST_REGION && sim_trust_takes_region(SIM_TRUST_REGION, node_of(s))))
		return DUE_PERHAPS;
	bool wavers = feed && strcmp(feed->name, "almaty") == 0 &&
		      (kind == TORAP__PART_KIND__PART_PERSONAL || w->faults[SIM_POLICY]);
	return wavers ? DUE_PERHAPS : DUE_ALWAYS;
}

/* Does a rule say that this frame may be gone, by now? */
static bool is_over(
	const struct sim_world *w, size_t s, size_t batch, const struct torap_group *g, unsigned part)
{
	int64_t age_us = w->now.us - sim_flushed_at(w, s, batch).us;
	for (size_t t = SIM_TRUST_RETENTION; t <= w->trust; t++) {
		struct torap_retention_term term =
			torap_retention_term_of(&sim_trusts[t]->retention, &g->class, g->parts[part].part);
		if (age_us >= term.keep_us || age_us >= term.at_most_us)
			return true;
	}
	return false;
}

/* The rule says so; or a copy was damaged, and its writer has not the frame any more: it may be lost.  Nothing else may. */
static bool is_excused(const struct sim_world *w, size_t s, size_t batch, unsigned frame)
{
	const struct torap_batch *sealed = sim_sealed(w, s)->batches[batch];
	unsigned group, part;
	torap_batch_locate(sealed, frame, &group, &part);
	return (w->checks->fates[s][batch].harmed && !sealed->frames[frame]) ||
	       is_over(w, s, batch, &sealed->manifest->groups[group], part);
}

/* Does the feed hear of the stream at all?  By the regions of its writer. */
static bool is_relevant(const struct sim_feed *feed, size_t s)
{
	uint32_t region = s < SIM_NODE_STREAMS ? sim_node_region(s / SIM_LANES) : 0;
	return s < SIM_NODE_STREAMS && torap_grant_touches(&feed->row, 1, &region, 1);
}

/* --- who holds what --- */

struct holder {
	size_t number;
	const struct sim_feed *feed; /* or NULL */
	size_t broker;
	const char *name;
};

static struct holder holder_of(struct sim_world *w, size_t h)
{
	static const char *const names[SIM_BROKERS] = { "broker 0", "broker 1", "the nation's broker" };
	if (h < SIM_SUBSCRIBERS)
		return (struct holder){ h, &w->feeds[h], 0, w->feeds[h].name };
	size_t b = h - SIM_SUBSCRIBERS;
	return (struct holder){ h, NULL, b, names[b] };
}

static size_t count_of(struct sim_world *w, const struct holder *h, size_t s)
{
	return h->feed ? sim_subscriber_disk(h->feed->subscriber, s)->flushed
		       : sim_broker_count(w, w->brokers[h->broker], s);
}

/* Give it back by let_go().  NULL: it cannot be read. */
static struct torap_batch *batch_of(struct sim_world *w, const struct holder *h, size_t s, size_t batch)
{
	return h->feed ? sim_subscriber_disk(h->feed->subscriber, s)->batches[batch]
		       : sim_broker_read(w, w->brokers[h->broker], s, batch, NULL);
}

static void let_go(const struct holder *h, struct torap_batch *batch)
{
	if (!h->feed)
		torap_batch_destroy(batch);
}

static bool is_of(size_t broker, size_t s)
{
	return s >= SIM_NODE_STREAMS && (s - SIM_NODE_STREAMS) / SIM_LANES == broker;
}

/* --- checks of batches --- */

/* A frame that is due and not here: may it be so, for now?  Then it is a hole, which somebody will fill. */
static bool may_lack(
	const struct sim_world *w, size_t s, const struct torap_batch *held, unsigned frame, bool at_last)
{
	return (!at_last && torap_omission_is_hole(held->omissions[frame])) ||
	       is_excused(w, s, held->manifest->batch_no - 1, frame);
}

/* Since when has the holder had, without a break until now, a trust file by which the node may not speak?  0: it may. */
static struct torap_mono silenced(const struct sim_world *w, const struct holder *h, size_t node)
{
	size_t t =
		h->feed ? sim_subscriber_trust(h->feed->subscriber) : sim_broker_trust(w->brokers[h->broker]);
	if (node == SIM_NODES || !sim_trust_takes_region(t, node))
		return (struct torap_mono){ 0 };
	return h->feed ? sim_subscriber_trust_since(h->feed->subscriber)
		       : sim_broker_trust_since(w->brokers[h->broker], t);
}

/* What somebody holds of a batch against what the node sealed: the same manifest, and of the frames exactly those due. */
static void check_batch(struct sim_world *w, const struct holder *h, size_t s,
	const struct torap_batch *sealed, const struct torap_batch *held, bool at_last)
{
	const struct torap_manifest *m = sealed->manifest;
	if (memcmp(m->digest, held->manifest->digest, sizeof m->digest) != 0) {
		if (!h->feed && !at_last && w->checks->fates[s][m->batch_no - 1].harmed)
			return; /* It rots on the disk, and will be found. */
		sim_fail(w, "%s holds another batch %" PRIu64 " than %s sealed", h->name, m->batch_no,
			m->stream.writer);
		return;
	}
	if (!torap_verify_digests(held))
		sim_fail(w, "%s holds damaged digests of batch %" PRIu64 " of %s", h->name, m->batch_no,
			m->stream.writer);
	for (unsigned frame = 0; frame < m->frames_count; frame++) {
		unsigned group, part;
		torap_batch_locate(sealed, frame, &group, &part);
		enum due due = due_of(w, h->feed, h->broker, s, &m->groups[group], part);
		bool here = held->frames[frame];
		if (due == DUE_NEVER && here)
			sim_fail(w, "%s holds a frame beyond its grant: batch %" PRIu64 " of %s", h->name,
				m->batch_no, m->stream.writer);
		if (due == DUE_ALWAYS && !here && !may_lack(w, s, held, frame, at_last))
			sim_fail(w,
				"%s was not given a frame of batch %" PRIu64 " of %s lane %zu (reason %u)",
				h->name, m->batch_no, m->stream.writer, s % SIM_LANES,
				held->omissions[frame]);
		if (!here && held->omissions[frame] == TORAP__OMISSION_REASON__OMISSION_EXPIRED &&
			!is_excused(w, s, m->batch_no - 1, frame))
			sim_fail(w, "%s says expired of a frame of batch %" PRIu64 " of %s, and no rule does",
				h->name, m->batch_no, m->stream.writer);
		if (here && !torap_verify_frame(held, frame))
			sim_fail(w, "%s holds a damaged frame", h->name);
	}
}

/* What came after the node was silenced there. */
static void check_silenced(
	struct sim_world *w, const struct holder *h, size_t s, const struct torap_batch *held)
{
	struct torap_mono since = silenced(w, h, node_of(s));
	size_t batch = held->manifest->batch_no - 1;
	if (!since.us || sim_flushed_at(w, s, batch).us <= since.us)
		return;
	for (unsigned frame = 0; frame < held->manifest->frames_count; frame++)
		if (held->frames[frame])
			sim_fail(w, "%s took a frame of %s, which may not speak for its region any more",
				h->name, held->manifest->stream.writer);
}

static void check_one(struct sim_world *w, const struct holder *h, size_t s, size_t batch, bool at_last)
{
	const struct sim_disk *sealed = sim_sealed(w, s);
	struct torap_batch *held = batch_of(w, h, s, batch);
	if (held) {
		check_batch(w, h, s, sealed->batches[batch], held, at_last);
		if (!at_last && batch >= w->checks->checked[h->number][s])
			check_silenced(w, h, s, held);
	} else if (!w->checks->fates[s][batch].harmed || (at_last && sealed->batches[batch]->frames[0])) {
		sim_fail(w, "%s cannot read batch %zu of %s lane %zu", h->name, batch + 1,
			sim_stream(w, s)->writer, s % SIM_LANES);
	}
	let_go(h, held);
}

/* `at_last`: all of it; else what came since the last step, and one more: what is here may also go. */
static void check_holder(struct sim_world *w, size_t number, bool at_last)
{
	struct holder h = holder_of(w, number);
	for (size_t s = 0; s < SIM_STREAMS; s++) {
		size_t *checked = &w->checks->checked[number][s], count = count_of(w, &h, s),
		       flushed = sim_sealed(w, s)->flushed;
		if (!h.feed && is_of(h.broker, s))
			continue;
		if (count > flushed) {
			sim_fail(w,
				"%s holds batch %zu of %s, of which %zu are flushed: a number could be used again",
				h.name, count, sim_stream(w, s)->writer, flushed);
			return;
		}
		if (count < *checked)
			sim_fail(
				w, "%s has lost batch %zu of %s", h.name, *checked, sim_stream(w, s)->writer);
		for (size_t i = at_last ? 0 : *checked; i < count; i++)
			check_one(w, &h, s, i, at_last && s < SIM_NODE_STREAMS);
		*checked = count;
	}
}

static void check_any(struct sim_world *w, size_t number)
{
	struct holder h = holder_of(w, number);
	size_t s = sim_random(w, SIM_NODE_STREAMS), count = count_of(w, &h, s);
	if (count)
		check_one(w, &h, s, sim_random(w, count), false);
}

/* What a broker wrote itself is what its store has: nothing of it may go, or become another. */
static void learn_own(struct sim_world *w, size_t b)
{
	for (size_t s = SIM_NODE_STREAMS + b * SIM_LANES; s < SIM_NODE_STREAMS + (b + 1) * SIM_LANES; s++) {
		struct sim_disk *own = &w->checks->own[s - SIM_NODE_STREAMS];
		size_t count = sim_broker_count(w, w->brokers[b], s);
		while (own->count < count) {
			struct torap_wall received_at;
			struct torap_batch *batch =
				sim_broker_read(w, w->brokers[b], s, own->count, &received_at);
			if (!batch) {
				sim_fail(w, "broker %zu cannot read what it wrote", b);
				return;
			}
			sim_disk_append(own, batch);
			sim_flushed(w, s, own->count);
			/* Its rules count from there: it may have waited for its flush. */
			w->checks->fates[s][own->count - 1].flushed_at.us -= sim_wall(w).us - received_at.us;
		}
		own->flushed = own->count;
		if (count < own->count)
			sim_fail(w, "broker %zu has lost what it wrote itself", b);
	}
}

/* In the calm nothing is damaged any more: what is whole stays so. */
static bool is_whole(struct sim_world *w, const struct holder *h, size_t s)
{
	size_t count = count_of(w, h, s), *whole = &w->checks->whole[h->number][s];
	for (; *whole < count; ++*whole) {
		struct torap_batch *held = batch_of(w, h, s, *whole);
		bool lacks = !held;
		const struct torap_manifest *m = sim_sealed(w, s)->batches[*whole]->manifest;
		if (held && memcmp(m->digest, held->manifest->digest, sizeof m->digest) != 0)
			lacks = true;
		for (unsigned frame = 0; !lacks && frame < m->frames_count; frame++) {
			unsigned group, part;
			if (held->frames[frame])
				continue;
			torap_batch_locate(held, frame, &group, &part);
			lacks = due_of(w, h->feed, h->broker, s, &m->groups[group], part) == DUE_ALWAYS &&
				!is_excused(w, s, *whole, frame);
		}
		let_go(h, held);
		if (lacks)
			return false;
	}
	return true;
}

/* On its disk. */
static uint64_t events_of(const struct sim_disk *disk)
{
	const struct torap_manifest *m = disk->flushed ? disk->batches[disk->flushed - 1]->manifest : NULL;
	return m ? m->first_seq + m->count - 1 : 0;
}

static void check_writer(struct sim_world *w, const struct sim_node *n, const struct sim_writer *l)
{
	if (l->events_flushed > events_of(&l->disk))
		sim_fail(w, "%s answered \"durable\" for an event that its disk has lost", n->name);
	for (size_t b = 0; n->up && b < SIM_CITIES; b++) {
		const struct torap_window *window = &l->uplinks[b].window;
		if (window->in_flight_bytes > window->credit_bytes && window->in_flight_count > 1)
			sim_fail(w, "%s has more in flight than the broker's credit", n->name);
	}
}

void sim_check_step(struct sim_world *w)
{
	bool changed[SIM_BROKERS];
	for (size_t b = 0; b < SIM_BROKERS; b++) {
		uint64_t version = sim_broker_version(w->brokers[b]);
		changed[b] = version != w->checks->versions[b];
		w->checks->versions[b] = version;
		if (changed[b])
			learn_own(w, b);
	}
	for (size_t h = 0; h < HOLDERS; h++)
		if (h < SIM_SUBSCRIBERS || changed[h - SIM_SUBSCRIBERS]) {
			check_holder(w, h, false);
			check_any(w, h);
		}
	for (size_t n = 0; n < SIM_NODES; n++)
		for (size_t lane = 0; lane < SIM_LANES; lane++)
			check_writer(w, &w->nodes[n], &w->nodes[n].lanes[lane]);
	for (size_t b = 0; b < SIM_BROKERS; b++)
		sim_broker_check(w, w->brokers[b]);
}

struct counting {
	uint64_t next_seq, events, again;
};

static int count_event(void *hint, const struct torap_opened *event)
{
	struct counting *c = hint;
	if (event->seq < c->next_seq) {
		c->again++;
		return -1;
	}
	c->next_seq = event->seq + 1;
	c->events++;
	return 0;
}

/* Opens all that a subscriber holds of a stream: in order, and each event of which something is here once. */
static void check_events(struct sim_world *w, const struct sim_feed *feed, size_t s)
{
	const struct sim_disk *held = sim_subscriber_disk(feed->subscriber, s);
	struct counting c = { 0 };
	uint64_t here = 0, gone = 0;
	for (size_t i = 0; i < held->count; i++) {
		struct torap_error err;
		if (torap_batch_open(held->batches[i], count_event, &c, &err))
			sim_fail(w, "%s cannot open batch %zu in order: %s", feed->name, i + 1, err.text);
		const struct torap_manifest *m = held->batches[i]->manifest;
		for (unsigned g = 0; g < m->groups_count; g++) {
			bool parts[4], any = false;
			for (unsigned p = 0; p < m->groups[g].parts_count; p++)
				any |= held->batches[i]->frames[m->groups[g].first_frame + p] != NULL;
			if (any)
				here += m->groups[g].count;
			else if (torap_grant_parts(&feed->row, 1, &m->groups[g].class, parts))
				gone += m->groups[g].count; /* check_batch() said whether that may be. */
		}
	}
	w->events_doubled += c.again;
	w->events_lost += here > c.events ? here - c.events : 0;
	w->events_harmed += gone;
	if (c.events != here)
		sim_fail(w, "%s shows %" PRIu64 " events where %" PRIu64 " are here", feed->name, c.events,
			here);
	/* More than was acknowledged when a flush failed that was on the disk all the same. */
	if (feed->row.facilities_count == 0 && s < SIM_NODE_STREAMS &&
		c.events + gone != events_of(sim_sealed(w, s)))
		sim_fail(w, "%s shows %" PRIu64 " events of %s, which has %" PRIu64, feed->name, c.events,
			sim_stream(w, s)->writer, events_of(sim_sealed(w, s)));
}

/* What the rule in force says must be gone, is. */
static void check_deleted(struct sim_world *w, size_t b, size_t s)
{
	const struct torap_trust *trust = sim_trusts[sim_broker_trust(w->brokers[b])];
	for (size_t i = 0; i < sim_broker_count(w, w->brokers[b], s); i++) {
		struct torap_wall received_at;
		struct torap_batch *held = sim_broker_read(w, w->brokers[b], s, i, &received_at);
		int64_t age_us = 0; /* a receipt whose date a flipped bit has moved by ages has none */
		if (!held || __builtin_sub_overflow(sim_wall(w).us - OVERDUE_US, received_at.us, &age_us))
			age_us = 0;
		for (unsigned frame = 0; held && frame < held->manifest->frames_count; frame++) {
			unsigned group, part;
			if (!held->frames[frame])
				continue;
			torap_batch_locate(held, frame, &group, &part);
			const struct torap_group *g = &held->manifest->groups[group];
			struct torap_retention_term term =
				torap_retention_term_of(&trust->retention, &g->class, g->parts[part].part);
			if (age_us > term.keep_us || age_us > term.at_most_us)
				sim_fail(w,
					"broker %zu keeps a frame of batch %zu of %s lane %zu that the rule says must go",
					b, i + 1, held->manifest->stream.writer, s % SIM_LANES);
		}
		torap_batch_destroy(held);
	}
}

/* A broker goes on writing.  A last batch that is damaged says nothing. */
static void check_own_moves(struct sim_world *w, size_t b, size_t lane)
{
	struct torap_wall received_at = { INT64_MIN / 2 };
	size_t s = SIM_NODE_STREAMS + b * SIM_LANES + lane, count = sim_broker_count(w, w->brokers[b], s);
	struct torap_batch *last =
		count ? sim_broker_read(w, w->brokers[b], s, count - 1, &received_at) : NULL;
	bool is_readable = last || !count;
	torap_batch_destroy(last);
	if (is_readable && w->now.us > w->calm_since.us + SILENT_US &&
		sim_wall(w).us - received_at.us > SILENT_US)
		sim_fail(w, "broker %zu has written nothing itself on lane %zu for a minute", b, lane);
}

/* Has the holder to have the whole stream? */
static bool is_expected(const struct holder *h, size_t s)
{
	return s < SIM_NODE_STREAMS && (!h->feed || is_relevant(h->feed, s));
}

bool sim_is_settled(struct sim_world *w)
{
	for (size_t s = 0; s < SIM_NODE_STREAMS; s++) {
		const struct sim_disk *sealed = sim_sealed(w, s);
		if (sealed->flushed != sealed->count)
			return false;
		for (size_t number = 0; number < HOLDERS; number++) {
			struct holder h = holder_of(w, number);
			if (is_expected(&h, s) && count_of(w, &h, s) != sealed->flushed)
				return false;
		}
	}
	for (size_t s = 0; s < SIM_NODE_STREAMS; s++)
		for (size_t number = 0; number < HOLDERS; number++) {
			struct holder h = holder_of(w, number);
			if (is_expected(&h, s) && !is_whole(w, &h, s))
				return false;
		}
	return true;
}

void sim_check_end(struct sim_world *w)
{
	for (size_t s = 0; s < SIM_STREAMS; s++) {
		size_t flushed = sim_sealed(w, s)->flushed;
		for (size_t number = 0; number < HOLDERS; number++) {
			struct holder h = holder_of(w, number);
			size_t count = count_of(w, &h, s);
			if (is_expected(&h, s) && count != flushed)
				sim_fail(w, "%s ends at batch %zu of %s lane %zu, which flushed %zu", h.name,
					count, sim_stream(w, s)->writer, s % SIM_LANES, flushed);
			else if (h.feed)
				check_events(w, h.feed, s);
			else
				check_deleted(w, h.broker, s);
		}
	}
	for (size_t h = 0; h < HOLDERS; h++)
		check_holder(w, h, true);
	for (size_t b = 0; b < SIM_BROKERS; b++)
		for (size_t lane = 0; lane < SIM_LANES; lane++)
			check_own_moves(w, b, lane);
}
