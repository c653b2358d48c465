#include "agents/follow/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/yaml.h"

enum { LIST_MAX = 256, CREDIT_DEFAULT = 4 << 20, CREDIT_MIN = 64 << 10 };

/* The file as libcyaml gives it. */
struct raw_row {
	char **regions, **facilities, **kinds, **parts;
	unsigned regions_count, facilities_count, kinds_count, parts_count;
	char *severity_min;
};

struct raw_broker {
	char *name, *endpoint, *key;
};

struct raw_config {
	char *feed, *keys, *root, *dir, *dir_size, *credit, *metrics;
	struct raw_broker *brokers;
	unsigned brokers_count;
	struct raw_row *expect;
	unsigned expect_count;
};

static const cyaml_schema_value_t word = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 64) };

static const cyaml_schema_field_t row_fields[] = {
	CYAML_FIELD_SEQUENCE("regions", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_row, regions,
		&word, 0, LIST_MAX),
	CYAML_FIELD_SEQUENCE("facilities", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_row,
		facilities, &word, 0, LIST_MAX),
	CYAML_FIELD_SEQUENCE(
		"kinds", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_row, kinds, &word, 0, LIST_MAX),
	CYAML_FIELD_STRING_PTR("severity_min", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_row,
		severity_min, 1, 64),
	CYAML_FIELD_SEQUENCE("parts", CYAML_FLAG_POINTER, struct raw_row, parts, &word, 1, 3),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t row = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_row, row_fields) };

static const cyaml_schema_field_t broker_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct raw_broker, name, 1, 63),
	CYAML_FIELD_STRING_PTR("endpoint", CYAML_FLAG_POINTER, struct raw_broker, endpoint, 1, 255),
	CYAML_FIELD_STRING_PTR("key", CYAML_FLAG_POINTER, struct raw_broker, key, 1, 4095),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t broker = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_broker, broker_fields) };

static const cyaml_schema_field_t config_fields[] = {
	CYAML_FIELD_STRING_PTR("feed", CYAML_FLAG_POINTER, struct raw_config, feed, 1, FOLLOW_FEED_NAME_MAX),
	CYAML_FIELD_STRING_PTR("keys", CYAML_FLAG_POINTER, struct raw_config, keys, 1, 4095),
	CYAML_FIELD_STRING_PTR("root", CYAML_FLAG_POINTER, struct raw_config, root, 1, 4095),
	CYAML_FIELD_STRING_PTR("dir", CYAML_FLAG_POINTER, struct raw_config, dir, 1, 4095),
	CYAML_FIELD_STRING_PTR("dir_size", CYAML_FLAG_POINTER, struct raw_config, dir_size, 1, 32),
	CYAML_FIELD_SEQUENCE(
		"brokers", CYAML_FLAG_POINTER, struct raw_config, brokers, &broker, 1, FOLLOW_BROKERS_MAX),
	CYAML_FIELD_SEQUENCE(
		"expect", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config, expect, &row, 1, 256),
	CYAML_FIELD_STRING_PTR(
		"credit", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config, credit, 1, 32),
	CYAML_FIELD_STRING_PTR(
		"metrics", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config, metrics, 1, 255),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_config, config_fields) };

int follow_size_parse(uint64_t *out_bytes, const char *text, struct torap_error *err)
{
	static const struct {
		const char *unit;
		unsigned shift;
	} units[] = { { "", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }, { "TiB", 40 } };

	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (end != text && *text != '-' && errno == 0)
		for (size_t i = 0; i < sizeof units / sizeof *units; i++)
			if (strcmp(end, units[i].unit) == 0 && n <= UINT64_MAX >> units[i].shift) {
				*out_bytes = (uint64_t)n << units[i].shift;
				return 0;
			}
	return torap_errorf(err, -EINVAL, "\"%s\" is no size; write 64KiB, 4MiB or 8GiB", text);
}

/* Names of a list of a row, one by one. */
struct row_place {
	const char *path;
	unsigned row;
};

static int refuse_name(
	const struct row_place *at, const char *list, unsigned i, const char *name, struct torap_error *err)
{
	char where[64];
	snprintf(where, sizeof where, "expect[%u].%s[%u]", at->row, list, i);
	return torap_yaml_refuse(err, at->path, where, "\"%s\" is not known", name);
}

static int refuse_severity(const struct row_place *at, const char *name, struct torap_error *err)
{
	char where[64];
	snprintf(where, sizeof where, "expect[%u].severity_min", at->row);
	return torap_yaml_refuse(err, at->path, where, "\"%s\" is not known", name);
}

static int read_regions(struct torap_grant_row *to, const struct raw_row *from, const struct row_place *at,
	struct torap_error *err)
{
	to->regions = calloc(from->regions_count + 1, sizeof *to->regions);
	if (!to->regions)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", at->path);
	for (unsigned i = 0; i < from->regions_count; i++) {
		if (!torap_region_parse(&to->regions[i], from->regions[i]))
			return refuse_name(at, "regions", i, from->regions[i], err);
		to->regions_count++;
	}
	return 0;
}

static int read_numbers(uint16_t **out, size_t *out_count, char **names, unsigned count, const char *list,
	int (*number)(const char *name), const struct row_place *at, struct torap_error *err)
{
	*out = calloc(count + 1, sizeof **out);
	if (!*out)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", at->path);
	for (unsigned i = 0; i < count; i++) {
		int n = number(names[i]);
		if (n < 0)
			return refuse_name(at, list, i, names[i], err);
		(*out)[(*out_count)++] = (uint16_t)n;
	}
	return 0;
}

