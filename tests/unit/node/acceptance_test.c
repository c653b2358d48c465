#include "node/acceptance.h"

#include "node/dedup.h"
#include "node/mapping.h"
#include "node/registry.h"
#include "node/room.h"
#include "node/subjects.h"
#include "node/supervision.h"
#include "node/unknown.h"
#include "tests/unit/node/fixture.h"

enum { VERDICTS = 20 << 10 };

struct desk {
	struct fixture f;
	struct node_dedup *dedup;
	struct node_subjects *subjects;
	struct node_supervision *supervision;
	struct node_unknown *unknown;
	struct node_registry *registry;
	struct node_mapping *mapping;
	struct node_acceptance *acceptance;
	struct node_room room;
	int word[VERDICTS]; /* by id; 0: none yet */
	unsigned verdicts;
};

static const char sites[] = "id,name,facility,region,owner_kind\n"
			    "school-1,School,school,391010000,public\n"
			    "shop,Shop,other_private,391010000,private\n";
static const char devices[] = "id,site,protocol,address,consent_ref,consent_from,consent_until\n"
			      "a,school-1,dc09,4001,,,\n"
			      "p,shop,dc09,5001,doc,2026-01-01,2040-01-01\n"
			      "q,shop,dc09,5002,,,\n";
static const char table[] = "vocabulary: sia-dcs\nrows:\n  - { code: BA, kind: burglary, state: start }\n"
			    "  - { code: PA, kind: panic, state: start }\n"
			    "  - { code: ZM, kind: motion, state: start }\n";

static void on_verdict(
	void *hint, uint64_t session, uint64_t id, Torap__Verdict__Word word, const char *reason)
{
	struct desk *d = hint;
	(void)reason;
	cr_expect_eq(session, 7);
	cr_assert_lt(id, VERDICTS);
	cr_expect_eq(d->word[id], 0, "a second verdict for %d", (int)id);
	d->word[id] = (int)word;
	d->verdicts++;
}

static void open_desk(struct desk *d)
{
	struct torap_error err;
	struct node_unknown_options unknown = { d->f.batcher, 391010000 };
	cr_assert_eq(node_dedup_create(&d->dedup, NODE_DEDUP_MAX, &err), 0);
	cr_assert_eq(node_dedup_load(d->dedup, d->f.kv, d->f.now.wall, &err), 0, "%s", err.text);
	cr_assert_eq(node_subjects_create(&d->subjects, d->f.kv, &err), 0);
	struct node_supervision_options supervision = { d->f.batcher, d->subjects };
	cr_assert_eq(node_supervision_create(&d->supervision, &supervision, d->f.kv, &err), 0);
	cr_assert_eq(node_supervision_registry(d->supervision, d->registry, d->f.now), 0);
	cr_assert_eq(node_unknown_create(&d->unknown, &unknown, d->f.kv, d->f.now, &err), 0);
	struct node_acceptance_parts parts = { d->f.batcher, d->dedup, d->supervision, d->unknown,
		d->subjects, &d->room, NULL };
	cr_assert_eq(node_acceptance_create(&d->acceptance, &parts, on_verdict, d, &err), 0);
	node_acceptance_rules(d->acceptance, d->registry, d->mapping);
}

static void close_desk(struct desk *d)
{
	node_acceptance_destroy(d->acceptance);
	node_unknown_destroy(d->unknown);
	node_supervision_destroy(d->supervision);
	node_subjects_destroy(d->subjects);
	node_dedup_destroy(d->dedup);
}

static void begin(struct desk *d)
{
	struct torap_error err;
	*d = (struct desk){ 0 };
	fixture_begin(&d->f, 16 << 20);
	cr_assert_eq(node_registry_parse(&d->registry, "s", torap_bytes(sites, strlen(sites)), "d",
			     torap_bytes(devices, strlen(devices)), NULL, &err),
		0, "%s", err.text);
	cr_assert_eq(node_mapping_parse(&d->mapping, "t", torap_bytes(table, strlen(table)), &err), 0, "%s",
		err.text);
	open_desk(d);
}

