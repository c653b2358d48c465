#include "conf/trust.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "conf/file.h"
#include "proto/session.pb-c.h"
#include "tests/kit/temporary.h"

#define KEY_A "1111111111111111111111111111111111111111111111111111111111111111"
#define KEY_B "2222222222222222222222222222222222222222222222222222222222222222"
#define KEY_C "3333333333333333333333333333333333333333333333333333333333333333"
#define KEY_D "4444444444444444444444444444444444444444444444444444444444444444"
#define HEAD  "version: 7\nvalid_until: 2027-11-01T00:00:00Z\n"
#define NODE_A                                                                                               \
	"  - id: node-a\n    regions: [\"391000000\", \"392410000\"]\n    curve_key: " KEY_A "\n"            \
	"    keys: [{ key: " KEY_B ", from: 2026-11-01, until: 2027-02-01 }]\n"                              \
	"    last_good: [{ stream: node-a/bulk/00f3a9c4d2e1b687, batch: 12 }]\n"
#define BROKER                                                                                               \
	"  - id: broker\n    regions: [\"000000000\"]\n    curve_key: " KEY_C "\n"                           \
	"    keys: [{ key: " KEY_D ", from: 2026-11-01T00:00:00Z, until: 2027-11-01 }]\n"
#define RULES                                                                                                \
	"retention:\n  - { kinds: [motion], severity_min: low, parts: [image], keep: 24h, at_most: 90d }\n"

static char dir[64], source[96];
static struct torap_sign_key root, other_root;
static struct torap_wall now; /* 2026-12-01 */

static void begin(void)
{
	uint8_t seed[32] = { 1 };
	temporary_dir(dir, sizeof dir, "trust");
	snprintf(source, sizeof source, "%s/trust.yaml", dir);
	torap_sign_key_make(&root, seed);
	seed[0] = 2;
	torap_sign_key_make(&other_root, seed);
	torap_wall_parse(&now, "2026-12-01", NULL);
}

static void end(void)
{
	unlink(source);
	rmdir(dir);
}

TestSuite(trust, .init = begin, .fini = end);

static int compile(struct torap_buffer **out, const char *text, struct torap_error *err)
{
	struct torap_error own;
	cr_assert_eq(
		torap_file_replace(source, 0644, torap_bytes(text, strlen(text)), &own), 0, "%s", own.text);
	return torap_trust_compile(out, source, &root, err);
}

static struct torap_buffer *compiled(const char *text)
{
	struct torap_buffer *b = NULL;
	struct torap_error err;
	cr_assert_eq(compile(&b, text, &err), 0, "%s", err.text);
	return b;
}

static struct torap_trust *decoded(const char *text)
{
	struct torap_buffer *b = compiled(text);
	struct torap_trust *t = NULL;
	struct torap_error err;
	cr_assert_eq(
		torap_trust_decode(&t, torap_buffer_bytes(b), root.public, now, &err), 0, "%s", err.text);
	cr_expect(torap_bytes_equal(torap_buffer_bytes(b), torap_buffer_bytes(t->signed_bytes)));
	torap_buffer_unref(b);
	return t;
}

static void check_refused(struct torap_bytes bytes, const char *part_of_complaint)
{
	struct torap_trust *t = NULL;
	struct torap_error err = { "" };
	cr_expect_lt(torap_trust_decode(&t, bytes, root.public, now, &err), 0);
	cr_expect_null(t);
	cr_expect_not_null(strstr(err.text, part_of_complaint), "%s", err.text);
}

static void check_source_refused(const char *text, const char *complaint)
{
	struct torap_buffer *b = NULL;
	struct torap_error err = { "" };
	cr_expect_lt(compile(&b, text, &err), 0, "taken: %s", text);
	cr_expect_null(b);
	cr_assert(strncmp(err.text, source, strlen(source)) == 0, "%s", err.text);
	cr_expect_str_eq(err.text + strlen(source), complaint);
}

