/* What a restart must know of outages. */
#include "agents/rtsp/outage/outage_state.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "tests/unit/agents/rtsp/outage/rows.h"

enum { MOST = 32, DIGEST = 16 };

static struct rtsp_cameras cameras;

static uint64_t audiences[MOST];
static uint32_t told_starts[MOST], told_count;

static void note_start(void *hint, const struct rtsp_mass *mass)
{
	(void)hint;
	for (uint32_t i = 0; mass->state == RTSP_MASS_START && i < mass->slots_count; i++)
		told_starts[told_count++] = mass->slots[i];
}

static struct kit_planned *no_excuse(void *hint, uint32_t slot)
{
	(void)hint;
	(void)slot;
	return NULL;
}

static void no_hurry(void *hint, uint32_t slot, enum rtsp_fault fault)
{
	(void)fault;
	(void)hint;
	(void)slot;
}

static struct rtsp_outages outages_of(uint32_t count)
{
	struct rtsp_outages o = { .limits = rtsp_outage_limits_default,
		.port = { .tell_mass = note_start, .excuse = no_excuse, .hurry = no_hurry } };
	uint64_t numbers[MOST];
	struct rtsp_belongs belongs[MOST];
	for (uint32_t i = 0; i < count; i++) {
		numbers[i] = cameras.slots[i]->number;
		belongs[i] = (struct rtsp_belongs){ .names = { "sw-1", "", "", "school", "" },
			.audience = audiences[i] };
	}
	cr_assert_eq(rtsp_outages_set(&o, numbers, belongs, count, (struct torap_mono){ 1 }), 0);
	return o;
}

/* Cameras from … until - 1, the first of them back, the last untold. */
static struct rtsp_share *restore(struct rtsp_outages *o, struct rtsp_outage *like,
	struct kit_planned *planned, uint32_t from, uint32_t until)
{
	const struct rtsp_share share_like = { .outage = like,
		.audience = audiences[from],
		.planned = planned,
		.since = { 1700000000000001 },
		.first = cameras.slots[until - 1]->number };
	struct rtsp_share *one = rtsp_outages_restore(o, &share_like, (struct torap_mono){ 1 });
	for (uint32_t i = from; i < until; i++) {
		const struct rtsp_member member = { .state = i > from ? RTSP_MEMBER_IN : RTSP_MEMBER_FREE,
			.untold = i == until - 1,
			.since = { 1700000000000002 },
			.cause = RTSP_CAUSE_POWER,
			.reported = RTSP_OUTCOME_NO_ROUTE };
		rtsp_outages_restore_member(o, one, i, &member, (struct torap_mono){ 1 });
	}
	return one;
}

