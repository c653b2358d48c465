/* arrival.h: a batch that was let in, from whoever: to the disk, and what becomes of it there.
 *
 * A stream may be brought by its writer and by upstreams at once.  Whoever is first gives it the next number; the same batch again is
 * compared with what stands here: dropped, or merged when it has frames that are missing.  When the disk has answered, everybody who
 * waits for this stream is: the writer is owed an acknowledgement, the upstreams too, and feeds get the batch, or get it again. */
#pragma once

struct broker;
struct broker_source;
struct broker_stream;
struct torap_batch;

/* Its next, or one that is here already.  Takes *batch.  0 or -ENOMEM, and then it stays. */
int broker_arrival(struct broker *b, struct broker_stream *s, struct torap_batch **take,
	const struct broker_source *source);
