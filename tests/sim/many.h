/* many.h: many seeds, on all processors: job j of n has seed `from` + j, then + j + n, and so on. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/sim.h"

struct sim_totals {
	uint64_t seeds, events, refused, harmed, messages, faults[SIM_FAULTS], lost, doubled;
	uint64_t told_early, redone, torn; /* as in the world */
};
void sim_totals_add(struct sim_totals *t, const struct sim_world *w);

/* main.c: one seed.  True: everything came right. */
bool sim_run(uint64_t seed, bool verbose, struct sim_totals *t);
/* Until `seeds` have run, or (hours > 0) for so long; a failure ends it, when the seeds that are under way have ended.  Prints which failed,
 * and the sums.  True: none failed. */
bool sim_many(uint64_t from, uint64_t seeds, double hours, unsigned jobs);