static void end(struct desk *d)
{
	fixture_settle(&d->f);
	close_desk(d);
	node_registry_unref(d->registry);
	node_mapping_unref(d->mapping);
	fixture_end(&d->f);
}

static void offer(struct desk *d, uint64_t id, const char *address, const char *code, const char *key)
{
	Torap__Observation o = TORAP__OBSERVATION__INIT;
	o.id = id;
	o.protocol = (char *)"dc09";
	o.address = (char *)address;
	o.vocabulary = (char *)"sia-dcs";
	o.code = (char *)code;
	o.repeat_key = (ProtobufCBinaryData){ strlen(key), (uint8_t *)key };
	node_acceptance_offer(d->acceptance, 7, &o, d->f.now);
}

enum {
	DURABLE = TORAP__VERDICT__WORD__DURABLE,
	DUPLICATE = TORAP__VERDICT__WORD__DUPLICATE,
	REFUSED = TORAP__VERDICT__WORD__REFUSED
};

/* Whatever is shed, a repeat of what is durable is answered, for its device would go on for ever. */
Test(acceptance, sheds_a_lane_at_its_mark_and_counts_it_but_answers_repeats)
{
	struct desk d;
	begin(&d);
	offer(&d, 1, "4001", "ZM", "k");
	fixture_settle(&d.f);
	d.room.sheds[BULK] = true;
	offer(&d, 2, "4001", "ZM", "k");
	offer(&d, 3, "4001", "ZM", "new");
	offer(&d, 4, "4001", "BA", "burglary");
	d.room.sheds[NORMAL] = true;
	offer(&d, 5, "4001", "BA", "another");
	offer(&d, 6, "9999", "BA", "of a stranger");
	offer(&d, 7, "4001", "PA", "alarm");
	fixture_settle(&d.f);
	cr_expect(d.word[1] == DURABLE && d.word[2] == DUPLICATE && d.word[3] == REFUSED);
	cr_expect(d.word[4] == DURABLE && d.word[5] == REFUSED && d.word[6] == REFUSED);
	cr_expect_eq(d.word[7], DURABLE);
	const struct node_acceptance_counts *counts = node_acceptance_counts(d.acceptance);
	cr_expect_eq(counts->refused[NODE_REFUSED_BUSY], 3);
	cr_expect(counts->shed[BULK] == 1 && counts->shed[NORMAL] == 2 && counts->shed[CRITICAL] == 0);
	d.room.sheds[BULK] = false;
	offer(&d, 8, "4001", "ZM", "new");
	fixture_settle(&d.f);
	cr_expect_eq(d.word[8], DURABLE);
	end(&d);
}

/* The device tells twice before the disk has flushed once: no answer may come before the flush, and one event comes of it. */
Test(acceptance, answers_a_repeat_no_earlier_than_its_original)
{
	struct desk d;
	begin(&d);
	offer(&d, 1, "4001", "BA", "k");
	offer(&d, 2, "4001", "BA", "k");
	offer(&d, 3, "4001", "BA", "other");
	cr_expect_eq(d.verdicts, 0);
	fixture_settle(&d.f);
	cr_expect_eq(d.word[1], DURABLE);
	cr_expect_eq(d.word[2], DUPLICATE);
	cr_expect_eq(d.word[3], DURABLE);
	offer(&d, 4, "4001", "BA", "k");
	cr_expect_eq(d.word[4], DUPLICATE, "durable already: answered at once");
	cr_expect_eq(node_batcher_next_seq(d.f.batcher, NORMAL), 3);
	end(&d);
}

