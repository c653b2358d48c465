#include "broker/cut.h"

#include "broker/routing.h"

static bool has(uint8_t parts, const struct torap_part *part)
{
	return part->part < 8 && (parts >> part->part & 1);
}

size_t broker_cut_make(struct torap_batch *view, struct broker_routing *routing, uint32_t feed,
	const struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	size_t bytes = batch->signed_manifest->size;
	view->manifest = batch->manifest;
	view->signed_manifest = batch->signed_manifest;
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
			if (batch->frames[frame])
				bytes += batch->frames[frame]->size;
			else if (batch->omissions[frame])
				view->omissions[frame] = batch->omissions[frame];
			else
				view->omissions[frame] = TORAP__OMISSION_REASON__OMISSION_NOT_HELD;
		}
	}
	return bytes;
}

size_t broker_cut_size(struct broker_routing *routing, uint32_t feed, const struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	size_t bytes = batch->signed_manifest->size;
	for (unsigned g = 0; g < m->groups_count; g++) {
		const struct torap_group *group = &m->groups[g];
		uint8_t parts = broker_routing_parts(routing, feed, &group->class);
		for (unsigned i = 0; i < group->parts_count; i++)
			if (has(parts, &group->parts[i]) && batch->frames[group->first_frame + i])
				bytes += batch->frames[group->first_frame + i]->size;
	}
	return bytes;
}

bool broker_cut_matches(struct broker_routing *routing, uint32_t feed, const struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	for (unsigned g = 0; g < m->groups_count; g++)
		if (broker_routing_parts(routing, feed, &m->groups[g].class))
			return true;
	return false;
}
