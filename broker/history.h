/* history.h: what writers sign about their streams, and where they contradict themselves.
 *
 * A fork (two batches under one number, or two digests of one batch) and a rollback (a head later in time and lower in number) are said
 * once per stream, in the log and as an event, counted each time, and kept as documents in the store's table of proofs, a few of each stream: the other document is
 * in the journal, or beside it.  Whoever is merely behind proves nothing. */
#pragma once

struct broker;
struct broker_stream;
struct torap_batch;
struct torap_buffer;
struct torap_head;

/* A verified head.  `from`: the writer or upstream that brought it. */
void broker_history_head(struct broker *b, struct broker_stream *s, const struct torap_head *head,
	struct torap_buffer *signed_head, const char *from);
/* A verified head of a stream of our own that came around: is it one that we made? */
void broker_history_own_head(struct broker *b, struct broker_stream *s, const struct torap_head *head,
	struct torap_buffer *signed_head, const char *from);
/* A verified batch that is not the one that stands here. */
void broker_history_fork(
	struct broker *b, struct broker_stream *s, const struct torap_batch *batch, const char *from);
