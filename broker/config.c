#include "broker/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/time.h"
#include "conf/keys.h"
#include "conf/take.h"
#include "conf/yaml.h"
#include "zmtp/endpoint.h"
#include "wire/taxonomy.h"

enum {
	CANARY_US_DEFAULT = 30 * TORAP_US_PER_S,
	STORE_SIZE_MIN = 16 << 20, /* a batch of the greatest size must fit */
	CREDIT_DEFAULT = 4 << 20,
};
/* A canary must never become the load. */
static const struct torap_range canary_range = { 100 * TORAP_US_PER_MS, INT64_MAX,
	"canary is less than 100ms" };
/* Of each lane of each upstream: what may wait in our memory. */
static const struct torap_range credit_range = { 64 << 10, 16 << 20,
	"credit is not between 64KiB and 16MiB" };

struct raw_upstream {
	char *name, *endpoint, *key, *feed, *credit;
};

struct raw_door {
	char *endpoint, *keys;
};

struct file {
	char *name, *region, *keys, *trust, *root, *store, *store_size, *listen, *policy, *metrics, *canary;
	struct raw_upstream *upstream;
	unsigned upstream_count;
	struct raw_door *also_listen;
	unsigned also_listen_count;
};

static const cyaml_schema_field_t upstream_fields[] = {
	TORAP_YAML_TEXT("name", struct raw_upstream, name, 256),
	TORAP_YAML_TEXT("endpoint", struct raw_upstream, endpoint, 255),
	TORAP_YAML_TEXT("key", struct raw_upstream, key, 4095),
	TORAP_YAML_TEXT("feed", struct raw_upstream, feed, BROKER_FEED_NAME_MAX),
	TORAP_YAML_MAY("credit", struct raw_upstream, credit, 32),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t upstream_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_upstream, upstream_fields) };

static const cyaml_schema_field_t door_fields[] = {
	TORAP_YAML_TEXT("endpoint", struct raw_door, endpoint, 256),
	TORAP_YAML_TEXT("keys", struct raw_door, keys, 4095),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t door_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_door, door_fields) };

static const cyaml_schema_field_t fields[] = {
	TORAP_YAML_TEXT("name", struct file, name, 256),
	TORAP_YAML_TEXT("region", struct file, region, 256),
	TORAP_YAML_TEXT("keys", struct file, keys, 4096),
	TORAP_YAML_TEXT("trust", struct file, trust, 4096),
	TORAP_YAML_TEXT("root", struct file, root, 4096),
	TORAP_YAML_TEXT("store", struct file, store, 4096),
	TORAP_YAML_TEXT("store_size", struct file, store_size, 64),
	TORAP_YAML_TEXT("listen", struct file, listen, 256),
	TORAP_YAML_TEXT("policy", struct file, policy, 4096),
	TORAP_YAML_MAY("metrics", struct file, metrics, 256),
	TORAP_YAML_MAY("canary", struct file, canary, 64),
	CYAML_FIELD_SEQUENCE("upstream", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file, upstream,
		&upstream_schema, 0, BROKER_UPSTREAMS_MAX),
	CYAML_FIELD_SEQUENCE("also_listen", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
		also_listen, &door_schema, 0, BROKER_FURTHER_DOORS_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file, fields) };

static int judge(struct broker_config *c, const char *path, const struct file *f, struct torap_error *err)
{
	if (!torap_writer_id_valid(f->name))
		return torap_yaml_refuse(
			err, path, "name", "\"%s\" is not a writer id: up to 31 of a-z 0-9 -", f->name);
	strcpy(c->name, f->name);
	if (!torap_region_parse(&c->region, f->region))
		return torap_yaml_refuse(
			err, path, "region", "\"%s\" is not a region: 9 digits, in quotes", f->region);
	if (torap_size_parse(&c->store_size, f->store_size, NULL) || c->store_size < STORE_SIZE_MIN)
		return torap_yaml_refuse(err, path, "store_size",
			"\"%s\" is not a size of at least 16MiB, as 8GiB or 512MiB", f->store_size);
	struct torap_error why;
	if (torap_zmtp_check_listen(f->listen, &why))
		return torap_yaml_refuse(err, path, "listen", "%s", why.text);
	return 0;
}

