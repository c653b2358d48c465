#include "agents/follow/line.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "base/utf8.h"
#include "wire/digest.h"

/* Texts come from devices: what is no UTF-8 becomes U+FFFD. */
static json_t *text(const char *s)
{
	json_t *good = json_string(s);
	if (good || !s)
		return good;
	char *mended = malloc(3 * strlen(s) + 1), *to = mended;
	if (!mended)
		return NULL;
	for (const char *end = s + strlen(s); s < end;) {
		size_t n = torap_utf8_length((const uint8_t *)s, (const uint8_t *)end);
		memcpy(to, n ? s : TORAP_UTF8_REPLACEMENT, n ? n : 3);
		to += n ? n : 3;
		s += n ? n : 1;
	}
	*to = '\0';
	good = json_string(mended);
	free(mended);
	return good;
}

static void put_text(json_t *to, const char *name, const char *value)
{
	if (value && *value)
		json_object_set_new(to, name, text(value));
}

static void put_name(json_t *to, const char *key, const char *name, uint32_t number)
{
	json_object_set_new(to, key, name ? json_string(name) : json_integer(number));
}

static void put_time(json_t *to, const char *key, int64_t us)
{
	char when[TORAP_WALL_TEXT_SIZE];
	json_object_set_new(to, key, json_string(torap_wall_format((struct torap_wall){ us }, when)));
}

enum { SAME_NAMES_MAX = 64 };

/* Two fields of one name are both shown: "block", "block_2". */
static void put_field(json_t *to, const char *name, const char *value)
{
	char key[256];
	if (!json_object_get(to, name)) {
		json_object_set_new(to, name, text(value));
		return;
	}
	for (unsigned i = 2; i <= SAME_NAMES_MAX; i++) {
		snprintf(key, sizeof key, "%.240s_%u", name, i);
		if (!json_object_get(to, key))
			break;
	}
	json_object_set_new(to, key, text(value));
}

static void put_fields(json_t *to, Torap__Field *const *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_t *name = text(fields[i]->name);
		if (name)
			put_field(to, json_string_value(name), fields[i]->value);
		json_decref(name);
	}
}

static json_t *detail_of(const Torap__EventOpen *open)
{
	json_t *detail = json_object();
	put_fields(detail, open->detail, open->n_detail);
	put_text(detail, "area", open->area);
	put_text(detail, "zone", open->zone);
	put_text(detail, "protocol", open->protocol);
	put_text(detail, "code", open->code);
	if (open->count)
		json_object_set_new(detail, "count", json_integer(open->count));
	return detail;
}

static json_t *personal_of(const Torap__EventPersonal *p)
{
	json_t *personal = json_object();
	put_text(personal, "user", p->user);
	put_text(personal, "text", p->text);
	put_text(personal, "plate", p->plate);
	if (p->position) {
		json_t *position = json_object();
		json_object_set_new(position, "latitude", json_real(p->position->latitude));
		json_object_set_new(position, "longitude", json_real(p->position->longitude));
		json_object_set_new(position, "altitude_m", json_real(p->position->altitude_m));
		json_object_set_new(personal, "position", position);
	}
	if (p->n_detail) {
		json_t *detail = json_object();
		put_fields(detail, p->detail, p->n_detail);
		json_object_set_new(personal, "detail", detail);
	}
	if (p->raw.len) {
		char *hex = malloc(2 * p->raw.len + 1);
		if (hex)
			json_object_set_new(personal, "raw",
				json_string(torap_hex(hex, torap_bytes(p->raw.data, p->raw.len))));
		free(hex);
	}
	return personal;
}

static json_t *image_of(const Torap__EventImage *i)
{
	json_t *image = json_object();
	uint8_t digest[TORAP_DIGEST_SIZE];
	char hex[2 * TORAP_DIGEST_SIZE + 1];
	torap_digest(digest, torap_bytes(i->data.data, i->data.len));
	put_text(image, "media_type", i->media_type);
	put_text(image, "camera", i->camera);
	put_time(image, "taken_at", i->taken_at_us);
	json_object_set_new(image, "bytes", json_integer((json_int_t)i->data.len));
	json_object_set_new(image, "digest", json_string(torap_hex(hex, torap_bytes(digest, sizeof digest))));
	return image;
}

static void put_class(json_t *to, const struct torap_class *c)
{
	char region[TORAP_REGION_TEXT_SIZE];
	put_name(to, "severity", torap_severity_name(c->severity), c->severity);
	json_object_set_new(to, "region", json_string(torap_region_format(c->region, region)));
	put_name(to, "facility", torap_facility_name(c->facility), c->facility);
}

