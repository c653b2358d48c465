/* feed_send.h: the sending half of a feed: what goes out, in which order, within the window. */
#pragma once

struct broker_feed;
struct broker_follow;

/* It may have something to send: it gets its turn. */
void broker_feed_ready(struct broker_feed *f);
/* The stream may have something for it: the same, for this stream. */
void broker_feed_activate(struct broker_feed *f, struct broker_follow *w);
/* Sends what may be sent, in turn over the streams. */
void broker_feed_pump(struct broker_feed *f);
/* What was read under another grant is not good any more. */
void broker_feed_forget_reads(struct broker_feed *f);