static void take_texts(struct torap_taking *t, struct broker_config *c, const struct file *f)
{
	c->canary_us = CANARY_US_DEFAULT;
	torap_take_duration(t, &c->canary_us, f->canary, &canary_range, "canary");
	torap_take_text(t, &c->path, t->path);
	torap_take_path(t, &c->keys, f->keys);
	torap_take_path(t, &c->trust, f->trust);
	torap_take_path(t, &c->root, f->root);
	torap_take_path(t, &c->store, f->store);
	torap_take_path(t, &c->policy, f->policy);
	torap_take_text(t, &c->listen, f->listen);
	torap_take_metrics(t, &c->metrics, f->metrics);
}

static int judge_upstream(const struct broker_config *c, const struct raw_upstream *raw,
	const struct torap_yaml_place *at, struct torap_error *err)
{
	if (!torap_writer_id_valid(raw->name))
		return torap_yaml_refuse_step(at, "name", -1, err,
			"\"%.64s\" is not a writer id: up to 31 of a-z 0-9 -", raw->name);
	if (strcmp(raw->name, c->name) == 0)
		return torap_yaml_refuse_step(at, "name", -1, err, "%s is this broker itself", raw->name);
	for (size_t i = 0; i < c->upstreams_count; i++)
		if (strcmp(raw->name, c->upstreams[i].peer.name) == 0)
			return torap_yaml_refuse_step(at, "name", -1, err, "%s is there twice", raw->name);
	for (size_t i = 0; i < c->upstreams_count; i++)
		if (strcmp(raw->endpoint, c->upstreams[i].peer.endpoint) == 0)
			return torap_yaml_refuse_step(at, "endpoint", -1, err, "%.200s is that of %s",
				raw->endpoint, c->upstreams[i].peer.name);
	if (torap_zmtp_check_dial(raw->endpoint, NULL))
		return torap_yaml_refuse_step(at, "endpoint", -1, err,
			"\"%.200s\" is not an endpoint, as tcp://10.0.0.1:7400", raw->endpoint);
	return 0;
}

static void take_upstream(
	struct torap_taking *t, struct broker_config *c, const struct raw_upstream *raw, unsigned index)
{
	char where[32];
	struct torap_keys keys = { 0 };
	snprintf(where, sizeof where, "upstream[%u]", index);
	t->failed =
		judge_upstream(c, raw, &(struct torap_yaml_place){ .name = t->path, .where = where }, t->err);
	struct broker_upstream_config *u = &c->upstreams[c->upstreams_count++];
	u->credit_bytes = CREDIT_DEFAULT;
	torap_take_size(t, &u->credit_bytes, raw->credit, &credit_range,
		torap_yaml_at("upstream", index, "credit").text);
	torap_take_public_keys(t, &keys, raw->key);
	torap_take_text(t, &u->peer.name, raw->name);
	torap_take_text(t, &u->peer.endpoint, raw->endpoint);
	torap_take_text(t, &u->feed, raw->feed);
	memcpy(u->peer.key, keys.curve_public, sizeof u->peer.key);
}

static void take_upstreams(struct torap_taking *t, struct broker_config *c, const struct file *f)
{
	if (t->failed)
		return;
	c->upstreams = calloc(f->upstream_count + 1, sizeof *c->upstreams);
	if (!c->upstreams)
		t->failed = torap_errorf(t->err, -ENOMEM, "%s: out of memory", t->path);
	for (unsigned i = 0; i < f->upstream_count && !t->failed; i++)
		take_upstream(t, c, &f->upstream[i], i);
}

