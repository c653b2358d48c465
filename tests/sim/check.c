/* The checkers know what no process knows: every node's journal, and what each feed may have. */
#include "sim/sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "proto/session.pb-c.h"
#include "wire/open.h"
#include "wire/verify.h"

bool sim_is_granted(const struct sim_world *w, size_t f, const struct torap_group *group, unsigned part)
{
	const struct sim_feed *feed = &w->feeds[f];
	bool parts[4];
	if (!torap_grant_parts(&feed->row, 1, &group->class, parts) || !parts[group->parts[part].part])
		return false;
	return w->almaty_personal || strcmp(feed->name, "almaty") != 0 ||
	       group->parts[part].part != TORAP__PART_KIND__PART_PERSONAL;
}

void sim_harm(struct sim_world *w, size_t stream, size_t batch)
{
	struct sim_writer *l = &w->nodes[stream / SIM_LANES].lanes[stream % SIM_LANES];
	if (batch >= l->harmed_room) {
		size_t room = 2 * batch + 64;
		l->harmed = realloc(l->harmed, room);
		assert(l->harmed);
		memset(l->harmed + l->harmed_room, 0, room - l->harmed_room);
		l->harmed_room = room;
	}
	l->harmed[batch] = true;
}

/* A copy was damaged, and its writer has not the frame any more: it may be lost.  Nothing else may. */
static bool is_excused(const struct sim_world *w, size_t s, size_t batch, unsigned frame)
{
	const struct sim_writer *l = &w->nodes[s / SIM_LANES].lanes[s % SIM_LANES];
	return batch < l->harmed_room && l->harmed[batch] && !l->disk.batches[batch]->frames[frame];
}

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

/* What a holder is to have: a feed, or (feed NULL) a broker.  Perhaps: what the policy granted at one time and denied at another. */
static enum due due_of(const struct sim_world *w, const struct sim_feed *feed, size_t broker,
	const struct torap_group *group, unsigned part)
{
	bool parts[4];
	uint8_t kind = group->parts[part].part;
	if (feed && (!torap_grant_parts(&feed->row, 1, &group->class, parts) || !parts[kind]))
		return DUE_NEVER;
	if ((feed ? feed->brokers[0] : broker) == SIM_NATION && !nation_has(w, group, kind))
		return DUE_NEVER; /* The broker does not have it itself. */
	bool wavers = feed && strcmp(feed->name, "almaty") == 0 && kind == TORAP__PART_KIND__PART_PERSONAL;
	return wavers ? DUE_PERHAPS : DUE_ALWAYS;
}

/* Who holds copies: the feeds, then the brokers. */
enum { HOLDERS = SIM_SUBSCRIBERS + SIM_BROKERS };

struct holder {
	const struct sim_feed *feed; /* or NULL */
	size_t broker;
	const char *name;
	const struct sim_disk *disk;
	size_t *checked;
};

static struct holder holder_of(struct sim_world *w, size_t h, size_t s)
{
	static const char *const names[SIM_BROKERS] = { "broker 0", "broker 1", "the nation's broker" };
	if (h < SIM_SUBSCRIBERS) {
		struct sim_feed *feed = &w->feeds[h];
		return (struct holder){ feed, 0, feed->name, sim_subscriber_disk(feed->subscriber, s),
			&feed->checked[s] };
	}
	size_t b = h - SIM_SUBSCRIBERS;
	return (struct holder){ NULL, b, names[b], sim_broker_disk(w->brokers[b], s), &w->checked[b][s] };
}

/* A frame that is due and not here: may it be so, for now?  Then it is a hole, which somebody will fill. */
static bool may_lack(
	const struct sim_world *w, size_t s, const struct torap_batch *held, unsigned frame, bool at_last)
{
	return (!at_last && torap_omission_is_hole(held->omissions[frame])) ||
	       is_excused(w, s, held->manifest->batch_no - 1, frame);
}

/* What somebody holds of a batch against what the node sealed: the same manifest, and of the frames exactly those due. */
static void check_batch(struct sim_world *w, const struct holder *h, size_t s,
	const struct torap_batch *sealed, const struct torap_batch *held, bool at_last)
{
	const struct torap_manifest *m = sealed->manifest;
	if (memcmp(m->digest, held->manifest->digest, sizeof m->digest) != 0) {
		sim_fail(w, "%s holds another batch %" PRIu64 " than %s sealed", h->name, m->batch_no,
			m->stream.writer);
		return;
	}
	for (unsigned frame = 0; frame < m->frames_count; frame++) {
		unsigned group, part;
		torap_batch_locate(sealed, frame, &group, &part);
		enum due due = due_of(w, h->feed, h->broker, &m->groups[group], part);
		bool here = held->frames[frame];
		if (due == DUE_NEVER && here)
			sim_fail(w, "%s holds a frame beyond its grant: batch %" PRIu64 " of %s", h->name,
				m->batch_no, m->stream.writer);
		if (due == DUE_ALWAYS && !here && !may_lack(w, s, held, frame, at_last))
			sim_fail(w,
				"%s was not given a frame of batch %" PRIu64 " of %s lane %zu (reason %u)",
				h->name, m->batch_no, m->stream.writer, s % SIM_LANES,
				held->omissions[frame]);
		if (here && !torap_verify_frame(held, frame))
			sim_fail(w, "%s holds a damaged frame", h->name);
	}
}