Test(outage_state, brings_back_what_the_node_knows)
{
	const struct rtsp_now now = { { 1 }, { 1800000000000000 } };
	struct rtsp_outage like = { .common = RTSP_COMMON_SWITCH,
		.name = (char *)"sw-1",
		.what = { RTSP_OFFLINE, RTSP_OUTCOME_PICTURE, true },
		.cause = RTSP_CAUSE_NETWORK,
		.began = { 1700000000000000 },
		.before = 1 };
	struct kit_planned planned = { .who = (char *)"order 5", .why = (char *)"rewiring", .refs = 1 };
	struct torap_writer w = { 0 };
	rows_set(&cameras, 7, &rows_switch, 0);
	for (uint32_t i = 0; i < 7; i++)
		audiences[i] = i < 4 ? 7 : 8;
	struct rtsp_outages before = outages_of(7);
	restore(&before, &like, &planned, 0, 3);
	restore(&before, &like, NULL, 4, 7);
	cr_assert_eq(before.shares[0].outage, before.shares[1].outage, "two reports, one outage");
	rtsp_outage_state_encode(&before, &cameras, &w);

	audiences[5] = 9; /* its site is of another region since */
	struct rtsp_outages after = outages_of(7);
	cr_assert(rtsp_outage_state_decode(&after, &cameras, torap_bytes(w.data, w.size), now));
	const struct rtsp_share *one = &after.shares[0], *two = &after.shares[1];
	cr_expect_eq(one->members, 3);
	cr_expect_eq(one->dark, 2);
	cr_expect_eq(one->audience, 7);
	cr_expect_eq(one->first, cameras.slots[2]->number);
	cr_expect_eq(one->since.us, 1700000000000001);
	cr_expect_str_eq(one->planned->who, "order 5");
	cr_expect(one->durable && !one->untold && one->joined &&
		  rtsp_outages_member(&after, RTSP_OFFLINE, 2)->untold);
	cr_expect_eq(one->outage, two->outage);
	cr_expect_eq(one->outage->began.us, 1700000000000000);
	cr_expect_eq(one->outage->cause, RTSP_CAUSE_NETWORK);
	cr_expect_eq(one->outage->before, 1);
	cr_expect_eq(one->outage->members, 5);
	cr_expect_eq(one->outage->dark, 3);
	cr_expect_eq(two->members, 2);
	cr_expect_eq(rtsp_outages_member(&after, RTSP_OFFLINE, 5)->share, RTSP_NO_SHARE);
	cr_expect_eq(rtsp_outages_member(&after, RTSP_OFFLINE, 5)->state, RTSP_MEMBER_HELD,
		"it is told to those who may read of it now");
	cr_expect_eq(rtsp_outages_member(&after, RTSP_OFFLINE, 5)->reported, RTSP_OUTCOME_NO_ROUTE);
	cr_expect_not(cameras.slots[0]->health.troubles[RTSP_OFFLINE].open);
	cr_expect(cameras.slots[1]->health.troubles[RTSP_OFFLINE].open);
	cr_expect_eq(cameras.slots[1]->health.troubles[RTSP_OFFLINE].bad_since.wall.us, 1700000000000002);
	rtsp_outages_finish(&after);

	for (size_t i = 0; i < w.size; i++) { /* whatever byte is damaged */
		struct rtsp_outages damaged = outages_of(7);
		w.data[i] ^= 0x40;
		cr_expect_not(rtsp_outage_state_decode(&damaged, &cameras, torap_bytes(w.data, w.size), now));
		w.data[i] ^= 0x40;
		cr_expect_not(rtsp_outage_state_decode(&damaged, &cameras, torap_bytes(w.data, i), now));
		rtsp_outages_finish(&damaged);
	}
	torap_writer_finish(&w);
	rtsp_outages_finish(&before);
	rtsp_cameras_finish(&cameras);
}

/* Killed when the node had the report of one region, and not yet that of the other. */
Test(outage_state, who_has_not_heard_of_it_before_a_restart_hears_of_it_after)
{
	struct rtsp_now now = { { 1 }, { 1800000000000000 } };
	struct rtsp_outage like = { .what.fault = RTSP_OFFLINE,
		.common = RTSP_COMMON_SWITCH,
		.name = (char *)"sw-1",
		.began = { 5 } };
	struct torap_writer w = { 0 };
	rows_set(&cameras, 6, &rows_switch, 0);
	for (uint32_t i = 0; i < 6; i++)
		audiences[i] = i < 3 ? 7 : 8;
	struct rtsp_outages before = outages_of(6);
	restore(&before, &like, NULL, 0, 3);
	restore(&before, &like, NULL, 3, 6)->durable = false;
	rtsp_outage_state_encode(&before, &cameras, &w);
	rtsp_outages_finish(&before);

	struct rtsp_outages after = outages_of(6);
	cr_assert(rtsp_outage_state_decode(&after, &cameras, torap_bytes(w.data, w.size), now));
	const struct rtsp_report report = { .fault = RTSP_OFFLINE,
		.start = true,
		.cause = RTSP_CAUSE_NETWORK,
		.outcome = RTSP_OUTCOME_NO_ROUTE,
		.since = { 9 } };
	for (uint32_t i = 4; i < 6; i++)
		rtsp_outages_report(&after, i, &report, now);
	for (; now.mono.us < 40 * TORAP_US_PER_S; now.mono.us += TORAP_US_PER_S)
		rtsp_outages_step(&after, now);
	cr_assert_eq(told_count, 2, "told were %u", told_count);
	cr_expect(told_starts[0] == 4 && told_starts[1] == 5);
	cr_expect_eq(after.shares[1].outage, after.shares[0].outage);
	torap_writer_finish(&w);
	rtsp_outages_finish(&after);
	rtsp_cameras_finish(&cameras);
}

