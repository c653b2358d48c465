/* What may come in: with real keys, a real trust file and batches sealed as a node seals them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "broker/admission.h"
#include "broker/config.h"
#include "conf/keys.h"
#include "proto/session.pb-c.h"
#include "wire/seal.h"
#include "tests/kit/temporary.h"

/* A trust file with node-a (391010000 and 392410000; last good batch of one old stream), node-b, and a policy that narrows. */
struct fixture {
	char dir[64];
	struct torap_keys root, a, b, stranger;
	struct broker_rules rules;
};

static void write_file(const struct fixture *f, const char *name, const void *data, size_t size)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", f->dir, name);
	FILE *file = fopen(path, "w");
	cr_assert(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

static void write_trust(struct fixture *f, unsigned version)
{
	char text[4096], path[128], curve[2][65], sign[2][65];
	const struct torap_keys *keys[2] = { &f->a, &f->b };
	for (int i = 0; i < 2; i++) {
		torap_hex(curve[i], torap_bytes(keys[i]->curve_public, 32));
		torap_hex(sign[i], torap_bytes(keys[i]->sign.public, 32));
	}
	int size = snprintf(text, sizeof text,
		"version: %u\n"
		"valid_until: 2099-01-01T00:00:00Z\n"
		"writers:\n"
		"  - id: node-a\n"
		"    regions: [\"391010000\", \"392410000\"]\n"
		"    curve_key: \"%s\"\n"
		"    keys: [{ key: \"%s\", from: 2020-01-01T00:00:00Z, until: 2090-01-01T00:00:00Z }]\n"
		"    last_good: [{ stream: node-a/critical/00000000000000aa, batch: 1 }]\n"
		"  - id: node-b\n"
		"    regions: [\"391010000\"]\n"
		"    curve_key: \"%s\"\n"
		"    keys: [{ key: \"%s\", from: 2020-01-01T00:00:00Z, until: 2021-01-01T00:00:00Z }]\n",
		version, curve[0], sign[0], curve[1], sign[1]);
	write_file(f, "trust.yaml", text, (size_t)size);
	snprintf(path, sizeof path, "%s/trust.yaml", f->dir);
	struct torap_error err = { "" };
	struct torap_buffer *bytes = NULL;
	cr_assert_eq(torap_trust_compile(&bytes, path, &f->root.sign, &err), 0, "%s", err.text);
	write_file(f, "trust.signed", bytes->data, bytes->size);
	torap_buffer_unref(bytes);
}

static const char policy_text[] =
	"feeds:\n"
	"  - name: centre\n"
	"    keys: [\"0303030303030303030303030303030303030303030303030303030303030303\"]\n"
	"    legal_basis: order 15\n"
	"    from: 2026-01-01\n"
	"    until: 2027-01-01\n"
	"    rows: [{ parts: [open] }]\n"
	"writers:\n"
	"  - { id: node-a, regions: [\"391010000\"] }\n"
	"  - { id: node-b }\n";

static int load(struct fixture *f, struct broker_rules *out, uint64_t version_least, struct torap_error *err)
{
	char trust[128], policy[128];
	snprintf(trust, sizeof trust, "%s/trust.signed", f->dir);
	snprintf(policy, sizeof policy, "%s/policy.yaml", f->dir);
	struct broker_config config = { .trust = trust, .policy = policy };
	struct torap_wall now = { INT64_C(1790000000) * TORAP_US_PER_S }; /* September 2026 */
	return broker_rules_load(out, &config, f->root.sign.public, version_least, now, err);
}

static void setup(struct fixture *f)
{
	struct torap_error err = { "" };
	*f = (struct fixture){ 0 };
	temporary_dir(f->dir, sizeof f->dir, "admission");
	cr_assert_eq(torap_keys_create(&f->root, "root", &err), 0, "%s", err.text);
	cr_assert_eq(torap_keys_create(&f->a, "node-a", &err), 0);
	cr_assert_eq(torap_keys_create(&f->b, "node-b", &err), 0);
	cr_assert_eq(torap_keys_create(&f->stranger, "stranger", &err), 0);
	write_trust(f, 5);
	write_file(f, "policy.yaml", policy_text, strlen(policy_text));
	cr_assert_eq(load(f, &f->rules, 0, &err), 0, "%s", err.text);
}

static void teardown(struct fixture *f)
{
	static const char *const names[] = { "trust.yaml", "trust.signed", "policy.yaml" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[128];
		snprintf(path, sizeof path, "%s/%s", f->dir, names[i]);
		unlink(path);
	}
	rmdir(f->dir);
	broker_rules_finish(&f->rules);
}

static void add(struct torap_sealer *s, uint32_t region)
{
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	Torap__EventPersonal personal = TORAP__EVENT_PERSONAL__INIT;
	personal.text = (char *)"a name";
	open.state = TORAP__STATE__STATE_PULSE;
	struct torap_event event = {
		.class = { .region = region,
			.facility = TORAP__FACILITY__FACILITY_SCHOOL,
			.kind = TORAP__KIND__KIND_PANIC,
			.severity = TORAP__SEVERITY__SEVERITY_CRITICAL },
		.open = &open,
		.personal = &personal,
	};
	uint64_t seq;
	cr_assert_eq(torap_sealer_add(s, &event, &seq), 0);
}

static struct torap_sealer *sealer(const char *writer, uint64_t incarnation, const struct torap_sign_key *key)
{
	static const uint8_t none[TORAP_DIGEST_SIZE];
	struct torap_stream_id id;
	struct torap_sealer *s = NULL;
	cr_assert(torap_stream_id_make(&id, writer, TORAP__LANE__LANE_CRITICAL, incarnation));
	cr_assert_eq(torap_sealer_create(&s, &id, 0, 1, none, key, NULL), 0);
	return s;
}

static struct torap_batch *seal(struct torap_sealer *s)
{
	struct torap_batch *b = NULL;
	struct torap_wall at = { INT64_C(1790000000) * TORAP_US_PER_S };
	cr_assert_eq(torap_sealer_seal(s, at, &b, NULL), 0);
	return b;
}

static struct torap_batch *seal_one(struct torap_sealer *s, uint32_t region)
{
	add(s, region);
	return seal(s);
}

static const struct torap_position begin = { .next_batch = 1, .next_seq = 1 };

static struct broker_admission judge(
	struct fixture *f, const char *writer, struct torap_batch *b, const struct torap_position *at)
{
	return broker_admission_judge(&f->rules, writer, TORAP__LANE__LANE_CRITICAL, b, at);
}

Test(admission, takes_the_next_batch_of_a_writer_whole)
{
	struct fixture f;
	setup(&f);
	struct torap_sealer *s = sealer("node-a", 1, &f.a.sign);
	struct torap_position at = begin;
	for (int i = 0; i < 3; i++) {
		struct torap_batch *b = seal_one(s, 391010000);
		struct broker_admission a = judge(&f, "node-a", b, &at);
		cr_expect_eq(a.answer, BROKER_ADMIT, "%s", a.reason);
		cr_expect_eq(a.beyond_groups, 0);
		for (unsigned k = 0; k < b->manifest->frames_count; k++)
			cr_expect_not_null(b->frames[k]);
		torap_position_advance(&at, b->manifest);
		torap_batch_destroy(b);
	}
	torap_sealer_destroy(s);
	teardown(&f);
}

Test(admission, tells_old_batches_gaps_and_forks_apart)
{
	struct fixture f;
	setup(&f);
	struct torap_sealer *s = sealer("node-a", 1, &f.a.sign), *fork = sealer("node-a", 1, &f.a.sign);
	struct torap_batch *one = seal_one(s, 391010000), *two = seal_one(s, 391010000);
	struct torap_batch *other_one = seal_one(fork, 391010000), *other_two = seal_one(fork, 391010000);
	struct torap_position after_one = begin, after_two;
	torap_position_advance(&after_one, one->manifest);
	after_two = after_one;
	torap_position_advance(&after_two, two->manifest);
	cr_expect_eq(judge(&f, "node-a", two, &begin).answer, BROKER_ADMIT_GAP);
	cr_expect_eq(judge(&f, "node-a", one, &after_one).answer, BROKER_ADMIT_OLD);
	cr_expect_eq(judge(&f, "node-a", one, &after_two).answer, BROKER_ADMIT_OLD);
	struct broker_admission a = judge(&f, "node-a", other_two, &after_one);
	cr_expect_eq(a.answer, BROKER_ADMIT_NOT);
	cr_expect_eq(a.verdict, TORAP_VERDICT_BROKEN_CHAIN);
	cr_expect_eq(a.code, TORAP__REFUSAL__CODE__BROKEN_CHAIN);
	torap_batch_destroy(one);
	torap_batch_destroy(two);
	torap_batch_destroy(other_one);
	torap_batch_destroy(other_two);
	torap_sealer_destroy(s);
	torap_sealer_destroy(fork);
	teardown(&f);
}

static void expect_not(
	struct fixture *f, const char *writer, struct torap_batch *b, enum torap_verdict verdict, int code)
{
	struct broker_admission a = judge(f, writer, b, &begin);
	cr_expect_eq(a.answer, BROKER_ADMIT_NOT);
	cr_expect_eq(a.verdict, verdict, "%s", torap_verdict_name(a.verdict));
	cr_expect_eq(a.code, code);
	cr_expect_neq(a.reason[0], '\0');
	torap_batch_destroy(b);
}

Test(admission, refuses_a_batch_in_which_one_bit_of_a_frame_is_flipped)
{
	struct fixture f;
	setup(&f);
	struct torap_sealer *s = sealer("node-a", 1, &f.a.sign);
	struct torap_batch *b = seal_one(s, 391010000);
	struct torap_buffer *copy = torap_buffer_copy(torap_buffer_bytes(b->frames[1]));
	copy->data[17] ^= 1;
	torap_buffer_unref(b->frames[1]);
	b->frames[1] = copy;
	expect_not(&f, "node-a", b, TORAP_VERDICT_BAD_DIGEST, TORAP__REFUSAL__CODE__BAD_SIGNATURE);
	torap_sealer_destroy(s);
	teardown(&f);
}

Test(admission, refuses_a_batch_in_which_one_bit_of_the_digests_is_flipped)
{
	struct fixture f;
	setup(&f);
	struct torap_sealer *s = sealer("node-a", 1, &f.a.sign);
	struct torap_batch *b = seal_one(s, 391010000);
	b->digests->data[b->digests->size - 1] ^= 1;
	struct broker_admission a = judge(&f, "node-a", b, &begin);
	cr_expect_not_null(strstr(a.reason, "digests"), "%s", a.reason);
	expect_not(&f, "node-a", b, TORAP_VERDICT_BAD_DIGEST, TORAP__REFUSAL__CODE__BAD_SIGNATURE);
	torap_sealer_destroy(s);
	teardown(&f);
}

Test(admission, refuses_keys_that_the_trust_file_does_not_give_to_the_writer_at_that_time)
{
	struct fixture f;
	setup(&f);
	struct torap_sealer *strange = sealer("node-a", 1, &f.stranger.sign);
	struct torap_sealer *others = sealer("node-a", 1, &f.b.sign);
	struct torap_sealer *expired = sealer("node-b", 1, &f.b.sign);
	expect_not(&f, "node-a", seal_one(strange, 391010000), TORAP_VERDICT_UNKNOWN_KEY,
		TORAP__REFUSAL__CODE__BAD_SIGNATURE);
	expect_not(&f, "node-a", seal_one(others, 391010000), TORAP_VERDICT_UNKNOWN_KEY,
		TORAP__REFUSAL__CODE__BAD_SIGNATURE);
	expect_not(&f, "node-b", seal_one(expired, 391010000), TORAP_VERDICT_UNKNOWN_KEY,
		TORAP__REFUSAL__CODE__BAD_SIGNATURE);
	torap_sealer_destroy(strange);
	torap_sealer_destroy(others);
	torap_sealer_destroy(expired);
	teardown(&f);
}

Test(admission, refuses_a_stream_of_another_writer_or_lane_and_writers_that_nobody_named)
{
	struct fixture f;
	setup(&f);
	struct torap_sealer *s = sealer("node-a", 1, &f.a.sign);
	struct torap_batch *b = seal_one(s, 391010000);
	struct broker_admission a =
		broker_admission_judge(&f.rules, "node-a", TORAP__LANE__LANE_NORMAL, b, &begin);
	cr_expect_eq(a.answer, BROKER_ADMIT_NOT);
	cr_expect_eq(a.code, TORAP__REFUSAL__CODE__MALFORMED);
	a = judge(&f, "node-b", b, &begin);
	cr_expect_eq(a.code, TORAP__REFUSAL__CODE__MALFORMED);
	a = judge(&f, "node-c", b, &begin);
	cr_expect_eq(a.code, TORAP__REFUSAL__CODE__NOT_ADMITTED);
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
	teardown(&f);
}

Test(admission, does_not_believe_batches_after_the_last_good_one)
{
	struct fixture f;
	setup(&f);
	struct torap_sealer *s = sealer("node-a", 0xaa, &f.a.sign);
	struct torap_batch *one = seal_one(s, 391010000), *two = seal_one(s, 391010000);
	struct torap_position after_one = begin;
	torap_position_advance(&after_one, one->manifest);
	cr_expect_eq(judge(&f, "node-a", one, &begin).answer, BROKER_ADMIT);
	cr_expect_eq(judge(&f, "node-a", two, &after_one).answer, BROKER_ADMIT_NOT);
	torap_batch_destroy(one);
	torap_batch_destroy(two);
	torap_sealer_destroy(s);
	teardown(&f);
}

/* A group of a foreign region must neither stop the stream nor be passed on.  The trust file gives node-a 392410000, the policy takes
 * it away again; 751310000 is given by neither. */
Test(admission, leaves_out_the_frames_of_groups_beyond_the_writers_rights)
{
	struct fixture f;
	setup(&f);
	struct torap_sealer *s = sealer("node-a", 1, &f.a.sign);
	add(s, 391010000);
	add(s, 392410000);
	add(s, 751310000);
	add(s, 751310000);
	struct torap_batch *b = seal(s);
	struct broker_admission a = judge(&f, "node-a", b, &begin);
	cr_expect_eq(a.answer, BROKER_ADMIT);
	cr_expect_eq(a.beyond_groups, 2);
	cr_expect_eq(a.beyond_events, 3);
	for (unsigned g = 0; g < b->manifest->groups_count; g++) {
		const struct torap_group *group = &b->manifest->groups[g];
		bool own = group->class.region == 391010000;
		for (unsigned i = 0; i < group->parts_count; i++) {
			unsigned frame = group->first_frame + i;
			cr_expect_eq(b->frames[frame] != NULL, own);
			if (!own)
				cr_expect_eq(b->omissions[frame], TORAP__OMISSION_REASON__OMISSION_REFUSED);
		}
	}
	torap_batch_destroy(b);
	torap_sealer_destroy(s);
	teardown(&f);
}

/* What another broker passes on is believed no more than what a writer says: the same keys, the same rights.  Only the policy need not name
 * the writer. */
Test(admission, judges_what_is_passed_on_as_it_judges_a_writer)
{
	struct fixture f;
	struct torap_error err = { "" };
	static const char nobody[] = "feeds: []\nwriters: []\n";
	setup(&f);
	struct torap_sealer *s = sealer("node-a", 1, &f.a.sign),
			    *strange = sealer("node-a", 2, &f.stranger.sign);
	add(s, 392410000);
	add(s, 751310000);
	struct torap_batch *b = seal(s), *forged = seal_one(strange, 391010000);
	struct broker_admission a = broker_admission_judge_relayed(&f.rules, b, &begin);
	cr_expect_eq(a.answer, BROKER_ADMIT);
	cr_expect_eq(a.beyond_groups, 2, "a writer that the policy narrows is narrowed");
	torap_batch_destroy(b);

	broker_rules_finish(&f.rules);
	write_file(&f, "policy.yaml", nobody, strlen(nobody));
	cr_assert_eq(load(&f, &f.rules, 0, &err), 0, "%s", err.text);
	add(s, 392410000);
	add(s, 751310000);
	b = seal(s);
	struct torap_position at = { .next_batch = 2 };
	a = broker_admission_judge_relayed(&f.rules, b, &at);
	cr_expect_eq(a.answer, BROKER_ADMIT, "%s", a.reason);
	cr_expect_eq(a.beyond_groups, 1, "the trust file holds, whoever is named");
	at.next_batch = 3;
	a = broker_admission_judge_relayed(&f.rules, b, &at);
	cr_expect_eq(a.answer, BROKER_ADMIT_OLD);
	cr_expect_eq(a.beyond_groups, 0, "said when it came first");
	a = broker_admission_judge_relayed(&f.rules, forged, &begin);
	cr_expect_eq(a.answer, BROKER_ADMIT_NOT);
	cr_expect_eq(a.verdict, TORAP_VERDICT_UNKNOWN_KEY);
	torap_batch_destroy(b);
	torap_batch_destroy(forged);
	torap_sealer_destroy(s);
	torap_sealer_destroy(strange);
	teardown(&f);
}

Test(rules, are_refused_as_a_whole_when_one_of_the_files_is_bad)
{
	struct fixture f;
	struct torap_error err = { "" };
	struct broker_rules rules = { 0 };
	setup(&f);
	write_file(&f, "policy.yaml", "feeds: []\nwriters: [{ id: node-z }]\n", 36);
	cr_expect_lt(load(&f, &rules, 0, &err), 0);
	cr_expect(strstr(err.text, "node-z"), "%s", err.text);
	cr_expect_null(rules.trust);
	cr_expect_null(rules.policy);
	write_file(&f, "policy.yaml", policy_text, strlen(policy_text));
	write_file(&f, "trust.signed", "rubbish", 7);
	cr_expect_lt(load(&f, &rules, 0, &err), 0);
	cr_expect_null(rules.trust);
	teardown(&f);
}

Test(rules, never_go_back_to_a_lower_version_of_the_trust_file)
{
	struct fixture f;
	struct torap_error err = { "" };
	struct broker_rules rules = { 0 };
	setup(&f);
	cr_expect_lt(load(&f, &rules, 6, &err), 0);
	cr_expect(strstr(err.text, "lower"), "%s", err.text);
	cr_assert_eq(load(&f, &rules, 5, &err), 0, "%s", err.text);
	broker_rules_finish(&rules);
	teardown(&f);
}

Test(rules, admit_the_keys_of_named_writers_and_of_feeds_that_are_valid_now)
{
	struct fixture f;
	uint8_t feed[32];
	struct torap_wall valid = { INT64_C(1790000000) * TORAP_US_PER_S };
	struct torap_wall later = { INT64_C(1900000000) * TORAP_US_PER_S };
	memset(feed, 3, sizeof feed);
	setup(&f);
	cr_expect(broker_rules_admit(&f.rules, f.a.curve_public, valid));
	cr_expect(broker_rules_admit(&f.rules, feed, valid));
	cr_expect_not(broker_rules_admit(&f.rules, feed, later), "an expired feed");
	cr_expect_not(broker_rules_admit(&f.rules, f.stranger.curve_public, valid));
	teardown(&f);
}
