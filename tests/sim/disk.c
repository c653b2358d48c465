#include "sim/sim.h"

#include <assert.h>
#include <stdlib.h>

void sim_disk_append(struct sim_disk *d, struct torap_batch *take)
{
	assert(take->manifest->batch_no == d->count + 1);
	if (d->count == d->room) {
		d->room = d->room ? d->room * 2 : 64;
		d->batches = realloc(d->batches, d->room * sizeof *d->batches);
		assert(d->batches);
	}
	d->batches[d->count++] = take;
}

void sim_disk_crash(struct sim_disk *d)
{
	while (d->count > d->flushed)
		torap_batch_destroy(d->batches[--d->count]);
}

void sim_disk_finish(struct sim_disk *d)
{
	d->flushed = 0;
	sim_disk_crash(d);
	free(d->batches);
	*d = (struct sim_disk){ 0 };
}
