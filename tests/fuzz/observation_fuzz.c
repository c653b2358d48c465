/* An Offer, as an agent sends it that a device has taken over. */
#include <assert.h>
#include <string.h>

#include "base/limits.h"
#include "proto/observation.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk_fields(Torap__Field *const *fields, size_t count)
{
	size_t walked = 0;
	for (size_t i = 0; i < count; i++)
		walked += strlen(fields[i]->name) + strlen(fields[i]->value);
	return walked;
}

static size_t walk(const Torap__Observation *o)
{
	return strlen(o->protocol) + strlen(o->address) + strlen(o->vocabulary) + strlen(o->code) +
	       strlen(o->area) + strlen(o->zone) + strlen(o->user) + strlen(o->text) + o->repeat_key.len +
	       o->raw.len + walk_fields(o->fields, o->n_fields) + walk_fields(o->personal, o->n_personal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Torap__Offer *offer = torap__offer__unpack(NULL, size, data);
	if (!offer)
		return 0;
	size_t walked = 0;
	for (size_t i = 0; i < offer->n_observations; i++)
		walked += walk(offer->observations[i]);
	assert(walked <= size);
	torap__offer__free_unpacked(offer, NULL);
	return 0;
}