Test(trust, says_who_may_write_what)
{
	struct torap_trust *t = decoded(HEAD "writers:\n" NODE_A BROKER RULES);
	cr_expect_eq(t->version, 7);
	cr_expect_eq(t->writers_count, 2);

	const struct torap_trust_writer *a = torap_trust_writer(t, "node-a");
	const struct torap_trust_writer *broker = torap_trust_writer(t, "broker");
	cr_assert(a && broker);
	cr_expect_null(torap_trust_writer(t, "node-b"));
	cr_expect_eq(torap_trust_writer_by_curve(t, a->curve_keys[0]), a);
	cr_expect_eq(torap_trust_writer_by_curve(t, broker->curve_keys[0]), broker);
	cr_expect_null(torap_trust_writer_by_curve(t, a->keys[0].key));

	cr_expect(torap_trust_may_speak(a, 391010000));
	cr_expect(torap_trust_may_speak(a, 392410000));
	cr_expect_not(torap_trust_may_speak(a, 391610000));
	cr_expect_not(torap_trust_may_speak(a, 751310000));
	cr_expect(torap_trust_may_speak(broker, 751310000));
	torap_trust_unref(t);
}

Test(trust, finds_a_key_within_its_time_alone)
{
	struct torap_trust *t = decoded(HEAD "writers:\n" NODE_A BROKER);
	const struct torap_trust_key *k = &torap_trust_writer(t, "node-a")->keys[0];
	struct torap_wall before = { k->from.us - 1 }, last = { k->until.us - 1 };
	cr_expect_eq(torap_trust_lookup(t, "node-a", k->id, k->from), k->key);
	cr_expect_eq(torap_trust_lookup(t, "node-a", k->id, last), k->key);
	cr_expect_null(torap_trust_lookup(t, "node-a", k->id, before));
	cr_expect_null(torap_trust_lookup(t, "node-a", k->id, k->until));
	cr_expect_null(torap_trust_lookup(t, "broker", k->id, k->from));
	cr_expect_null(torap_trust_lookup(t, "nobody", k->id, k->from));
	torap_trust_unref(t);
}

Test(trust, does_not_believe_batches_after_the_last_good_one)
{
	struct torap_trust *t = decoded(HEAD "writers:\n" NODE_A BROKER);
	const struct torap_trust_writer *a = torap_trust_writer(t, "node-a");
	struct torap_stream_id bulk, other;
	cr_assert(torap_stream_id_parse(&bulk, "node-a/bulk/00f3a9c4d2e1b687"));
	cr_assert(torap_stream_id_parse(&other, "node-a/bulk/00f3a9c4d2e1b688"));
	cr_expect(torap_trust_believes(a, &bulk, 12));
	cr_expect_not(torap_trust_believes(a, &bulk, 13));
	cr_expect(torap_trust_believes(a, &other, 13));
	torap_trust_unref(t);
}

static void check_term(const struct torap_trust *t, uint32_t region, uint16_t kind, uint8_t severity,
	unsigned part, int64_t keep_h, int64_t at_most_h)
{
	const int64_t hour_us = 3600 * (int64_t)TORAP_US_PER_S;
	struct torap_class class = { .region = region, .facility = 2, .kind = kind, .severity = severity };
	struct torap_retention_term term = torap_retention_term_of(&t->retention, &class, part);
	cr_expect_eq(
		term.keep_us, keep_h ? keep_h * hour_us : TORAP_FOR_EVER, "keep of %u, part %u", kind, part);
	cr_expect_eq(term.at_most_us, at_most_h ? at_most_h * hour_us : TORAP_FOR_EVER,
		"at_most of %u, part %u", kind, part);
}