/* No agent writes that: its members would be in it for ever. */
Test(outage_state, who_is_in_one_that_has_ended_is_refused)
{
	struct rtsp_outage like = { .what.fault = RTSP_OFFLINE,
		.common = RTSP_COMMON_SWITCH,
		.name = (char *)"sw-1",
		.began = { 5 } };
	struct torap_writer w = { 0 };
	rows_set(&cameras, 3, &rows_switch, 0);
	memset(audiences, 0, sizeof audiences);
	struct rtsp_outages before = outages_of(3), after = outages_of(3);
	restore(&before, &like, NULL, 0, 3)->ended = true;
	rtsp_outage_state_encode(&before, &cameras, &w);
	cr_expect_not(rtsp_outage_state_decode(&after, &cameras, torap_bytes(w.data, w.size),
		(struct rtsp_now){ { 1 }, { 1800000000000000 } }));
	for (uint32_t i = 0; i < 3; i++)
		cr_expect_eq(rtsp_outages_member(&after, RTSP_OFFLINE, i)->share, RTSP_NO_SHARE);
	torap_writer_finish(&w);
	rtsp_outages_finish(&before);
	rtsp_outages_finish(&after);
	rtsp_cameras_finish(&cameras);
}

/* A recorder that froze before a restart, and is well after it. */

enum { CHANNELS = 20 };
static char said[4][32];
static uint32_t said_count, said_members;

static void say(const char *text)
{
	cr_assert_lt(said_count, 4, "also: %s", text);
	snprintf(said[said_count++], sizeof said[0], "%s", text);
}

static void say_one(void *hint, uint32_t slot, const struct rtsp_report *report)
{
	(void)hint;
	(void)slot;
	say(rtsp_fault_name(report->fault));
}

static void say_mass(void *hint, const struct rtsp_mass *mass)
{
	static const char *const words[] = { "mass start", "mass change", "mass end" };
	(void)hint;
	say(words[mass->state]);
	said_members = mass->slots_count;
}

/* For a minute each ten seconds a picture of each. */
static void look(struct rtsp_outages *o, uint32_t faults, struct rtsp_now *now)
{
	const struct rtsp_verdict v = { .faults = faults };
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	for (int64_t s = 0; s < 120; s++, now->mono.us += TORAP_US_PER_S, now->wall.us += TORAP_US_PER_S) {
		for (uint32_t i = 0; s % 10 == 0 && i < CHANNELS; i++) {
			rtsp_outages_seen(o, i, &v, 0, now->mono);
			unsigned count = rtsp_health_picture(
				&cameras.slots[i]->health, &v, true, &rtsp_profile_default, *now, reports);
			for (unsigned k = 0; k < count; k++)
				rtsp_outages_report(o, i, &reports[k], *now);
		}
		rtsp_outages_step(o, *now);
	}
}

