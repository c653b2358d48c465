#include "broker/cut.h"

#include "broker/routing.h"

static bool has(uint8_t parts, const struct torap_part *part)
{
	return part->part < 8 && (parts >> part->part & 1);
}

/* They go along with frames alone. */
static size_t digests_size(const struct torap_batch *batch, bool any_frame)
{
	return any_frame && batch->digests ? batch->digests->size : 0;
}

size_t broker_cut_make(struct torap_batch *view, struct broker_routing *routing, uint32_t feed,
	const struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	size_t bytes = batch->signed_manifest->size;
	bool any = false;
	view->manifest = batch->manifest;
	view->signed_manifest = batch->signed_manifest;
	view->digests = batch->digests;
	for (unsigned g = 0; g < m->groups_count; g++) {
		const struct torap_group *group = &m->groups[g];
		uint8_t parts = broker_routing_parts(routing, feed, &group->class);
		for (unsigned i = 0; i < group->parts_count; i++) {
			unsigned frame = group->first_frame + i;
			view->frames[frame] = NULL;
			view->omissions[frame] = TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED;
			if (!has(parts, &group->parts[i]))
				continue;
			view->frames[frame] = batch->frames[frame];
			any |= batch->frames[frame] != NULL;
			if (batch->frames[frame])
				bytes += batch->frames[frame]->size;
			else if (batch->omissions[frame])
				view->omissions[frame] = batch->omissions[frame];
			else
				view->omissions[frame] = TORAP__OMISSION_REASON__OMISSION_NOT_HELD;
		}
	}
	return bytes + digests_size(batch, any);
}

size_t broker_cut_size(struct broker_routing *routing, uint32_t feed, const struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	size_t bytes = batch->signed_manifest->size;
	bool any = false;
	for (unsigned g = 0; g < m->groups_count; g++) {
		const struct torap_group *group = &m->groups[g];
		uint8_t parts = broker_routing_parts(routing, feed, &group->class);
		for (unsigned i = 0; i < group->parts_count; i++)
			if (has(parts, &group->parts[i]) && batch->frames[group->first_frame + i]) {
				bytes += batch->frames[group->first_frame + i]->size;
				any = true;
			}
	}
	return bytes + digests_size(batch, any);
}

bool broker_cut_matches(struct broker_routing *routing, uint32_t feed, const struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	for (unsigned g = 0; g < m->groups_count; g++)
		if (broker_routing_parts(routing, feed, &m->groups[g].class))
			return true;
	return false;
}
