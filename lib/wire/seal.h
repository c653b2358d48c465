/* seal.h: makes sealed batches of events.
 *
 * A sealer belongs to one stream.  Events are added one by one and numbered as they come; torap_sealer_seal() closes the batch,
 * signs its manifest and chains it to the one before.  In the lanes normal and bulk it compresses open frames when that pays. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/time.h"
#include "wire/batch.h"
#include "wire/sign_key.h"

struct torap_error;

/* An event on its way into a batch, packed: EventOpen (always), EventPersonal and EventImage without the field `offset`, which the
 * sealer writes before them.  A part without data does not exist. */
struct torap_packed_event {
	struct torap_class class;
	bool has_subject;
	uint8_t subject[TORAP_SUBJECT_SIZE];
	struct torap_bytes parts[3]; /* borrowed */
};

/* The same as structs, for those who make few; `offset` is not read. */
struct torap_event {
	struct torap_class class;
	bool has_subject;
	uint8_t subject[TORAP_SUBJECT_SIZE];
	Torap__EventOpen *open;         /* always */
	Torap__EventPersonal *personal; /* or NULL */
	Torap__EventImage *image;       /* or NULL */
};

struct torap_sealer;

enum torap_seal_answer {
	TORAP_SEAL_FULL = 1, /* the batch must be sealed first: events, groups or bytes are at their limit */
	TORAP_SEAL_TOO_BIG,  /* the event alone breaks a limit: it can never be sealed as it is */
};

/* Continues a stream: `last_batch` 0 and next_seq 1 for a new one.  Borrows the key for its whole life. */
int torap_sealer_create(struct torap_sealer **out, const struct torap_stream_id *stream, uint64_t last_batch,
	uint64_t next_seq, const uint8_t last_digest[static TORAP_DIGEST_SIZE],
	const struct torap_sign_key *key, struct torap_error *err);
struct torap_sealer *torap_sealer_destroy(struct torap_sealer *s); /* accepts NULL, returns NULL */

/* *out_seq: the number it got.  0, an answer above, -EINVAL for a class of another lane or a region past TORAP_REGION_MAX,
 * -ENOMEM: nothing has changed then.  Texts must be UTF-8: readers in other languages refuse a whole frame for one that is not. */
int torap_sealer_add(struct torap_sealer *s, const struct torap_event *event, uint64_t *out_seq);
int torap_sealer_add_packed(
	struct torap_sealer *s, const struct torap_packed_event *event, uint64_t *out_seq);
/* From now on a batch takes at most so many bytes, in the sense of torap_sealer_size(), so before compression; 0: as many as the format
 * allows.  An event that would pass them finds the batch FULL; one that does so alone is alone in its batch. */
void torap_sealer_limit(struct torap_sealer *s, size_t size_max);
unsigned torap_sealer_count(const struct torap_sealer *s); /* events in the open batch */
/* What torap_batch_size() of the batch will not pass, manifest included; 0 when it is empty.  Compression is not foreseen. */
size_t torap_sealer_size(const struct torap_sealer *s);
uint64_t torap_sealer_next_seq(const struct torap_sealer *s);
/* What a stream's batches and heads are dated never goes back, or an old head that a lagging broker still shows would look later than
 * a newer one: a rollback that never was.  So the clock may go back, and the dates wait for it.  Over a restart too: a head is dated at
 * most TORAP_HEAD_AHEAD_S after its stream's last batch (that of an empty stream not at all), so whoever continues the stream knows how
 * late any head of it can be, without having kept it. */
enum { TORAP_HEAD_AHEAD_S = 120 };
/* For a sealer that continues a stream: when the last batch that is durable was sealed.  `before` is the sealer of this process that
 * it takes over from; NULL after a restart. */
void torap_sealer_dated(
	struct torap_sealer *s, struct torap_wall last_sealed_at, const struct torap_sealer *before);
/* Closes the batch.  It must not be empty.  Salts are random.  `sealed_at` is kept within the key's time, and from going back.
 * After a failure the batch is still open. */
int torap_sealer_seal(struct torap_sealer *s, struct torap_wall sealed_at, struct torap_batch **out,
	struct torap_error *err);
/* What heads say from now on: a canary comes so often (rounded up to seconds); 0: nothing. */
void torap_sealer_canary(struct torap_sealer *s, int64_t period_us);
/* A signed head of what has been sealed so far: the bytes of a SignedHead. */
struct torap_buffer *torap_sealer_head(struct torap_sealer *s, struct torap_wall at);
