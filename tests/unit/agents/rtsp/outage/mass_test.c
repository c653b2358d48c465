#include "agents/rtsp/outage/mass.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/observe.h"
#include "agents/rtsp/outage/outage_state.h"
#include "base/limits.h"

enum { MANY = 20000, NAME_MAX_ = 63 };

static struct rtsp_cameras cameras;
static uint32_t slots[MANY];
static struct rtsp_outage outage = { .what.fault = RTSP_OFFLINE,
	.common = RTSP_COMMON_SWITCH,
	.name = (char *)"sw-1",
	.cause = RTSP_CAUSE_NETWORK,
	.began = { 1700000000000000 } };
static struct rtsp_share share = { .number = 1, .outage = &outage, .since = { 1700000000000000 } };
static struct rtsp_observation observation;

/* Ids as long as the registry takes them. */
static void name_cameras(uint32_t count)
{
	static char names[MANY][NAME_MAX_ + 1];
	static struct kit_row rows[MANY];
	for (uint32_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof names[i], "camera-%056u", i);
		rows[i] = (struct kit_row){ .address = names[i],
			.device = names[i],
			.url = "rtsp://c/1",
			.key_name = "",
			.profile = "",
			.site = "school",
			.switch_name = "sw-1",
			.recorder = "",
			.street = "",
			.mode = "" };
	}
	cr_assert_eq(rtsp_cameras_set(&cameras, rows, count, false, NULL, NULL), 0);
	cr_assert_eq(strlen(cameras.slots[0]->device), NAME_MAX_);
	for (uint32_t i = 0; i < count; i++)
		slots[i] = i;
}

static const char *field(const char *name)
{
	for (size_t i = 0; i < observation.o.n_fields; i++)
		if (strcmp(observation.o.fields[i]->name, name) == 0)
			return observation.o.fields[i]->value;
	return "";
}

static uint32_t words(const char *text)
{
	uint32_t count = *text != 0;
	for (; *text; text++)
		count += *text == ' ';
	return count;
}

static struct rtsp_mass_note *note_of(enum rtsp_mass_state state, uint32_t count, uint32_t others)
{
	struct rtsp_mass mass = { .share = &share,
		.state = state,
		.of = count,
		.slots = slots,
		.slots_count = count,
		.others = slots,
		.others_count = others };
	outage.members = share.members = count;
	struct rtsp_mass_note *note = rtsp_mass_note_create(&mass, &cameras);
	cr_assert(note);
	rtsp_observe_mass(
		&observation, cameras.slots[0]->address, note, (struct torap_wall){ 1800000000000000 });
	if (note->planned)
		rtsp_observe_excuse(&observation, note->planned);
	return note;
}

Test(mass, five_hundred_of_the_longest_names_are_all_named)
{
	name_cameras(500);
	struct rtsp_mass_note *note = note_of(RTSP_MASS_START, 500, 0);
	cr_expect_eq(words(field("members")), 500);
	cr_expect_str_eq(field("members_count"), "500");
	cr_expect_str_eq(field("members_left_out"), "");
	cr_expect_str_eq(observation.o.code, "mass_outage start");
	cr_expect_str_eq(observation.o.zone, "switch sw-1");
	rtsp_mass_note_destroy(note);
	rtsp_cameras_finish(&cameras);
}

/* However many: the event fits, and who is not named is counted. */
Test(mass, what_does_not_fit_is_counted)
{
	static const enum rtsp_mass_state states[] = { RTSP_MASS_START, RTSP_MASS_CHANGE, RTSP_MASS_END };
	name_cameras(MANY);
	for (size_t i = 0; i < 3; i++) {
		struct rtsp_mass_note *note = note_of(states[i], MANY, MANY);
		cr_expect_leq(torap__observation__get_packed_size(&observation.o), TORAP_EVENT_PART_SIZE_MAX);
		const char *list = states[i] == RTSP_MASS_CHANGE ? "joined" : "members";
		const char *rest = states[i] == RTSP_MASS_CHANGE ? "joined_left_out" : "members_left_out";
		cr_expect_eq(words(field(list)) + (uint32_t)atoi(field(rest)), MANY);
		rtsp_mass_note_destroy(note);
	}
	rtsp_cameras_finish(&cameras);
}

