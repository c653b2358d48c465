#include "agents/archive/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/archive/pattern.h"
#include "agents/soap/url.h"
#include "base/error.h"
#include "base/time.h"
#include "conf/take.h"

enum { FILE_NAME_MAX = 4095, TEXT_MAX = 255, DAY_S = 86400 };

struct raw_profile {
	char *name, *term, *gap;
	unsigned *share;
};

struct raw_recorder {
	char *name, *onvif, *key, *folder, *pattern, *length;
};

struct raw_config {
	struct kit_config_file kit;
	char *keys, *planned, *utc_offset, *at, *over, *connect, *answer, *patience;
	struct raw_profile *profiles;
	unsigned profiles_count;
	struct raw_recorder *recorders;
	unsigned recorders_count;
};

#define OPTIONAL        (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define TEXT(key, type) TORAP_YAML_MAY(#key, type, key, TEXT_MAX)

static const cyaml_schema_field_t profile_fields[] = {
	TORAP_YAML_TEXT("name", struct raw_profile, name, ARCHIVE_NAME_MAX),
	TEXT(term, struct raw_profile),
	TEXT(gap, struct raw_profile),
	TORAP_YAML_MAY_NUMBER("share", struct raw_profile, share),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t profile_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_profile, profile_fields) };

static const cyaml_schema_field_t recorder_fields[] = {
	TORAP_YAML_TEXT("name", struct raw_recorder, name, ARCHIVE_NAME_MAX),
	TORAP_YAML_MAY("onvif", struct raw_recorder, onvif, 511),
	TEXT(key, struct raw_recorder),
	TORAP_YAML_MAY("folder", struct raw_recorder, folder, FILE_NAME_MAX),
	TEXT(pattern, struct raw_recorder),
	TEXT(length, struct raw_recorder),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t recorder_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_recorder, recorder_fields) };

static const cyaml_schema_field_t config_fields[] = {
	KIT_CONFIG_FIELDS(struct raw_config, kit),
	TORAP_YAML_MAY("keys", struct raw_config, keys, FILE_NAME_MAX),
	TORAP_YAML_MAY("planned", struct raw_config, planned, FILE_NAME_MAX),
	TEXT(utc_offset, struct raw_config),
	TEXT(at, struct raw_config),
	TEXT(over, struct raw_config),
	TEXT(connect, struct raw_config),
	TEXT(answer, struct raw_config),
	TEXT(patience, struct raw_config),
	CYAML_FIELD_SEQUENCE_COUNT("profiles", OPTIONAL, struct raw_config, profiles, profiles_count,
		&profile_schema, 0, ARCHIVE_PROFILES_MAX - 1),
	CYAML_FIELD_SEQUENCE_COUNT("recorders", OPTIONAL, struct raw_config, recorders, recorders_count,
		&recorder_schema, 0, ARCHIVE_RECORDERS_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_config, config_fields) };

/* In units of our own, `least` to `most` of them. */
static void take_time(struct torap_taking *t, uint32_t *out, int64_t unit_us, const char *text, int64_t least,
	int64_t most, const char *where)
{
	char complaint[160];
	int64_t us = *out * unit_us;
	struct torap_range range = { least * unit_us, (most + 1) * unit_us - 1, complaint };
	snprintf(complaint, sizeof complaint, "\"%.64s\" is too short or too long", text ? text : "");
	torap_take_duration(t, &us, text, &range, where);
	*out = (uint32_t)(us / unit_us);
}

/* "+05:00".  RFC 3339 has it, so its reader reads it. */
static void take_offset(struct torap_taking *t, int32_t *out, const char *text)
{
	char moment[64];
	struct torap_wall here, utc;
	if (t->failed || !text)
		return;
	snprintf(moment, sizeof moment, "2026-01-02T00:00:00%s", text);
	if (strlen(text) != 6 || torap_wall_parse(&here, moment, NULL) ||
		torap_wall_parse(&utc, "2026-01-02T00:00:00Z", NULL))
		t->failed = torap_yaml_refuse(
			t->err, t->path, "utc_offset", "\"%s\" is no offset such as \"+05:00\"", text);
	else
		*out = (int32_t)((utc.us - here.us) / TORAP_US_PER_S);
}

