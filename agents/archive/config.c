#include "agents/archive/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/archive/segments.h"
#include "agents/soap/url.h"
#include "base/error.h"
#include "base/time.h"
#include "conf/yaml.h"

enum { FILE_NAME_MAX = 4095, TEXT_MAX = 255, DAY_S = 86400 };

struct raw_profile {
	char *name, *term, *gap;
	unsigned *share;
};

struct raw_recorder {
	char *name, *onvif, *key, *folder, *pattern, *length;
};

struct raw_config {
	char *node, *keys, *planned, *metrics, *utc_offset, *at, *over, *connect, *answer, *patience;
	struct raw_profile *profiles;
	unsigned profiles_count;
	struct raw_recorder *recorders;
	unsigned recorders_count;
};

#define OPTIONAL        (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define TEXT(key, type) CYAML_FIELD_STRING_PTR(#key, OPTIONAL, type, key, 1, TEXT_MAX)

static const cyaml_schema_field_t profile_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct raw_profile, name, 1, ARCHIVE_NAME_MAX),
	TEXT(term, struct raw_profile),
	TEXT(gap, struct raw_profile),
	CYAML_FIELD_UINT_PTR("share", OPTIONAL, struct raw_profile, share),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t profile_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_profile, profile_fields) };

static const cyaml_schema_field_t recorder_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct raw_recorder, name, 1, ARCHIVE_NAME_MAX),
	CYAML_FIELD_STRING_PTR("onvif", OPTIONAL, struct raw_recorder, onvif, 1, 511),
	TEXT(key, struct raw_recorder),
	CYAML_FIELD_STRING_PTR("folder", OPTIONAL, struct raw_recorder, folder, 1, FILE_NAME_MAX),
	TEXT(pattern, struct raw_recorder),
	TEXT(length, struct raw_recorder),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t recorder_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_recorder, recorder_fields) };

