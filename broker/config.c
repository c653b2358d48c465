#include "broker/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/time.h"
#include "conf/keys.h"
#include "conf/yaml.h"
#include "loop/zsocket.h"
#include "wire/taxonomy.h"

enum {
	CANARY_US_DEFAULT = 30 * TORAP_US_PER_S,
	CANARY_US_MIN = 100 * TORAP_US_PER_MS, /* a canary must never become the load */
	STORE_SIZE_MIN = 16 << 20,             /* a batch of the greatest size must fit */
	CREDIT_DEFAULT = 4 << 20,
	CREDIT_MIN = 64 << 10,
	CREDIT_MAX = 16 << 20, /* of each lane of each upstream: what may wait in our memory */
};

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
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct raw_upstream, name, 1, 256),
	CYAML_FIELD_STRING_PTR("endpoint", CYAML_FLAG_POINTER, struct raw_upstream, endpoint, 1, 255),
	CYAML_FIELD_STRING_PTR("key", CYAML_FLAG_POINTER, struct raw_upstream, key, 1, 4095),
	CYAML_FIELD_STRING_PTR(
		"feed", CYAML_FLAG_POINTER, struct raw_upstream, feed, 1, BROKER_FEED_NAME_MAX),
	CYAML_FIELD_STRING_PTR(
		"credit", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_upstream, credit, 1, 32),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t upstream_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_upstream, upstream_fields) };

static const cyaml_schema_field_t door_fields[] = {
	CYAML_FIELD_STRING_PTR("endpoint", CYAML_FLAG_POINTER, struct raw_door, endpoint, 1, 256),
	CYAML_FIELD_STRING_PTR("keys", CYAML_FLAG_POINTER, struct raw_door, keys, 1, 4095),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t door_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_door, door_fields) };

static const cyaml_schema_field_t fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct file, name, 1, 256),
	CYAML_FIELD_STRING_PTR("region", CYAML_FLAG_POINTER, struct file, region, 1, 256),
	CYAML_FIELD_STRING_PTR("keys", CYAML_FLAG_POINTER, struct file, keys, 1, 4096),
	CYAML_FIELD_STRING_PTR("trust", CYAML_FLAG_POINTER, struct file, trust, 1, 4096),
	CYAML_FIELD_STRING_PTR("root", CYAML_FLAG_POINTER, struct file, root, 1, 4096),
	CYAML_FIELD_STRING_PTR("store", CYAML_FLAG_POINTER, struct file, store, 1, 4096),
	CYAML_FIELD_STRING_PTR("store_size", CYAML_FLAG_POINTER, struct file, store_size, 1, 64),
	CYAML_FIELD_STRING_PTR("listen", CYAML_FLAG_POINTER, struct file, listen, 1, 256),
	CYAML_FIELD_STRING_PTR("policy", CYAML_FLAG_POINTER, struct file, policy, 1, 4096),
	CYAML_FIELD_STRING_PTR(
		"metrics", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file, metrics, 1, 256),
	CYAML_FIELD_STRING_PTR(
		"canary", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file, canary, 1, 64),
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
	c->canary_us = CANARY_US_DEFAULT;
	struct torap_error why;
	if (torap_zsocket_check_listen(f->listen, &why))
		return torap_yaml_refuse(err, path, "listen", "%s", why.text);
	if (f->canary && torap_duration_parse(&c->canary_us, f->canary, &why))
		return torap_yaml_refuse(err, path, "canary", "%s", why.text);
	if (c->canary_us < CANARY_US_MIN)
		return torap_yaml_refuse(err, path, "canary", "\"%s\" is less than 100ms", f->canary);
	return 0;
}

static bool take_texts(struct broker_config *c, const char *path, const struct file *f)
{
	c->path = strdup(path);
	c->keys = torap_yaml_path(path, f->keys);
	c->trust = torap_yaml_path(path, f->trust);
	c->root = torap_yaml_path(path, f->root);
	c->store = torap_yaml_path(path, f->store);
	c->policy = torap_yaml_path(path, f->policy);
	c->listen = strdup(f->listen);
	c->metrics = f->metrics ? strdup(f->metrics) : NULL;
	return c->path && c->keys && c->trust && c->root && c->store && c->policy && c->listen &&
	       (c->metrics || !f->metrics);
}

/* Where a complaint about an upstream points to. */
struct place {
	const char *path;
	unsigned index;
	struct torap_error *err;
};

__attribute__((format(printf, 3, 4))) static int refuse_upstream(
	const struct place *at, const char *key, const char *format, ...)
{
	char where[48], reason[300];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	snprintf(where, sizeof where, "upstream[%u].%s", at->index, key);
	return torap_yaml_refuse(at->err, at->path, where, "%s", reason);
}

