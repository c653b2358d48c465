#include "agents/rtsp/evidence/item.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

const char *rtsp_media_type(enum rtsp_media media)
{
	return media == RTSP_CLIP ? "video/mp4" : "image/jpeg";
}

const char *rtsp_media_extension(enum rtsp_media media)
{
	return media == RTSP_CLIP ? "mp4" : "jpg";
}

static uint32_t gaps_named(const struct rtsp_item *item)
{
	return item->gaps_count < RTSP_GAPS_MAX ? item->gaps_count : RTSP_GAPS_MAX;
}

/* As events and descriptions have them. */
static const char *const causes[] = {
	[RTSP_GAP_LOST] = "packets",
	[RTSP_GAP_SESSION] = "session broke",
	[RTSP_GAP_NOT_HELD] = "not held any more",
	[RTSP_GAP_CODEC] = "another codec",
	[RTSP_GAP_SIZE] = "as large as a clip may be",
};
enum { CAUSES = sizeof causes / sizeof *causes };

void rtsp_gap_add(struct rtsp_item *item, const struct rtsp_gap *gap)
{
	if (item->gaps_count < RTSP_GAPS_MAX)
		item->gaps[item->gaps_count] = *gap;
	else if (gap->cause >= RTSP_GAP_NOT_HELD)
		item->gaps[RTSP_GAPS_MAX - 1] = *gap;
	item->gaps_count++;
}

void rtsp_gaps_format(const struct rtsp_item *item, char *text, size_t size)
{
	size_t at = 0;
	*text = 0;
	for (uint32_t i = 0; i < gaps_named(item) && at < size; i++) {
		char from[TORAP_WALL_TEXT_SIZE], until[TORAP_WALL_TEXT_SIZE], packets[16] = "";
		const struct rtsp_gap *g = &item->gaps[i];
		if (g->cause == RTSP_GAP_LOST)
			snprintf(packets, sizeof packets, "%" PRIu32 " ", g->packets);
		at += (size_t)snprintf(text + at, size - at, "%s%s/%s (%s%s)", i ? "; " : "",
			torap_wall_format(g->from, from), torap_wall_format(g->until, until), packets,
			causes[g->cause]);
	}
	if (item->gaps_count > RTSP_GAPS_MAX && at < size)
		snprintf(text + at, size - at, "; %" PRIu32 " more", item->gaps_count - RTSP_GAPS_MAX);
}

char *rtsp_item_name(const struct rtsp_item *item, char text[static RTSP_ITEM_NAME_SIZE])
{
	char whose[256];
	uint8_t id[crypto_generichash_BYTES];
	int size = snprintf(whose, sizeof whose, "%s\n%s\n%" PRIu64, item->camera, item->alarms[0].stream,
		item->alarms[0].seq);
	crypto_generichash(id, sizeof id, (const uint8_t *)whose, (size_t)size, NULL, 0);
	torap_hex(text, torap_bytes(item->digest, sizeof item->digest));
	text[2 * TORAP_DIGEST_SIZE] = '.';
	torap_hex(text + 2 * TORAP_DIGEST_SIZE + 1, torap_bytes(id, 8));
	return text;
}

static void set_time(json_t *to, const char *key, struct torap_wall at)
{
	char text[TORAP_WALL_TEXT_SIZE];
	json_object_set_new(to, key, json_string(torap_wall_format(at, text)));
}

static json_t *gaps_of(const struct rtsp_item *item)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < gaps_named(item); i++) {
		json_t *gap = json_object();
		set_time(gap, "from", item->gaps[i].from);
		set_time(gap, "until", item->gaps[i].until);
		json_object_set_new(gap, "cause", json_string(causes[item->gaps[i].cause]));
		json_object_set_new(gap, "packets", json_integer(item->gaps[i].packets));
		json_array_append_new(list, gap);
	}
	return list;
}

static json_t *alarms_of(const struct rtsp_item *item)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < item->alarms_count; i++) {
		json_t *alarm = json_object();
		json_object_set_new(alarm, "stream", json_string(item->alarms[i].stream));
		json_object_set_new(alarm, "seq", json_integer((json_int_t)item->alarms[i].seq));
		json_object_set_new(alarm, "kind", json_integer(item->alarms[i].kind));
		set_time(alarm, "at", item->alarms[i].at);
		json_array_append_new(list, alarm);
	}
	return list;
}

char *rtsp_item_write(const struct rtsp_item *item)
{
	char digest[2 * TORAP_DIGEST_SIZE + 1];
	json_t *j = json_object();
	json_object_set_new(
		j, "digest", json_string(torap_hex(digest, torap_bytes(item->digest, TORAP_DIGEST_SIZE))));
	json_object_set_new(j, "media_type", json_string(rtsp_media_type(item->media)));
	json_object_set_new(j, "bytes", json_integer((json_int_t)item->size));
	json_object_set_new(j, "camera", json_string(item->camera));
	json_object_set_new(j, "site", json_string(item->site));
	set_time(j, "from", item->from);
	set_time(j, "until", item->until);
	set_time(j, "stored", item->stored);
	json_object_set_new(j, "width", json_integer(item->width));
	json_object_set_new(j, "height", json_integer(item->height));
	json_object_set_new(j, "frames", json_integer(item->frames));
	json_object_set_new(j, "gaps", gaps_of(item));
	json_object_set_new(j, "gaps_count", json_integer(item->gaps_count));
	json_object_set_new(j, "alarms", alarms_of(item));
	json_object_set_new(j, "alarms_more", json_integer(item->alarms_more));
	json_object_set_new(j, "told", json_integer(item->told));
	char *text = json_dumps(j, JSON_INDENT(1));
	json_decref(j);
	return text;
}

