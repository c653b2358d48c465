/* unknown.h: observations from devices that the registry does not know: reported, counted, never dropped.
 *
 * The first makes an `unknown_device` event.  Those of the following minute are counted, each durable before it is acknowledged
 * (table `unknown`), and told by one event at the minute's end; a minute without any ends the account.  Whoever scans addresses
 * fills NODE_UNKNOWN_MAX accounts; all others of a protocol share one, with the address "*".  Whoever scans protocols, too, fills
 * NODE_UNKNOWN_PROTOCOLS_MAX of these; all others share one more, with the protocol "*". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "node/event.h"
#include "proto/observation.pb-c.h"

struct node_batcher;
struct node_entry;
struct torap_error;
struct torap_kv;
struct node_unknown;
struct node_account;

enum { NODE_UNKNOWN_MAX = 4096, NODE_UNKNOWN_PROTOCOLS_MAX = 64, NODE_UNKNOWN_MINUTE_MS = 60 * 1000 };

struct node_unknown_options {
	struct node_batcher *batcher; /* for the events at a minute's end */
	uint32_t region;              /* the node's */
};

/* Reads what a former process counted; its minutes go on.  Blocks; before the loop runs. */
int node_unknown_create(struct node_unknown **out, const struct node_unknown_options *options,
	struct torap_kv *kv, struct node_now now, struct torap_error *err);
struct node_unknown *node_unknown_destroy(struct node_unknown *u); /* accepts NULL, returns NULL */

/* Fills event or writes of the entry.  Returns the account, for node_unknown_settle(); NULL when memory ran out. */
struct node_account *node_unknown_see(
	struct node_unknown *u, const Torap__Observation *o, struct node_entry *entry, struct node_now now);
/* The entry is durable, or was not kept.  `reported`: it had an event. */
void node_unknown_settle(struct node_account *a, bool reported, bool durable);

/* Once a second: the minutes that have ended. */
void node_unknown_tick(struct node_unknown *u, struct node_now now);
size_t node_unknown_accounts(const struct node_unknown *u);
