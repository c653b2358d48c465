/* policy.h: who may receive what from this broker, and which writers it takes.
 *
 *     feeds:
 *       - name: prosecutor-kostanay
 *         keys: ["64 hexadecimal digits"]       CURVE public keys of its subscribers, or names of .pub files;
 *                                               each belongs to one feed only
 *         legal_basis: "Order 14 of 2026-10-01"
 *         from: 2026-11-01
 *         until: 2027-11-01                     the first moment when it is no longer valid
 *         rows:
 *           - { regions: ["391010000"], facilities: [prison], kinds: [panic], severity_min: low, parts: [open] }
 *     writers:
 *       - { id: node-kostanay, regions: ["391010000"] }     regions only narrow the trust file's
 *
 * A list that is left out matches everything; an empty one is refused, for it looks like "nothing".  `parts` always holds open:
 * the others mean nothing without it.  Immutable once parsed and counted by references, so that a reader thread can keep an old
 * one.  What is wrong is refused with file, line and reason, and nothing of the file comes into force. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/time.h"
#include "link/grant.h"

struct torap_error;

enum {
	BROKER_FEEDS_MAX = 16384,
	BROKER_FEED_KEYS_MAX = 64,
	BROKER_POLICY_DIGEST_TEXT = 65, /* BLAKE2b-256 of the file and its keys in hexadecimal, and NUL */
};

struct broker_policy_feed {
	char name[64];
	uint8_t (*keys)[TORAP_CURVE_KEY_SIZE];
	size_t keys_count;
	char *legal_basis;
	struct torap_wall from, until;
	struct torap_grant_row *rows;
	size_t rows_count;
};

struct broker_policy_writer {
	char id[TORAP_WRITER_ID_MAX + 1];
	uint32_t *regions;
	size_t regions_count; /* 0: all that the trust file gives it */
};

/* A key and whose it is. */
struct broker_policy_key {
	const uint8_t *key; /* one of feed->keys */
	const struct broker_policy_feed *feed;
};

struct broker_policy {
	_Atomic unsigned refs;
	char digest[BROKER_POLICY_DIGEST_TEXT];
	struct broker_policy_feed *feeds; /* in the order of the file; a feed is known by its place */
	size_t feeds_count;
	struct broker_policy_writer *writers;
	size_t writers_count;
	/* The same feeds by rising name, and all their keys by rising bytes; what is equal, in the order of the file. */
	const struct broker_policy_feed **by_name;
	struct broker_policy_key *by_key;
	size_t keys_count;
};

int broker_policy_load(struct broker_policy **out, const char *path, struct torap_error *err);
/* The same for text in memory; `name` stands for the path in errors. */
int broker_policy_parse(
	struct broker_policy **out, const char *name, struct torap_bytes text, struct torap_error *err);

struct broker_policy *broker_policy_ref(struct broker_policy *p);
struct broker_policy *broker_policy_unref(struct broker_policy *p); /* accepts NULL, returns NULL */

/* Fills by_name and by_key of a policy whose feeds are there.  0 or -ENOMEM. */
int broker_policy_index(struct broker_policy *p);
/* Its place in `feeds`, or -1. */
int broker_policy_find(const struct broker_policy *p, const char *name);
bool broker_policy_feed_has(
	const struct broker_policy_feed *f, const uint8_t key[static TORAP_CURVE_KEY_SIZE]);
bool broker_policy_feed_valid(const struct broker_policy_feed *f, struct torap_wall now);
/* Does a feed that is valid now hold this key? */
bool broker_policy_knows_key(
	const struct broker_policy *p, const uint8_t key[static TORAP_CURVE_KEY_SIZE], struct torap_wall now);
/* NULL: this broker takes nothing from it. */
const struct broker_policy_writer *broker_policy_writer(const struct broker_policy *p, const char *id);
/* Does the policy let it speak for the region?  The trust file must, too. */
bool broker_policy_may_speak(const struct broker_policy_writer *w, uint32_t region);
/* Do two feeds grant the same, row by row? */
bool broker_policy_same_rows(const struct broker_policy_feed *a, const struct broker_policy_feed *b);
