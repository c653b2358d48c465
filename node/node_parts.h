/* node_parts.h: makes the parts of a node and joins them: who tells what to whom.  Private to node.c, which runs and ends them, and to
 * reload.c. */
#pragma once

#include <stdint.h>

#include "base/limits.h"
#include "node/event.h"

struct node;
struct node_config;
struct torap_error;

/* In the order of node.h, after the handles and the files.  On failure what was made stays, for node_stop() and node_destroy(). */
int node_parts_create(struct node *n, struct node_now now, struct torap_error *err);
/* The public key of each broker of the configuration, by its place there. */
int node_load_broker_keys(
	uint8_t (*out)[TORAP_CURVE_KEY_SIZE], const struct node_config *config, struct torap_error *err);
