/* pace.h: how often a peer may say hello.
 *
 * A hello costs more than it weighs: it ends a session, begins another, and leaves two events of oversight and some lines of log.  Each
 * (CURVE key, role, lane) has a bucket of its own, so that a feed gone mad in one lane takes nothing from its other lanes, nor from
 * anybody else; what a key says without a role and a lane has one, too (0, 0).  Only keys that are admitted come this far, and a bucket that is full again is forgotten: so the table is bounded by
 * the keys; beyond BROKER_PACES_MAX, or without memory, the answer is no.  No I/O, no clock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/time.h"

enum {
	BROKER_PACE_BURST = 8,       /* hellos at once… */
	BROKER_PACE_EVERY_MS = 1000, /* …and then one in so long */
	BROKER_PACES_MAX = 7 * 16384,
};

struct broker_pace;

struct broker_pace *broker_pace_create(void);                   /* NULL when memory ran out */
struct broker_pace *broker_pace_destroy(struct broker_pace *p); /* accepts NULL, returns NULL */

/* A hello came.  False: too many of them. */
bool broker_pace_take(struct broker_pace *p, const uint8_t key[static TORAP_CURVE_KEY_SIZE], uint8_t role,
	uint8_t lane, struct torap_mono now);
/* Now and then: forgets those that have long been quiet. */
void broker_pace_sweep(struct broker_pace *p, struct torap_mono now);
size_t broker_pace_count(const struct broker_pace *p); /* buckets that are remembered */
