/* requests_inside.h: what the files of requests share.  Private to them. */
#pragma once

#include <stdbool.h>

#include "node/entry.h"
#include "node/request_places.h"
#include "node/request_rows.h"
#include "node/requests.h"

struct node_request_slot {
	struct node_request asked; /* .id 0: free */
	struct torap_mono made;
	struct torap_mono kept_until; /* a start gives agents that have it time to come back */
	bool durable;
	bool before;  /* a former process has sent it: agents are only asked whether it is done */
	bool over;    /* done */
	bool leaving; /* its row is on its way off the disk */
	struct torap_buffer *body; /* NULL: none of the cameras may be asked any more */
};

struct node_requests {
	struct node_requests_options options;
	const struct node_registry *registry;
	struct node_places places;
	struct node_request_slot list[NODE_REQUESTS_MAX];
	uint64_t next_id, next_row;
	double tokens;
	struct torap_mono seen, filled_at, next_sweep, next_shed;
	uint64_t shed_told;
	struct node_requests_counts counts;
};

/* requests_say.c */

/* On its way to the disk: an event of ours, rows that come and go with it, or such rows alone. */
struct node_saying {
	struct node_entry entry;
	struct node_requests *requests;
	uint64_t request; /* 0: it is of alarms alone */
	bool shed;        /* that nobody is asked for those */
	char site[NODE_REGISTRY_ID_MAX + 1];
	struct node_unasked unasked; /* alarms whose rows go */
};

static inline struct node_request_slot *node_requests_find(struct node_requests *r, uint64_t id)
{
	struct node_request_slot *q = &r->list[id % NODE_REQUESTS_MAX];
	return q->asked.id == id && id ? q : NULL;
}

/* It has been sent: its row says so from now on, so that a kill does not make an agent look twice. */
void node_request_slot_sent(struct node_requests *r, struct node_request_slot *q);
/* NULL: memory ran out. */
struct node_saying *node_saying_begin(struct node_requests *r, uint64_t request);
/* The rows of the alarms that wait at the place go with it. */
void node_saying_add_alarms(struct node_saying *s, const struct node_place *p);
/* Gives it to the batcher.  False: there is no room now, and it is freed.  `event` NULL: memory ran out. */
bool node_saying_tell(struct node_saying *take, struct node_event *event);
/* The same for rows alone. */
bool node_saying_rows(struct node_saying *take);
