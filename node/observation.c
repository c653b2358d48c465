#include "node/observation.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"

enum { PROTOCOL_MAX = 31, FIELDS_MAX = 256, MEDIA_TYPE_MAX = 63 };

/* Nearly every text is, and eight bytes at a time are told quickly. */
static bool is_ascii(struct torap_bytes text)
{
	uint64_t word = 0, all = 0;
	const uint8_t *at = text.data, *end = at + text.size;
	for (; (size_t)(end - at) >= sizeof word; at += sizeof word) {
		memcpy(&word, at, sizeof word);
		all |= word;
	}
	for (; at < end; at++)
		all |= *at;
	return !(all & 0x8080808080808080u);
}

bool node_text_is_utf8(const char *text)
{
	const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
	if (is_ascii(torap_bytes(at, (size_t)(end - at))))
		return true;
	size_t length = 1;
	for (; at < end && length > 0; at += length)
		length = torap_utf8_length(at, end);
	return length > 0;
}

static bool fields_are_utf8(Torap__Field *const *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!node_text_is_utf8(fields[i]->name) || !node_text_is_utf8(fields[i]->value))
			return false;
	return true;
}

/* Subscribers read these texts with protobuf libraries that refuse a whole message for one bad byte. */
static bool texts_are_utf8(const Torap__Observation *o)
{
	const char *texts[] = { o->protocol, o->address, o->vocabulary, o->code, o->area, o->zone, o->user,
		o->text, o->image ? o->image->media_type : "" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (!node_text_is_utf8(texts[i]))
			return false;
	return fields_are_utf8(o->fields, o->n_fields) && fields_are_utf8(o->personal, o->n_personal);
}

const char *node_observation_fault(const Torap__Observation *o, struct torap_bytes texts)
{
	size_t protocol = strlen(o->protocol), address = strlen(o->address);
	if (protocol == 0 || protocol > PROTOCOL_MAX)
		return "protocol is empty or too long";
	if (address == 0 || address > TORAP_ADDRESS_MAX)
		return "address is empty or too long";
	if (o->repeat_key.len > TORAP_REPEAT_KEY_MAX)
		return "repeat_key is too long";
	if (o->n_fields > FIELDS_MAX || o->n_personal > FIELDS_MAX)
		return "too many fields";
	if (o->sort != TORAP__OBSERVATION__SORT__SORT_REPORT &&
		o->sort != TORAP__OBSERVATION__SORT__SORT_ALIVE)
		return "sort is not known";
	if (o->image && strlen(o->image->media_type) > MEDIA_TYPE_MAX)
		return "media_type is too long";
	bool all_ascii = texts.data && is_ascii(texts);
	if (!all_ascii && !texts_are_utf8(o))
		return "a text is not UTF-8";
	return NULL;
}
