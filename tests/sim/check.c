/* The checkers know what no process knows: every node's journal, and what each feed may have. */
#include "sim/sim.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "wire/open.h"
#include "wire/verify.h"

/* What the subscriber holds of a batch against what the node sealed: the same manifest, and of the frames exactly the granted ones. */
static void check_batch(struct sim_world *w, const struct sim_feed *feed, const struct torap_batch *sealed,
	const struct torap_batch *held)
{
	const struct torap_manifest *m = sealed->manifest;
	if (memcmp(m->digest, held->manifest->digest, sizeof m->digest) != 0) {
		sim_fail(w, "%s holds another batch %" PRIu64 " than %s sealed", feed->name, m->batch_no,
			m->stream.writer);
		return;
	}
	for (unsigned g = 0; g < m->groups_count; g++) {
		bool parts[4];
		bool any = torap_grant_parts(&feed->row, 1, &m->groups[g].class, parts);
		for (unsigned i = 0; i < m->groups[g].parts_count; i++) {
			unsigned frame = m->groups[g].first_frame + i;
			bool due = any && parts[m->groups[g].parts[i].part];
			if (!due && held->frames[frame])
				sim_fail(w, "%s holds a frame beyond its grant: batch %" PRIu64 " of %s",
					feed->name, m->batch_no, m->stream.writer);
			if (due && !held->frames[frame])
				sim_fail(w, "%s was not given a frame of batch %" PRIu64 " of %s", feed->name,
					m->batch_no, m->stream.writer);
			if (due && held->frames[frame] && !torap_verify_frame(held, frame))
				sim_fail(w, "%s holds a damaged frame", feed->name);
		}
	}
}

/* `all`: from the begin; else only the newest batch, which is what this step can have added. */
static void check_feed(struct sim_world *w, const struct sim_feed *feed, bool all)
{
	for (size_t n = 0; n < SIM_NODES; n++)
		for (size_t lane = 0; lane < SIM_LANES; lane++) {
			const struct sim_writer *l = &w->nodes[n].lanes[lane];
			const struct sim_disk *held = sim_subscriber_disk(feed->subscriber, &l->stream);
			if (held->count > l->disk.flushed) {
				sim_fail(w,
					"%s holds batch %zu of %s, of which %zu are flushed: a number could "
					"be used again",
					feed->name, held->count, w->nodes[n].name, l->disk.flushed);
				return;
			}
			for (size_t i = all || held->count == 0 ? 0 : held->count - 1; i < held->count; i++)
				check_batch(w, feed, l->disk.batches[i], held->batches[i]);
		}
}

void sim_check_step(struct sim_world *w)
{
	for (size_t f = 0; f < SIM_FEEDS; f++)
		check_feed(w, &w->feeds[f], false);
	for (size_t n = 0; n < SIM_NODES; n++)
		for (size_t lane = 0; lane < SIM_LANES; lane++) {
			const struct sim_writer *l = &w->nodes[n].lanes[lane];
			const struct torap_manifest *m =
				l->disk.flushed ? l->disk.batches[l->disk.flushed - 1]->manifest : NULL;
			if (l->events_flushed > (m ? m->first_seq + m->count - 1 : 0))
				sim_fail(w, "%s answered \"durable\" for an event that its disk has lost",
					w->nodes[n].name);
			if (w->nodes[n].up && l->window.in_flight_bytes > l->window.credit_bytes &&
				l->window.in_flight_count > 1)
				sim_fail(w, "%s has more in flight than the broker's credit",
					w->nodes[n].name);
		}
}

struct counting {
	uint64_t next_seq, events;
};

static int count_event(void *hint, const struct torap_opened *event)
{
	struct counting *c = hint;
	if (event->seq < c->next_seq)
		return -1;
	c->next_seq = event->seq + 1;
	c->events++;
	return 0;
}

void sim_check_end(struct sim_world *w)
{
	for (size_t f = 0; f < SIM_FEEDS; f++) {
		const struct sim_feed *feed = &w->feeds[f];
		check_feed(w, feed, true);
		for (size_t n = 0; n < SIM_NODES; n++)
			for (size_t lane = 0; lane < SIM_LANES; lane++) {
				const struct sim_writer *l = &w->nodes[n].lanes[lane];
				const struct sim_disk *held =
					sim_subscriber_disk(feed->subscriber, &l->stream);
				if (held->flushed != l->disk.flushed) {
					sim_fail(w, "%s ends at batch %zu of %s lane %zu, which flushed %zu",
						feed->name, held->flushed, w->nodes[n].name, lane,
						l->disk.flushed);
					continue;
				}
				struct counting c = { 0 };
				uint64_t due = 0;
				for (size_t i = 0; i < held->count; i++) {
					struct torap_error err;
					if (torap_batch_open(held->batches[i], count_event, &c, &err))
						sim_fail(w, "%s cannot open batch %zu in order: %s",
							feed->name, i + 1, err.text);
					const struct torap_manifest *m = held->batches[i]->manifest;
					for (unsigned g = 0; g < m->groups_count; g++) {
						bool parts[4];
						if (torap_grant_parts(
							    &feed->row, 1, &m->groups[g].class, parts))
							due += m->groups[g].count;
					}
				}
				if (c.events != due)
					sim_fail(w, "%s shows %" PRIu64 " events where %" PRIu64 " are due",
						feed->name, c.events, due);
				if (feed->row.facilities_count == 0 && c.events != l->events_flushed)
					sim_fail(w,
						"%s shows %" PRIu64
						" events of %s, which acknowledged %" PRIu64,
						feed->name, c.events, w->nodes[n].name, l->events_flushed);
			}
	}
}
