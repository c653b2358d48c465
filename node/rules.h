/* rules.h: what can be reloaded without a restart: trust file, registry, mapping.
 *
 * Loaded as a whole and checked against each other: one bad file refuses all, and the caller goes on with what it has. */
#pragma once

#include "base/time.h"

struct node_config;
struct node_mapping;
struct node_registry;
struct torap_error;
struct torap_keys;
struct torap_trust;

struct node_rules {
	struct torap_trust *trust;
	struct node_registry *registry;
	struct node_mapping *mapping;
};

/* `keys` and `root` are ours and the root's public one.  `before`, when not NULL, is what is in force: an older trust file is refused.
 * The trust file must know this node by its name, with these keys, and let it speak for its region. */
int node_rules_load(struct node_rules *out, const struct node_config *config, const struct torap_keys *keys,
	const struct torap_keys *root, const struct node_rules *before, struct torap_wall now,
	struct torap_error *err);
void node_rules_finish(struct node_rules *rules);
