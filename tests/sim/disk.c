#include "sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/session.pb-c.h"

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

/* By the journal's rule (lib/store/journal.c): a frame that comes is taken where none is and may still be one; word that none will
 * come is taken where one was still hoped for. */
bool sim_disk_merge(struct sim_disk *d, const struct torap_batch *batch)
{
	struct torap_batch *ours = d->batches[batch->manifest->batch_no - 1];
	bool merged = false;
	if (batch->digests && !ours->digests)
		ours->digests = torap_buffer_ref(batch->digests);
	for (unsigned i = 0; i < batch->manifest->frames_count; i++) {
		uint8_t reason = batch->omissions[i];
		bool final = ours->omissions[i] != TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED &&
			     !torap_omission_is_hole(ours->omissions[i]);
		if (ours->frames[i] || final)
			continue;
		if (batch->frames[i]) {
			ours->frames[i] = torap_buffer_ref(batch->frames[i]);
			ours->omissions[i] = 0;
		} else if (torap_omission_is_hole(ours->omissions[i]) && !torap_omission_is_hole(reason) &&
			   reason != TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED) {
			ours->omissions[i] = reason;
		} else if (ours->omissions[i] == TORAP__OMISSION_REASON__OMISSION_NOT_HELD &&
			   reason == TORAP__OMISSION_REASON__OMISSION_DAMAGED) {
			ours->omissions[i] = reason;
		} else {
			continue;
		}
		merged = true;
	}
	return merged;
}

bool sim_disk_drop(struct sim_disk *d, size_t batch, unsigned frame, uint8_t reason)
{
	struct torap_batch *b = d->batches[batch];
	if (!b->frames[frame])
		return false;
	b->frames[frame] = torap_buffer_unref(b->frames[frame]);
	b->omissions[frame] = reason;
	return true;
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
