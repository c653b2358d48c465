/* config.h: the keys that the configuration of every agent has.
 *
 *     node: ipc:///run/torap/almaty.intake     the node on this host
 *     metrics: 127.0.0.1:9111                  optional; loopback only
 *
 * An agent's own struct of the file holds a struct kit_config_file, and its schema KIT_CONFIG_FIELDS(); then kit_config_take(). */
#pragma once

#include "conf/yaml.h"

struct torap_taking;

struct kit_config { /* strings are owned */
	char *path, *node;
	char *metrics; /* NULL: none */
};

struct kit_config_file {
	char *node, *metrics;
};

#define KIT_CONFIG_FIELDS(type, member)                                                                      \
	TORAP_YAML_TEXT("node", type, member.node, 4095), TORAP_YAML_MAY("metrics", type, member.metrics, 255)

/* See conf/take.h. */
void kit_config_take(struct torap_taking *t, struct kit_config *out, const struct kit_config_file *file);
void kit_config_finish(struct kit_config *c);
