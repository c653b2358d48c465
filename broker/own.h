/* own.h: the broker's own stream, in three lanes: who looked, what was loaded, who exceeded their rights, which link was lost, and
 * the canaries.
 *
 * An event waits in a sealer until the end of the turn; then a batch is sealed, flushed and routed like any other.  One batch of a
 * lane is on its way to the disk at a time: should the store be full it waits and is tried again with the same number.  Heads speak
 * only of what is on the disk.  The incarnation was made with the store, so the stream goes on where the store ends. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

struct broker;
struct broker_own;
struct broker_stream;
struct torap_error;
struct torap_sweep_account;

/* After the streams were read from the store. */
int broker_own_create(struct broker_own **out, struct broker *b, struct torap_error *err);
struct broker_own *broker_own_destroy(struct broker_own *o); /* accepts NULL, returns NULL */

void broker_own_access(
	struct broker_own *o, const char *feed, const char *peer_key, uint32_t lane, bool opened);
/* `digest` with a policy that was loaded, `reason` with one that was refused; the other is NULL. */
void broker_own_policy(struct broker_own *o, const char *file, const char *digest, const char *reason);
/* Summed up: a writer that claims what is not its own may not fill our stream with its every batch. */
void broker_own_rights_exceeded(
	struct broker_own *o, struct broker_stream *stream, uint64_t batch_no, unsigned groups);
/* A stream's writer contradicted itself: "fork" or "rollback".  Said once for each stream. */
void broker_own_history(struct broker_own *o, const struct broker_stream *stream, uint64_t batch_no,
	const char *what, const char *from);
/* `what`: "damaged" or "mended": so many batches, this one the last. */
void broker_own_storage(struct broker_own *o, const char *what, const struct broker_stream *stream,
	uint64_t batch_no, unsigned batches);
/* Frames were deleted.  The event's number in the normal lane; 0: there is no room for it now. */
uint64_t broker_own_deletion(struct broker_own *o, const struct torap_sweep_account *account);
/* Is this event of the normal lane on the disk? */
bool broker_own_is_flushed(const struct broker_own *o, uint64_t seq);
/* A writer's link came or went; links.h says what of that is an event.  The reason is a constant. */
void broker_own_link_here(struct broker_own *o, const char *writer, uint32_t lane);
void broker_own_link_gone(struct broker_own *o, const char *writer, uint32_t lane, const char *reason);
/* Why and when a writer's link went last.  NULL: not since the start, or it is here. */
const char *broker_own_link_lost(
	const struct broker_own *o, const char *writer, uint32_t lane, struct torap_mono *out_since);
/* The same of our link to an upstream. */
void broker_own_upstream_here(struct broker_own *o, const char *upstream, uint32_t lane);
void broker_own_upstream_gone(struct broker_own *o, const char *upstream, uint32_t lane, const char *reason);

/* Is it written by us? */
bool broker_own_writes(const struct broker_own *o, const struct broker_stream *stream);

/* End of a turn: seals and submits what waits. */
void broker_own_turn(struct broker_own *o);
/* Several times a second: canaries, heads, batches that found no room. */
void broker_own_tick(struct broker_own *o, struct torap_mono now);
uint64_t broker_own_lost(const struct broker_own *o); /* events for which there was no room at all */