/* While the disk hangs a device, or an agent gone mad, repeats and repeats. */
Test(acceptance, lets_so_many_repeats_wait_and_no_more)
{
	static struct desk d;
	const uint64_t most = node_batcher_waiting_max[BULK];
	begin(&d);
	for (uint64_t id = 1; id <= most + 3; id++)
		offer(&d, id, "4001", "ZM", "k");
	cr_expect_eq(d.verdicts, 2);
	cr_expect(d.word[most + 2] == REFUSED && d.word[most + 3] == REFUSED);
	fixture_settle(&d.f);
	cr_expect(d.word[1] == DURABLE && d.word[2] == DUPLICATE && d.word[most + 1] == DUPLICATE);
	cr_expect_eq(d.verdicts, most + 3);
	offer(&d, most + 4, "4001", "ZM", "other");
	offer(&d, most + 5, "4001", "ZM", "other");
	fixture_settle(&d.f);
	cr_expect_eq(d.word[most + 5], DUPLICATE, "they are counted down, too");
	end(&d);
}

Test(acceptance, knows_a_repeat_after_a_crash)
{
	struct desk d;
	begin(&d);
	offer(&d, 1, "4001", "BA", "k");
	fixture_settle(&d.f);
	close_desk(&d);
	fixture_crash(&d.f);
	fixture_open(&d.f);
	open_desk(&d);
	offer(&d, 2, "4001", "BA", "k");
	cr_expect_eq(d.word[2], DUPLICATE);
	end(&d);
}

/* Nobody heard "durable", so nothing may be remembered of it: after the crash the device's repeat is the first. */
Test(acceptance, has_forgotten_after_a_crash_what_it_never_answered)
{
	struct desk d;
	begin(&d);
	offer(&d, 1, "4001", "BA", "k");
	fixture_crash(&d.f); /* before any round; the batcher gives it back as not kept */
	cr_expect_eq(d.word[1], REFUSED);
	close_desk(&d);
	fixture_open(&d.f);
	open_desk(&d);
	offer(&d, 2, "4001", "BA", "k");
	fixture_settle(&d.f);
	cr_expect_eq(d.word[2], DURABLE);
	end(&d);
}

Test(acceptance, refuses_without_consent_and_journals_nothing)
{
	struct desk d;
	begin(&d);
	offer(&d, 1, "5002", "BA", "k");
	cr_expect_eq(d.word[1], REFUSED);
	fixture_settle(&d.f);
	cr_expect_eq(node_batcher_next_seq(d.f.batcher, NORMAL), 1);
	cr_expect_eq(node_acceptance_counts(d.acceptance)->refused[NODE_REFUSED_CONSENT], 1);
	offer(&d, 2, "5001", "BA", "k");
	fixture_settle(&d.f);
	cr_expect_eq(d.word[2], DURABLE);
	cr_expect_eq(node_subjects_count(d.subjects), 1);
	end(&d);
}

/* Who says later whose frames they are?  The subject must be there after a restart, and be the same. */
Test(acceptance, keeps_the_subject_of_a_device_for_ever)
{
	struct desk d;
	uint8_t before[TORAP_SUBJECT_SIZE];
	begin(&d);
	offer(&d, 1, "5001", "BA", "k");
	fixture_settle(&d.f);
	memcpy(before, node_subjects_find(d.subjects, "p"), sizeof before);
	close_desk(&d);
	fixture_crash(&d.f);
	fixture_open(&d.f);
	open_desk(&d);
	cr_assert_not_null(node_subjects_find(d.subjects, "p"));
	cr_expect_eq(memcmp(before, node_subjects_find(d.subjects, "p"), sizeof before), 0);
	cr_expect_str_eq(node_subjects_device(d.subjects, before), "p");
	end(&d);
}

Test(acceptance, counts_unknown_devices_and_unmapped_codes_and_drops_neither)
{
	struct desk d;
	begin(&d);
	offer(&d, 1, "9999", "BA", "k");
	offer(&d, 2, "9999", "BA", "k");
	offer(&d, 3, "4001", "QQ", "k");
	cr_expect_eq(d.verdicts, 0, "each waits for the disk");
	fixture_settle(&d.f);
	for (int id = 1; id <= 3; id++)
		cr_expect_eq(d.word[id], DURABLE);
	cr_expect_eq(node_acceptance_counts(d.acceptance)->unknown, 2);
	cr_expect_eq(node_acceptance_counts(d.acceptance)->unmapped, 1);
	end(&d);
}