static const cyaml_schema_field_t config_fields[] = {
	CYAML_FIELD_STRING_PTR("node", CYAML_FLAG_POINTER, struct raw_config, node, 1, FILE_NAME_MAX),
	CYAML_FIELD_STRING_PTR("keys", OPTIONAL, struct raw_config, keys, 1, FILE_NAME_MAX),
	CYAML_FIELD_STRING_PTR("planned", OPTIONAL, struct raw_config, planned, 1, FILE_NAME_MAX),
	TEXT(metrics, struct raw_config),
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

/* Where in the file something stands: "recorders[3].folder". */
struct place {
	char text[96];
};

static struct place at(const char *list, size_t i, const char *key)
{
	struct place p;
	snprintf(p.text, sizeof p.text, "%s[%zu].%s", list, i, key);
	return p;
}

static int read_duration(uint32_t *out, int64_t unit_us, const char *text, int64_t least, int64_t most,
	const char *path, const char *where, struct torap_error *err)
{
	struct torap_error reason;
	int64_t us;
	if (!text)
		return 0;
	if (torap_duration_parse(&us, text, &reason))
		return torap_yaml_refuse(err, path, where, "%s", reason.text);
	if (us / unit_us < least || us / unit_us > most)
		return torap_yaml_refuse(err, path, where, "\"%s\" is too short or too long", text);
	*out = (uint32_t)(us / unit_us);
	return 0;
}

/* "+05:00".  RFC 3339 has it, so its reader reads it. */
static int read_offset(int32_t *out, const char *text, const char *path, struct torap_error *err)
{
	char moment[64];
	struct torap_wall t, utc;
	if (!text)
		return 0;
	snprintf(moment, sizeof moment, "2026-01-02T00:00:00%s", text);
	if (strlen(text) != 6 || torap_wall_parse(&t, moment, NULL) ||
		torap_wall_parse(&utc, "2026-01-02T00:00:00Z", NULL))
		return torap_yaml_refuse(
			err, path, "utc_offset", "\"%s\" is no offset such as \"+05:00\"", text);
	*out = (int32_t)((utc.us - t.us) / TORAP_US_PER_S);
	return 0;
}

/* "02:00", by the same reader. */
static int read_hour(uint32_t *out, const char *text, const char *path, struct torap_error *err)
{
	char moment[64];
	struct torap_wall t;
	if (!text)
		return 0;
	snprintf(moment, sizeof moment, "1970-01-01T%s:00Z", text);
	if (strlen(text) != 5 || torap_wall_parse(&t, moment, NULL))
		return torap_yaml_refuse(
			err, path, "at", "\"%s\" is no time of the day such as \"02:00\"", text);
	*out = (uint32_t)(t.us / TORAP_US_PER_S);
	return 0;
}

static int read_times(
	struct archive_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	c->utc_offset_s = 5 * 3600;
	c->at_s = 2 * 3600;
	c->over_s = 4 * 3600;
	c->connect_ms = 5000;
	c->answer_ms = 15000;
	c->patience_ms = 300000;
	int r = read_offset(&c->utc_offset_s, raw->utc_offset, path, err);
	r = r ? r : read_hour(&c->at_s, raw->at, path, err);
	r = r ? r : read_duration(&c->over_s, TORAP_US_PER_S, raw->over, 0, DAY_S, path, "over", err);
	r = r ? r
	      : read_duration(
			&c->connect_ms, TORAP_US_PER_MS, raw->connect, 100, 600000, path, "connect", err);
	r = r ? r
	      : read_duration(&c->answer_ms, TORAP_US_PER_MS, raw->answer, 100, 600000, path, "answer", err);
	return r ? r
		 : read_duration(&c->patience_ms, TORAP_US_PER_MS, raw->patience, 1000, 3600000, path,
			   "patience", err);
}

static const struct archive_demand usual = { .term_days = 30, .share_percent = 95, .gap_s = 10 };

static int read_profile(struct archive_profile *out, const struct raw_profile *raw, size_t i,
	const char *path, struct torap_error *err)
{
	out->demand = usual;
	out->name = strdup(raw->name);
	if (!out->name)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	if (raw->share && *raw->share > 100)
		return torap_yaml_refuse(err, path, at("profiles", i, "share").text,
			"share is a percentage of a day, 0 to 100");
	if (raw->share)
		out->demand.share_percent = *raw->share;
	int r = read_duration(&out->demand.term_days, (int64_t)DAY_S * TORAP_US_PER_S, raw->term, 1,
		ARCHIVE_TERM_DAYS_MAX, path, at("profiles", i, "term").text, err);
	return r ? r
		 : read_duration(&out->demand.gap_s, TORAP_US_PER_S, raw->gap, 0, 3600, path,
			   at("profiles", i, "gap").text, err);
}

/* "default" is there in any case: as the file has it, or as it is usual. */
static int read_profiles(
	struct archive_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	c->profiles = calloc(raw->profiles_count + 1, sizeof *c->profiles);
	if (!c->profiles || !(c->profiles[0].name = strdup("default")))
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	c->profiles[0].demand = usual;
	c->profiles_count = 1;
	for (size_t i = 0; i < raw->profiles_count; i++) {
		const char *name = raw->profiles[i].name;
		const struct archive_profile *same = archive_config_profile(c, name);
		bool is_default = strcmp(name, "default") == 0;
		if (same && !(is_default && i == 0))
			return torap_yaml_refuse(err, path, at("profiles", i, "name").text,
				is_default ? "\"default\" must be the first"
					   : "the profile \"%s\" stands there twice",
				name);
		if (is_default)
			free(c->profiles[0].name);
		else
			c->profiles_count++;
		int r = read_profile(&c->profiles[c->profiles_count - 1], &raw->profiles[i], i, path, err);
		if (r)
			return r;
	}
	return 0;
}

static int read_recorder(struct archive_recorder *out, const struct raw_recorder *raw, size_t i,
	const char *path, struct torap_error *err)
{
	struct torap_error why;
	if (!raw->onvif == !raw->folder)
		return torap_yaml_refuse(err, path, at("recorders", i, "name").text,
			"a recorder has either onvif: or folder:, so that it can be asked");
	if (raw->onvif && !soap_url_valid(raw->onvif))
		return torap_yaml_refuse(err, path, at("recorders", i, "onvif").text,
			"no address such as http://10.0.0.9/onvif/device_service, without user and password");
	if (raw->onvif && (raw->pattern || raw->length))
		return torap_yaml_refuse(err, path, at("recorders", i, "pattern").text,
			"pattern and length belong to a folder");
	if (raw->pattern && archive_pattern_check(raw->pattern, &why))
		return torap_yaml_refuse(err, path, at("recorders", i, "pattern").text, "%s", why.text);
	out->length_s = 600;
	int r = read_duration(&out->length_s, TORAP_US_PER_S, raw->length, 1, DAY_S, path,
		at("recorders", i, "length").text, err);
	if (r)
		return r;
	out->name = strdup(raw->name);
	out->url = raw->onvif ? strdup(raw->onvif) : NULL;
	out->key = raw->key ? strdup(raw->key) : NULL;
	out->folder = raw->folder ? torap_yaml_path(path, raw->folder) : NULL;
	out->pattern = raw->pattern ? strdup(raw->pattern) : NULL;
	if (!out->name || (raw->onvif && !out->url) || (raw->key && !out->key) ||
		(raw->folder && !out->folder) || (raw->pattern && !out->pattern))
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct archive_recorder *)a)->name, ((const struct archive_recorder *)b)->name);
}

static int read_recorders(
	struct archive_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	c->recorders = calloc(raw->recorders_count + 1, sizeof *c->recorders);
	if (!c->recorders)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	for (size_t i = 0; i < raw->recorders_count; i++) {
		c->recorders_count++;
		int r = read_recorder(&c->recorders[i], &raw->recorders[i], i, path, err);
		if (r)
			return r;
	}
	qsort(c->recorders, c->recorders_count, sizeof *c->recorders, by_name);
	for (size_t i = 1; i < c->recorders_count; i++)
		if (by_name(&c->recorders[i - 1], &c->recorders[i]) == 0)
			return torap_yaml_refuse(err, path, "recorders",
				"the recorder \"%s\" stands there twice", c->recorders[i].name);
	return 0;
}

static int take(
	struct archive_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	c->path = strdup(path);
	c->node = torap_yaml_endpoint(path, raw->node);
	c->keys = raw->keys ? torap_yaml_path(path, raw->keys) : NULL;
	c->planned = raw->planned ? torap_yaml_path(path, raw->planned) : NULL;
	c->metrics = raw->metrics ? strdup(raw->metrics) : NULL;
	if (!c->path || !c->node || (raw->keys && !c->keys) || (raw->planned && !c->planned) ||
		(raw->metrics && !c->metrics))
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	if (strncmp(c->node, "ipc://", 6) != 0)
		return torap_yaml_refuse(err, path, "node", "\"%s\" is no ipc:// endpoint", raw->node);
	int r = read_times(c, raw, path, err);
	r = r ? r : read_profiles(c, raw, path, err);
	r = r ? r : read_recorders(c, raw, path, err);
	return r ? r : kit_plan_load(&c->plan, c->planned, err);
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
	char *texts[] = { c->path, c->node, c->keys, c->planned, c->metrics };
	for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
		free(texts[k]);
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