static int judge_upstream(const struct broker_config *c, const struct raw_upstream *raw, uint64_t *credit,
	const struct place *at)
{
	struct torap_error why;
	if (!torap_writer_id_valid(raw->name))
		return refuse_upstream(
			at, "name", "\"%.64s\" is not a writer id: up to 31 of a-z 0-9 -", raw->name);
	if (strcmp(raw->name, c->name) == 0)
		return refuse_upstream(at, "name", "%s is this broker itself", raw->name);
	for (size_t i = 0; i < c->upstreams_count; i++)
		if (strcmp(raw->name, c->upstreams[i].peer.name) == 0)
			return refuse_upstream(at, "name", "%s is there twice", raw->name);
	for (size_t i = 0; i < c->upstreams_count; i++)
		if (strcmp(raw->endpoint, c->upstreams[i].peer.endpoint) == 0)
			return refuse_upstream(at, "endpoint", "%.200s is that of %s", raw->endpoint,
				c->upstreams[i].peer.name);
	if (strncmp(raw->endpoint, "tcp://", 6) != 0 || torap_zsocket_check(raw->endpoint, NULL))
		return refuse_upstream(at, "endpoint",
			"\"%.200s\" is not an endpoint, as tcp://10.0.0.1:7400", raw->endpoint);
	*credit = CREDIT_DEFAULT;
	if (raw->credit && torap_size_parse(credit, raw->credit, &why))
		return refuse_upstream(at, "credit", "%s", why.text);
	if (*credit < CREDIT_MIN || *credit > CREDIT_MAX)
		return refuse_upstream(at, "credit", "\"%s\" is not between 64KiB and 16MiB", raw->credit);
	return 0;
}

static int take_upstream(struct broker_config *c, const struct raw_upstream *raw, const struct place *at)
{
	uint64_t credit;
	int r = judge_upstream(c, raw, &credit, at);
	if (r)
		return r;
	struct torap_keys keys;
	char *path = torap_yaml_path(at->path, raw->key);
	r = path ? torap_keys_load_public(&keys, path, at->err) : -ENOMEM;
	free(path);
	if (r)
		return r == -ENOMEM ? torap_errorf(at->err, r, "%s: out of memory", at->path) : r;
	struct broker_upstream_config *u = &c->upstreams[c->upstreams_count++];
	*u = (struct broker_upstream_config){ .credit_bytes = credit, .feed = strdup(raw->feed) };
	u->peer.name = strdup(raw->name);
	u->peer.endpoint = strdup(raw->endpoint);
	memcpy(u->peer.key, keys.curve_public, sizeof u->peer.key);
	return u->peer.name && u->peer.endpoint && u->feed
		       ? 0
		       : torap_errorf(at->err, -ENOMEM, "%s: out of memory", at->path);
}

static int take_upstreams(
	struct broker_config *c, const char *path, const struct file *f, struct torap_error *err)
{
	c->upstreams = calloc(f->upstream_count + 1, sizeof *c->upstreams);
	if (!c->upstreams)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	for (unsigned i = 0; i < f->upstream_count; i++) {
		int r = take_upstream(c, &f->upstream[i], &(struct place){ path, i, err });
		if (r)
			return r;
	}
	return 0;
}

static bool is_listed(const struct broker_config *c, const char *endpoint)
{
	for (size_t i = 0; i < c->doors_count; i++)
		if (strcmp(c->doors[i].endpoint, endpoint) == 0)
			return true;
	return strcmp(c->listen, endpoint) == 0;
}

static int take_doors(
	struct broker_config *c, const char *path, const struct file *f, struct torap_error *err)
{
	for (unsigned i = 0; i < f->also_listen_count; i++) {
		const struct raw_door *raw = &f->also_listen[i];
		char where[48];
		snprintf(where, sizeof where, "also_listen[%u].endpoint", i);
		struct torap_error why;
		if (torap_zsocket_check_listen(raw->endpoint, &why))
			return torap_yaml_refuse(err, path, where, "%s", why.text);
		if (is_listed(c, raw->endpoint))
			return torap_yaml_refuse(
				err, path, where, "%.200s is there twice: one key each", raw->endpoint);
		struct broker_door_config *d = &c->doors[c->doors_count++];
		d->endpoint = strdup(raw->endpoint);
		d->keys = torap_yaml_path(path, raw->keys);
		if (!d->endpoint || !d->keys)
			return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	}
	return 0;
}

int broker_config_load(struct broker_config *out, const char *path, struct torap_error *err)
{
	void *loaded = NULL;
	int r = torap_yaml_load(path, &schema, &loaded, err);
	if (r)
		return r;
	struct broker_config c = { 0 };
	r = judge(&c, path, loaded, err);
	if (!r && !take_texts(&c, path, loaded))
		r = torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	if (!r)
		r = take_doors(&c, path, loaded, err);
	if (!r)
		r = take_upstreams(&c, path, loaded, err);
	torap_yaml_free(&schema, loaded);
	if (r) {
		broker_config_finish(&c);
		return r;
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