/* `at_last`: all of it; else what came since the last step. */
static void check_holder(struct sim_world *w, size_t holder, bool at_last)
{
	for (size_t s = 0; s < SIM_STREAMS; s++) {
		const struct sim_disk *sealed = &w->nodes[s / SIM_LANES].lanes[s % SIM_LANES].disk;
		struct holder h = holder_of(w, holder, s);
		if (h.disk->count > sealed->flushed) {
			sim_fail(w,
				"%s holds batch %zu of %s, of which %zu are flushed: a number could be used again",
				h.name, h.disk->count, sim_stream(w, s)->writer, sealed->flushed);
			return;
		}
		for (size_t i = at_last ? 0 : *h.checked; i < h.disk->count; i++)
			check_batch(w, &h, s, sealed->batches[i], h.disk->batches[i], at_last);
		*h.checked = h.disk->count;
	}
}

static bool is_whole(struct sim_world *w, const struct holder *h, size_t s)
{
	for (size_t i = 0; i < h->disk->count; i++) {
		const struct torap_manifest *m = h->disk->batches[i]->manifest;
		for (unsigned frame = 0; frame < m->frames_count; frame++) {
			unsigned group, part;
			if (h->disk->batches[i]->frames[frame])
				continue;
			torap_batch_locate(h->disk->batches[i], frame, &group, &part);
			if (due_of(w, h->feed, h->broker, &m->groups[group], part) == DUE_ALWAYS &&
				!is_excused(w, s, i, frame))
				return false;
		}
	}
	return true;
}

/* On its disk. */
static uint64_t events_of(const struct sim_writer *l)
{
	const struct torap_manifest *m =
		l->disk.flushed ? l->disk.batches[l->disk.flushed - 1]->manifest : NULL;
	return m ? m->first_seq + m->count - 1 : 0;
}

static void check_writer(struct sim_world *w, const struct sim_node *n, const struct sim_writer *l)
{
	if (l->events_flushed > events_of(l))
		sim_fail(w, "%s answered \"durable\" for an event that its disk has lost", n->name);
	for (size_t b = 0; n->up && b < SIM_CITIES; b++) {
		const struct torap_window *window = &l->uplinks[b].window;
		if (window->in_flight_bytes > window->credit_bytes && window->in_flight_count > 1)
			sim_fail(w, "%s has more in flight than the broker's credit", n->name);
	}
}

void sim_check_step(struct sim_world *w)
{
	for (size_t h = 0; h < HOLDERS; h++)
		check_holder(w, h, false);
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

/* Opens all that a subscriber holds of a stream: in order, and each event of a class that it is granted once. */
static void check_events(struct sim_world *w, const struct sim_feed *feed, size_t s)
{
	const struct sim_writer *l = &w->nodes[s / SIM_LANES].lanes[s % SIM_LANES];
	const struct sim_disk *held = sim_subscriber_disk(feed->subscriber, s);
	struct counting c = { 0 };
	uint64_t due = 0, excused = 0;
	for (size_t i = 0; i < held->count; i++) {
		struct torap_error err;
		if (torap_batch_open(held->batches[i], count_event, &c, &err))
			sim_fail(w, "%s cannot open batch %zu in order: %s", feed->name, i + 1, err.text);
		const struct torap_manifest *m = held->batches[i]->manifest;
		for (unsigned g = 0; g < m->groups_count; g++) {
			bool parts[4];
			unsigned open = m->groups[g].first_frame;
			bool gone = is_excused(w, s, i, open);
			/* What is left of an event is shown. */
			for (unsigned p = 0; p < m->groups[g].parts_count; p++)
				gone = gone && !held->batches[i]->frames[open + p];
			if (torap_grant_parts(&feed->row, 1, &m->groups[g].class, parts))
				*(gone ? &excused : &due) += m->groups[g].count;
		}
	}
	w->events_doubled += c.again;
	w->events_lost += due > c.events ? due - c.events : 0;
	w->events_harmed += excused;
	if (c.events != due)
		sim_fail(w, "%s shows %" PRIu64 " events where %" PRIu64 " are due", feed->name, c.events,
			due);
	/* More than was acknowledged when a flush failed that was on the disk all the same. */
	if (feed->row.facilities_count == 0 && c.events + excused != events_of(l))
		sim_fail(w, "%s shows %" PRIu64 " events of %s, which has %" PRIu64, feed->name, c.events,
			l->stream.writer, events_of(l));
}

bool sim_is_settled(struct sim_world *w)
{
	for (size_t s = 0; s < SIM_STREAMS; s++) {
		const struct sim_disk *sealed = &w->nodes[s / SIM_LANES].lanes[s % SIM_LANES].disk;
		if (sealed->flushed != sealed->count)
			return false;
		for (size_t h = 0; h < HOLDERS; h++)
			if (holder_of(w, h, s).disk->flushed != sealed->flushed)
				return false;
	}
	for (size_t s = 0; s < SIM_STREAMS; s++)
		for (size_t h = 0; h < HOLDERS; h++) {
			struct holder holder = holder_of(w, h, s);
			if (!is_whole(w, &holder, s))
				return false;
		}
	return true;
}

void sim_check_end(struct sim_world *w)
{
	for (size_t s = 0; s < SIM_STREAMS; s++) {
		size_t flushed = w->nodes[s / SIM_LANES].lanes[s % SIM_LANES].disk.flushed;
		for (size_t h = 0; h < HOLDERS; h++) {
			struct holder holder = holder_of(w, h, s);
			if (holder.disk->flushed != flushed)
				sim_fail(w, "%s ends at batch %zu of %s lane %zu, which flushed %zu",
					holder.name, holder.disk->flushed, sim_stream(w, s)->writer,
					s % SIM_LANES, flushed);
			else if (holder.feed)
				check_events(w, holder.feed, s);
		}
	}
	for (size_t h = 0; h < HOLDERS; h++)
		check_holder(w, h, true);
}
