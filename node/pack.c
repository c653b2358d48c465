#include "node/pack.h"

#include <string.h>

#include "node/event.h"

/* Field numbers of event.proto and observation.proto; all below 16, so that a tag is one byte. */
enum {
	OPEN_STATE = 2,
	OPEN_SITE,
	OPEN_DEVICE,
	OPEN_RECEIVED_AT_US,
	OPEN_OCCURRED_AT_US,
	OPEN_DEVICE_TIME_US,
	OPEN_CLOCK_OFFSET_MS,
	OPEN_CLOCK_KNOWN,
	OPEN_AREA,
	OPEN_ZONE,
	OPEN_PROTOCOL,
	OPEN_CODE,
	OPEN_COUNT,
	OPEN_DETAIL,
};
enum { PERSONAL_USER = 2, PERSONAL_TEXT, PERSONAL_POSITION, PERSONAL_DETAIL = 6, PERSONAL_RAW };
enum { IMAGE_MEDIA_TYPE = 2, IMAGE_CAMERA, IMAGE_TAKEN_AT_US, IMAGE_DATA };
enum { FIELD_NAME = 1, FIELD_VALUE };
enum { POSITION_LATITUDE = 1, POSITION_LONGITUDE, POSITION_ALTITUDE_M };

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2 };

enum {
	VARINT_MAX = 10,
	LENGTH_MAX = 6,                          /* tag and length of what is below 4 GiB */
	OPEN_NUMBERS_MAX = 7 * (1 + VARINT_MAX), /* state, three times, offset, known, count */
	POSITION_MAX = LENGTH_MAX + 3 * 9,
};

static size_t text_max(const char *text)
{
	return LENGTH_MAX + (text ? strlen(text) : 0);
}

static size_t field_max(const Torap__Field *f)
{
	return LENGTH_MAX + text_max(f->name) + text_max(f->value);
}

size_t node_pack_size_max(const struct node_event_spec *s)
{
	size_t size = OPEN_NUMBERS_MAX + text_max(s->site) + text_max(s->device) + text_max(s->area) +
		      text_max(s->zone) + text_max(s->protocol) + text_max(s->code) + text_max(s->user) +
		      text_max(s->text) + LENGTH_MAX + s->raw.size;
	if (s->position)
		size += POSITION_MAX;
	if (s->image.size)
		size += text_max(s->image_type) + text_max(s->image_camera) + 1 + VARINT_MAX + LENGTH_MAX +
			s->image.size;
	for (size_t i = 0; s->detail && i < s->detail->count; i++)
		size += field_max(&s->detail->field[i]);
	for (size_t i = 0; i < s->fields_count; i++)
		size += field_max(s->fields[i]);
	for (size_t i = 0; i < s->personal_count; i++)
		size += field_max(s->personal[i]);
	return size;
}

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8_t)value | 0x80;
	*at++ = (uint8_t)value;
	return at;
}

static uint8_t *put_tag(uint8_t *at, unsigned field, unsigned wire)
{
	*at++ = (uint8_t)(field << 3 | wire);
	return at;
}

static uint8_t *put_number(uint8_t *at, unsigned field, uint64_t value)
{
	return value ? put_varint(put_tag(at, field, WIRE_VARINT), value) : at;
}

static uint8_t *put_bytes(uint8_t *at, unsigned field, const void *data, size_t size)
{
	if (!size)
		return at;
	at = put_varint(put_tag(at, field, WIRE_BYTES), size);
	return (uint8_t *)memcpy(at, data, size) + size;
}

static uint8_t *put_text(uint8_t *at, unsigned field, const char *text)
{
	return text ? put_bytes(at, field, text, strlen(text)) : at;
}

static size_t varint_size(size_t value)
{
	size_t size = 1;
	for (; value >= 0x80; value >>= 7)
		size++;
	return size;
}

static size_t text_size(const char *text)
{
	size_t size = strlen(text);
	return size ? 1 + varint_size(size) + size : 0;
}

static uint8_t *put_field(uint8_t *at, unsigned field, const Torap__Field *f)
{
	at = put_varint(put_tag(at, field, WIRE_BYTES), text_size(f->name) + text_size(f->value));
	at = put_text(at, FIELD_NAME, f->name);
	return put_text(at, FIELD_VALUE, f->value);
}

uint8_t *node_pack_open(uint8_t *at, const struct node_event_spec *s)
{
	at = put_number(at, OPEN_STATE, s->state);
	at = put_text(at, OPEN_SITE, s->site);
	at = put_text(at, OPEN_DEVICE, s->device);
	at = put_number(at, OPEN_RECEIVED_AT_US, (uint64_t)s->received_at.us);
	at = put_number(at, OPEN_OCCURRED_AT_US, (uint64_t)s->occurred_at.us);
	at = put_number(at, OPEN_DEVICE_TIME_US, (uint64_t)s->device_time.us);
	at = put_number(at, OPEN_CLOCK_OFFSET_MS, (uint64_t)(int64_t)s->clock_offset_ms);
	at = put_number(at, OPEN_CLOCK_KNOWN, s->clock_known);
	at = put_text(at, OPEN_AREA, s->area);
	at = put_text(at, OPEN_ZONE, s->zone);
	at = put_text(at, OPEN_PROTOCOL, s->protocol);
	at = put_text(at, OPEN_CODE, s->code);
	at = put_number(at, OPEN_COUNT, s->count > 1 ? s->count : 0);
	for (size_t i = 0; s->detail && i < s->detail->count; i++)
		at = put_field(at, OPEN_DETAIL, &s->detail->field[i]);
	for (size_t i = 0; i < s->fields_count; i++)
		at = put_field(at, OPEN_DETAIL, s->fields[i]);
	return at;
}

static uint8_t *put_double(uint8_t *at, unsigned field, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	if (value == 0.0)
		return at;
	at = put_tag(at, field, WIRE_64);
	for (unsigned i = 0; i < 64; i += 8)
		*at++ = (uint8_t)(bits >> i);
	return at;
}

static uint8_t *put_position(uint8_t *at, const Torap__Position *p)
{
	uint8_t *length = put_tag(at, PERSONAL_POSITION, WIRE_BYTES);
	at = put_double(length + 1, POSITION_LATITUDE, p->latitude);
	at = put_double(at, POSITION_LONGITUDE, p->longitude);
	at = put_double(at, POSITION_ALTITUDE_M, p->altitude_m);
	*length = (uint8_t)(at - length - 1); /* at most 27 */
	return at;
}

uint8_t *node_pack_personal(uint8_t *at, const struct node_event_spec *s)
{
	at = put_text(at, PERSONAL_USER, s->user);
	at = put_text(at, PERSONAL_TEXT, s->text);
	if (s->position)
		at = put_position(at, s->position);
	for (size_t i = 0; i < s->personal_count; i++)
		at = put_field(at, PERSONAL_DETAIL, s->personal[i]);
	return put_bytes(at, PERSONAL_RAW, s->raw.data, s->raw.size);
}

static bool is_there(const char *text)
{
	return text && *text;
}

bool node_pack_has_personal(const struct node_event_spec *s)
{
	return is_there(s->user) || is_there(s->text) || s->position || s->personal_count || s->raw.size;
}

uint8_t *node_pack_image(uint8_t *at, const struct node_event_spec *s)
{
	at = put_text(at, IMAGE_MEDIA_TYPE, s->image_type);
	at = put_text(at, IMAGE_CAMERA, s->image_camera);
	at = put_number(at, IMAGE_TAKEN_AT_US, (uint64_t)s->image_at.us);
	return put_bytes(at, IMAGE_DATA, s->image.data, s->image.size);
}