/* The same start without and with an excuse are two things, or the node would drop the second. */
Test(mass, an_excuse_makes_it_another_thing)
{
	struct kit_planned planned = { .who = (char *)"order 5", .why = (char *)"rewiring", .refs = 1 };
	uint8_t key[RTSP_REPEAT_KEY_SIZE];
	name_cameras(3);
	struct rtsp_mass_note *note = note_of(RTSP_MASS_START, 3, 0);
	memcpy(key, observation.repeat_key, sizeof key);
	cr_expect_eq(observation.o.n_personal, 0);
	rtsp_mass_note_destroy(note);
	share.planned = &planned;
	outage.what.excused = true;
	note = note_of(RTSP_MASS_START, 3, 0);
	cr_expect_neq(memcmp(key, observation.repeat_key, sizeof key), 0);
	cr_expect_str_eq(observation.o.vocabulary, "torap-rtsp-planned");
	cr_expect_str_eq(field("planned"), "yes");
	cr_assert_eq(observation.o.n_personal, 2);
	cr_expect_str_eq(observation.o.personal[0]->value, "order 5");
	cr_expect_str_eq(observation.o.personal[1]->value, "rewiring");
	rtsp_mass_note_destroy(note);
	cr_expect_eq(planned.refs, 1);
	share.planned = NULL;
	outage.what.excused = false;
	rtsp_cameras_finish(&cameras);
}

static void expect_zone(const char *name, enum rtsp_outcome kind, const char *zone)
{
	outage.name = (char *)name;
	outage.what.kind = kind;
	struct rtsp_mass_note *note = note_of(RTSP_MASS_START, 3, 0);
	cr_expect_str_eq(observation.o.zone, zone);
	rtsp_mass_note_destroy(note);
	outage.name = (char *)"sw-1";
	outage.what.kind = RTSP_OUTCOME_PICTURE;
}

/* A start and its end belong together by camera, kind and zone: what one group has at a time by silence, by wrong answers and by plan, is told
 * apart there; with the longest names, too. */
Test(mass, each_kind_of_an_outage_of_one_group_has_a_zone_of_its_own)
{
	struct kit_planned planned = { .who = (char *)"order 5", .why = (char *)"rewiring", .refs = 1 };
	char longest[NAME_MAX_ + 1], expected[128];
	memset(longest, 'x', NAME_MAX_);
	longest[NAME_MAX_] = 0;
	name_cameras(3);
	expect_zone("sw-1", RTSP_OUTCOME_PICTURE, "switch sw-1");
	expect_zone("sw-1", RTSP_OUTCOME_UNAUTHORISED, "switch sw-1 unauthorised");
	share.planned = &planned;
	outage.what.excused = true;
	expect_zone("sw-1", RTSP_OUTCOME_PICTURE, "switch sw-1 planned");
	outage.common = RTSP_COMMON_RECORDER;
	for (int kind = RTSP_OUTCOME_PICTURE + 1; kind < RTSP_OUTCOMES; kind++) {
		snprintf(expected, sizeof expected, "recorder %s %s planned", longest,
			rtsp_outcome_name((enum rtsp_outcome)kind));
		expect_zone(longest, (enum rtsp_outcome)kind, expected);
	}
	outage.common = RTSP_COMMON_ALL;
	expect_zone("all", RTSP_OUTCOME_NOT_FOUND, "all not_found planned");
	outage.common = RTSP_COMMON_SWITCH;
	share.planned = NULL;
	outage.what.excused = false;
	rtsp_cameras_finish(&cameras);
}

/* What a restart must know. */

static uint64_t audiences[8];
static uint32_t told_starts[8], told_count;

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
	uint64_t numbers[8];
	struct rtsp_belongs belongs[8];
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
	name_cameras(7);
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
	cr_expect(one->durable && !one->untold && one->joined && after.members[2].untold);
	cr_expect_eq(one->outage, two->outage);
	cr_expect_eq(one->outage->began.us, 1700000000000000);
	cr_expect_eq(one->outage->cause, RTSP_CAUSE_NETWORK);
	cr_expect_eq(one->outage->before, 1);
	cr_expect_eq(one->outage->members, 5);
	cr_expect_eq(one->outage->dark, 3);
	cr_expect_eq(two->members, 2);
	cr_expect_eq(after.members[5].share, RTSP_NO_SHARE);
	cr_expect_eq(after.members[5].state, RTSP_MEMBER_HELD, "it is told to those who may read of it now");
	cr_expect_eq(after.members[5].reported, RTSP_OUTCOME_NO_ROUTE);
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
	name_cameras(6);
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
	name_cameras(3);
	memset(audiences, 0, sizeof audiences);
	struct rtsp_outages before = outages_of(3), after = outages_of(3);
	restore(&before, &like, NULL, 0, 3)->ended = true;
	rtsp_outage_state_encode(&before, &cameras, &w);
	cr_expect_not(rtsp_outage_state_decode(&after, &cameras, torap_bytes(w.data, w.size),
		(struct rtsp_now){ { 1 }, { 1800000000000000 } }));
	for (uint32_t i = 0; i < 3; i++)
		cr_expect_eq(after.members[i].share, RTSP_NO_SHARE);
	torap_writer_finish(&w);
	rtsp_outages_finish(&before);
	rtsp_outages_finish(&after);
	rtsp_cameras_finish(&cameras);
}
