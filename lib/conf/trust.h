/* trust.h: the trust file: who may write, for which regions, with which keys.  proto/README.md, "Trust".
 *
 * Immutable once loaded and counted by references, so that an old one stays valid where it is in use. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/time.h"
#include "conf/retention.h"
#include "wire/sign_key.h"
#include "wire/stream.h"
#include "wire/verify.h"

struct torap_error;

enum {
	TORAP_TRUST_WRITERS_MAX = 4096,
	TORAP_TRUST_KEYS_MAX = 64,      /* of one writer, for signing */
	TORAP_TRUST_CURVE_KEYS_MAX = 4, /* of one writer */
	TORAP_TRUST_REGIONS_MAX = 256,  /* of one writer */
	TORAP_TRUST_LAST_GOOD_MAX = 64, /* of one writer */
	TORAP_TRUST_RULES_MAX = 256,    /* of retention */
	TORAP_TRUST_SIZE_MAX = 4 << 20, /* a welcome holds it, and must pass */
};

struct torap_trust_key {
	uint8_t key[TORAP_SIGN_KEY_SIZE];
	uint8_t id[TORAP_KEY_ID_SIZE];
	struct torap_wall from, until;
};

/* After a compromise: later batches of this stream are not to be believed, whatever signs them. */
struct torap_trust_last_good {
	struct torap_stream_id stream;
	uint64_t batch_no;
};

struct torap_trust_writer {
	char id[TORAP_WRITER_ID_MAX + 1];
	uint32_t *regions;
	size_t regions_count;
	uint8_t (*curve_keys)[TORAP_CURVE_KEY_SIZE]; /* one, or several while a key is exchanged */
	size_t curve_keys_count;
	struct torap_trust_key *keys;
	size_t keys_count;
	struct torap_trust_last_good *last_good;
	size_t last_good_count;
};

struct torap_trust_curve;

struct torap_trust {
	uint64_t version;
	struct torap_wall valid_until;
	struct torap_trust_writer *writers; /* by rising id */
	size_t writers_count;
	struct torap_retention_rules retention;
	struct torap_buffer *signed_bytes; /* as they came: what welcome passes on */
	/* private */
	struct torap_trust_curve *by_curve;
	size_t by_curve_count;
	_Atomic unsigned refs;
};

/* Decodes and verifies a SignedTrust.  Past valid_until: refused with a clear error. */
int torap_trust_decode(struct torap_trust **out, struct torap_bytes signed_trust,
	const uint8_t root[static TORAP_SIGN_KEY_SIZE], struct torap_wall now, struct torap_error *err);
int torap_trust_load(struct torap_trust **out, const char *path,
	const uint8_t root[static TORAP_SIGN_KEY_SIZE], struct torap_wall now, struct torap_error *err);
struct torap_trust *torap_trust_ref(struct torap_trust *t);
struct torap_trust *torap_trust_unref(struct torap_trust *t); /* accepts NULL, returns NULL */

/* One version that says two things: subscribers that have seen the one do not take the other. */
bool torap_trust_contradicts(const struct torap_trust *a, const struct torap_trust *b);

const struct torap_trust_writer *torap_trust_writer(const struct torap_trust *t, const char *id);
const struct torap_trust_writer *torap_trust_writer_by_curve(
	const struct torap_trust *t, const uint8_t curve_key[static TORAP_CURVE_KEY_SIZE]);
bool torap_trust_has_curve(
	const struct torap_trust_writer *w, const uint8_t curve_key[static TORAP_CURVE_KEY_SIZE]);
bool torap_trust_may_speak(const struct torap_trust_writer *w, uint32_t region);
/* A torap_key_lookup; hint is the struct torap_trust. */
const uint8_t *torap_trust_lookup(void *trust, const char *writer,
	const uint8_t key_id[static TORAP_KEY_ID_SIZE], struct torap_wall at);

/* Writes into the key when it is good.  False: it is none of the writer's, and nothing has changed. */
bool torap_trust_date_key(const struct torap_trust *t, const char *writer, struct torap_sign_key *key);

/* False: the batch is beyond the last good one of its stream. */
bool torap_trust_believes(
	const struct torap_trust_writer *w, const struct torap_stream_id *stream, uint64_t batch_no);

/* The text form that people edit, and its compiling (for `torap trust`):
 *
 *     version: 1
 *     valid_until: 2027-11-01T00:00:00Z
 *     writers:
 *       - id: node-kostanay
 *         regions: ["391010000"]
 *         curve_key: 64 hexadecimal digits
 *         more_curve_keys: [64 hexadecimal digits]                                        (optional)
 *         keys: [{ key: 64 hexadecimal digits, from: 2026-11-01T00:00:00Z, until: 2027-11-01T00:00:00Z }]
 *         last_good: [{ stream: node-kostanay/bulk/00f3a9c4d2e1b687, batch: 4711 }]        (optional)
 *     retention:                                                                          (optional)
 *       - { lane: bulk, keep: 24h, at_most: 90d }
 *       - { kinds: [alarm.*], keep: 3y }
 *
 * A retention rule may also have regions, facilities, severity_min and parts; kinds may be patterns (wire/kind_set.h).  Complaints name file, line and reason. */
int torap_trust_compile(struct torap_buffer **out_signed, const char *source_path,
	const struct torap_sign_key *root, struct torap_error *err);

/* Tells, a sentence each, of the rules whose `keep` another one's `at_most` ends before its time.  That is allowed, for at_most is the
 * law, and may still be more than its author meant.  `text` is that of the file at `path`, for the lines; without one, for a file that is
 * signed, rules are counted from 1. */
void torap_trust_tell_cuts(const struct torap_trust *t, const char *path, struct torap_bytes text,
	void (*tell)(const char *sentence));