/* "02:00", by the same reader. */
static void take_hour(struct torap_taking *t, uint32_t *out, const char *text)
{
	char moment[64];
	struct torap_wall hour;
	if (t->failed || !text)
		return;
	snprintf(moment, sizeof moment, "1970-01-01T%s:00Z", text);
	if (strlen(text) != 5 || torap_wall_parse(&hour, moment, NULL))
		t->failed = torap_yaml_refuse(
			t->err, t->path, "at", "\"%s\" is no time of the day such as \"02:00\"", text);
	else
		*out = (uint32_t)(hour.us / TORAP_US_PER_S);
}

static void take_times(struct torap_taking *t, struct archive_config *c, const struct raw_config *raw)
{
	c->utc_offset_s = 5 * 3600;
	c->at_s = 2 * 3600;
	c->over_s = 4 * 3600;
	c->connect_ms = 5000;
	c->answer_ms = 15000;
	c->patience_ms = 300000;
	take_offset(t, &c->utc_offset_s, raw->utc_offset);
	take_hour(t, &c->at_s, raw->at);
	take_time(t, &c->over_s, TORAP_US_PER_S, raw->over, 0, DAY_S, "over");
	take_time(t, &c->connect_ms, TORAP_US_PER_MS, raw->connect, 100, 600000, "connect");
	take_time(t, &c->answer_ms, TORAP_US_PER_MS, raw->answer, 100, 600000, "answer");
	take_time(t, &c->patience_ms, TORAP_US_PER_MS, raw->patience, 1000, 3600000, "patience");
}

static const struct archive_demand usual = { .term_days = 30, .share_percent = 95, .gap_s = 10 };

static void take_profile(
	struct torap_taking *t, struct archive_profile *out, const struct raw_profile *raw, size_t i)
{
	out->demand = usual;
	torap_take_text(t, &out->name, raw->name);
	if (!t->failed && raw->share && *raw->share > 100)
		t->failed = torap_yaml_refuse(t->err, t->path, torap_yaml_at("profiles", i, "share").text,
			"share is a percentage of a day, 0 to 100");
	if (raw->share)
		out->demand.share_percent = *raw->share;
	take_time(t, &out->demand.term_days, (int64_t)DAY_S * TORAP_US_PER_S, raw->term, 1,
		ARCHIVE_TERM_DAYS_MAX, torap_yaml_at("profiles", i, "term").text);
	take_time(t, &out->demand.gap_s, TORAP_US_PER_S, raw->gap, 0, 3600,
		torap_yaml_at("profiles", i, "gap").text);
}

static void *take_room(struct torap_taking *t, size_t count, size_t size)
{
	void *list = t->failed ? NULL : calloc(count, size);
	if (!t->failed && !list)
		t->failed = torap_errorf(t->err, -ENOMEM, "%s: out of memory", t->path);
	return list;
}

/* "default" is there in any case: as the file has it, or as it is usual. */
static void take_profiles(struct torap_taking *t, struct archive_config *c, const struct raw_config *raw)
{
	c->profiles = take_room(t, raw->profiles_count + 1, sizeof *c->profiles);
	if (t->failed)
		return;
	c->profiles[0].demand = usual;
	c->profiles_count = 1;
	torap_take_text(t, &c->profiles[0].name, "default");
	for (size_t i = 0; i < raw->profiles_count && !t->failed; i++) {
		const char *name = raw->profiles[i].name;
		const struct archive_profile *same = archive_config_profile(c, name);
		bool is_default = strcmp(name, "default") == 0;
		if (same && !(is_default && i == 0)) {
			t->failed =
				torap_yaml_refuse(t->err, t->path, torap_yaml_at("profiles", i, "name").text,
					is_default ? "\"default\" must be the first"
						   : "the profile \"%s\" stands there twice",
					name);
			return;
		}
		if (!is_default)
			c->profiles_count++;
		free(c->profiles[c->profiles_count - 1].name);
		c->profiles[c->profiles_count - 1].name = NULL;
		take_profile(t, &c->profiles[c->profiles_count - 1], &raw->profiles[i], i);
	}
}

