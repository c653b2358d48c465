/* feed_again.h: batches that a subscriber is sent once more, because frames of them were missing when it got them.
 *
 * Either this broker's own hole was filled meanwhile, or the subscriber says in a position that it lacks frames.  Such a batch goes beside
 * the order, by the same cut and within the same window, one at a time.  Of one that was mended here and holds nothing for the subscriber it
 * hears nothing.  What it asked for it is sent, if only the manifest, for that may be what is damaged there; but not when nothing of what
 * it is granted is held here.
 * Bounded: a question that finds no room is asked again by the subscriber, in its own time; what came here and finds none becomes a span of its
 * stream, which goes when the others have gone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct broker_feed;
struct broker_follow;
struct broker_stream;
struct torap_stream_position;

enum { BROKER_AGAIN_MAX = 1024 }; /* waiting, of one session */

struct broker_again {
	struct broker_follow *follow;
	uint64_t batch_no;
	bool asked; /* by the subscriber */
};

/* What the subscriber lacks of a stream, says its position. */
void broker_feed_asked(struct broker_feed *f, const struct torap_stream_position *position);
/* A batch has frames that it had not: whoever is past it gets it once more, and who reads it now reads it anew. */
void broker_feed_mended(struct broker_feed *f, struct broker_stream *stream, uint64_t batch_no);
/* The subscriber acknowledged something of the stream: also what it was sent once more. */
void broker_feed_again_acked(struct broker_feed *f, const struct broker_follow *w);
/* Sends the next, if there is one and room for it. */
void broker_feed_again_pump(struct broker_feed *f);
void broker_feed_again_finish(struct broker_feed *f);
