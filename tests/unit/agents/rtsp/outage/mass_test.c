#include "agents/rtsp/outage/mass.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/observe.h"
#include "base/limits.h"
#include "tests/unit/agents/rtsp/outage/rows.h"

enum { MANY = 20000 };

static struct rtsp_cameras cameras;
static uint32_t slots[MANY];
static struct rtsp_outage outage = { .what.fault = RTSP_OFFLINE,
	.common = RTSP_COMMON_SWITCH,
	.name = (char *)"sw-1",
	.cause = RTSP_CAUSE_NETWORK,
	.began = { 1700000000000000 } };
static struct rtsp_share share = { .number = 1, .outage = &outage, .since = { 1700000000000000 } };
static struct rtsp_observation observation;

static void name_cameras(uint32_t count)
{
	rows_set(&cameras, count, &rows_switch, ROWS_NAME_MAX); /* ids as long as the registry takes them */
	cr_assert_eq(strlen(cameras.slots[0]->device), ROWS_NAME_MAX);
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

static void expect_zone_of_fault(enum rtsp_fault fault, const char *zone, const char *outcome)
{
	outage.what.fault = fault;
	struct rtsp_mass_note *note = note_of(RTSP_MASS_START, 3, 0);
	cr_expect_str_eq(observation.o.zone, zone);
	cr_expect_str_eq(field("fault"), rtsp_fault_name(fault));
	cr_expect_str_eq(field("outcome"), outcome);
	rtsp_mass_note_destroy(note);
	outage.what.fault = RTSP_OFFLINE;
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
	char longest[ROWS_NAME_MAX + 1], expected[128];
	memset(longest, 'x', ROWS_NAME_MAX);
	longest[ROWS_NAME_MAX] = 0;
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

/* And each fault has; how an attempt ended is told of offline cameras only. */
Test(mass, each_fault_of_one_group_has_a_zone_of_its_own)
{
	name_cameras(3);
	expect_zone_of_fault(RTSP_OFFLINE, "switch sw-1", "picture");
	expect_zone_of_fault(RTSP_FROZEN, "switch sw-1 frozen", "");
	expect_zone_of_fault(RTSP_WRONG_CLOCK, "switch sw-1 wrong_clock", "");
	outage.what.excused = true;
	expect_zone_of_fault(RTSP_BLACK, "switch sw-1 black planned", "");
	outage.what.excused = false;
	rtsp_cameras_finish(&cameras);
}
