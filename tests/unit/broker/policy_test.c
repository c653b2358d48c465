/* The policy file: what is good is taken as it stands, what is wrong is refused with its line and as a whole. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/policy.h"

#define KEY_A "0101010101010101010101010101010101010101010101010101010101010101"
#define KEY_B "0202020202020202020202020202020202020202020202020202020202020202"

static const char good[] = "feeds:\n"
			   "  - name: prosecutor\n"
			   "    keys: [\"" KEY_A "\"]\n"
			   "    legal_basis: order 14\n"
			   "    from: 2026-01-01\n"
			   "    until: 2027-01-01\n"
			   "    rows:\n"
			   "      - { regions: [\"391010000\"], facilities: [prison], kinds: [panic], "
			   "severity_min: low, parts: [open] }\n"
			   "      - { parts: [open, personal, image] }\n"
			   "  - name: centre\n"
			   "    keys: [\"" KEY_B "\"]\n"
			   "    legal_basis: order 15\n"
			   "    from: 2026-01-01\n"
			   "    until: 2027-01-01\n"
			   "    rows: [{ parts: [open] }]\n"
			   "writers:\n"
			   "  - { id: node-a }\n"
			   "  - { id: node-b, regions: [\"391010000\", \"392410000\"] }\n";

static int parse(struct broker_policy **out, const char *text, struct torap_error *err)
{
	return broker_policy_parse(out, "policy.yaml", torap_bytes(text, strlen(text)), err);
}

/* The good policy with the first `from` replaced by `to`. */
static char *changed(const char *from, const char *to)
{
	const char *at = strstr(good, from);
	cr_assert(at, "the good policy has no %s", from);
	size_t size = strlen(good) + strlen(to) + 1;
	char *text = malloc(size);
	snprintf(text, size, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	return text;
}

static void expect_refusal(const char *from, const char *to, const char *where, const char *why)
{
	struct torap_error err = { "" };
	struct broker_policy *policy = NULL;
	char *text = changed(from, to);
	cr_expect(parse(&policy, text, &err) < 0, "taken: %s", to);
	cr_expect_null(policy);
	cr_expect(strncmp(err.text, where, strlen(where)) == 0, "%s: not at %s: %s", to, where, err.text);
	cr_expect(strstr(err.text, why) != NULL, "%s: does not say \"%s\": %s", to, why, err.text);
	free(text);
}

Test(policy, is_taken_as_it_stands)
{
	struct torap_error err = { "" };
	struct broker_policy *p = NULL;
	cr_assert_eq(parse(&p, good, &err), 0, "%s", err.text);
	cr_assert_eq(p->feeds_count, 2);
	cr_assert_eq(p->writers_count, 2);
	cr_expect_eq(strlen(p->digest), 64);
	const struct broker_policy_feed *f = &p->feeds[broker_policy_find(p, "prosecutor")];
	cr_expect_str_eq(f->legal_basis, "order 14");
	cr_assert_eq(f->rows_count, 2);
	cr_expect_eq(f->rows[0].regions[0], 391010000);
	cr_expect_eq(f->rows[0].facilities[0], TORAP__FACILITY__FACILITY_PRISON);
	cr_expect_eq(f->rows[0].kinds[0], TORAP__KIND__KIND_PANIC);
	cr_expect_eq(f->rows[0].severity_min, TORAP__SEVERITY__SEVERITY_LOW);
	cr_expect(f->rows[0].parts[TORAP__PART_KIND__PART_OPEN]);
	cr_expect_not(f->rows[0].parts[TORAP__PART_KIND__PART_PERSONAL]);
	cr_expect(f->rows[1].parts[TORAP__PART_KIND__PART_IMAGE]);
	cr_expect_eq(f->rows[1].regions_count, 0);
	cr_expect_eq(broker_policy_find(p, "nobody"), -1);
	broker_policy_unref(p);
}

/* As in a retention rule of the trust file. */
Test(policy, names_kinds_by_group_and_by_pattern)
{
	static const char text[] = "feeds:\n"
				   "  - name: centre\n"
				   "    keys: [\"" KEY_B "\"]\n"
				   "    legal_basis: order 15\n"
				   "    from: 2026-01-01\n"
				   "    until: 2027-01-01\n"
				   "    rows: [{ kinds: [motion, patrol.*, canary_*], parts: [open] }]\n"
				   "writers: []\n";
	static const uint16_t expected[] = { 180, 310, 311, 1000, 1010 };
	struct torap_error err = { "" };
	struct broker_policy *p = NULL;
	cr_assert_eq(parse(&p, text, &err), 0, "%s", err.text);
	cr_assert_eq(p->feeds[0].rows[0].kinds_count, 5);
	cr_expect_arr_eq(p->feeds[0].rows[0].kinds, expected, sizeof expected);
	broker_policy_unref(p);
}

Test(policy, counts_a_feed_as_valid_from_its_begin_until_just_before_its_end)
{
	struct broker_policy *p = NULL;
	cr_assert_eq(parse(&p, good, NULL), 0);
	const struct broker_policy_feed *f = &p->feeds[0];
	uint8_t key[32], other[32];
	memset(key, 1, sizeof key);
	memset(other, 9, sizeof other);
	cr_expect_not(broker_policy_feed_valid(f, (struct torap_wall){ f->from.us - 1 }));
	cr_expect(broker_policy_feed_valid(f, f->from));
	cr_expect(broker_policy_feed_valid(f, (struct torap_wall){ f->until.us - 1 }));
	cr_expect_not(broker_policy_feed_valid(f, f->until));
	cr_expect(broker_policy_knows_key(p, key, f->from));
	cr_expect_not(broker_policy_knows_key(p, key, f->until));
	cr_expect_not(broker_policy_knows_key(p, other, f->from));
	broker_policy_unref(p);
}

/* `count` feeds, names and keys in no order. */
static char *many(size_t count)
{
	size_t size = count * 256 + 64, used = 0;
	char *text = malloc(size);
	used += (size_t)snprintf(text, size, "feeds:\n");
	for (size_t i = 0; i < count; i++) {
		size_t number = i * 7919 % count; /* a prime: each comes once */
		used += (size_t)snprintf(text + used, size - used,
			"  - { name: feed-%zu, keys: [\"%064zx\"], legal_basis: order 14, from: 2026-01-01, "
			"until: 2027-01-01, rows: [{ parts: [open] }] }\n",
			number, number);
	}
	snprintf(text + used, size - used, "writers: []\n");
	return text;
}

Test(policy, finds_each_of_as_many_feeds_as_there_may_be)
{
	struct torap_error err = { "" };
	struct broker_policy *p = NULL;
	char *text = many(BROKER_FEEDS_MAX), *too_many = many(BROKER_FEEDS_MAX + 1);
	cr_assert_eq(parse(&p, text, &err), 0, "%s", err.text);
	struct torap_wall now = p->feeds[0].from;
	uint8_t key[32] = { 0 };
	for (size_t i = 0; i <= BROKER_FEEDS_MAX; i++) {
		char name[64];
		snprintf(name, sizeof name, "feed-%zu", i);
		key[30] = (uint8_t)(i >> 8);
		key[31] = (uint8_t)i;
		int at = broker_policy_find(p, name);
		if (i == BROKER_FEEDS_MAX) {
			cr_expect_eq(at, -1);
			cr_expect_not(broker_policy_knows_key(p, key, now));
			break;
		}
		cr_assert(at >= 0 && strcmp(p->feeds[at].name, name) == 0, "%s", name);
		cr_assert(broker_policy_knows_key(p, key, now), "%s", name);
	}
	p = broker_policy_unref(p);
	cr_expect_eq(parse(&p, too_many, &err), -EINVAL);
	free(text);
	free(too_many);
}

Test(policy, narrows_writers_and_only_those_that_it_names_regions_for)
{
	struct broker_policy *p = NULL;
	cr_assert_eq(parse(&p, good, NULL), 0);
	cr_assert_null(broker_policy_writer(p, "node-c"));
	cr_expect(broker_policy_may_speak(broker_policy_writer(p, "node-a"), 751310000));
	cr_expect(broker_policy_may_speak(broker_policy_writer(p, "node-b"), 392410000));
	cr_expect_not(broker_policy_may_speak(broker_policy_writer(p, "node-b"), 751310000));
	broker_policy_unref(p);
}

Test(policy, refuses_each_thing_that_is_wrong_with_its_line)
{
	static const struct {
		const char *from, *to, *where, *why;
	} wrong[] = {
		{ "name: prosecutor", "name: Pro secutor", "policy.yaml:2:", "not a feed's name" },
		{ "name: prosecutor", "name: centre", "policy.yaml:10:", "already" },
		{ "name: prosecutor", "nome: prosecutor", "policy.yaml:2:", "nome" },
		{ KEY_A, "0101", "policy.yaml:3:", "64 hexadecimal digits" },
		{ "[\"" KEY_A "\"]", "[]", "policy.yaml:3:", "" },
		{ "\"" KEY_A "\"", "\"" KEY_A "\", \"" KEY_A "\"", "policy.yaml:3:", "prosecutor" },
		{ KEY_B, KEY_A, "policy.yaml:11:", "listed already, in feed prosecutor" },
		{ "[\"" KEY_A "\"]", "[nowhere.pub]", "policy.yaml:3:", "nowhere.pub" },
		{ "legal_basis: order 14", "legal_basis: \" \"", "policy.yaml:4:", "legal basis" },
		{ "    legal_basis: order 14\n", "", "policy.yaml:", "legal_basis" },
		{ "from: 2026-01-01", "from: yesterday", "policy.yaml:5:", "yesterday" },
		{ "until: 2027-01-01", "until: soon", "policy.yaml:6:", "soon" },
		{ "until: 2027-01-01", "until: 2026-01-01", "policy.yaml:6:", "not after from" },
		{ "[\"391010000\"], f", "[\"39101000\"], f", "policy.yaml:8:", "not a region" },
		{ "[\"391010000\"], f", "[], f", "policy.yaml:8:", "" },
		{ "[prison]", "[jail]", "policy.yaml:8:", "no facility \"jail\"" },
		{ "[panic]", "[panic, alert.*]", "policy.yaml:8:", "no kind \"alert.*\"" },
		{ "[panic]", "[panik]", "policy.yaml:8:", "no kind \"panik\"" },
		{ "severity_min: low", "severity_min: lowish", "policy.yaml:8:", "no severity \"lowish\"" },
		{ "parts: [open] }", "parts: [open, secret] }", "policy.yaml:8:", "no part \"secret\"" },
		{ "parts: [open] }", "parts: [open, open] }", "policy.yaml:8:", "twice" },
		{ "parts: [open] }", "parts: [personal] }", "policy.yaml:8:", "must hold open" },
		{ "parts: [open] }", "partz: [open] }", "policy.yaml:8:", "partz" },
		{ "[{ parts: [open] }]", "[]", "policy.yaml:15:", "" },
		{ "id: node-a", "id: Node A", "policy.yaml:17:", "not a writer id" },
		{ "id: node-a", "id: node-b", "policy.yaml:18:", "already" },
		{ "\"392410000\"", "\"3924\"", "policy.yaml:18:", "not a region" },
		{ "writers:", "writerz:", "policy.yaml:16:", "writerz" },
		{ "feeds:", "feeds: [", "policy.yaml:", "" },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		expect_refusal(wrong[i].from, wrong[i].to, wrong[i].where, wrong[i].why);
}

Test(policy, has_another_digest_when_anything_changed)
{
	struct broker_policy *a = NULL, *b = NULL, *again = NULL;
	char *text = changed("order 14", "order 41");
	cr_assert_eq(parse(&a, good, NULL), 0);
	cr_assert_eq(parse(&again, good, NULL), 0);
	cr_assert_eq(parse(&b, text, NULL), 0);
	cr_expect_str_eq(a->digest, again->digest);
	cr_expect_str_neq(a->digest, b->digest);
	broker_policy_unref(a);
	broker_policy_unref(b);
	broker_policy_unref(again);
	free(text);
}

Test(policy, tells_whether_a_feed_grants_the_same)
{
	static const struct {
		const char *from, *to;
		bool same;
	} changes[] = {
		{ "order 14", "order 41", true },
		{ "[\"391010000\"], f", "[\"392410000\"], f", false },
		{ "[prison]", "[prison, school]", false },
		{ "[panic]", "[fire]", false },
		{ "severity_min: low", "severity_min: high", false },
		{ "parts: [open] }", "parts: [open, personal] }", false },
		{ "      - { parts: [open, personal, image] }\n", "", false },
	};
	struct broker_policy *a = NULL;
	cr_assert_eq(parse(&a, good, NULL), 0);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct broker_policy *b = NULL;
		char *text = changed(changes[i].from, changes[i].to);
		cr_assert_eq(parse(&b, text, NULL), 0);
		cr_expect_eq(broker_policy_same_rows(&a->feeds[0], &b->feeds[0]), changes[i].same, "%s",
			changes[i].to);
		broker_policy_unref(b);
		free(text);
	}
	broker_policy_unref(a);
}
