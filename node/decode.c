#include "node/decode.h"

#include <string.h>

#include "base/limits.h"

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

enum { FIELDS_MAX = 64 }; /* of each list; more is rare, and protobuf-c's */
enum { TEXTS_MAX = TORAP_OBSERVATION_SIZE_MAX };

/* Field numbers of observation.proto. */
enum {
	ID = 1,
	SORT,
	PROTOCOL,
	ADDRESS,
	VOCABULARY,
	CODE,
	AREA,
	ZONE,
	RECEIVED_AT_US,
	DEVICE_TIME_US,
	REPEAT_KEY,
	DATED,
	USER,
	TEXT,
	POSITION,
	FIELDS,
	PERSONAL,
	RAW,
	IMAGE,
};
enum { FIELD_NAME = 1, FIELD_VALUE };
enum { IMAGE_MEDIA_TYPE = 1, IMAGE_TAKEN_AT_US, IMAGE_DATA };

struct decoder {
	struct torap_arena *arena;
	Torap__Observation *out;
	/* Where the next one goes: as much room as the message has bytes, for each has two before it; without an image it has no more
	 * than an observation may. */
	char *texts;
	size_t texts_room;
	uint32_t seen; /* bit by field number */
	Torap__Field *fields[FIELDS_MAX], *personal[FIELDS_MAX];
};

static void *take(struct decoder *d, size_t size)
{
	return d->arena->allocator.alloc(d->arena, size);
}

enum { NUMBER_BITS = 63, SHORT_BITS = 35 }; /* protobuf-c takes no tag or length of more than five bytes */

/* Inlined everywhere: nearly all tags and lengths are one byte.  False: at the end, or of too many bytes. */
static inline bool read_varint(struct torap_reader *r, unsigned bits, uint64_t *out)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < bits && r->at < r->end; shift += 7) {
		uint8_t byte = *r->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*out = value;
			return true;
		}
	}
	return false;
}

static bool read_bytes(struct torap_reader *r, struct torap_bytes *out)
{
	uint64_t size;
	if (!read_varint(r, SHORT_BITS, &size) || size > (uint64_t)(r->end - r->at))
		return false;
	*out = torap_bytes(r->at, (size_t)size);
	r->at += size;
	return true;
}

static char *keep_text(struct decoder *d, struct torap_bytes text)
{
	char *kept = d->texts;
	if (text.size >= d->texts_room)
		return NULL;
	memcpy(kept, text.data, text.size);
	kept[text.size] = '\0';
	d->texts += text.size + 1;
	d->texts_room -= text.size + 1;
	return kept;
}

static Torap__Field *decode_field(struct decoder *d, struct torap_bytes bytes)
{
	struct torap_reader r = torap_reader(bytes);
	Torap__Field *f = take(d, sizeof *f);
	if (!f)
		return NULL;
	torap__field__init(f);
	unsigned last = 0;
	while (r.at < r.end) {
		unsigned tag = *r.at++, field = tag >> 3;
		struct torap_bytes text;
		if ((tag & 7) != WIRE_BYTES || field <= last || field > FIELD_VALUE || !read_bytes(&r, &text))
			return NULL;
		last = field;
		char *kept = keep_text(d, text);
		if (!kept)
			return NULL;
		*(field == FIELD_NAME ? &f->name : &f->value) = kept;
	}
	return f;
}

/* The picture stays where it is. */
static bool decode_image(struct decoder *d, struct torap_bytes bytes)
{
	struct torap_reader r = torap_reader(bytes);
	Torap__Image *image = take(d, sizeof *image);
	if (!image)
		return false;
	torap__image__init(image);
	d->out->image = image;
	unsigned last = 0;
	while (r.at < r.end) {
		unsigned tag = *r.at++, field = tag >> 3;
		struct torap_bytes part;
		uint64_t number;
		if (field <= last)
			return false;
		last = field;
		if (tag == (IMAGE_TAKEN_AT_US << 3 | WIRE_VARINT) && read_varint(&r, NUMBER_BITS, &number)) {
			image->taken_at_us = (int64_t)number;
			continue;
		}
		if ((tag & 7) != WIRE_BYTES || !read_bytes(&r, &part))
			return false;
		if (field == IMAGE_DATA)
			image->data = (ProtobufCBinaryData){ part.size, (uint8_t *)part.data };
		else if (field != IMAGE_MEDIA_TYPE || !(image->media_type = keep_text(d, part)))
			return false;
	}
	return true;
}