Test(outage_state, a_fault_that_outlasts_a_restart_has_one_start_and_one_end)
{
	struct rtsp_now now = { { TORAP_US_PER_S }, { 1800000000000000 } };
	struct torap_writer w = { 0 };
	memset(audiences, 0, sizeof audiences);
	rows_set(&cameras, CHANNELS, &rows_switch, 0);
	struct rtsp_outages before = outages_of(CHANNELS);
	before.port.tell = say_one;
	before.port.tell_mass = say_mass;
	look(&before, rtsp_fault_bit(RTSP_FROZEN), &now);
	cr_assert_eq(said_count, 1);
	cr_expect_str_eq(said[0], "mass start");
	rtsp_outages_taken(&before, before.shares[0].number, RTSP_MASS_START, true);
	rtsp_outage_state_encode(&before, &cameras, &w);
	rtsp_outages_finish(&before);
	rtsp_cameras_finish(&cameras);

	rows_set(&cameras, CHANNELS, &rows_switch, 0);
	struct rtsp_outages after = outages_of(CHANNELS);
	after.port.tell = say_one;
	after.port.tell_mass = say_mass;
	cr_assert(rtsp_outage_state_decode(&after, &cameras, torap_bytes(w.data, w.size), now));
	cr_expect_eq(after.shares[0].outage->what.fault, RTSP_FROZEN);
	cr_expect(cameras.slots[7]->health.troubles[RTSP_FROZEN].open);
	cr_expect_not(cameras.slots[7]->health.troubles[RTSP_OFFLINE].open);
	look(&after, rtsp_fault_bit(RTSP_FROZEN), &now);
	cr_expect_eq(said_count, 1, "a second start");
	look(&after, 0, &now);
	cr_assert_eq(said_count, 2);
	cr_expect_str_eq(said[1], "mass end");
	cr_expect_eq(said_members, CHANNELS);
	torap_writer_finish(&w);
	rtsp_outages_finish(&after);
	rtsp_cameras_finish(&cameras);
}

/* As the agent wrote it that knew offline only: the same without the word. */
static void make_old(struct torap_writer *w)
{
	static const char magic[] = "torap-rtsp outages 2\n";
	const size_t head = strlen(magic), at = head + DIGEST + 1 + 4 + strlen("sw-1");
	cr_assert_eq(w->data[at], RTSP_OFFLINE);
	memmove(w->data + at, w->data + at + 1, w->size - at - 1);
	w->size--;
	memcpy(w->data, magic, head);
	crypto_generichash(w->data + head, DIGEST, w->data + head + DIGEST, w->size - head - DIGEST, NULL, 0);
}

Test(outage_state, a_file_of_the_version_before_is_taken_over)
{
	const struct rtsp_now now = { { 1 }, { 1800000000000000 } };
	struct rtsp_outage like = { .what = { RTSP_OFFLINE, RTSP_OUTCOME_UNAUTHORISED, false },
		.common = RTSP_COMMON_SWITCH,
		.name = (char *)"sw-1",
		.cause = RTSP_CAUSE_CREDENTIALS,
		.began = { 5 } };
	struct torap_writer w = { 0 };
	memset(audiences, 0, sizeof audiences);
	rows_set(&cameras, 3, &rows_switch, 0);
	struct rtsp_outages before = outages_of(3), after = outages_of(3);
	restore(&before, &like, NULL, 0, 3);
	rtsp_outage_state_encode(&before, &cameras, &w);
	make_old(&w);
	cr_assert(rtsp_outage_state_decode(&after, &cameras, torap_bytes(w.data, w.size), now));
	const struct rtsp_outage *outage = after.shares[0].outage;
	cr_expect_eq(outage->what.fault, RTSP_OFFLINE);
	cr_expect_eq(outage->what.kind, RTSP_OUTCOME_UNAUTHORISED);
	cr_expect_eq(outage->cause, RTSP_CAUSE_CREDENTIALS);
	cr_expect_eq(outage->dark, 2);
	cr_expect(cameras.slots[1]->health.troubles[RTSP_OFFLINE].open);
	torap_writer_finish(&w);
	rtsp_outages_finish(&before);
	rtsp_outages_finish(&after);
	rtsp_cameras_finish(&cameras);
}

static uint32_t ends;

