/* absent.h: the feeds of the policy that nobody receives now: why, since when, and how far behind their subscriber is by now.
 *
 * One record for each feed and lane, of the session that went last (a feed of several keys is away when all of them are); the records of
 * another policy's feeds go.  A record holds what the subscriber had acknowledged of each stream, a third of what its session took, so that its lag
 * grows as batches come.  Nothing of it outlives the process: after a restart a feed is `not-yet` here, and where it stands it says itself. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "broker/lag.h"

struct broker;
struct broker_absent;
struct broker_feed;
struct broker_policy_feed;

struct broker_absence {
	const char *why; /* as of broker_session_end(); NULL: it has not come since the start */
	struct torap_wall since;
	uint8_t key[4]; /* the first bytes of its last subscriber's */
	bool has_lag;   /* it is known where it stood */
	struct broker_lag lag;
};

struct broker_absent *broker_absent_create(void);                     /* NULL when memory ran out */
struct broker_absent *broker_absent_destroy(struct broker_absent *a); /* accepts NULL, returns NULL */

/* Its session ends, and it is in the audience no more.  Without memory it will look as if it had not come. */
void broker_absent_left(struct broker *b, const struct broker_feed *f);
/* Calls `each` for every lane of every feed that is valid now and has no session. */
void broker_absent_each(struct broker *b, struct torap_wall now,
	void (*each)(void *hint, const struct broker_policy_feed *feed, uint8_t lane,
		const struct broker_absence *a),
	void *hint);
