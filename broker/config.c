#include "broker/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/time.h"
#include "conf/yaml.h"
#include "wire/taxonomy.h"

enum {
	CANARY_US_DEFAULT = 30 * TORAP_US_PER_S,
	CANARY_US_MIN = 100 * TORAP_US_PER_MS, /* a canary must never become the load */
	STORE_SIZE_MIN = 16 << 20,             /* a batch of the greatest size must fit */
};

struct file {
	char *name, *region, *keys, *trust, *root, *store, *store_size, *listen, *policy, *metrics, *canary;
};

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
	if (f->canary && torap_duration_parse(&c->canary_us, f->canary, &why))
		return torap_yaml_refuse(err, path, "canary", "%s", why.text);
	if (c->canary_us < CANARY_US_MIN)
		return torap_yaml_refuse(err, path, "canary", "\"%s\" is less than 100ms", f->canary);
	return 0;
}

static bool take_texts(struct broker_config *c, const char *path, const struct file *f)
{
	c->keys = torap_yaml_path(path, f->keys);
	c->trust = torap_yaml_path(path, f->trust);
	c->root = torap_yaml_path(path, f->root);
	c->store = torap_yaml_path(path, f->store);
	c->policy = torap_yaml_path(path, f->policy);
	c->listen = strdup(f->listen);
	c->metrics = f->metrics ? strdup(f->metrics) : NULL;
	return c->keys && c->trust && c->root && c->store && c->policy && c->listen &&
	       (c->metrics || !f->metrics);
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
	torap_yaml_free(&schema, loaded);
	if (r) {
		broker_config_finish(&c);
		return r;
	}
	*out = c;
	return 0;
}

void broker_config_finish(struct broker_config *c)
{
	free(c->keys);
	free(c->trust);
	free(c->root);
	free(c->store);
	free(c->policy);
	free(c->listen);
	free(c->metrics);
	*c = (struct broker_config){ 0 };
}
