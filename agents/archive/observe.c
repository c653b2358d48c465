#include "agents/archive/observe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum { REASON_MAX = 200 };

__attribute__((format(printf, 2, 3))) static char *keep(
	struct archive_observation *out, const char *format, ...)
{
	va_list args;
	char *at = out->texts + out->used;
	size_t room = sizeof out->texts - out->used;
	va_start(args, format);
	int size = vsnprintf(at, room, format, args);
	va_end(args);
	if (size < 0 || (size_t)size >= room) {
		*at = '\0';
		return (char *)protobuf_c_empty_string;
	}
	out->used += (size_t)size + 1;
	return at;
}

/* Whole characters of what a device or a file name said: the node refuses a report for one that is cut or none. */
static char *keep_reason(struct archive_observation *out, const char *reason)
{
	char clean[REASON_MAX + 1];
	size_t size = 0;
	const uint8_t *at = (const uint8_t *)reason, *end = at + strlen(reason);
	while (at < end) {
		size_t length = torap_utf8_length(at, end), taken = length ? length : 1;
		if (size + taken > REASON_MAX)
			break;
		if (length)
			memcpy(clean + size, at, length);
		else
			clean[size] = '?';
		size += taken;
		at += taken;
	}
	clean[size] = '\0';
	return keep(out, "%s", clean);
}

static void add(struct archive_observation *out, const char *name, char *value, bool personal)
{
	size_t count = out->o.n_fields + out->o.n_personal;
	if (!*value || count == ARCHIVE_FIELDS_MAX)
		return;
	Torap__Field *f = &out->pool[count];
	torap__field__init(f);
	f->name = (char *)name;
	f->value = value;
	if (personal)
		out->personal[out->o.n_personal++] = f;
	else
		out->fields[out->o.n_fields++] = f;
}

static void add_number(struct archive_observation *out, const char *name, int64_t value)
{
	add(out, name, keep(out, "%" PRId64, value), false);
}

/* The day by the place's calendar. */
static char *day_of(struct archive_observation *out, struct torap_wall day, int32_t utc_offset_s)
{
	char text[TORAP_WALL_TEXT_SIZE];
	torap_wall_format((struct torap_wall){ day.us + (int64_t)utc_offset_s * TORAP_US_PER_S }, text);
	return keep(out, "%.10s", text);
}

void archive_observe(struct archive_observation *out, const char *address, const char *code,
	const struct archive_report *r, const struct archive_facts *facts, int32_t utc_offset_s,
	struct torap_wall now)
{
	char earliest[TORAP_WALL_TEXT_SIZE];
	const char *verdict = archive_verdict_name(r->verdict);
	torap__observation__init(&out->o);
	out->used = 0;
	out->o.fields = out->fields;
	out->o.personal = out->personal;
	out->o.protocol = (char *)"rtsp";
	out->o.address = (char *)address;
	out->o.vocabulary = (char *)"torap-archive";
	out->o.code = (char *)(code ? code : verdict);
	out->o.received_at_us = now.us;

	char *day = day_of(out, r->day, utc_offset_s);
	add(out, "day", day, false);
	add(out, "verdict", (char *)verdict, false);
	if (r->verdict != ARCHIVE_UNKNOWN) {
		add_number(out, "recorded_min", r->recorded_min);
		add_number(out, "excused_min", r->excused_min);
		add_number(out, "missing_min", r->missing_min);
	}
	add_number(out, "held_days", r->held_days);
	add_number(out, "asked_days", r->asked_days);
	add_number(out, "depth_days", r->depth_days);
	if (r->earliest.us)
		add(out, "earliest", keep(out, "%s", torap_wall_format(r->earliest, earliest)), false);
	if (r->earliest_unknown)
		add(out, "older", (char *)"undated: its clock was wrong then", false);
	add(out, "gaps", (char *)(facts->gaps_known ? "known" : "not told"), false);
	add(out, "recorder", keep(out, "%s", facts->recorder), false);
	add(out, "reason", keep_reason(out, facts->reason), false);
	if (facts->clock_known)
		add_number(out, "clock_offset_s", facts->clock_offset_ms / 1000);
	if (facts->who)
		add(out, "excused_by", keep(out, "%s", facts->who), true);
	if (facts->why)
		add(out, "excused_why", keep(out, "%s", facts->why), true);

	/* One telling a day, and another when it says something else. */
	char *key = keep(out, "%s %s %s %u", out->o.code, day, verdict, r->held_days);
	size_t size = strlen(key);
	out->o.repeat_key = (ProtobufCBinaryData){ size < 64 ? size : 64, (uint8_t *)key };
	out->o.dated = true;
}
