/* received.h: a directory as a subscriber leaves it: a trust file, a grant, batches of one stream, a cursor; and its root key. */
#pragma once

#include "agents/follow/grants.h"
#include "agents/follow/store.h"
#include "conf/file.h"
#include "conf/keys.h"
#include "conf/trust.h"
#include "tests/unit/lib/store/place.h"
#include "tests/unit/lib/wire/fixture.h"

enum {
	RECEIVED_LANE = TORAP__LANE__LANE_CRITICAL,
	RECEIVED_BYTES = 32 << 20,
	RECEIVED_REGION = 391010000,
	PANIC = TORAP__KIND__KIND_PANIC,
	NOT_GRANTED = TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED,
	EXPIRED = TORAP__OMISSION_REASON__OMISSION_EXPIRED,
};

struct received {
	struct place place;
	struct torap_keys root;
	struct torap_sign_key key;
	struct torap_sealer *sealer;
	struct torap_buffer *signed_trust;
	struct torap_trust *trust;
	struct torap_kv *kv;
};

static inline void received_trust(struct received *t)
{
	char path[PATH_MAX + 16], text[1024], sign[65], curve[65];
	uint8_t some[32] = { 7 };
	struct torap_error err;
	snprintf(path, sizeof path, "%s/trust.yaml", t->place.root);
	snprintf(text, sizeof text,
		"version: 3\nvalid_until: 2031-01-01\nwriters:\n  - id: node-kostanay\n    regions: [\"391010000\"]\n"
		"    curve_key: \"%s\"\n    keys: [{ key: \"%s\", from: 2026-01-01, until: 2031-01-01 }]\n",
		torap_hex(curve, torap_bytes(some, sizeof some)),
		torap_hex(sign, torap_bytes(t->key.public, sizeof t->key.public)));
	cr_assert_eq(
		torap_file_replace(path, 0600, torap_bytes(text, strlen(text)), &err), 0, "%s", err.text);
	cr_assert_eq(torap_trust_compile(&t->signed_trust, path, &t->root.sign, &err), 0, "%s", err.text);
	unlink(path);
	cr_assert_eq(torap_trust_decode(&t->trust, torap_buffer_bytes(t->signed_trust), t->root.sign.public,
			     sealed_at, &err),
		0, "%s", err.text);
	cr_assert(torap_trust_date_key(t->trust, "node-kostanay", &t->key));
}

static inline void received_open(struct received *t)
{
	struct torap_error err;
	cr_assert_eq(follow_store_open(&t->kv, t->place.dir, RECEIVED_BYTES, false, &err), 0, "%s", err.text);
}

/* A feed that is granted open and personal of everything, trust and grant stored, no batch yet. */
static inline void received_make(struct received *t)
{
	struct torap_error err;
	*t = (struct received){ 0 };
	place_make(&t->place);
	cr_assert_eq(torap_keys_create(&t->root, "root", &err), 0, "%s", err.text);
	t->key = fixture_key(1);
	t->sealer = fixture_sealer(RECEIVED_LANE, &t->key);
	received_trust(t);
	received_open(t);

	struct torap_grant_row row = { .parts = { false, true, true, false } };
	struct follow_grant grant = { .number = 1, .since = sealed_at, .body = torap_grant_encode(&row, 1) };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, t->kv, true);
	cr_assert_eq(follow_grant_put(&txn, &grant), 0);
	cr_assert_eq(follow_store_put_trust(&txn, t->trust->version, torap_buffer_bytes(t->signed_trust)), 0);
	cr_assert_eq(torap_kv_commit(&txn, &err), 0, "%s", err.text);
	torap_buffer_unref(grant.body);
}

static inline void received_close(struct received *t)
{
	t->kv = torap_kv_close(t->kv);
}

static inline void received_remove(struct received *t)
{
	received_close(t);
	torap_sealer_destroy(t->sealer);
	torap_trust_unref(t->trust);
	torap_buffer_unref(t->signed_trust);
	place_remove(&t->place);
}

/* A batch of so many events with open and personal parts: frames 0 and 1. */
static inline struct torap_batch *received_seal(struct received *t, unsigned events)
{
	for (unsigned i = 0; i < events; i++) {
		char zone[16];
		snprintf(zone, sizeof zone, "%u", i);
		cr_assert_eq(
			fixture_add(t->sealer, fixture_class(RECEIVED_REGION, PANIC), zone, "anna", NULL), 0);
	}
	return fixture_seal(t->sealer);
}

/* Appends and commits; the answer of the append. */
static inline int received_append(struct received *t, const struct torap_batch *b)
{
	struct torap_kv_txn txn;
	struct torap_error err;
	torap_kv_begin(&txn, t->kv, true);
	int r = follow_store_append(&txn, b, sealed_at, 1);
	cr_assert_eq(torap_kv_commit(&txn, &err), 0, "%s", err.text);
	return r;
}

/* Batches 1 to `count`, three events each. */
static inline void received_fill(struct received *t, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct torap_batch *b = received_seal(t, 3);
		cr_assert_eq(received_append(t, b), 0);
		torap_batch_destroy(b);
	}
}
