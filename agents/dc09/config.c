#include "agents/dc09/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "conf/yaml.h"
#include "loop/address.h"

enum { CONNECTIONS_MAX = 10240, DATAGRAMS_MAX = 4096, NAME_MAX_SIZE = 4095 };

/* The file as libcyaml gives it. */
struct raw_limits {
	unsigned *connections, *datagrams, *noise;
	char *idle, *first, *cut, *answer;
};

struct raw_config {
	char *listen_tcp, *listen_udp, *node, *keys, *metrics;
	struct raw_limits *limits;
};

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t limits_fields[] = {
	CYAML_FIELD_UINT_PTR("connections", OPTIONAL, struct raw_limits, connections),
	CYAML_FIELD_UINT_PTR("datagrams", OPTIONAL, struct raw_limits, datagrams),
	CYAML_FIELD_UINT_PTR("noise", OPTIONAL, struct raw_limits, noise),
	CYAML_FIELD_STRING_PTR("idle", OPTIONAL, struct raw_limits, idle, 1, 32),
	CYAML_FIELD_STRING_PTR("first", OPTIONAL, struct raw_limits, first, 1, 32),
	CYAML_FIELD_STRING_PTR("cut", OPTIONAL, struct raw_limits, cut, 1, 32),
	CYAML_FIELD_STRING_PTR("answer", OPTIONAL, struct raw_limits, answer, 1, 32),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
	CYAML_FIELD_STRING_PTR("listen_tcp", OPTIONAL, struct raw_config, listen_tcp, 1, 255),
	CYAML_FIELD_STRING_PTR("listen_udp", OPTIONAL, struct raw_config, listen_udp, 1, 255),
	CYAML_FIELD_STRING_PTR("node", CYAML_FLAG_POINTER, struct raw_config, node, 1, NAME_MAX_SIZE),
	CYAML_FIELD_STRING_PTR("keys", OPTIONAL, struct raw_config, keys, 1, NAME_MAX_SIZE),
	CYAML_FIELD_STRING_PTR("metrics", OPTIONAL, struct raw_config, metrics, 1, 255),
	CYAML_FIELD_MAPPING_PTR("limits", OPTIONAL, struct raw_config, limits, limits_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_config, config_fields) };

static int set_address(struct sockaddr_storage *out, const char *text, const char *path, const char *key,
	struct torap_error *err)
{
	if (!text || torap_address_parse(out, text))
		return 0;
	return torap_yaml_refuse(
		err, path, key, "\"%s\" is no address; write 0.0.0.0:7500 or [::]:7500", text);
}

static int set_duration(
	int64_t *out, const char *text, const char *path, const char *where, struct torap_error *err)
{
	if (!text)
		return 0;
	struct torap_error reason;
	if (torap_duration_parse(out, text, &reason))
		return torap_yaml_refuse(err, path, where, "%s", reason.text);
	if (*out <= 0)
		return torap_yaml_refuse(err, path, where, "must be longer than nothing");
	return 0;
}

static int set_limits(
	struct dc09_config *c, const struct raw_limits *raw, const char *path, struct torap_error *err)
{
	c->connections_max = CONNECTIONS_MAX;
	c->datagrams_max = DATAGRAMS_MAX;
	c->limits = dc09_limits_default;
	if (!raw)
		return 0;
	if (raw->connections)
		c->connections_max = *raw->connections;
	if (raw->datagrams)
		c->datagrams_max = *raw->datagrams;
	if (raw->noise)
		c->limits.noise_bytes = *raw->noise;
	if (!c->connections_max || c->connections_max > 1000000)
		return torap_yaml_refuse(err, path, "limits.connections", "connections must be 1 to 1000000");
	if (!c->datagrams_max || c->datagrams_max > 1000000)
		return torap_yaml_refuse(err, path, "limits.datagrams", "datagrams must be 1 to 1000000");
	int r = set_duration(&c->limits.idle_us, raw->idle, path, "limits.idle", err);
	r = r ? r : set_duration(&c->limits.first_us, raw->first, path, "limits.first", err);
	r = r ? r : set_duration(&c->limits.cut_us, raw->cut, path, "limits.cut", err);
	return r ? r : set_duration(&c->limits.answer_us, raw->answer, path, "limits.answer", err);
}

static int take(
	struct dc09_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	if (!raw->listen_tcp && !raw->listen_udp)
		return torap_yaml_refuse(
			err, path, "", "neither listen_tcp nor listen_udp: nobody could call");
	if (strncmp(raw->node, "ipc://", 6) != 0 || !raw->node[6])
		return torap_yaml_refuse(err, path, "node", "\"%s\" is no ipc:// endpoint", raw->node);
	int r = set_address(&c->tcp, raw->listen_tcp, path, "listen_tcp", err);
	r = r ? r : set_address(&c->udp, raw->listen_udp, path, "listen_udp", err);
	r = r ? r : set_limits(c, raw->limits, path, err);
	if (r)
		return r;
	c->path = strdup(path);
	c->node = torap_yaml_endpoint(path, raw->node);
	c->listen_tcp = raw->listen_tcp ? strdup(raw->listen_tcp) : NULL;
	c->listen_udp = raw->listen_udp ? strdup(raw->listen_udp) : NULL;
	c->keys = raw->keys ? torap_yaml_path(path, raw->keys) : NULL;
	c->metrics = raw->metrics ? strdup(raw->metrics) : NULL;
	if (!c->path || !c->node || (raw->listen_tcp && !c->listen_tcp) ||
		(raw->listen_udp && !c->listen_udp) || (raw->keys && !c->keys) ||
		(raw->metrics && !c->metrics))
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	return 0;
}

int dc09_config_load(struct dc09_config *out, const char *path, struct torap_error *err)
{
	struct raw_config *raw = NULL;
	int r = torap_yaml_load(path, &schema, (void **)&raw, err);
	if (r)
		return r;
	struct dc09_config c = { 0 };
	r = take(&c, raw, path, err);
	torap_yaml_free(&schema, raw);
	if (r) {
		dc09_config_finish(&c);
		return r;
	}
	*out = c;
	return 0;
}

void dc09_config_finish(struct dc09_config *c)
{
	free(c->path);
	free(c->listen_tcp);
	free(c->listen_udp);
	free(c->node);
	free(c->keys);
	free(c->metrics);
	*c = (struct dc09_config){ 0 };
}
