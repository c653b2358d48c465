/* check.h: is what a journal holds complete, unaltered and in order, and if not, exactly what is wrong?
 *
 * Nothing that the journal concluded is believed: each stream is walked from its begin to the end that its head names; every manifest is
 * decoded, its place in the chain and (given keys) its signature checked, every frame's length and digest, and what the notes say.
 * What is damaged is reported and passed over, so one fault never hides the next.
 *
 * Reads only, in transactions of a few batches: also beside a process that writes, whose old pages they do not hold for long.  What is
 * appended meanwhile is not looked at. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "store/journal.h"
#include "wire/verify.h"

struct torap_error;

struct torap_check_finding {
	bool has_stream;
	struct torap_stream_id stream;
	uint64_t batch_no; /* 0: the stream as a whole */
	int frame;         /* -1: the batch as a whole */
	const char *what;  /* "missing-batch", "bad-digest", "broken-chain"…: stable, README.md */
	char text[256];    /* for people */
	bool has_signer;
	uint8_t signer[TORAP_KEY_ID_SIZE]; /* the key that signed the manifest */
};

struct torap_check_counts {
	uint64_t streams, batches, frames; /* looked at */
	uint64_t omitted;                  /* frames that are not there for a reason */
	uint64_t findings;
};

struct torap_check_options {
	torap_key_lookup lookup; /* NULL: signatures are not checked */
	void *lookup_hint;
	void (*on_finding)(void *hint, const struct torap_check_finding *f);
	/* A batch that could be read, after what was found in it; the transaction is the walk's.  May be NULL. */
	void (*on_batch)(void *hint, struct torap_kv_txn *txn, const struct torap_batch *batch);
	/* Now and then: so many of so many batches were walked.  May be NULL. */
	void (*on_progress)(void *hint, uint64_t done, uint64_t all);
	void *hint;
};

/* Every stream, and that the table of streams agrees with itself.  0 when all was looked at, whatever was found; or negative: the tables
 * themselves cannot be read on. */
int torap_check_journal(struct torap_kv *kv, const struct torap_check_options *options,
	struct torap_check_counts *counts, struct torap_error *err);

/* One stream from `at` on (next_seq 0, no digest: taken as they come) to head->last_batch.  On return *at is behind the last batch, or
 * behind what is missing at the end.  Says nothing of the head itself. */
void torap_check_stream(struct torap_kv *kv, const struct torap_journal_head *head, struct torap_position *at,
	const struct torap_check_options *options, struct torap_check_counts *counts);
