/* The checkers know what no process knows: every node's journal, and what each feed may have. */
#include "sim/sim.h"

#include <inttypes.h>
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

enum due { DUE_NEVER, DUE_PERHAPS, DUE_ALWAYS };

/* Perhaps: what the policy granted at one time and denied at another. */
static enum due due_of(const struct sim_world *w, const struct sim_feed *feed,
	const struct torap_group *group, unsigned part)
{
	bool parts[4];
	uint8_t kind = group->parts[part].part;
	if (!torap_grant_parts(&feed->row, 1, &group->class, parts) || !parts[kind])
		return DUE_NEVER;
	if (feed->brokers[0] == SIM_NATION &&
		(!torap_grant_parts(&w->feeds[SIM_UPSTREAM].row, 1, &group->class, parts) || !parts[kind]))
		return DUE_NEVER; /* The broker does not have it itself. */
	bool wavers = strcmp(feed->name, "almaty") == 0 && kind == TORAP__PART_KIND__PART_PERSONAL;
	return wavers ? DUE_PERHAPS : DUE_ALWAYS;
}

/* What the subscriber holds of a batch against what the node sealed: the same manifest, and of the frames exactly those due. */
static void check_batch(struct sim_world *w, const struct sim_feed *feed, const struct torap_batch *sealed,
	const struct torap_batch *held)
{
	const struct torap_manifest *m = sealed->manifest;
	if (memcmp(m->digest, held->manifest->digest, sizeof m->digest) != 0) {
		sim_fail(w, "%s holds another batch %" PRIu64 " than %s sealed", feed->name, m->batch_no,
			m->stream.writer);
		return;
	}
	for (unsigned frame = 0; frame < m->frames_count; frame++) {
		unsigned group, part;
		torap_batch_locate(sealed, frame, &group, &part);
		enum due due = due_of(w, feed, &m->groups[group], part);
		bool here = held->frames[frame];
		if (due == DUE_NEVER && here)
			sim_fail(w, "%s holds a frame beyond its grant: batch %" PRIu64 " of %s", feed->name,
				m->batch_no, m->stream.writer);
		if (due == DUE_ALWAYS && !here)
			sim_fail(w, "%s was not given a frame of batch %" PRIu64 " of %s", feed->name,
				m->batch_no, m->stream.writer);
		if (here && !torap_verify_frame(held, frame))
			sim_fail(w, "%s holds a damaged frame", feed->name);
	}
}

/* `all`: from the begin; else what came since the last step. */
static void check_feed(struct sim_world *w, struct sim_feed *feed, bool all)
{
	for (size_t s = 0; s < SIM_STREAMS; s++) {
		const struct sim_disk *sealed = &w->nodes[s / SIM_LANES].lanes[s % SIM_LANES].disk;
		const struct sim_disk *held = sim_subscriber_disk(feed->subscriber, s);
		if (held->count > sealed->flushed) {
			sim_fail(w,
				"%s holds batch %zu of %s, of which %zu are flushed: a number could be used again",
				feed->name, held->count, sim_stream(w, s)->writer, sealed->flushed);
			return;
		}
		size_t from = all ? 0 : feed->checked[s];
		for (size_t i = from; i < held->count; i++)
			check_batch(w, feed, sealed->batches[i], held->batches[i]);
		feed->checked[s] = held->count; /* Fewer than before: it died. */
	}
}

static void check_writer(struct sim_world *w, const struct sim_node *n, const struct sim_writer *l)
{
	const struct torap_manifest *m =
		l->disk.flushed ? l->disk.batches[l->disk.flushed - 1]->manifest : NULL;
	if (l->events_flushed > (m ? m->first_seq + m->count - 1 : 0))
		sim_fail(w, "%s answered \"durable\" for an event that its disk has lost", n->name);
	for (size_t b = 0; n->up && b < SIM_CITIES; b++) {
		const struct torap_window *window = &l->uplinks[b].window;
		if (window->in_flight_bytes > window->credit_bytes && window->in_flight_count > 1)
			sim_fail(w, "%s has more in flight than the broker's credit", n->name);
	}
}

void sim_check_step(struct sim_world *w)
{
	for (size_t f = 0; f < SIM_SUBSCRIBERS; f++)
		check_feed(w, &w->feeds[f], false);
	for (size_t n = 0; n < SIM_NODES; n++)
		for (size_t lane = 0; lane < SIM_LANES; lane++)
			check_writer(w, &w->nodes[n], &w->nodes[n].lanes[lane]);
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
	uint64_t due = 0;
	for (size_t i = 0; i < held->count; i++) {
		struct torap_error err;
		if (torap_batch_open(held->batches[i], count_event, &c, &err))
			sim_fail(w, "%s cannot open batch %zu in order: %s", feed->name, i + 1, err.text);
		const struct torap_manifest *m = held->batches[i]->manifest;
		for (unsigned g = 0; g < m->groups_count; g++) {
			bool parts[4];
			if (torap_grant_parts(&feed->row, 1, &m->groups[g].class, parts))
				due += m->groups[g].count;
		}
	}
	w->events_doubled += c.again;
	w->events_lost += due > c.events ? due - c.events : 0;
	if (c.events != due)
		sim_fail(w, "%s shows %" PRIu64 " events where %" PRIu64 " are due", feed->name, c.events,
			due);
	if (feed->row.facilities_count == 0 && c.events != l->events_flushed)
		sim_fail(w, "%s shows %" PRIu64 " events of %s, which acknowledged %" PRIu64, feed->name,
			c.events, l->stream.writer, l->events_flushed);
}

bool sim_is_settled(const struct sim_world *w)
{
	for (size_t s = 0; s < SIM_STREAMS; s++) {
		const struct sim_disk *sealed = &w->nodes[s / SIM_LANES].lanes[s % SIM_LANES].disk;
		if (sealed->flushed != sealed->count)
			return false;
		for (size_t b = 0; b < SIM_BROKERS; b++)
			if (sim_broker_disk(w->brokers[b], s)->flushed != sealed->flushed)
				return false;
		for (size_t f = 0; f < SIM_SUBSCRIBERS; f++)
			if (sim_subscriber_disk(w->feeds[f].subscriber, s)->flushed != sealed->flushed)
				return false;
	}
	return true;
}

void sim_check_end(struct sim_world *w)
{
	for (size_t s = 0; s < SIM_STREAMS; s++) {
		size_t flushed = w->nodes[s / SIM_LANES].lanes[s % SIM_LANES].disk.flushed;
		for (size_t b = 0; b < SIM_BROKERS; b++)
			if (sim_broker_disk(w->brokers[b], s)->flushed != flushed)
				sim_fail(w, "broker %zu ends at batch %zu of %s, which flushed %zu", b,
					sim_broker_disk(w->brokers[b], s)->flushed, sim_stream(w, s)->writer,
					flushed);
		for (size_t f = 0; f < SIM_SUBSCRIBERS; f++) {
			const struct sim_feed *feed = &w->feeds[f];
			const struct sim_disk *held = sim_subscriber_disk(feed->subscriber, s);
			if (held->flushed != flushed)
				sim_fail(w, "%s ends at batch %zu of %s lane %zu, which flushed %zu",
					feed->name, held->flushed, sim_stream(w, s)->writer, s % SIM_LANES,
					flushed);
			else
				check_events(w, feed, s);
		}
	}
	for (size_t f = 0; f < SIM_SUBSCRIBERS; f++)
		check_feed(w, &w->feeds[f], true);
}
