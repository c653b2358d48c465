/* teller.h: what the node has not heard of yet, one after the other until it is durable there.
 *
 * What lies in the folder is read when its turn comes, so that a day without a node costs some bytes for each; a file that is not what its
 * digest says any more is told as damaged.  What the node refuses (its consent is over, say) lets the others pass, and comes again ever
 * later; so does what is durable and cannot be settled in the folder, without being told again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/kit/kit.h"
#include "agents/rtsp/evidence/jobs.h"
#include "agents/rtsp/evidence/occasion.h"
#include "agents/rtsp/evidence/store.h"
#include "agents/rtsp/evidence/telling.h"

enum { RTSP_TELLS_MAX = 1 << 17, RTSP_REASON_MAX = 47 };

struct rtsp_tell_entry {
	struct rtsp_tell_entry *next;
	enum rtsp_told_of what;
	char name[RTSP_ITEM_NAME_SIZE]; /* in the store */
	struct rtsp_item *item;         /* owned; of what is missing, for that lies nowhere */
	char reason[RTSP_REASON_MAX + 1];
	struct rtsp_occasion occasion;
	struct torap_wall stored;         /* once it was read */
	struct torap_mono refused, again; /* since when the node refuses it, 0: it does not */
	uint32_t refusals;                /* of the node, or of the folder once it is durable */
	bool durable;                     /* and not settled in the folder yet */
	bool lingers;                     /* was said to */
};

struct rtsp_teller {
	struct rtsp_jobs *jobs; /* borrowed, as the next three */
	struct rtsp_store *store;
	struct rtsp_requests *requests;
	void *hint;
	/* The event of what was stored, be it damaged meanwhile, is durable; it has left `pending`. */
	void (*on_told)(void *hint, const char *name, struct torap_wall stored);
	/* It stays in `pending` for a long time: the node has refused its event for an hour (or it cannot be read), or it is told and the folder
	 * does not let it leave.  Once for each; it is tried again all the same. */
	void (*on_lingers)(void *hint, const char *name, struct torap_wall stored);
	/* private */
	struct rtsp_tell_entry *first, **last, *current; /* current: it is off the list */
	bool offered;
	uint32_t count; /* current included */
	uint32_t stuck; /* of these: durable */
	struct rtsp_telling telling;
	uint64_t told[RTSP_TELL_COUNT], refused, lost; /* no room, or missing ones that a day did not take */
};

void rtsp_teller_init(struct rtsp_teller *t);
void rtsp_teller_finish(struct rtsp_teller *t);
/* Each takes over the occasion, also when there is no room. */
void rtsp_teller_stored(
	struct rtsp_teller *t, const char *name, struct rtsp_occasion *take, struct torap_mono now);
void rtsp_teller_missing(struct rtsp_teller *t, const struct rtsp_item *item, const char *reason,
	struct rtsp_occasion *take, struct torap_mono now);
void rtsp_teller_deleted(struct rtsp_teller *t, const char *name, const char *reason, struct torap_mono now);
/* Goes on, if the node is there.  The tag of what is offered is { 0, RTSP_TELLER_TAG }. */
enum { RTSP_TELLER_TAG = 1 };
void rtsp_teller_step(struct rtsp_teller *t, struct kit *kit, struct torap_mono now, struct torap_wall wall);
void rtsp_teller_verdict(struct rtsp_teller *t, enum kit_verdict verdict, struct torap_mono now);
