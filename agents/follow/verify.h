/* verify.h: checks again all that a directory holds: is it complete, unaltered and in order, and if not, exactly what is wrong?
 *
 * Nothing that the receiving process concluded is believed: the trust file is checked with the root key, every manifest's signature
 * and place in the chain, every frame's digest, that each frame that the feed was granted is there or has a reason, that
 * the cursor says what is there, and that no head or other document proves a fork or a rollback.  What writers never said is not known: so
 * it tells up to when each of their lanes is known to be whole, and of whom nothing came.
 * Reads only; also while a subscriber writes to the directory: what it adds meanwhile is not looked at. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/follow/reach.h"
#include "base/limits.h"
#include "base/time.h"
#include "link/grant.h"
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

struct follow_omission { /* a granted frame that is not there for a reason that its broker gave: nobody signed it */
	struct torap_stream_id stream;
	uint64_t batch_no;
	int frame;
	const char *part; /* "open"… */
	int reason;       /* Torap__OmissionReason */
};

struct follow_verify_options {
	const uint8_t *root; /* 32 bytes */
	/* What the feed should be granted, whatever its broker grants: what is not there of it is a problem.  May be NULL. */
	const struct torap_grant_row *expected;
	size_t expected_count;
	const char (*writers)[TORAP_WRITER_ID_MAX + 1]; /* of whom something must be here in each lane */
	size_t writers_count;
	struct torap_wall
		as_of; /* a lane that is not known to be whole up to then is a problem; 0: not asked */
	void (*on_problem)(void *hint, const struct follow_problem *p);
	void (*on_lagging)(void *hint, const struct follow_lagging *l);
	void (*on_omission)(void *hint, const struct follow_omission *o); /* may be NULL */
	/* The trust file knows this writer, what is granted touches its regions, and nothing of it ever came in this lane; 0: in any.  May be NULL. */
	void (*on_unheard)(void *hint, const char *writer, uint8_t lane);
	void *hint;
};

struct follow_verified {
	uint64_t streams, batches, events; /* events: those whose open part is there */
	uint64_t omitted;                  /* granted frames that are not there for a reason */
	uint64_t lagging, unheard, problems;
	struct follow_reach_lane
		least; /* the lane that is known to be whole up to the earliest moment; no writer: no stream is known */
	uint64_t trust_version;
	struct torap_wall trust_until;
};

/* 0: looked at everything; problems may be many.  Negative: the directory cannot be read at all. */
int follow_verify(struct follow_verified *out, const char *dir, const struct follow_verify_options *options,
	struct torap_error *err);
