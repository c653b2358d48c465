/* acceptance.h: the way of one observation through the node: judgement, repeats, supervision, batcher, verdict.
 *
 * Each observation gets exactly one verdict, at once (refused, a repeat of what is durable, a sign of life) or when what it became
 * is durable.  A repeat of what is still on its way to the disk gets its verdict with its original. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "node/event.h"
#include "proto/observation.pb-c.h"

struct node_acceptance;
struct node_batcher;
struct node_dedup;
struct node_mapping;
struct node_registry;
struct node_requests;
struct node_room;
struct node_subjects;
struct node_supervision;
struct node_unknown;
struct torap_error;

/* What the parts of an acceptance are; all borrowed and outliving it. */
struct node_acceptance_parts {
	struct node_batcher *batcher;
	struct node_dedup *dedup;
	struct node_supervision *supervision;
	struct node_unknown *unknown;
	struct node_subjects *subjects;
	const struct node_room *room;   /* NULL: there is always some */
	struct node_requests *requests; /* NULL: nobody is asked for pictures */
};

/* `reason` is a constant; "" unless refused. */
typedef void (*node_verdict)(
	void *hint, uint64_t session, uint64_t id, Torap__Verdict__Word word, const char *reason);

enum {
	NODE_IMAGES_WAITING_MAX =
		24 << 20 /* bytes of pictures that wait for the disk; beyond, they are refused as busy */
};

enum node_refusal {
	NODE_REFUSED_LIMIT,
	NODE_REFUSED_CONSENT,
	NODE_REFUSED_PLATE,
	NODE_REFUSED_BUSY,
	NODE_REFUSED_FULL,
	NODE_REFUSED_TOO_BIG,
	NODE_REFUSALS
};
const char *node_refusal_name(enum node_refusal refusal); /* "busy": a label of the metrics */

struct node_acceptance_counts {
	uint64_t durable, duplicate, alive, refused[NODE_REFUSALS];
	uint64_t shed[TORAP_LANES]; /* of the refused ones: for want of room, busy or full */
	uint64_t unmapped, unknown; /* of the durable ones */
};

int node_acceptance_create(struct node_acceptance **out, const struct node_acceptance_parts *parts,
	node_verdict verdict, void *hint, struct torap_error *err);
/* No entry of it may be with the batcher any more.  Accepts NULL, returns NULL. */
struct node_acceptance *node_acceptance_destroy(struct node_acceptance *a);

/* Borrowed until the next call; from then on observations are judged by these. */
void node_acceptance_rules(
	struct node_acceptance *a, const struct node_registry *registry, const struct node_mapping *mapping);

/* `session` comes back with the verdict.  The observation is only read; it keeps the limits (offer.h). */
void node_acceptance_offer(
	struct node_acceptance *a, uint64_t session, const Torap__Observation *o, struct node_now now);
/* One that does not. */
void node_acceptance_refuse_limit(
	struct node_acceptance *a, uint64_t session, uint64_t id, const char *reason);

const struct node_acceptance_counts *node_acceptance_counts(const struct node_acceptance *a);
