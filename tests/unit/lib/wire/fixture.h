/* fixture.h: a writer with a fixed key, and events by number, for the tests of lib/wire. */
#pragma once

#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "wire/envelope.h"
#include "wire/open.h"
#include "wire/seal.h"
#include "wire/verify.h"

static const struct torap_wall sealed_at = { 1795000000000000 };

static inline struct torap_sign_key fixture_key(uint8_t seed)
{
	uint8_t bytes[32];
	struct torap_sign_key key;
	memset(bytes, seed, sizeof bytes);
	torap_sign_key_make(&key, bytes);
	return key;
}

static inline struct torap_stream_id fixture_stream(uint32_t lane)
{
	struct torap_stream_id id;
	cr_assert(torap_stream_id_make(&id, "node-kostanay", lane, 0x00f3a9c4d2e1b687));
	return id;
}

/* Borrows the key. */
static inline struct torap_sealer *fixture_sealer(uint32_t lane, const struct torap_sign_key *key)
{
	static const uint8_t no_digest[TORAP_DIGEST_SIZE];
	struct torap_stream_id id = fixture_stream(lane);
	struct torap_sealer *s = NULL;
	cr_assert_eq(torap_sealer_create(&s, &id, 0, 1, no_digest, key, NULL), 0);
	return s;
}

/* A torap_key_lookup that knows one key of one writer; hint is the struct torap_sign_key. */
static inline const uint8_t *fixture_lookup(
	void *hint, const char *writer, const uint8_t key_id[static TORAP_KEY_ID_SIZE], struct torap_wall at)
{
	const struct torap_sign_key *key = hint;
	(void)at;
	return strcmp(writer, "node-kostanay") == 0 && memcmp(key->id, key_id, TORAP_KEY_ID_SIZE) == 0
		       ? key->public
		       : NULL;
}

static inline struct torap_class fixture_class(uint32_t region, uint16_t kind)
{
	return (struct torap_class){ region, TORAP__FACILITY__FACILITY_SCHOOL, kind,
		(uint8_t)torap_kind_severity(kind) };
}

/* Adds an event whose zone is `zone`, with a personal part when user is not NULL.  Returns the sealer's answer. */
static inline int fixture_add(
	struct torap_sealer *s, struct torap_class class, const char *zone, const char *user, uint64_t *seq)
{
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	Torap__EventPersonal personal = TORAP__EVENT_PERSONAL__INIT;
	uint64_t unused;
	open.state = TORAP__STATE__STATE_PULSE;
	open.zone = (char *)zone;
	personal.user = (char *)user;
	struct torap_event e = { .class = class, .open = &open, .personal = user ? &personal : NULL };
	return torap_sealer_add(s, &e, seq ? seq : &unused);
}

static inline struct torap_batch *fixture_seal(struct torap_sealer *s)
{
	struct torap_batch *b = NULL;
	struct torap_error err = { "" };
	cr_assert_eq(torap_sealer_seal(s, sealed_at, &b, &err), 0, "%s", err.text);
	return b;
}

/* A batch of four frames: open and personal of two groups. */
static inline struct torap_batch *fixture_batch(const struct torap_sign_key *key)
{
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, key);
	cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "1", "anna", NULL), 0);
	cr_assert_eq(fixture_add(s, fixture_class(392410000, 4), "2", "boris", NULL), 0);
	struct torap_batch *b = fixture_seal(s);
	torap_sealer_destroy(s);
	return b;
}