static void count_end(void *hint, uint32_t slot, const struct rtsp_report *report)
{
	(void)hint;
	(void)slot;
	ends += !report->start;
}

/* Killed when it stayed dark after an outage and the node had heard of it by itself, and before the file knew that the outage is over: what is
 * told by itself also ends by itself. */
Test(outage_state, who_is_known_by_itself_is_not_dark_in_an_outage)
{
	const struct rtsp_now now = { { TORAP_US_PER_S }, { 1800000000000000 } };
	struct rtsp_outage like = { .what.fault = RTSP_FROZEN,
		.common = RTSP_COMMON_SWITCH,
		.name = (char *)"sw-1",
		.began = { 5 } };
	const struct rtsp_report back = { .fault = RTSP_FROZEN };
	struct torap_writer w = { 0 };
	memset(audiences, 0, sizeof audiences);
	rows_set(&cameras, 4, &rows_switch, 0);
	struct rtsp_outages before = outages_of(4), after = outages_of(4);
	restore(&before, &like, NULL, 0, 4);
	rtsp_outage_state_encode(&before, &cameras, &w);
	after.port.tell = count_end;
	rtsp_outages_known(&after, 2, RTSP_FROZEN);
	cr_assert(rtsp_outage_state_decode(&after, &cameras, torap_bytes(w.data, w.size), now));
	cr_expect_eq(rtsp_outages_member(&after, RTSP_FROZEN, 2)->state, RTSP_MEMBER_TOLD);
	cr_expect_eq(after.shares[0].dark, 2);
	cr_expect_eq(after.shares[0].members, 4);
	rtsp_outages_report(&after, 2, &back, now);
	cr_expect_eq(ends, 1);
	rtsp_outages_report(&after, 1, &back, now);
	cr_expect_eq(ends, 1);
	cr_expect_eq(after.shares[0].dark, 1);
	torap_writer_finish(&w);
	rtsp_outages_finish(&before);
	rtsp_outages_finish(&after);
	rtsp_cameras_finish(&cameras);
}

static uint32_t changes;

static void count_change(void *hint, const struct rtsp_mass *mass)
{
	(void)hint;
	changes += mass->state == RTSP_MASS_CHANGE;
}

/* Killed, or ended, while the node is away: who joined is told after the restart. */
Test(outage_state, a_change_that_was_on_its_way_is_told_after_a_restart)
{
	struct rtsp_outage like = {
		.what.fault = RTSP_BLACK, .common = RTSP_COMMON_SWITCH, .name = (char *)"sw-1", .began = { 5 }
	};
	memset(audiences, 0, sizeof audiences);
	rows_set(&cameras, 5, &rows_switch, 0);
	for (int taken = 0; taken < 2; taken++) {
		const struct rtsp_now now = { { 40 * TORAP_US_PER_S }, { 1800000000000000 } };
		struct torap_writer w = { 0 };
		struct rtsp_outages before = outages_of(5), after = outages_of(5);
		before.port.tell_mass = count_change;
		restore(&before, &like, NULL, 0, 5);
		changes = 0;
		rtsp_outages_step(&before, now);
		cr_assert_eq(changes, 1);
		cr_assert_not(rtsp_outages_member(&before, RTSP_BLACK, 4)->untold);
		if (taken)
			rtsp_outages_taken(&before, before.shares[0].number, RTSP_MASS_CHANGE, true);
		rtsp_outage_state_encode(&before, &cameras, &w);
		cr_assert(rtsp_outage_state_decode(&after, &cameras, torap_bytes(w.data, w.size), now));
		cr_expect_eq(rtsp_outages_member(&after, RTSP_BLACK, 4)->untold, !taken);
		cr_expect_eq(after.shares[0].joined, !taken);
		torap_writer_finish(&w);
		rtsp_outages_finish(&before);
		rtsp_outages_finish(&after);
	}
	rtsp_cameras_finish(&cameras);
}
