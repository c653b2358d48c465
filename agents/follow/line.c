#include "agents/follow/line.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

/* The length of the UTF-8 character at `s`, 0 when there is none. */
static size_t character(const unsigned char *s)
{
	size_t n = s[0] < 0x80                   ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
	bool beyond = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
	return overlong || beyond ? 0 : n;
}

/* Texts come from devices: what is no UTF-8 becomes U+FFFD. */
static json_t *text(const char *s)
{
	json_t *good = json_string(s);
	if (good || !s)
		return good;
	char *mended = malloc(3 * strlen(s) + 1), *to = mended;
	if (!mended)
		return NULL;
	while (*s) {
		size_t n = character((const unsigned char *)s);
		memcpy(to, n ? s : "\xef\xbf\xbd", n ? n : 3);
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

static void put_fields(json_t *to, Torap__Field *const *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_t *name = text(fields[i]->name);
		if (name)
			json_object_set_new(to, json_string_value(name), text(fields[i]->value));
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
	put_text(image, "media_type", i->media_type);
	put_text(image, "camera", i->camera);
	put_time(image, "taken_at", i->taken_at_us);
	json_object_set_new(image, "bytes", json_integer((json_int_t)i->data.len));
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

/* Terminals obey what they are shown: control characters of a device's text become dots. */
static void append_plain(char *to, size_t size, const char *label, const char *value)
{
	size_t used = strlen(to);
	if (!value || !*value || used + 1 >= size)
		return;
	snprintf(to + used, size - used, "%s%s=%s", used ? " " : "", label, value);
}

static void tame(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s == 0x7f)
			*s = '.';
}

void follow_line_table(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
	struct torap_writer *line)
{
	(void)hint;
	(void)stream;
	const struct torap_class *c = &event->group->class;
	const Torap__EventOpen *o = event->open;
	char when[TORAP_WALL_TEXT_SIZE], region[TORAP_REGION_TEXT_SIZE], n[4][12], detail[256] = "", out[768];
	struct torap_wall ms = { o->occurred_at_us - o->occurred_at_us % TORAP_US_PER_MS };

	append_plain(detail, sizeof detail, "zone", o->zone);
	append_plain(detail, sizeof detail, "area", o->area);
	append_plain(detail, sizeof detail, "code", o->code);
	if (o->count) {
		snprintf(n[0], sizeof n[0], "%" PRIu32, o->count);
		append_plain(detail, sizeof detail, "count", n[0]);
	}
	for (size_t i = 0; i < o->n_detail; i++)
		append_plain(detail, sizeof detail, o->detail[i]->name, o->detail[i]->value);
	if (event->personal)
		append_plain(detail, sizeof detail, "user", event->personal->user);
	snprintf(out, sizeof out, "%-24s %-12s %-17s %-6s %-10s %-16s %-20.64s %-20.64s %s",
		torap_wall_format(ms, when), named(torap_severity_name(c->severity), c->severity, n[0]),
		named(torap_kind_name(c->kind), c->kind, n[1]),
		named(torap_state_name(o->state), o->state, n[2]), torap_region_format(c->region, region),
		named(torap_facility_name(c->facility), c->facility, n[3]), o->site, o->device, detail);
	tame(out);
	torap_write_bytes(line, torap_bytes(out, strlen(out)));
	torap_write_u8(line, '\n');
}
