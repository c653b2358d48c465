#include "agents/rtsp/evidence/holds.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "conf/yaml.h"

enum { HOLDS_MAX = 65536, TEXT_MAX = 200, ALARM_MAX = 96 };

struct raw_hold {
	char *who, *why, *digest, *alarm, *camera, *site, *until, *from, *to;
};

struct raw_file {
	struct raw_hold *holds;
	uint32_t holds_count;
};

#define TEXT(key, member, most)                                                                              \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, struct raw_hold, member, 1, most)
#define OPTIONAL(key, member, most)                                                                          \
	CYAML_FIELD_STRING_PTR(                                                                              \
		key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_hold, member, 1, most)

static const cyaml_schema_field_t hold_fields[] = {
	TEXT("who", who, TEXT_MAX),
	TEXT("why", why, TEXT_MAX),
	OPTIONAL("digest", digest, 2 * TORAP_DIGEST_SIZE),
	OPTIONAL("alarm", alarm, ALARM_MAX),
	OPTIONAL("camera", camera, TORAP_ADDRESS_MAX),
	OPTIONAL("site", site, RTSP_NAME_MAX),
	OPTIONAL("until", until, TORAP_WALL_TEXT_SIZE),
	OPTIONAL("from", from, TORAP_WALL_TEXT_SIZE),
	OPTIONAL("to", to, TORAP_WALL_TEXT_SIZE),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t hold_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_hold, hold_fields) };
static const cyaml_schema_field_t file_fields[] = {
	CYAML_FIELD_SEQUENCE("holds", CYAML_FLAG_POINTER, struct raw_file, holds, &hold_schema, 0, HOLDS_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_file, file_fields) };

struct taking {
	const char *path;
	struct torap_error *err;
	size_t index;
	int failed;
};

static void refuse(struct taking *t, const char *key, const char *reason)
{
	char where[64];
	snprintf(where, sizeof where, "holds[%zu].%s", t->index, key);
	if (!t->failed)
		t->failed = torap_yaml_refuse(t->err, t->path, where, "%s", reason);
}

static void take_time(struct taking *t, struct torap_wall *out, const char *text, const char *key)
{
	struct torap_error why;
	if (text && torap_wall_parse(out, text, &why))
		refuse(t, key, why.text);
}

static void take_text(struct taking *t, char **out, const char *text)
{
	*out = text ? strdup(text) : NULL;
	if (text && !*out && !t->failed)
		t->failed = torap_errorf(t->err, -ENOMEM, "%s: out of memory", t->path);
}

static void take_hold(struct taking *t, struct rtsp_hold *out, const struct raw_hold *raw)
{
	uint8_t digest[TORAP_DIGEST_SIZE];
	take_text(t, &out->who, raw->who);
	take_text(t, &out->why, raw->why);
	take_text(t, &out->digest, raw->digest);
	take_text(t, &out->alarm, raw->alarm);
	take_text(t, &out->camera, raw->camera);
	take_text(t, &out->site, raw->site);
	take_time(t, &out->until, raw->until, "until");
	take_time(t, &out->from, raw->from, "from");
	take_time(t, &out->to, raw->to, "to");
	if (raw->digest && !torap_unhex(digest, sizeof digest, raw->digest))
		refuse(t, "digest", "is not 64 hexadecimal digits");
	if (out->from.us && out->to.us && out->from.us > out->to.us)
		refuse(t, "to", "is before from");
	if (!raw->digest && !raw->alarm && !raw->camera && !raw->site)
		refuse(t, "who", "the hold names no digest, alarm, camera or site");
}

int rtsp_holds_load(struct rtsp_holds *out, const char *path, struct torap_error *err)
{
	struct raw_file *raw = NULL;
	int r = torap_yaml_load(path, &schema, (void **)&raw, err);
	if (r)
		return r;
	struct rtsp_holds h = { 0 };
	struct taking t = { path, err, 0, 0 };
	h.list = calloc(raw->holds_count + 1, sizeof *h.list);
	if (!h.list)
		t.failed = torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	for (; t.index < raw->holds_count && !t.failed; t.index++, h.count++)
		take_hold(&t, &h.list[t.index], &raw->holds[t.index]);
	torap_yaml_free(&schema, raw);
	if (t.failed)
		rtsp_holds_finish(&h);
	else
		*out = h;
	return t.failed;
}

void rtsp_holds_finish(struct rtsp_holds *h)
{
	for (size_t i = 0; i < h->count; i++) {
		char *texts[] = { h->list[i].who, h->list[i].why, h->list[i].digest, h->list[i].alarm,
			h->list[i].camera, h->list[i].site };
		for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
			free(texts[k]);
	}
	free(h->list);
	*h = (struct rtsp_holds){ 0 };
}

/* Of more alarms than are named it may be any: then it is held, to be safe. */
static bool is_alarm(const char *wanted, const struct rtsp_item *item)
{
	for (uint32_t i = 0; i < item->alarms_count; i++) {
		char text[RTSP_STREAM_TEXT_MAX + 24];
		snprintf(text, sizeof text, "%s %" PRIu64, item->alarms[i].stream, item->alarms[i].seq);
		if (strcmp(text, wanted) == 0)
			return true;
	}
	return item->alarms_more > 0;
}

static bool fits(const struct rtsp_hold *h, const struct rtsp_item *item, struct torap_wall now)
{
	char digest[2 * TORAP_DIGEST_SIZE + 1];
	torap_hex(digest, torap_bytes(item->digest, sizeof item->digest));
	return (!h->until.us || now.us < h->until.us) && (!h->digest || strcasecmp(h->digest, digest) == 0) &&
	       (!h->alarm || is_alarm(h->alarm, item)) &&
	       (!h->camera || strcasecmp(h->camera, item->camera) == 0) &&
	       (!h->site || strcmp(h->site, item->site) == 0) &&
	       (!h->from.us || item->until.us >= h->from.us) && (!h->to.us || item->from.us <= h->to.us);
}

const struct rtsp_hold *rtsp_holds_find(
	const struct rtsp_holds *h, const struct rtsp_item *item, struct torap_wall now)
{
	for (size_t i = 0; i < h->count; i++)
		if (fits(&h->list[i], item, now))
			return &h->list[i];
	return NULL;
}
