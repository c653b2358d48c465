/* absent.h: the subscribers of the policy that are not here now: why, since when, and how far behind they are by now.
 *
 * Each key of a feed is a subscriber that is expected.  One record for each feed, key and lane, of the session that went last; those of
 * feeds and keys that another policy does not name go.  A record holds what the subscriber had acknowledged of each stream, a third of what its session took, so that its lag
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
	bool has_lag; /* it is known where it stood */
	struct broker_lag lag;
};

struct broker_absent *broker_absent_create(void);                     /* NULL when memory ran out */
struct broker_absent *broker_absent_destroy(struct broker_absent *a); /* accepts NULL, returns NULL */

/* Its session ends, and it is in the audience no more.  Without memory it will look as if it had not come. */
void broker_absent_left(struct broker *b, const struct broker_feed *f);
/* Calls `each` for every key and lane of every feed that is valid now and has no session of that key. */
void broker_absent_each(struct broker *b, struct torap_wall now,
	void (*each)(void *hint, const struct broker_policy_feed *feed, const uint8_t *key, uint8_t lane,
		const struct broker_absence *a),
	void *hint);