static int read_row(struct torap_grant_row *to, const struct raw_row *from, const struct row_place *at,
	struct torap_error *err)
{
	int r = read_regions(to, from, at, err);
	if (!r)
		r = read_numbers(&to->facilities, &to->facilities_count, from->facilities,
			from->facilities_count, "facilities", torap_facility_number, at, err);
	if (!r)
		r = read_numbers(&to->kinds, &to->kinds_count, from->kinds, from->kinds_count, "kinds",
			torap_kind_number, at, err);
	if (r)
		return r;
	if (from->severity_min) {
		int n = torap_severity_number(from->severity_min);
		if (n < 0)
			return refuse_severity(at, from->severity_min, err);
		to->severity_min = (uint8_t)n;
	}
	for (unsigned i = 0; i < from->parts_count; i++) {
		int n = torap_part_number(from->parts[i]);
		if (n <= 0 || n > TORAP__PART_KIND__PART_IMAGE)
			return refuse_name(at, "parts", i, from->parts[i], err);
		to->parts[n] = true;
	}
	return 0;
}

static int read_expected(
	struct follow_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	if (!raw->expect_count)
		return 0;
	c->expected = calloc(raw->expect_count, sizeof *c->expected);
	if (!c->expected)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	c->expected_count = raw->expect_count;
	for (unsigned i = 0; i < raw->expect_count; i++) {
		struct row_place at = { path, i };
		int r = read_row(&c->expected[i], &raw->expect[i], &at, err);
		if (r)
			return r;
	}
	return 0;
}

/* The public half of a key file that the configuration names. */
static int read_public(
	struct torap_keys *out, const char *config_path, const char *name, struct torap_error *err)
{
	char *path = torap_yaml_path(config_path, name);
	if (!path)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", config_path);
	int r = torap_keys_load_public(out, path, err);
	free(path);
	return r;
}

static int read_brokers(
	struct follow_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	c->brokers = calloc(raw->brokers_count, sizeof *c->brokers);
	if (!c->brokers)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	for (unsigned i = 0; i < raw->brokers_count; i++) {
		struct torap_keys keys;
		int r = read_public(&keys, path, raw->brokers[i].key, err);
		if (r)
			return r;
		struct follow_broker *b = &c->brokers[c->brokers_count++];
		memcpy(b->key, keys.curve_public, sizeof b->key);
		b->name = strdup(raw->brokers[i].name);
		b->endpoint = strdup(raw->brokers[i].endpoint);
		if (!b->name || !b->endpoint)
			return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	}
	return 0;
}

static int read_keys(
	struct follow_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	char *keys_path = torap_yaml_path(path, raw->keys);
	if (!keys_path)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	int r = torap_keys_load(&c->keys, keys_path, err);
	free(keys_path);
	if (r)
		return r;

	struct torap_keys root;
	r = read_public(&root, path, raw->root, err);
	if (!r)
		memcpy(c->root, root.sign.public, sizeof c->root);
	return r;
}

static int read_sizes(
	struct follow_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	struct torap_error why;
	if (follow_size_parse(&c->dir_bytes, raw->dir_size, &why))
		return torap_yaml_refuse(err, path, "dir_size", "%s", why.text);
	c->credit_bytes = CREDIT_DEFAULT;
	if (raw->credit && follow_size_parse(&c->credit_bytes, raw->credit, &why))
		return torap_yaml_refuse(err, path, "credit", "%s", why.text);
	if (c->credit_bytes < CREDIT_MIN)
		return torap_yaml_refuse(err, path, "credit", "less than 64KiB");
	return 0;
}

static int convert(
	struct follow_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	c->feed = strdup(raw->feed);
	c->dir = torap_yaml_path(path, raw->dir);
	c->metrics = raw->metrics ? strdup(raw->metrics) : NULL;
	if (!c->feed || !c->dir || (raw->metrics && !c->metrics))
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);

	int r = read_sizes(c, raw, path, err);
	if (!r)
		r = read_keys(c, raw, path, err);
	if (!r)
		r = read_brokers(c, raw, path, err);
	if (!r)
		r = read_expected(c, raw, path, err);
	return r;
}

int follow_config_load(struct follow_config **out, const char *path, struct torap_error *err)
{
	void *raw;
	int r = torap_yaml_load(path, &schema, &raw, err);
	if (r)
		return r;
	struct follow_config *c = calloc(1, sizeof *c);
	r = c ? convert(c, raw, path, err) : torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	torap_yaml_free(&schema, raw);
	if (r) {
		follow_config_destroy(c);
		return r;
	}
	*out = c;
	return 0;
}

struct follow_config *follow_config_destroy(struct follow_config *c)
{
	if (!c)
		return NULL;
	torap_keys_wipe(&c->keys);
	for (size_t i = 0; i < c->brokers_count; i++) {
		free(c->brokers[i].name);
		free(c->brokers[i].endpoint);
	}
	free(c->brokers);
	torap_grant_rows_destroy(c->expected, c->expected_count);
	free(c->feed);
	free(c->dir);
	free(c->metrics);
	free(c);
	return NULL;
}