/* No text within it can hold this: there a quotation mark has a backslash before it. */
size_t rtsp_item_told_at(struct torap_bytes text)
{
	static const char key[] = "\"told\": ";
	const size_t size = sizeof key - 1;
	const uint8_t *at = memmem(text.data, text.size, key, size);
	return at && at + size < text.data + text.size ? (size_t)(at - text.data) + size : 0;
}

/* Reading: remembers that something was wrong. */

static void get_text(const json_t *from, const char *key, char *out, size_t size, bool *good)
{
	const char *text = json_string_value(json_object_get(from, key));
	*good = *good && text && strlen(text) < size;
	snprintf(out, size, "%s", *good ? text : "");
}

static uint64_t get_number(const json_t *from, const char *key, uint64_t most, bool *good)
{
	const json_t *value = json_object_get(from, key);
	json_int_t number = json_integer_value(value);
	*good = *good && json_is_integer(value) && number >= 0 && (uint64_t)number <= most;
	return *good ? (uint64_t)number : 0;
}

static struct torap_wall get_time(const json_t *from, const char *key, bool *good)
{
	struct torap_wall at = { 0 };
	struct torap_error why;
	const char *text = json_string_value(json_object_get(from, key));
	*good = *good && text && torap_wall_parse(&at, text, &why) == 0;
	return at;
}

static void get_cause(struct rtsp_gap *out, const json_t *gap, bool *good)
{
	char text[32];
	unsigned i = 0;
	if (!json_object_get(gap, "cause")) { /* written before gaps had one */
		out->cause = RTSP_GAP_LOST;
		return;
	}
	get_text(gap, "cause", text, sizeof text, good);
	while (i < CAUSES && strcmp(text, causes[i]) != 0)
		i++;
	*good = *good && i < CAUSES;
	out->cause = *good ? (enum rtsp_gap_cause)i : RTSP_GAP_LOST;
}

static void get_lists(struct rtsp_item *out, const json_t *j, bool *good)
{
	const json_t *gaps = json_object_get(j, "gaps"), *alarms = json_object_get(j, "alarms");
	out->gaps_count = (uint32_t)get_number(j, "gaps_count", UINT32_MAX, good);
	*good = *good && json_array_size(gaps) == gaps_named(out) &&
		json_array_size(alarms) <= RTSP_ALARMS_MAX;
	for (size_t i = 0; *good && i < json_array_size(gaps); i++) {
		const json_t *gap = json_array_get(gaps, i);
		out->gaps[i].from = get_time(gap, "from", good);
		out->gaps[i].until = get_time(gap, "until", good);
		out->gaps[i].packets = (uint32_t)get_number(gap, "packets", UINT32_MAX, good);
		get_cause(&out->gaps[i], gap, good);
	}
	for (size_t i = 0; *good && i < json_array_size(alarms); i++) {
		const json_t *alarm = json_array_get(alarms, i);
		struct rtsp_alarm *a = &out->alarms[out->alarms_count++];
		get_text(alarm, "stream", a->stream, sizeof a->stream, good);
		a->seq = get_number(alarm, "seq", INT64_MAX, good);
		a->kind = (uint32_t)get_number(alarm, "kind", UINT32_MAX, good);
		a->at = get_time(alarm, "at", good);
	}
}

int rtsp_item_read(struct rtsp_item *out, struct torap_bytes text, struct torap_error *err)
{
	json_error_t why;
	json_t *j = text.size <= RTSP_ITEM_TEXT_MAX ? json_loadb((const char *)text.data, text.size, 0, &why)
						    : NULL;
	bool good = json_is_object(j);
	char digest[2 * TORAP_DIGEST_SIZE + 1], type[32];
	*out = (struct rtsp_item){ 0 };
	get_text(j, "digest", digest, sizeof digest, &good);
	get_text(j, "media_type", type, sizeof type, &good);
	good = good && torap_unhex(out->digest, sizeof out->digest, digest);
	out->media = strcmp(type, rtsp_media_type(RTSP_CLIP)) == 0 ? RTSP_CLIP : RTSP_SNAPSHOT;
	good = good && strcmp(type, rtsp_media_type(out->media)) == 0;
	out->size = get_number(j, "bytes", INT64_MAX, &good);
	get_text(j, "camera", out->camera, sizeof out->camera, &good);
	get_text(j, "site", out->site, sizeof out->site, &good);
	out->from = get_time(j, "from", &good);
	out->until = get_time(j, "until", &good);
	out->stored = get_time(j, "stored", &good);
	out->width = (uint16_t)get_number(j, "width", UINT16_MAX, &good);
	out->height = (uint16_t)get_number(j, "height", UINT16_MAX, &good);
	out->frames = (uint32_t)get_number(j, "frames", UINT32_MAX, &good);
	get_lists(out, j, &good);
	out->alarms_more = (uint32_t)get_number(j, "alarms_more", UINT32_MAX, &good);
	if (json_object_get(j, "told")) /* not in those that were written before it was noted */
		out->told = (enum rtsp_told_of)get_number(j, "told", RTSP_TELL_COUNT - 1, &good);
	json_decref(j);
	return good && *out->camera ? 0
				    : torap_errorf(err, -EBADMSG, "it does not describe a piece of evidence");
}
