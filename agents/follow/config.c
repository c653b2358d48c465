#include "agents/follow/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "conf/grant_rows.h"
#include "conf/yaml.h"
#include "loop/zsocket.h"

enum { CREDIT_DEFAULT = 4 << 20, CREDIT_MIN = 64 << 10 };

/* The file as libcyaml gives it. */
struct raw_broker {
	char *name, *endpoint, *key;
};

struct raw_config {
	char *feed, *keys, *root, *dir, *dir_size, *credit, *metrics;
	struct raw_broker *brokers;
	unsigned brokers_count;
	struct torap_grant_text *expect;
	unsigned expect_count;
};

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
	CYAML_FIELD_SEQUENCE("expect", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config, expect,
		&torap_grant_text_schema, 1, TORAP_GRANT_ROWS_MAX),
	CYAML_FIELD_STRING_PTR(
		"credit", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config, credit, 1, 32),
	CYAML_FIELD_STRING_PTR(
		"metrics", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config, metrics, 1, 255),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_config, config_fields) };

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
		char where[32];
		snprintf(where, sizeof where, "expect[%u]", i);
		struct torap_yaml_place at = { .name = path, .where = where };
		int r = torap_grant_row_read(&c->expected[i], &raw->expect[i], &at, err);
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
		char where[48];
		snprintf(where, sizeof where, "brokers[%u].endpoint", i);
		if (torap_zsocket_check(raw->brokers[i].endpoint, NULL))
			return torap_yaml_refuse(err, path, where,
				"\"%.200s\" is not an endpoint, as tcp://10.0.0.1:7400",
				raw->brokers[i].endpoint);
		int r = read_public(&keys, path, raw->brokers[i].key, err);
		if (r)
			return r;
		struct torap_zlink_peer *b = &c->brokers[c->brokers_count++];
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
	if (torap_size_parse(&c->dir_bytes, raw->dir_size, &why))
		return torap_yaml_refuse(err, path, "dir_size", "%s", why.text);
	c->credit_bytes = CREDIT_DEFAULT;
	if (raw->credit && torap_size_parse(&c->credit_bytes, raw->credit, &why))
		return torap_yaml_refuse(err, path, "credit", "%s", why.text);
	if (c->credit_bytes < CREDIT_MIN)
		return torap_yaml_refuse(err, path, "credit", "less than 64KiB");
	return 0;
}

static int convert(
	struct follow_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	c->path = strdup(path);
	c->feed = strdup(raw->feed);
	c->dir = torap_yaml_path(path, raw->dir);
	c->metrics = raw->metrics ? strdup(raw->metrics) : NULL;
	if (!c->path || !c->feed || !c->dir || (raw->metrics && !c->metrics))
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

int follow_config_judge_reload(
	const struct follow_config *now, const struct follow_config *next, struct torap_error *err)
{
	const struct torap_yaml_fixed fixed[] = {
		{ "feed", strcmp(now->feed, next->feed) == 0 },
		{ "root", memcmp(now->root, next->root, sizeof now->root) == 0 },
		{ "dir", strcmp(now->dir, next->dir) == 0 },
		{ "dir_size", now->dir_bytes == next->dir_bytes },
		{ "metrics", torap_yaml_same(now->metrics, next->metrics) },
	};
	return torap_yaml_judge_fixed(fixed, sizeof fixed / sizeof *fixed, next->path, err);
}

void follow_config_take(struct follow_config *now, struct follow_config *next)
{
	struct follow_config was = *now;
	now->keys = next->keys;
	now->brokers = next->brokers;
	now->brokers_count = next->brokers_count;
	now->expected = next->expected;
	now->expected_count = next->expected_count;
	now->credit_bytes = next->credit_bytes;
	next->keys = was.keys;
	next->brokers = was.brokers;
	next->brokers_count = was.brokers_count;
	next->expected = was.expected;
	next->expected_count = was.expected_count;
	torap_keys_wipe(&was.keys);
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
	free(c->path);
	free(c->feed);
	free(c->dir);
	free(c->metrics);
	free(c);
	return NULL;
}