/* 0: no rule says.  The rules overlap by region, kind, severity and part. */
Test(trust, keeps_a_frame_by_the_longest_keep_and_the_shortest_at_most)
{
	enum { MOTION = 1000, PANIC = 1, DOOR = 71 };
	enum { OPEN = 1, PERSONAL, IMAGE };
	struct torap_trust *t = decoded(HEAD "writers: []\nretention:\n"
					     "  - { kinds: [motion], keep: 24h, at_most: 90h }\n"
					     "  - { regions: [\"391000000\"], kinds: [motion], keep: 48h }\n"
					     "  - { parts: [image], at_most: 72h }\n"
					     "  - { severity_min: high, keep: 100h }\n");
	check_term(t, 751310000, MOTION, 1, OPEN, 24, 90);
	check_term(t, 391010000, MOTION, 1, OPEN, 48, 90);
	check_term(t, 391010000, MOTION, 1, IMAGE, 48, 72);
	check_term(t, 391010000, PANIC, 5, PERSONAL, 100, 0);
	check_term(t, 391010000, PANIC, 5, IMAGE, 100, 72);
	check_term(t, 391010000, DOOR, 1, OPEN, 0, 0);
	check_term(t, 391010000, DOOR, 1, IMAGE, 0, 72);
	check_term(t, 391010000, MOTION, 1, 7, 0, 0);
	torap_trust_unref(t);
}

/* A lane is more than its kinds: a table may make a motion critical, and then it travels with the alarms. */
Test(trust, has_rules_for_lanes_and_for_groups_of_kinds)
{
	enum { PANIC = 1, BURGLARY = 20, DOOR = 71, MOTION = 1000, OPEN = 1 };
	struct torap_trust *t = decoded(HEAD "writers: []\nretention:\n"
					     "  - { lane: bulk, keep: 24h }\n"
					     "  - { lane: normal, kinds: [door_*], at_most: 30d }\n"
					     "  - { lane: critical, keep: 48h }\n"
					     "  - { kinds: [alarm.*], keep: 3y }\n");
	check_term(t, 391010000, MOTION, 1, OPEN, 24, 0);
	check_term(t, 391010000, MOTION, 5, OPEN, 48, 0);
	check_term(t, 391010000, DOOR, 1, OPEN, 0, 720);
	check_term(t, 391010000, DOOR, 5, OPEN, 48, 0);
	check_term(t, 391010000, PANIC, 5, OPEN, 3 * 8760, 0);
	check_term(t, 391010000, BURGLARY, 4, OPEN, 3 * 8760, 0);
	torap_trust_unref(t);
}

/* Whoever reads the signed form and knows nothing of lanes must not take the rule for one that names everything. */
Test(trust, lists_the_kinds_of_a_lane_for_old_readers)
{
	enum { BULK, NORMAL, CRITICAL, BULK_KINDS = 11 };
	struct torap_trust *t = decoded(HEAD "writers: []\nretention:\n"
					     "  - { lane: bulk, keep: 24h }\n"
					     "  - { lane: normal, keep: 24h }\n"
					     "  - { lane: critical, keep: 24h }\n");
	const struct torap_retention_rule *rules = t->retention.list;
	cr_expect_eq(rules[BULK].match.kinds_count, BULK_KINDS);
	cr_expect_gt(rules[NORMAL].match.kinds_count, BULK_KINDS);
	for (size_t i = 0; i < rules[NORMAL].match.kinds_count; i++)
		cr_expect_lt(rules[NORMAL].match.kinds[i], 1000);
	cr_expect_eq(rules[CRITICAL].match.severity_min, 5);
	torap_trust_unref(t);
}

/* Whoever remembers how far it has come by these rules must see when they are others. */
Test(trust, has_rules_with_a_fingerprint_of_all_that_they_say)
{
	static const char *const rules[] = { "", "retention: [{ keep: 1h }]\n", "retention: [{ keep: 2h }]\n",
		"retention: [{ at_most: 1h }]\n", "retention: [{ parts: [image], keep: 1h }]\n",
		"retention: [{ keep: 1h }, { keep: 1h }]\n" };
	uint64_t seen[6];
	for (size_t i = 0; i < 6; i++) {
		char text[256];
		snprintf(text, sizeof text, HEAD "writers: []\n%s", rules[i]);
		struct torap_trust *t = decoded(text), *again = decoded(text);
		seen[i] = t->retention.fingerprint;
		cr_expect_eq(again->retention.fingerprint, seen[i]);
		for (size_t k = 0; k < i; k++)
			cr_expect_neq(seen[k], seen[i], "\"%s\" and \"%s\"", rules[k], rules[i]);
		torap_trust_unref(t);
		torap_trust_unref(again);
	}
}

