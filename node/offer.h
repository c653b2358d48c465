/* offer.h: the observations of an Offer, one by one, each decoded in bounded memory and held against the contract's limits.
 *
 * An offer is taken apart by hand: decoding it as a whole would let two bytes a piece ask for hundreds. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "proto/observation.pb-c.h"
#include "wire/arena.h"

enum node_offer_answer {
	NODE_OFFER_END = 1,
	NODE_OFFER_MALFORMED, /* the offer or this observation cannot be decoded: what follows is lost, too */
	NODE_OFFER_REFUSED,   /* this observation breaks a limit; what follows is as good as any */
};

struct node_offer_refusal {
	uint64_t id;
	const char *reason; /* a constant */
};

/* 0 or more; SIZE_MAX: it cannot be taken apart. */
size_t node_offer_count(struct torap_bytes body);
/* The next observation, from the arena, valid until its next reset.  0 or an answer. */
int node_offer_next(struct torap_reader *body, struct torap_arena *arena, Torap__Observation **out,
	struct node_offer_refusal *refusal);
