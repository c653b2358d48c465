#include "agents/follow/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/grant_rows.h"
#include "conf/take.h"
#include "conf/yaml.h"
#include "zmtp/endpoint.h"

enum { CREDIT_DEFAULT = 4 << 20 };
static const struct torap_range credit_range = { 64 << 10, INT64_MAX, "credit is less than 64KiB" };

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
	char **writers;
	unsigned writers_count;
};

static const cyaml_schema_field_t broker_fields[] = {
	TORAP_YAML_TEXT("name", struct raw_broker, name, 63),
	TORAP_YAML_TEXT("endpoint", struct raw_broker, endpoint, 255),
	TORAP_YAML_TEXT("key", struct raw_broker, key, 4095),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t broker = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_broker, broker_fields) };

static const cyaml_schema_value_t writer = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 64) };

static const cyaml_schema_field_t config_fields[] = {
	TORAP_YAML_TEXT("feed", struct raw_config, feed, FOLLOW_FEED_NAME_MAX),
	TORAP_YAML_TEXT("keys", struct raw_config, keys, 4095),
	TORAP_YAML_TEXT("root", struct raw_config, root, 4095),
	TORAP_YAML_TEXT("dir", struct raw_config, dir, 4095),
	TORAP_YAML_TEXT("dir_size", struct raw_config, dir_size, 32),
	CYAML_FIELD_SEQUENCE(
		"brokers", CYAML_FLAG_POINTER, struct raw_config, brokers, &broker, 1, FOLLOW_BROKERS_MAX),
	CYAML_FIELD_SEQUENCE("expect", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config, expect,
		&torap_grant_text_schema, 1, TORAP_GRANT_ROWS_MAX),
	CYAML_FIELD_SEQUENCE("writers", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config, writers,
		&writer, 1, FOLLOW_WRITERS_MAX),
	TORAP_YAML_MAY("credit", struct raw_config, credit, 32),
	TORAP_YAML_MAY("metrics", struct raw_config, metrics, 255),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_config, config_fields) };

static void take_expected(struct torap_taking *t, struct follow_config *c, const struct raw_config *raw)
{
	if (t->failed || !raw->expect_count)
		return;
	c->expected = calloc(raw->expect_count, sizeof *c->expected);
	if (!c->expected) {
		t->failed = torap_errorf(t->err, -ENOMEM, "%s: out of memory", t->path);
		return;
	}
	c->expected_count = raw->expect_count;
	for (unsigned i = 0; i < raw->expect_count && !t->failed; i++) {
		char where[32];
		snprintf(where, sizeof where, "expect[%u]", i);
		struct torap_yaml_place at = { .name = t->path, .where = where };
		t->failed = torap_grant_row_read(&c->expected[i], &raw->expect[i], &at, t->err);
	}
}

static void take_writers(struct torap_taking *t, struct follow_config *c, const struct raw_config *raw)
{
	if (t->failed || !raw->writers_count)
		return;
	c->writers = calloc(raw->writers_count, sizeof *c->writers);
	if (!c->writers) {
		t->failed = torap_errorf(t->err, -ENOMEM, "%s: out of memory", t->path);
		return;
	}
	for (unsigned i = 0; i < raw->writers_count && !t->failed; i++) {
		char where[32];
		snprintf(where, sizeof where, "writers[%u]", i);
		if (!torap_writer_id_valid(raw->writers[i]))
			t->failed = torap_yaml_refuse(
				t->err, t->path, where, "\"%s\" is no writer id", raw->writers[i]);
		else
			strcpy(c->writers[c->writers_count++], raw->writers[i]);
	}
}

static void take_broker(
	struct torap_taking *t, struct torap_zlink_peer *b, const struct raw_broker *raw, unsigned index)
{
	struct torap_keys keys = { 0 };
	if (torap_zmtp_check_dial(raw->endpoint, NULL))
		t->failed =
			torap_yaml_refuse(t->err, t->path, torap_yaml_at("brokers", index, "endpoint").text,
				"\"%.200s\" is not an endpoint, as tcp://10.0.0.1:7400", raw->endpoint);
	torap_take_public_keys(t, &keys, raw->key);
	torap_take_text(t, &b->name, raw->name);
	torap_take_text(t, &b->endpoint, raw->endpoint);
	memcpy(b->key, keys.curve_public, sizeof b->key);
}

static void take_brokers(struct torap_taking *t, struct follow_config *c, const struct raw_config *raw)
{
	if (t->failed)
		return;
	c->brokers = calloc(raw->brokers_count, sizeof *c->brokers);
	if (!c->brokers)
		t->failed = torap_errorf(t->err, -ENOMEM, "%s: out of memory", t->path);
	for (unsigned i = 0; i < raw->brokers_count && !t->failed; i++)
		take_broker(t, &c->brokers[c->brokers_count++], &raw->brokers[i], i);
}

static void take_keys(struct torap_taking *t, struct follow_config *c, const struct raw_config *raw)
{
	struct torap_keys root = { 0 };
	char *keys_path = NULL;
	torap_take_path(t, &keys_path, raw->keys);
	if (!t->failed)
		t->failed = torap_keys_load(&c->keys, keys_path, t->err);
	free(keys_path);
	torap_take_public_keys(t, &root, raw->root);
	memcpy(c->root, root.sign.public, sizeof c->root);
}

static int convert(
	struct follow_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	struct torap_taking t = { path, err, 0 };
	torap_take_text(&t, &c->path, path);
	torap_take_text(&t, &c->feed, raw->feed);
	torap_take_path(&t, &c->dir, raw->dir);
	torap_take_metrics(&t, &c->metrics, raw->metrics);
	torap_take_size(&t, &c->dir_bytes, raw->dir_size, NULL, "dir_size");
	c->credit_bytes = CREDIT_DEFAULT;
	torap_take_size(&t, &c->credit_bytes, raw->credit, &credit_range, "credit");
	take_keys(&t, c, raw);
	take_brokers(&t, c, raw);
	take_expected(&t, c, raw);
	take_writers(&t, c, raw);
	return t.failed;
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
	now->writers = next->writers;
	now->writers_count = next->writers_count;
	now->credit_bytes = next->credit_bytes;
	next->keys = was.keys;
	next->brokers = was.brokers;
	next->brokers_count = was.brokers_count;
	next->expected = was.expected;
	next->expected_count = was.expected_count;
	next->writers = was.writers;
	next->writers_count = was.writers_count;
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
	free(c->writers);
	free(c->path);
	free(c->feed);
	free(c->dir);
	free(c->metrics);
	free(c);
	return NULL;
}
