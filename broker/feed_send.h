/* feed_send.h: the sending half of a feed: what goes out, in which order, within the window. */
#pragma once

#include <stdbool.h>

struct broker_feed;
struct broker_follow;
struct torap_batch;

/* It may have something to send: it gets its turn. */
void broker_feed_ready(struct broker_feed *f);
/* The stream may have something for it: the same, for this stream. */
void broker_feed_activate(struct broker_feed *f, struct broker_follow *w);
/* Sends what may be sent, in turn over the streams. */
void broker_feed_pump(struct broker_feed *f);
/* Sends a batch that was cut.  False: the session has ended. */
bool broker_feed_send_view(struct broker_feed *f, const struct torap_batch *view);
/* What was read under another grant is not good any more. */
void broker_feed_forget_reads(struct broker_feed *f);
