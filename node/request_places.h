/* request_places.h: sites that had an alarm, and the alarms of each that nobody was asked for yet.  Private to requests.
 *
 * A site has a place until its interval is over; a place with alarms that nobody was asked for stands on the list of those that wait. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/request_rows.h"

enum { NODE_PLACES_BUCKETS = 1024 };

/* Alarms of a site for which one request will stand. */
struct node_unasked {
	uint32_t count;
	struct node_alarm last;
	struct torap_mono since;  /* that the first of them waits */
	bool restored;            /* some of them are from before the start */
	struct node_wish *wishes; /* owned: those that have a row */
	uint32_t rows;            /* how many those are */
};

struct node_place {
	struct node_place *next, *next_waiting;
	char site[NODE_REGISTRY_ID_MAX + 1];
	struct node_unasked unasked; /* .count 0: it does not wait */
	bool asked, fresh;           /* fresh: unasked.since is not told yet */
	struct torap_mono asked_at;
	struct torap_mono pause_until; /* the disk had no room */
};

struct node_places { /* zeros: none */
	struct node_place *buckets[NODE_PLACES_BUCKETS];
	size_t count;
	struct node_place *waiting; /* what has just come stands first */
	size_t rows;                /* of all wishes, wherever they are */
};

/* NULL: it has none. */
struct node_place *node_places_find(struct node_places *places, const char *site);
/* NULL: there are too many, or memory ran out. */
struct node_place *node_places_make(struct node_places *places, const char *site);
/* One more alarm. */
void node_places_add(struct node_places *places, struct node_place *p, struct node_wish *take);
/* All of them; the caller takes the place off the list of those that wait. */
struct node_unasked node_place_take(struct node_place *p);
/* Those of which nothing could be told wait on, with what came since.  False: there is no place for them any more, and they are forgotten. */
bool node_places_give_back(struct node_places *places, const char *site, struct node_unasked *take,
	struct torap_mono pause_until);

/* Frees a wish, or those of several alarms. */
void node_places_forget(struct node_places *places, struct node_wish *take);
void node_places_forget_all(struct node_places *places, struct node_unasked *take);
/* Frees places that nobody waits at, whose interval is over. */
void node_places_sweep(struct node_places *places, int64_t interval_us, struct torap_mono now);
void node_places_finish(struct node_places *places);
