/* feed.h: one subscriber's session: a lane of a feed.
 *
 * For each stream that may concern it, it knows the next batch (course.h) and deals with that: from memory, or from the store by a
 * read (reader.h).  What is sent is cut to the grant (cut.h) and counts in the window until it is acknowledged; heads and heartbeats,
 * small and never acknowledged, do not.  A feed that is slow stays behind by itself: nothing is queued for it, so it holds nobody up. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "broker/feed_again.h"
#include "broker/lag.h"
#include "link/stall.h"
#include "link/window.h"

struct broker;
struct broker_feed_count;
struct broker_read;
struct broker_search;
struct broker_session;
struct broker_stream;
struct torap_buffer;
struct torap_envelope;
struct torap_error;
struct torap_hello;
struct torap_stream_position;

/* A stream that a feed follows. */
struct broker_follow {
	struct broker_stream *stream;
	uint64_t next;  /* the batch to deal with next */
	uint64_t begin; /* where the stream begins for the subscriber: what was before, it never had */
	uint64_t acked; /* flushed by the subscriber up to here */
	/* Batches that were mended and found no room among those that go once more.  One span: what lies between goes with them. */
	uint64_t again_from, again_to; /* again_to 0: none */
	uint64_t heads;                /* of the stream, when its head was last passed on */
	struct broker_lag_begin lag;   /* of the first batch after `acked`, once somebody asked */
	bool relevant; /* may hold something for the feed, by regions; false: left alone until that changes */
	bool damaged;  /* the store could not be read on; tried again at… */
	bool told;     /* …and the log knows */
	struct torap_mono again;
	bool flush;  /* manifests that wait go out now */
	bool active; /* in the queue */
	struct broker_follow *next_active;
};

struct broker_feed {
	struct broker *broker;
	struct broker_session *session;
	uint8_t lane;
	uint32_t place; /* in the policy */
	struct torap_window window;
	size_t kernel_bytes; /* what may lie in the socket's buffer; 0: what the system lets */
	struct torap_stall stall;
	bool clogged; /* stalled, and the kernel is full: a head or heartbeat more would only lie in our memory */
	struct broker_feed_count *count;

	struct broker_follow **follows; /* by the stream's place in its lane; NULL: not followed */
	size_t follows_room;
	struct broker_follow *active_first, **active_end;

	/* What the subscriber said of streams: for those that appear later. */
	struct torap_stream_position *cursor;
	size_t cursor_count;

	struct broker_search *search; /* where to begin, while that is being found; then comes the welcome */
	bool welcomed;
	struct broker_read *reading;    /* under way… */
	struct broker_read *held;       /* …and read, not yet all sent */
	struct broker_follow *read_for; /* whose they are */

	struct broker_again *again; /* a ring of what goes out once more, when there is any */
	size_t again_first, again_count;
	bool again_more;                        /* a stream has a span of what found no room */
	struct broker_read *again_reading;      /* under way, of the first */
	const struct broker_follow *again_sent; /* one of its batches is not acknowledged yet */
	size_t again_bytes; /* of the first, which was read and found no room in the window; 0: not known */

	bool ready; /* in the broker's list */
	struct broker_feed *next_ready;
	struct broker_feed *next_same; /* of the audience */
};

/* Takes part in a session: sends the welcome, at once or when the begin was found.  0, or the code of a refusal with its reason. */
int broker_feed_create(
	struct broker_feed **out, struct broker_session *s, struct torap_hello *h, const char **reason);
struct broker_feed *broker_feed_destroy(struct broker_feed *f); /* accepts NULL, returns NULL */

/* 0, or -EBADMSG with the reason: the session ends. */
int broker_feed_message(struct broker_feed *f, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count, struct torap_error *err);
/* A batch of the stream that holds something for it was flushed. */
void broker_feed_offer(struct broker_feed *f, const struct broker_stream *stream);
/* A stream of its lane that was not there before. */
void broker_feed_appeared(struct broker_feed *f, struct broker_stream *stream);
/* Several times a second; `flush`: passes on what waits, manifests that hold nothing for it and new heads, in one go. */
void broker_feed_tick(struct broker_feed *f, bool flush);
/* Is it still admitted, now?  Else the session ends. */
void broker_feed_judge(struct broker_feed *f, struct torap_wall now);
/* Another policy or trust file: judged anew, by name; a changed grant holds from here on. */
void broker_feed_rules(struct broker_feed *f, struct torap_wall now, bool rows_changed);

/* What the subscriber has not flushed. */
struct broker_lag broker_feed_lag(const struct broker_feed *f, struct torap_wall now);