static int judge_recorder(const struct raw_recorder *raw, size_t i, const char *path, struct torap_error *err)
{
	struct torap_error why;
	if (!raw->onvif == !raw->folder)
		return torap_yaml_refuse(err, path, torap_yaml_at("recorders", i, "name").text,
			"a recorder has either onvif: or folder:, so that it can be asked");
	if (raw->onvif && !soap_url_valid(raw->onvif))
		return torap_yaml_refuse(err, path, torap_yaml_at("recorders", i, "onvif").text,
			"no address such as http://10.0.0.9/onvif/device_service, without user and password");
	if (raw->onvif && (raw->pattern || raw->length))
		return torap_yaml_refuse(err, path, torap_yaml_at("recorders", i, "pattern").text,
			"pattern and length belong to a folder");
	if (raw->pattern && archive_pattern_check(raw->pattern, &why))
		return torap_yaml_refuse(
			err, path, torap_yaml_at("recorders", i, "pattern").text, "%s", why.text);
	return 0;
}

static void take_recorder(
	struct torap_taking *t, struct archive_recorder *out, const struct raw_recorder *raw, size_t i)
{
	t->failed = judge_recorder(raw, i, t->path, t->err);
	out->length_s = 600;
	take_time(t, &out->length_s, TORAP_US_PER_S, raw->length, 1, DAY_S,
		torap_yaml_at("recorders", i, "length").text);
	torap_take_text(t, &out->name, raw->name);
	torap_take_text(t, &out->url, raw->onvif);
	torap_take_text(t, &out->key, raw->key);
	torap_take_path(t, &out->folder, raw->folder);
	torap_take_text(t, &out->pattern, raw->pattern);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct archive_recorder *)a)->name, ((const struct archive_recorder *)b)->name);
}

static void take_recorders(struct torap_taking *t, struct archive_config *c, const struct raw_config *raw)
{
	c->recorders = take_room(t, raw->recorders_count + 1, sizeof *c->recorders);
	for (size_t i = 0; i < raw->recorders_count && !t->failed; i++)
		take_recorder(t, &c->recorders[c->recorders_count++], &raw->recorders[i], i);
	if (t->failed)
		return;
	qsort(c->recorders, c->recorders_count, sizeof *c->recorders, by_name);
	for (size_t i = 1; i < c->recorders_count && !t->failed; i++)
		if (by_name(&c->recorders[i - 1], &c->recorders[i]) == 0)
			t->failed = torap_yaml_refuse(t->err, t->path, "recorders",
				"the recorder \"%s\" stands there twice", c->recorders[i].name);
}

static int take(
	struct archive_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	struct torap_taking t = { path, err, 0 };
	kit_config_take(&t, &c->kit, &raw->kit);
	torap_take_path(&t, &c->keys, raw->keys);
	torap_take_path(&t, &c->planned, raw->planned);
	take_times(&t, c, raw);
	take_profiles(&t, c, raw);
	take_recorders(&t, c, raw);
	return t.failed ? t.failed : kit_plan_load(&c->plan, c->planned, err);
}

int archive_config_load(struct archive_config *out, const char *path, struct torap_error *err)
{
	struct raw_config *raw = NULL;
	int r = torap_yaml_load(path, &schema, (void **)&raw, err);
	if (r)
		return r;
	struct archive_config c = { 0 };
	r = take(&c, raw, path, err);
	torap_yaml_free(&schema, raw);
	if (r)
		archive_config_finish(&c);
	else
		*out = c;
	return r;
}

void archive_config_finish(struct archive_config *c)
{
	for (size_t i = 0; i < c->profiles_count; i++)
		free(c->profiles[i].name);
	for (size_t i = 0; i < c->recorders_count; i++) {
		struct archive_recorder *r = &c->recorders[i];
		char *texts[] = { r->name, r->url, r->key, r->folder, r->pattern };
		for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
			free(texts[k]);
	}
	kit_config_finish(&c->kit);
	free(c->keys);
	free(c->planned);
	free(c->profiles);
	free(c->recorders);
	kit_plan_finish(&c->plan);
	*c = (struct archive_config){ 0 };
}

const struct archive_profile *archive_config_profile(const struct archive_config *c, const char *name)
{
	if (!name || !*name)
		name = "default";
	for (size_t i = 0; i < c->profiles_count; i++)
		if (strcmp(c->profiles[i].name, name) == 0)
			return &c->profiles[i];
	return NULL;
}

static int to_name(const void *name, const void *recorder)
{
	return strcmp(name, ((const struct archive_recorder *)recorder)->name);
}

const struct archive_recorder *archive_config_recorder(const struct archive_config *c, const char *name)
{
	return c->recorders_count
		       ? bsearch(name, c->recorders, c->recorders_count, sizeof *c->recorders, to_name)
		       : NULL;
}