Test(trust, is_refused_without_the_signature_of_the_root)
{
	struct torap_buffer *b = compiled(HEAD "writers:\n" NODE_A);
	struct torap_trust *t = NULL;
	struct torap_error err = { "" };
	cr_expect_lt(torap_trust_decode(&t, torap_buffer_bytes(b), other_root.public, now, &err), 0);
	cr_expect_not_null(strstr(err.text, "not signed by the root key"), "%s", err.text);
	torap_buffer_unref(b);
}

/* Flips each bit in turn: none may change who is trusted. */
Test(trust, is_refused_with_any_bit_flipped)
{
	struct torap_buffer *b = compiled(HEAD "writers:\n" NODE_A);
	for (size_t i = 0; i < b->size * 8; i++) {
		struct torap_trust *t = NULL;
		b->data[i / 8] ^= (uint8_t)(1 << i % 8);
		cr_expect_lt(torap_trust_decode(&t, torap_buffer_bytes(b), root.public, now, NULL), 0,
			"taken with bit %zu flipped", i);
		cr_expect_null(t);
		b->data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	torap_buffer_unref(b);
}

Test(trust, is_refused_when_cut)
{
	struct torap_buffer *b = compiled(HEAD "writers:\n" NODE_A);
	for (size_t size = 0; size < b->size; size++) {
		struct torap_trust *t = NULL;
		cr_expect_lt(torap_trust_decode(&t, torap_bytes(b->data, size), root.public, now, NULL), 0);
	}
	torap_buffer_unref(b);
}

Test(trust, is_refused_past_its_time)
{
	struct torap_buffer *b = compiled("version: 7\nvalid_until: 2026-12-01\nwriters: []\n");
	check_refused(torap_buffer_bytes(b), "version 7 was valid until 2026-12-01T00:00:00Z");
	torap_buffer_unref(b);
}

/* Signs any document, also one that the compiler would refuse. */
static void check_document_refused(const Torap__Trust *trust, const char *complaint)
{
	uint8_t message[4096] = "torap trust 1", signature[64], bytes[4096];
	size_t size = torap__trust__pack(trust, message + 14);
	crypto_sign_detached(signature, NULL, message, 14 + size, root.secret);
	Torap__SignedTrust s = TORAP__SIGNED_TRUST__INIT;
	s.trust = (ProtobufCBinaryData){ .len = size, .data = message + 14 };
	s.signature = (ProtobufCBinaryData){ .len = sizeof signature, .data = signature };
	check_refused(torap_bytes(bytes, torap__signed_trust__pack(&s, bytes)), complaint);
}

Test(trust, is_checked_although_it_is_signed)
{
	uint8_t raw[2][32] = { { 1 }, { 2 } };
	uint32_t regions[] = { 391010000, 391010000 };
	Torap__TrustedKey key = TORAP__TRUSTED_KEY__INIT, *keys[] = { &key };
	Torap__TrustedWriter w = TORAP__TRUSTED_WRITER__INIT, *writers[] = { &w };
	Torap__Trust t = TORAP__TRUST__INIT;
	char id[] = "node-a", bad_id[] = "Node A";
	t.version = 1;
	t.valid_until_us = INT64_MAX;
	t.writers = writers;
	t.n_writers = 1;
	w.id = id;
	w.regions = regions;
	w.n_regions = 1;
	w.curve_key = (ProtobufCBinaryData){ .len = 32, .data = raw[0] };
	key.key = (ProtobufCBinaryData){ .len = 32, .data = raw[1] };
	key.until_us = 1;
	w.keys = keys;
	w.n_keys = 1;

	w.id = bad_id;
	check_document_refused(&t, "writers[0].id: the id of a writer");
	w.id = id;
	w.n_regions = 2;
	check_document_refused(&t, "writers[0].regions: region 391010000 stands twice");
	w.n_regions = 1;
	regions[0] = 1000000000;
	check_document_refused(&t, "more than 9 digits");
	regions[0] = 391010000;
	w.curve_key.len = 31;
	check_document_refused(&t, "writers[0].curve_key: a CURVE key of writer \"node-a\" is not 32 bytes");
	w.curve_key.len = 32;
	key.key.len = 0;
	check_document_refused(&t, "writers[0].keys[0]: a key of writer \"node-a\" is not 32 bytes");
	key.key.len = 32;
	key.from_us = 1;
	check_document_refused(&t, "not before its until");
	key.from_us = 0;
	uint32_t kinds[] = { 70000 };
	Torap__GrantRow match = TORAP__GRANT_ROW__INIT;
	Torap__RetentionRule rule = TORAP__RETENTION_RULE__INIT, *rules[] = { &rule };
	match.kinds = kinds;
	match.n_kinds = 1;
	rule.match = &match;
	rule.keep_s = 1;
	t.retention = rules;
	t.n_retention = 1;
	check_document_refused(&t, "retention: a grant row lists the number 70000");
	kinds[0] = 7;
	rule.lane = (Torap__Lane)4;
	check_document_refused(&t, "retention[0]: a retention rule names lane 4");
	t.version = 0;
	check_document_refused(&t, "versions begin at 1");
}

Test(trust, compiling_names_the_line_of_what_is_wrong)
{
	check_source_refused(HEAD "writers:\n  - id: Node\n    regions: []\n    curve_key: " KEY_A
				  "\n    keys: []\n",
		":4: the id of a writer is 1 to 31 of a-z, 0-9 and -");
	check_source_refused(HEAD "writers:\n  - id: n\n    regions: [\"39101\"]\n    curve_key: " KEY_A
				  "\n    keys: []\n",
		":5: region \"39101\" is not a KATO code of 9 digits");
	check_source_refused(HEAD "writers:\n  - id: n\n    regions: []\n    curve_key: 12\n    keys: []\n",
		":6: a key is 64 hexadecimal digits");
	check_source_refused(HEAD "writers:\n" NODE_A NODE_A, ":9: writer \"node-a\" stands twice");
	check_source_refused("version: 2026-12-05\nvalid_until: 2027-11-01\nwriters: []\n",
		":1: \"version\": '2026-12-05' is not a number in decimal digits");
	check_source_refused(HEAD "writers:\n  - id: n\n    regions: []\n    curve_key: " KEY_A
				  "\n    keys: []\n    last_good:\n"
				  "      - { stream: n/bulk/00f3a9c4d2e1b687, batch: -1 }\n",
		":9: \"writers[1].last_good[1].batch\": '-1' is not a number in decimal digits");
	check_source_refused("version: 1\nvalid_until: soon\nwriters: []\n",
		":2: \"soon\" is not a time such as 2026-11-22T14:30:00Z");
	check_source_refused(HEAD "writers: []\nretention:\n  - { kinds: [party], keep: 3h }\n",
		":5: \"party\" is not a kind of event");
	check_source_refused(HEAD "writers: []\nretention:\n  - { kinds: [panic], keep: 3h }\n  - kinds:\n"
				  "      - alarm.*\n      - alert.*\n    keep: 3h\n",
		":8: \"alert.*\" is not a kind of event");
	check_source_refused(
		HEAD "writers: []\nretention:\n  - { lane: slow, keep: 3h }\n", ":5: \"slow\" is not a lane");
	check_source_refused(HEAD "writers: []\nretention:\n  - { lane: bulk, kinds: [alarm.*], keep: 3h }\n",
		":5: none of the rule's events travels in this lane");
	check_source_refused(HEAD
		"writers: []\nretention:\n  - { lane: normal, severity_min: critical, keep: 3h }\n",
		":5: none of the rule's events travels in this lane");
	check_source_refused(HEAD "writers: []\nretention:\n  - { kinds: [], keep: 3h }\n",
		":5: \"retention[1].kinds\" has too few entries: 0");
	check_source_refused(HEAD "writers: []\nretention:\n  - { kinds: [motion], keep: 3 }\n",
		":5: \"3\" is not a duration such as 500ms, 30s, 5m, 24h, 90d or 3y");
	check_source_refused(HEAD "writers: []\nretention:\n  - { keep: 3d, at_most: 2d }\n",
		":5: keep is longer than at_most");
	check_source_refused(HEAD "writters: []\n", ":3: unknown key \"writters\"");
}

Test(trust, compiling_refuses_a_key_that_two_writers_share)
{
	check_source_refused(HEAD "writers:\n" NODE_A "  - id: node-b\n    regions: []\n    curve_key: " KEY_A
				  "\n    keys: []\n",
		":11: a CURVE key of writer \"node-b\" stands twice, here or with another writer");
	check_source_refused(HEAD "writers:\n" NODE_A "  - id: node-b\n    regions: []\n    curve_key: " KEY_C
				  "\n    more_curve_keys: [" KEY_A "]\n    keys: []\n",
		":11: a CURVE key of writer \"node-b\" stands twice, here or with another writer");
	check_source_refused(HEAD "writers:\n" NODE_A "  - id: node-b\n    regions: []\n    curve_key: " KEY_C
				  "\n    keys: [{ key: " KEY_B ", from: 2026-11-01, until: 2027-02-01 }]\n",
		":12: a key of writer \"node-b\" stands twice");
}

static char told[4096];

static void note(const char *sentence)
{
	size_t used = strlen(told);
	snprintf(told + used, sizeof told - used, "%s\n", sentence);
}

/* `rules`: entries of the list, the first in line 5.  `expected`: what is told, without the file's name; "": nothing. */
static void check_told(const char *rules, bool with_lines, const char *expected)
{
	char text[1024], whole[1024] = "";
	snprintf(text, sizeof text, HEAD "writers: []\nretention:\n%s", rules);
	struct torap_trust *t = decoded(text);
	told[0] = '\0';
	torap_trust_tell_cuts(
		t, "f", with_lines ? torap_bytes(text, strlen(text)) : torap_bytes(NULL, 0), note);
	if (*expected)
		snprintf(whole, sizeof whole, "f:%s, which goes before it for what both rules match\n",
			expected);
	cr_expect_str_eq(told, whole, "%s", rules);
	torap_trust_unref(t);
}

/* The law goes before keep, so nobody hears of it later than from whoever signs. */
Test(trust, tells_of_a_keep_that_another_rules_at_most_cuts_short)
{
	check_told("  - { kinds: [alarm.*], keep: 3y }\n  - { lane: critical, at_most: 90d }\n", true,
		"5: keep is longer than at_most of line 6");
	check_told("  - { kinds: [alarm.*], keep: 3y }\n  - { lane: critical, at_most: 90d }\n", false,
		"rule 1: keep is longer than at_most of rule 2");
	check_told("  - at_most: 90d\n    parts: [personal]\n  - kinds: [panic]\n    keep: 3y\n", true,
		"8: keep is longer than at_most of line 5");
	check_told("  - { regions: [\"391000000\"], keep: 3y }\n"
		   "  - { regions: [\"391010000\"], facilities: [school], keep: 1h, at_most: 1d }\n",
		true, "5: keep is longer than at_most of line 6");
	check_told("  - { lane: bulk, keep: 2d }\n  - { kinds: [motion], at_most: 1d }\n", true,
		"5: keep is longer than at_most of line 6");
	static const char *const apart[] = {
		"  - { kinds: [panic], keep: 3y }\n  - { kinds: [motion], at_most: 1d }\n",
		"  - { regions: [\"391000000\"], keep: 3y }\n  - { regions: [\"750000000\"], at_most: 1d }\n",
		"  - { facilities: [school], keep: 3y }\n  - { facilities: [prison], at_most: 1d }\n",
		"  - { parts: [open], keep: 3y }\n  - { parts: [personal, image], at_most: 1d }\n",
		"  - { lane: critical, keep: 3y }\n  - { lane: bulk, at_most: 1d }\n",
		"  - { kinds: [alarm.*], keep: 3y }\n  - { lane: bulk, at_most: 1d }\n",
		"  - { severity_min: critical, keep: 3y }\n  - { lane: normal, at_most: 1d }\n",
		"  - { keep: 1d }\n  - { at_most: 1d }\n",
		"  - { keep: 1d, at_most: 3y }\n  - { at_most: 2d }\n",
	};
	for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
		check_told(apart[i], true, "");
}

/* While a key is exchanged both are the writer's, and nobody else's. */
Test(trust, knows_a_writer_by_each_of_its_curve_keys)
{
	struct torap_trust *t =
		decoded(HEAD "writers:\n" NODE_A BROKER "    more_curve_keys: [" KEY_B ", " KEY_D "]\n");
	const struct torap_trust_writer *a = torap_trust_writer(t, "node-a");
	const struct torap_trust_writer *broker = torap_trust_writer(t, "broker");
	cr_assert_eq(broker->curve_keys_count, 3);
	for (size_t i = 0; i < broker->curve_keys_count; i++) {
		cr_expect_eq(torap_trust_writer_by_curve(t, broker->curve_keys[i]), broker);
		cr_expect(torap_trust_has_curve(broker, broker->curve_keys[i]));
		cr_expect_not(torap_trust_has_curve(a, broker->curve_keys[i]));
	}
	cr_expect_eq(torap_trust_writer_by_curve(t, a->curve_keys[0]), a);
	torap_trust_unref(t);
	check_source_refused(HEAD "writers:\n" BROKER "    more_curve_keys: [" KEY_A ", " KEY_B ", short]\n",
		":8: a key is 64 hexadecimal digits");
}

/* Writes a file of `writers` writers, the first with `keys` keys and `regions` regions. */
static char *many(unsigned writers, unsigned keys, unsigned regions)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	cr_assert_not_null(f);
	fprintf(f, HEAD "writers:\n");
	for (unsigned i = 0; i < writers; i++) {
		fprintf(f, "  - id: node-%u\n    curve_key: %064x\n    regions: [", i, i + 1);
		for (unsigned k = 0; i == 0 && k < regions; k++)
			fprintf(f, "%s\"%09u\"", k ? ", " : "", k);
		fprintf(f, "]\n    keys: [");
		for (unsigned k = 0; i == 0 && k < keys; k++)
			fprintf(f, "%s{ key: %064x, from: 2026-01-01, until: 2027-01-01 }", k ? ", " : "",
				k + 1);
		fprintf(f, "]\n");
	}
	fclose(f);
	return text;
}

