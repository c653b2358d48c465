/* consents.h: watches the consents of private sites, by reload and by time, and records each change as a `consent` event.
 *
 * The last word that was recorded stands in the table `consents`, in the same commit as its event, so that what changed while the
 * node was down is recorded too.  That nothing leaves without consent is not decided here: intake and uplinks ask consent.h
 * themselves, each time. */
#pragma once

#include <stddef.h>

#include "node/event.h"

struct node_batcher;
struct node_consents;
struct node_registry;
struct torap_error;
struct torap_kv;

int node_consents_create(struct node_consents **out, struct node_batcher *batcher, struct torap_kv *kv,
	struct torap_error *err);
struct node_consents *node_consents_destroy(struct node_consents *c); /* accepts NULL, returns NULL */

/* After each load of the registry, and once a second.  Looks at every device of a private site. */
void node_consents_tick(struct node_consents *c, const struct node_registry *registry, struct node_now now);
