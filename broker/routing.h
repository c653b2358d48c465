/* routing.h: class to feeds.
 *
 * A memo holds, for each class that was seen, the feeds that are granted something of it and the parts of each, so that a batch
 * costs what its matching feeds cost, however many others there are.  The memo belongs to one policy and is dropped with it.
 * Classes come from writers, so the memo is bounded: when it is full it is dropped and fills again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/policy.h"
#include "wire/batch.h"

struct torap_error;
struct broker_routing;

enum { BROKER_MEMO_BYTES_MAX = 32 << 20 }; /* of lists, together */

struct broker_route {
	uint32_t feed; /* place in the policy */
	uint8_t parts; /* bit k: Torap__PartKind k */
};

struct broker_routes {
	const struct broker_route *list; /* by rising feed; valid until the next call */
	size_t count;
};

struct broker_memo_stats {
	size_t classes, bytes;
	uint64_t hits, misses, drops;
};

/* Takes a reference to the policy. */
int broker_routing_create(struct broker_routing **out, struct broker_policy *policy, struct torap_error *err);
struct broker_routing *broker_routing_destroy(struct broker_routing *r); /* accepts NULL, returns NULL */
/* Another policy: the memo is dropped and the version moves on.  0 or -ENOMEM, and then nothing has changed. */
int broker_routing_policy(struct broker_routing *r, struct broker_policy *policy);

struct broker_policy *broker_routing_in_force(const struct broker_routing *r);
/* Moves with every policy, so that what was derived from an older one can be told. */
uint64_t broker_routing_version(const struct broker_routing *r);
struct broker_memo_stats broker_routing_stats(const struct broker_routing *r);

/* The feeds of a class.  When memory ran out: none are found, *ok is false. */
struct broker_routes broker_routing_class(
	struct broker_routing *r, const struct torap_class *class, bool *ok);
/* The parts of a class that one feed is granted, as bits; 0: none. */
uint8_t broker_routing_parts(struct broker_routing *r, uint32_t feed, const struct torap_class *class);
/* The feeds to which anything of a batch belongs, by rising place.  *out is allocated (NULL when there is none).  0 or -ENOMEM. */
int broker_routing_batch(
	struct broker_routing *r, const struct torap_manifest *m, uint32_t **out, uint32_t *out_count);
