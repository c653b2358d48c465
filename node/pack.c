#include "node/pack.h"

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

static void put_field(struct torap_put *p, unsigned field, const Torap__Field *f)
{
	uint8_t *opened = torap_put_open(p, field);
	torap_put_text(p, FIELD_NAME, f->name);
	torap_put_text(p, FIELD_VALUE, f->value);
	torap_put_close(p, opened);
}

void node_pack_open(struct torap_put *p, const struct node_event_spec *s)
{
	torap_put_number(p, OPEN_STATE, s->state);
	torap_put_text(p, OPEN_SITE, s->site);
	torap_put_text(p, OPEN_DEVICE, s->device);
	torap_put_number(p, OPEN_RECEIVED_AT_US, (uint64_t)s->received_at.us);
	torap_put_number(p, OPEN_OCCURRED_AT_US, (uint64_t)s->occurred_at.us);
	torap_put_number(p, OPEN_DEVICE_TIME_US, (uint64_t)s->device_time.us);
	torap_put_number(p, OPEN_CLOCK_OFFSET_MS, (uint64_t)(int64_t)s->clock_offset_ms);
	torap_put_number(p, OPEN_CLOCK_KNOWN, s->clock_known);
	torap_put_text(p, OPEN_AREA, s->area);
	torap_put_text(p, OPEN_ZONE, s->zone);
	torap_put_text(p, OPEN_PROTOCOL, s->protocol);
	torap_put_text(p, OPEN_CODE, s->code);
	torap_put_number(p, OPEN_COUNT, s->count > 1 ? s->count : 0);
	for (size_t i = 0; s->detail && i < s->detail->count; i++)
		put_field(p, OPEN_DETAIL, &s->detail->field[i]);
	for (size_t i = 0; i < s->fields_count; i++)
		put_field(p, OPEN_DETAIL, s->fields[i]);
}

static void put_position(struct torap_put *p, const Torap__Position *position)
{
	uint8_t *opened = torap_put_open(p, PERSONAL_POSITION);
	torap_put_double(p, POSITION_LATITUDE, position->latitude);
	torap_put_double(p, POSITION_LONGITUDE, position->longitude);
	torap_put_double(p, POSITION_ALTITUDE_M, position->altitude_m);
	torap_put_close(p, opened);
}

void node_pack_personal(struct torap_put *p, const struct node_event_spec *s)
{
	torap_put_text(p, PERSONAL_USER, s->user);
	torap_put_text(p, PERSONAL_TEXT, s->text);
	if (s->position)
		put_position(p, s->position);
	for (size_t i = 0; i < s->personal_count; i++)
		put_field(p, PERSONAL_DETAIL, s->personal[i]);
	torap_put_bytes(p, PERSONAL_RAW, s->raw.data, s->raw.size);
}

static bool is_there(const char *text)
{
	return text && *text;
}

bool node_pack_has_personal(const struct node_event_spec *s)
{
	return is_there(s->user) || is_there(s->text) || s->position || s->personal_count || s->raw.size;
}

void node_pack_image(struct torap_put *p, const struct node_event_spec *s)
{
	torap_put_text(p, IMAGE_MEDIA_TYPE, s->image_type);
	torap_put_text(p, IMAGE_CAMERA, s->image_camera);
	torap_put_number(p, IMAGE_TAKEN_AT_US, (uint64_t)s->image_at.us);
	torap_put_bytes(p, IMAGE_DATA, s->image.data, s->image.size);
}
