/* cameras.h: whose recordings are asked for, and when next.  Pure: it is told `now`.
 *
 * Each camera once a day, at a moment of its own that depends on its name, so that recorders are asked evenly; those that are new (all,
 * at the start) within the same time from now.  A recorder that does not answer is asked again half an hour later, three times in all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/kit/kit.h"
#include "base/time.h"

enum { ARCHIVE_TRIES = 3, ARCHIVE_RETRY_S = 1800 };

struct archive_camera {
	char *address; /* owned, as are all strings */
	char *site, *profile, *recorder, *recording, *key_name, *switch_name, *street;
	uint32_t region;         /* KATO */
	struct torap_wall since; /* in service since; 0: long ago */
	struct torap_wall next;  /* when it is due */
	uint64_t number;         /* never used twice */
	unsigned tries;          /* of this day, without an answer */
	bool running;
};

/* Zero is empty. */
struct archive_cameras {
	struct archive_camera *list; /* sorted by address */
	size_t count;
	size_t at; /* where the last search for one that is due ended */
	uint64_t numbers;
};

/* The day's window for audits, by the place's clock. */
struct archive_window {
	int32_t utc_offset_s;
	uint32_t at_s, over_s;
};

/* Takes over what the node's registry says; a camera that was there keeps its moment.  0 or -ENOMEM: then nothing has changed. */
int archive_cameras_set(struct archive_cameras *c, const struct kit_row *rows, size_t count,
	const struct archive_window *w, struct torap_wall now);
void archive_cameras_finish(struct archive_cameras *c);

/* One that is due, not running, and of which `busy` does not say that its recorder is; NULL: none.  In turn, so that no camera starves. */
struct archive_camera *archive_cameras_due(struct archive_cameras *c, struct torap_wall now,
	bool (*busy)(void *hint, const struct archive_camera *camera), void *hint);
struct archive_camera *archive_cameras_find(struct archive_cameras *c, uint64_t number);

/* It was asked: until tomorrow. */
void archive_camera_done(struct archive_camera *c, const struct archive_window *w, struct torap_wall now);
/* What was asked could not be told: once more, so much later. */
void archive_camera_again(struct archive_camera *c, int seconds, struct torap_wall now);
/* It did not answer.  True: this was the last try of the day, and it is done. */
bool archive_camera_failed(struct archive_camera *c, const struct archive_window *w, struct torap_wall now);
