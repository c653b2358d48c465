#include "agents/dc09/config.h"

#include <stdlib.h>

#include "base/error.h"
#include "conf/take.h"
#include "loop/address.h"

enum { CONNECTIONS_MAX = 10240, DATAGRAMS_MAX = 4096, ROOM_MAX = 1000000, NAME_MAX_SIZE = 4095 };
static const struct torap_range lasting = { 1, INT64_MAX, "must be longer than nothing" };

/* The file as libcyaml gives it. */
struct raw_limits {
	unsigned *connections, *datagrams, *noise;
	char *idle, *first, *cut, *answer;
};

struct raw_config {
	struct kit_config_file kit;
	char *listen_tcp, *listen_udp, *keys;
	struct raw_limits *limits;
};

static const cyaml_schema_field_t limits_fields[] = {
	TORAP_YAML_MAY_NUMBER("connections", struct raw_limits, connections),
	TORAP_YAML_MAY_NUMBER("datagrams", struct raw_limits, datagrams),
	TORAP_YAML_MAY_NUMBER("noise", struct raw_limits, noise),
	TORAP_YAML_MAY("idle", struct raw_limits, idle, 32),
	TORAP_YAML_MAY("first", struct raw_limits, first, 32),
	TORAP_YAML_MAY("cut", struct raw_limits, cut, 32),
	TORAP_YAML_MAY("answer", struct raw_limits, answer, 32),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
	KIT_CONFIG_FIELDS(struct raw_config, kit),
	TORAP_YAML_MAY("listen_tcp", struct raw_config, listen_tcp, 255),
	TORAP_YAML_MAY("listen_udp", struct raw_config, listen_udp, 255),
	TORAP_YAML_MAY("keys", struct raw_config, keys, NAME_MAX_SIZE),
	CYAML_FIELD_MAPPING_PTR(
		"limits", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_config, limits, limits_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_config, config_fields) };

static void take_address(struct torap_taking *t, char **out, struct sockaddr_storage *address,
	const char *text, const char *where)
{
	if (!t->failed && text && !torap_address_parse(address, text))
		t->failed = torap_yaml_refuse(t->err, t->path, where,
			"\"%s\" is no address; write 0.0.0.0:7500 or [::]:7500", text);
	torap_take_text(t, out, text);
}

static void take_limits(struct torap_taking *t, struct dc09_config *c, const struct raw_limits *raw)
{
	torap_take_number(t, &c->connections_max, raw->connections, ROOM_MAX, "limits.connections");
	torap_take_number(t, &c->datagrams_max, raw->datagrams, ROOM_MAX, "limits.datagrams");
	if (raw->noise)
		c->limits.noise_bytes = *raw->noise;
	torap_take_duration(t, &c->limits.idle_us, raw->idle, &lasting, "limits.idle");
	torap_take_duration(t, &c->limits.first_us, raw->first, &lasting, "limits.first");
	torap_take_duration(t, &c->limits.cut_us, raw->cut, &lasting, "limits.cut");
	torap_take_duration(t, &c->limits.answer_us, raw->answer, &lasting, "limits.answer");
}

static int take(
	struct dc09_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	struct torap_taking t = { path, err, 0 };
	if (!raw->listen_tcp && !raw->listen_udp)
		t.failed = torap_yaml_refuse(
			err, path, "", "neither listen_tcp nor listen_udp: nobody could call");
	kit_config_take(&t, &c->kit, &raw->kit);
	take_address(&t, &c->listen_tcp, &c->tcp, raw->listen_tcp, "listen_tcp");
	take_address(&t, &c->listen_udp, &c->udp, raw->listen_udp, "listen_udp");
	torap_take_path(&t, &c->keys, raw->keys);
	c->connections_max = CONNECTIONS_MAX;
	c->datagrams_max = DATAGRAMS_MAX;
	c->limits = dc09_limits_default;
	if (raw->limits)
		take_limits(&t, c, raw->limits);
	return t.failed;
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
	kit_config_finish(&c->kit);
	free(c->listen_tcp);
	free(c->listen_udp);
	free(c->keys);
	*c = (struct dc09_config){ 0 };
}