static json_t *event_of(const struct torap_stream_id *stream, const struct torap_opened *e)
{
	const struct torap_class *c = &e->group->class;
	char name[TORAP_STREAM_TEXT_SIZE];
	json_t *j = json_object();
	json_object_set_new(j, "stream", json_string(torap_stream_id_format(stream, name)));
	json_object_set_new(j, "seq", json_integer((json_int_t)e->seq));
	put_name(j, "lane", torap_lane_name(stream->lane), stream->lane);
	put_name(j, "kind", torap_kind_name(c->kind), c->kind);
	put_name(j, "state", torap_state_name(e->open->state), e->open->state);
	put_class(j, c);
	json_object_set_new(j, "site", text(e->open->site));
	json_object_set_new(j, "device", text(e->open->device));
	put_time(j, "occurred_at", e->open->occurred_at_us);
	put_time(j, "received_at", e->open->received_at_us);
	if (e->open->device_time_us)
		put_time(j, "device_time", e->open->device_time_us);
	if (e->open->clock_known)
		json_object_set_new(j, "clock_offset_ms", json_integer(e->open->clock_offset_ms));
	json_object_set_new(j, "detail", detail_of(e->open));
	if (e->personal)
		json_object_set_new(j, "personal", personal_of(e->personal));
	if (e->image)
		json_object_set_new(j, "image", image_of(e->image));
	return j;
}

static int write_part(const char *bytes, size_t size, void *hint)
{
	struct torap_writer *line = hint;
	torap_write_bytes(line, torap_bytes(bytes, size));
	return line->failed ? -1 : 0;
}

void follow_line_json(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
	struct torap_writer *line)
{
	(void)hint;
	json_t *j = event_of(stream, event);
	if (json_dump_callback(j, write_part, line, JSON_COMPACT))
		line->failed = true;
	json_decref(j);
	torap_write_u8(line, '\n');
}

/* Columns. */

const char follow_line_heading[] =
	"OCCURRED                 SEVERITY     KIND              STATE  REGION     FACILITY         "
	"SITE                 DEVICE               DETAIL\n";

static const char *named(const char *name, uint32_t number, char room[static 12])
{
	if (name)
		return name;
	snprintf(room, 12, "%" PRIu32, number);
	return room;
}

/* Would a terminal obey it, rather than show it?  Control characters, and those that turn the direction of writing. */
static bool obeyed(const unsigned char *s, size_t size)
{
	if (size == 1)
		return s[0] < 0x20 || s[0] == 0x7f;
	if (size == 2)
		return s[0] == 0xc2 && s[1] < 0xa0;
	return size == 3 && s[0] == 0xe2 &&
	       ((s[1] == 0x80 && s[2] >= 0xaa && s[2] <= 0xae) ||
		       (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
}

/* Counted in characters, so that columns stand under each other in every script.  At most `most` of them; how many it was. */
static unsigned put_shown(struct torap_writer *line, const char *s, unsigned most)
{
	unsigned count = 0;
	for (const char *end = s + strlen(s); s < end && count < most; count++) {
		size_t size = torap_utf8_length((const uint8_t *)s, (const uint8_t *)end);
		if (!size)
			torap_write_bytes(line, torap_bytes(TORAP_UTF8_REPLACEMENT, 3));
		else if (obeyed((const unsigned char *)s, size))
			torap_write_u8(line, '.');
		else
			torap_write_bytes(line, torap_bytes(s, size));
		s += size ? size : 1;
	}
	return count;
}

static void put_column(struct torap_writer *line, const char *s, unsigned width)
{
	for (unsigned count = put_shown(line, s, 64); count < width; count++)
		torap_write_u8(line, ' ');
	torap_write_u8(line, ' ');
}

enum { DETAIL_MAX = 240 };

/* "zone=3 "; *left is what the line has room for. */
static void put_detail(struct torap_writer *line, unsigned *left, const char *label, const char *value)
{
	if (!value || !*value || *left < 2)
		return;
	*left -= put_shown(line, label, *left - 1);
	torap_write_u8(line, '=');
	--*left;
	*left -= put_shown(line, value, *left);
	if (!*left)
		return;
	torap_write_u8(line, ' ');
	--*left;
}

static void put_details(struct torap_writer *line, const struct torap_opened *event)
{
	const Torap__EventOpen *o = event->open;
	unsigned left = DETAIL_MAX;
	char count[12];
	snprintf(count, sizeof count, "%" PRIu32, o->count);
	put_detail(line, &left, "zone", o->zone);
	put_detail(line, &left, "area", o->area);
	put_detail(line, &left, "code", o->code);
	put_detail(line, &left, "count", o->count ? count : "");
	for (size_t i = 0; i < o->n_detail; i++)
		put_detail(line, &left, o->detail[i]->name, o->detail[i]->value);
	if (event->personal)
		put_detail(line, &left, "user", event->personal->user);
}

void follow_line_table(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
	struct torap_writer *line)
{
	(void)hint;
	(void)stream;
	const struct torap_class *c = &event->group->class;
	const Torap__EventOpen *o = event->open;
	char when[TORAP_WALL_TEXT_SIZE], region[TORAP_REGION_TEXT_SIZE], number[12];
	struct torap_wall ms = { o->occurred_at_us - o->occurred_at_us % TORAP_US_PER_MS };

	put_column(line, torap_wall_format(ms, when), 24);
	put_column(line, named(torap_severity_name(c->severity), c->severity, number), 12);
	put_column(line, named(torap_kind_name(c->kind), c->kind, number), 17);
	put_column(line, named(torap_state_name(o->state), o->state, number), 6);
	put_column(line, torap_region_format(c->region, region), 10);
	put_column(line, named(torap_facility_name(c->facility), c->facility, number), 16);
	put_column(line, o->site, 20);
	put_column(line, o->device, 20);
	put_details(line, event);
	torap_write_u8(line, '\n');
}
