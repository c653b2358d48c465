/* verify.h: checks again all that a directory holds: is it complete, unaltered and in order, and if not, exactly what is wrong?
 *
 * Nothing that the receiving process concluded is believed: the trust file is checked with the root key, every manifest's signature
 * and place in the chain, every frame's digest, that each frame that the feed was granted is there or has a reason, that
 * the cursor says what is there, and that no head or other document proves a fork or a rollback.
 * Reads only; also while a subscriber writes to the directory: what it adds meanwhile is not looked at. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/time.h"
#include "wire/stream.h"

struct torap_error;

struct follow_problem {
	bool has_stream;
	struct torap_stream_id stream;
	uint64_t batch_no; /* 0: the stream as a whole */
	int frame;         /* -1: the batch as a whole */
	const char *what;  /* "bad-signature", "missing-batch", "bad-digest"…: stable, README.md */
	char text[256];    /* for people */
	bool has_signer;
	uint8_t signer[TORAP_KEY_ID_SIZE]; /* the key that signed the manifest or head */
};

struct follow_lagging { /* not an error: a head says that there is more */
	struct torap_stream_id stream;
	uint64_t batches;
	struct torap_wall head_at;
};

struct follow_verify_options {
	const uint8_t *root; /* 32 bytes */
	void (*on_problem)(void *hint, const struct follow_problem *p);
	void (*on_lagging)(void *hint, const struct follow_lagging *l);
	void *hint;
};

struct follow_verified {
	uint64_t streams, batches, events; /* events: those whose open part is there */
	uint64_t omitted;                  /* granted frames that are not there for a reason */
	uint64_t lagging, problems;
};

/* 0: looked at everything; problems may be many.  Negative: the directory cannot be read at all. */
int follow_verify(struct follow_verified *out, const char *dir, const struct follow_verify_options *options,
	struct torap_error *err);