static bool is_listed(const struct broker_config *c, const char *endpoint)
{
	for (size_t i = 0; i < c->doors_count; i++)
		if (strcmp(c->doors[i].endpoint, endpoint) == 0)
			return true;
	return strcmp(c->listen, endpoint) == 0;
}

static void take_doors(struct torap_taking *t, struct broker_config *c, const struct file *f)
{
	for (unsigned i = 0; i < f->also_listen_count && !t->failed; i++) {
		const struct raw_door *raw = &f->also_listen[i];
		struct torap_yaml_step where = torap_yaml_at("also_listen", i, "endpoint");
		struct torap_error why;
		if (torap_zmtp_check_listen(raw->endpoint, &why))
			t->failed = torap_yaml_refuse(t->err, t->path, where.text, "%s", why.text);
		else if (is_listed(c, raw->endpoint))
			t->failed = torap_yaml_refuse(t->err, t->path, where.text,
				"%.200s is there twice: one key each", raw->endpoint);
		if (t->failed)
			return;
		struct broker_door_config *d = &c->doors[c->doors_count++];
		torap_take_text(t, &d->endpoint, raw->endpoint);
		torap_take_path(t, &d->keys, raw->keys);
	}
}

int broker_config_load(struct broker_config *out, const char *path, struct torap_error *err)
{
	void *loaded = NULL;
	int r = torap_yaml_load(path, &schema, &loaded, err);
	if (r)
		return r;
	struct broker_config c = { 0 };
	struct torap_taking t = { path, err, judge(&c, path, loaded, err) };
	take_texts(&t, &c, loaded);
	take_doors(&t, &c, loaded);
	take_upstreams(&t, &c, loaded);
	torap_yaml_free(&schema, loaded);
	if (t.failed) {
		broker_config_finish(&c);
		return t.failed;
	}
	*out = c;
	return 0;
}

int broker_config_judge_reload(
	const struct broker_config *now, const struct broker_config *next, struct torap_error *err)
{
	const struct torap_yaml_fixed fixed[] = {
		{ "name", strcmp(now->name, next->name) == 0 },
		{ "region", now->region == next->region },
		{ "root", torap_yaml_same(now->root, next->root) },
		{ "store", torap_yaml_same(now->store, next->store) },
		{ "store_size", now->store_size == next->store_size },
		{ "metrics", torap_yaml_same(now->metrics, next->metrics) },
		{ "canary", now->canary_us == next->canary_us },
	};
	return torap_yaml_judge_fixed(fixed, sizeof fixed / sizeof *fixed, next->path, err);
}

static void swap(char **a, char **b)
{
	char *was = *a;
	*a = *b;
	*b = was;
}

void broker_config_take(struct broker_config *now, struct broker_config *next)
{
	struct broker_door_config doors[BROKER_FURTHER_DOORS_MAX];
	size_t count = now->doors_count;
	memcpy(doors, now->doors, sizeof doors);
	memcpy(now->doors, next->doors, sizeof doors);
	memcpy(next->doors, doors, sizeof doors);
	now->doors_count = next->doors_count;
	next->doors_count = count;
	swap(&now->listen, &next->listen);
	swap(&now->keys, &next->keys);
	swap(&now->trust, &next->trust);
	swap(&now->policy, &next->policy);
}

void broker_upstream_config_finish(struct broker_upstream_config *u)
{
	free(u->peer.name);
	free(u->peer.endpoint);
	free(u->feed);
	*u = (struct broker_upstream_config){ 0 };
}

void broker_config_finish(struct broker_config *c)
{
	for (size_t i = 0; i < c->upstreams_count; i++)
		broker_upstream_config_finish(&c->upstreams[i]);
	for (size_t i = 0; i < c->doors_count; i++) {
		free(c->doors[i].endpoint);
		free(c->doors[i].keys);
	}
	free(c->upstreams);
	free(c->path);
	free(c->keys);
	free(c->trust);
	free(c->root);
	free(c->store);
	free(c->policy);
	free(c->listen);
	free(c->metrics);
	*c = (struct broker_config){ 0 };
}