Test(trust, holds_as_much_as_it_promises)
{
	char *text = many(TORAP_TRUST_WRITERS_MAX, TORAP_TRUST_KEYS_MAX, TORAP_TRUST_REGIONS_MAX);
	struct torap_trust *t = decoded(text);
	cr_expect_eq(t->writers_count, 4096);
	for (unsigned i = 0; i < 4096; i++) {
		char id[32];
		snprintf(id, sizeof id, "node-%u", i);
		const struct torap_trust_writer *w = torap_trust_writer(t, id);
		cr_assert(w && strcmp(w->id, id) == 0);
		cr_assert_eq(torap_trust_writer_by_curve(t, w->curve_keys[0]), w);
	}
	cr_expect_eq(torap_trust_writer(t, "node-0")->keys_count, 64);
	cr_expect_eq(torap_trust_writer(t, "node-0")->regions_count, 256);
	torap_trust_unref(t);
	free(text);
}

Test(trust, compiling_refuses_more_than_it_promises)
{
	static const unsigned counts[][3] = { { 4097, 0, 0 }, { 1, 65, 0 }, { 1, 0, 257 } };
	for (size_t i = 0; i < 3; i++) {
		char *text = many(counts[i][0], counts[i][1], counts[i][2]);
		struct torap_buffer *b = NULL;
		struct torap_error err = { "" };
		cr_expect_lt(compile(&b, text, &err), 0);
		cr_expect_not_null(strstr(err.text, "entries"), "%s", err.text);
		free(text);
	}
}

Test(trust, compiling_says_which_file_is_not_there)
{
	struct torap_buffer *b = NULL;
	struct torap_error err = { "" };
	cr_expect_lt(torap_trust_compile(&b, "/nowhere/trust.yaml", &root, &err), 0);
	cr_expect_str_eq(err.text, "/nowhere/trust.yaml: No such file or directory");
}