static bool add_field(struct decoder *d, Torap__Field **list, size_t *count, struct torap_bytes bytes)
{
	if (*count == FIELDS_MAX)
		return false;
	list[*count] = decode_field(d, bytes);
	return list[(*count)++] != NULL;
}

static bool decode_bytes(struct decoder *d, unsigned field, struct torap_bytes bytes)
{
	Torap__Observation *o = d->out;
	char **text = NULL;
	switch (field) {
	case PROTOCOL:
		text = &o->protocol;
		break;
	case ADDRESS:
		text = &o->address;
		break;
	case VOCABULARY:
		text = &o->vocabulary;
		break;
	case CODE:
		text = &o->code;
		break;
	case AREA:
		text = &o->area;
		break;
	case ZONE:
		text = &o->zone;
		break;
	case USER:
		text = &o->user;
		break;
	case TEXT:
		text = &o->text;
		break;
	case REPEAT_KEY:
		o->repeat_key = (ProtobufCBinaryData){ bytes.size, (uint8_t *)bytes.data };
		return true;
	case RAW:
		o->raw = (ProtobufCBinaryData){ bytes.size, (uint8_t *)bytes.data };
		return true;
	case POSITION:
		o->position = torap__position__unpack(&d->arena->allocator, bytes.size, bytes.data);
		return o->position != NULL;
	case IMAGE:
		return decode_image(d, bytes);
	case FIELDS:
		return add_field(d, d->fields, &o->n_fields, bytes);
	case PERSONAL:
		return add_field(d, d->personal, &o->n_personal, bytes);
	default:
		return false;
	}
	char *kept = keep_text(d, bytes);
	if (kept)
		*text = kept;
	return kept != NULL;
}

static bool decode_number(struct decoder *d, unsigned field, uint64_t number)
{
	Torap__Observation *o = d->out;
	switch (field) {
	case ID:
		o->id = number;
		return true;
	case SORT:
		o->sort = (Torap__Observation__Sort)(uint32_t)number;
		return true;
	case RECEIVED_AT_US:
		o->received_at_us = (int64_t)number;
		return true;
	case DEVICE_TIME_US:
		o->device_time_us = (int64_t)number;
		return true;
	case DATED:
		o->dated = number != 0;
		return true;
	default:
		return false;
	}
}

static bool decode_one(struct decoder *d, struct torap_reader *r)
{
	uint64_t tag, number;
	struct torap_bytes bytes;
	if (!read_varint(r, SHORT_BITS, &tag) || tag >> 3 == 0 || tag >> 3 > IMAGE)
		return false;
	unsigned field = (unsigned)(tag >> 3);
	bool many = field == FIELDS || field == PERSONAL;
	if (!many && d->seen & 1u << field)
		return false;
	d->seen |= 1u << field;
	if ((tag & 7) == WIRE_VARINT)
		return read_varint(r, NUMBER_BITS, &number) && decode_number(d, field, number);
	return (tag & 7) == WIRE_BYTES && read_bytes(r, &bytes) && decode_bytes(d, field, bytes);
}

static Torap__Field **keep_list(struct decoder *d, Torap__Field *const *list, size_t count)
{
	Torap__Field **kept = take(d, count * sizeof *kept);
	if (kept)
		memcpy(kept, list, count * sizeof *kept);
	return kept;
}

static bool decode(struct decoder *d, struct torap_bytes bytes)
{
	struct torap_reader r = torap_reader(bytes);
	d->out = take(d, sizeof *d->out);
	d->texts_room = bytes.size < TEXTS_MAX ? bytes.size : TEXTS_MAX;
	d->texts = take(d, d->texts_room);
	if (!d->out || !d->texts)
		return false;
	torap__observation__init(d->out);
	while (r.at < r.end)
		if (!decode_one(d, &r))
			return false;
	if (d->out->n_fields && !(d->out->fields = keep_list(d, d->fields, d->out->n_fields)))
		return false;
	return !d->out->n_personal || (d->out->personal = keep_list(d, d->personal, d->out->n_personal));
}

Torap__Observation *node_observation_decode(struct torap_arena *arena, struct torap_bytes bytes)
{
	struct decoder d;
	d.arena = arena; /* The lists are not worth zeroing for each observation. */
	d.seen = 0;
	torap_arena_reset(arena);
	if (decode(&d, bytes))
		return d.out;
	torap_arena_reset(arena);
	return torap__observation__unpack(&arena->allocator, bytes.size, bytes.data);
}
