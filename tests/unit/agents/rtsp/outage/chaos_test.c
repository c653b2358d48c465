/* Everything at once, by dice: faults of every word, dead switches, other groups, other audiences, cameras that go and come, plans, a node that takes
 * nothing, restarts.  Whatever happens, nothing is lost, doubled, or left open. */
#include "agents/rtsp/outage/outage_state.h"

#include "tests/unit/agents/rtsp/outage/district.h"
#include "tests/unit/agents/rtsp/outage/rows.h"

enum {
	CAMERAS = 96,
	HOURS = 4,
	STEP_S = 15,
	PATIENCE_S = 75 /* twice the hold, and the first of many is slow */
};

static struct kit_planned plan = { .who = (char *)"order 5", .why = (char *)"rewiring", .refs = 1 };
static bool open_alone[CAMERAS][RTSP_FAULTS]; /* as who reads it has it */
static int64_t faulty_s[CAMERAS][RTSP_FAULTS];
static unsigned read_count;
static uint64_t next_number;

static uint32_t dice(uint32_t sides)
{
	return (uint32_t)rand() % sides;
}

static const char *name(const char *const names[4])
{
	return names[dice(4)];
}

static void belong(uint32_t i)
{
	static const char *const switches[4] = { "sw-1", "sw-2", "sw-3", "" },
				 *const recorders[4] = { "nvr-1", "nvr-2", "", "" },
				 *const streets[4] = { "abay", "dostyk", "", "" },
				 *const sites[4] = { "a", "b", "c", "d" };
	district.belongs[i] = (struct rtsp_belongs){ .names = { name(switches), name(recorders),
							     name(streets), name(sites), "" },
		.audience = dice(3) };
}

static void begin(unsigned seed)
{
	srand(seed);
	memset(open_alone, 0, sizeof open_alone);
	memset(faulty_s, 0, sizeof faulty_s);
	read_count = 0;
	district_open(CAMERAS);
	next_number = CAMERAS;
	for (uint32_t i = 0; i < CAMERAS; i++) {
		belong(i);
		district.held[i] = dice(2);
		district.unasked[i] =
			dice(4) ? 0 : rtsp_fault_bit(RTSP_BLACK + dice(RTSP_FAULTS - RTSP_BLACK));
	}
	district_set();
	district_run(120);
}

/* It goes, or another one comes at its place. */
static void replace(uint32_t i)
{
	district.numbers[i] = district.numbers[i] ? 0 : ++next_number;
	district.health[i] = (struct rtsp_health){ 0 };
	memset(open_alone[i], 0, sizeof open_alone[i]);
	memset(faulty_s[i], 0, sizeof faulty_s[i]);
	if (district.numbers[i])
		belong(i);
	else
		district.belongs[i] = (struct rtsp_belongs){ .names = { "", "", "", NULL, "" } };
	district_set();
}

/* What is on its way is lost; what the node knows of single cameras, and of outages, is read from the disk. */
static void restart(void)
{
	struct rtsp_cameras cameras = { 0 };
	struct torap_writer w = { 0 };
	const struct rtsp_now now = district_now();
	rows_set(&cameras, CAMERAS, &rows_switch, 0); /* addresses for the file */
	rtsp_outage_state_encode(&district.o, &cameras, &w);
	rtsp_outages_finish(&district.o);
	for (unsigned k = 0; k < district.told_count; k++)
		district.told[k].number = 0;
	memset(district.picture_s, 0, sizeof district.picture_s);
	district_set();
	for (uint32_t i = 0; i < CAMERAS; i++) {
		struct rtsp_health *h = &cameras.slots[i]->health;
		for (int f = RTSP_OFFLINE; f < RTSP_FAULTS; f++) {
			if (!open_alone[i][f])
				continue;
			rtsp_outages_known(&district.o, i, f);
			h->troubles[f] = (struct rtsp_trouble){
				.open = true, .starts = 1, .times = 1, .bad_since = now, .window = now.mono
			};
		}
	}
	cr_assert(rtsp_outage_state_decode(&district.o, &cameras, torap_bytes(w.data, w.size), now));
	for (uint32_t i = 0; i < CAMERAS; i++)
		district.health[i] = cameras.slots[i]->health;
	torap_writer_finish(&w);
	rtsp_cameras_finish(&cameras);
}

static void shake(void)
{
	const uint32_t one = dice(CAMERAS), from = dice(CAMERAS), until = from + dice(CAMERAS - from) + 1;
	const uint32_t fault = rtsp_fault_bit(RTSP_BLACK + dice(RTSP_FAULTS - RTSP_BLACK));
	static const enum rtsp_outcome outcomes[] = { RTSP_OUTCOME_TIMEOUT_CONNECT, RTSP_OUTCOME_UNAUTHORISED,
		RTSP_OUTCOME_NO_ROUTE };
	switch (dice(13)) {
	case 0:
		district_show(one, one + 1, fault);
		break;
	case 1:
		district_show(from, until, fault);
		break;
	case 2:
	case 3:
		district_show(from, until, 0);
		break;
	case 4:
		district_down(one, one + 1, outcomes[dice(3)]);
		break;
	case 5:
		district_down(from, until, outcomes[dice(3)]);
		break;
	case 6:
	case 7:
		district_down(from, until, RTSP_OUTCOME_PICTURE);
		break;
	case 8:
		if (!district.numbers[one])
			break;
		belong(one);
		district_set();
		break;
	case 9:
		replace(one);
		break;
	case 10:
		plan.from = district_now().wall;
		plan.until.us = plan.from.us + dice(900) * (int64_t)TORAP_US_PER_S;
		for (uint32_t i = 0; i < CAMERAS; i++)
			district.planned[i] = i >= from && i < until ? &plan : NULL;
		break;
	case 11:
		if (!dice(4))
			restart();
		break;
	default:
		district.lost = dice(3);
		district.away = !dice(4);
	}
}

/* What was told of single cameras: each start once, each end once. */
static void read_on(void)
{
	for (; read_count < district.told_count; read_count++) {
		char word[32], state[8];
		uint32_t slot;
		const struct district_told *t = &district.told[read_count];
		if (t->members || sscanf(t->text, "%31s %7s %u", word, state, &slot) != 3)
			continue;
		bool starts = strcmp(state, "start") == 0;
		bool *is_open = &open_alone[slot][rtsp_fault_parse(word)];
		cr_assert_neq(*is_open, starts, "%s, twice", t->text);
		*is_open = starts;
	}
}

/* What health knows of is told, or in an outage, and soon; and the shares count right. */
static void check(void)
{
	for (uint32_t i = 0; i < CAMERAS; i++) {
		for (int f = RTSP_OFFLINE; f < RTSP_FAULTS; f++) {
			const struct rtsp_member *m = rtsp_outages_member(&district.o, f, i);
			bool is_open = district.numbers[i] && district.health[i].troubles[f].open;
			cr_assert(
				is_open == (m->state != RTSP_MEMBER_FREE), "%s of %u", rtsp_fault_name(f), i);
			cr_assert_eq(open_alone[i][f], m->state == RTSP_MEMBER_TOLD, "%s of %u",
				rtsp_fault_name(f), i);
			cr_assert(m->share == RTSP_NO_SHARE || district.o.shares[m->share].audience ==
								       district.belongs[i].audience,
				"%s of %u is told to others", rtsp_fault_name(f), i);
			if (m->state != RTSP_MEMBER_HELD)
				faulty_s[i][f] = 0;
			else if (!faulty_s[i][f])
				faulty_s[i][f] = district.now_s;
			else
				cr_assert_leq(district.now_s - faulty_s[i][f], PATIENCE_S, "%s of %u waits",
					rtsp_fault_name(f), i);
		}
	}
	for (uint32_t k = 0; k < district.o.shares_room; k++) {
		const struct rtsp_share *s = &district.o.shares[k];
		uint32_t members = 0, dark = 0;
		for (uint32_t i = 0; s->number && i < CAMERAS; i++) {
			const struct rtsp_member *m =
				rtsp_outages_member(&district.o, s->outage->what.fault, i);
			members += m->share == k;
			dark += m->share == k && m->state == RTSP_MEMBER_IN;
		}
		cr_assert(!s->number || s->ended || (s->members == members && s->dark == dark));
	}
}

static void end(void)
{
	district.away = false;
	district.lost = 0;
	district_down(0, CAMERAS, RTSP_OUTCOME_PICTURE);
	district_show(0, CAMERAS, 0);
	district_run(7200);
	read_on();
	check();
	for (uint32_t k = 0; k < district.o.shares_room; k++)
		cr_expect_eq(district.o.shares[k].number, 0);
	for (uint32_t k = 0; k < district.o.list_room; k++)
		cr_expect_null(district.o.list[k]);
	for (uint32_t i = 0; i < CAMERAS; i++)
		cr_expect_null(district.o.seats[i].members, "%u", i);
	cr_expect_eq(district.o.stirred, 0);
	cr_expect_eq(plan.refs, 1);
	district_close();
}

Test(chaos, whatever_happens_nothing_is_lost_doubled_or_left_open)
{
	for (unsigned seed = 1; seed <= 12; seed++) {
		begin(seed);
		for (int i = 0; i < HOURS * 3600 / STEP_S; i++) {
			shake();
			district_run(STEP_S);
			read_on();
			check();
			if (district.told_count > DISTRICT_TOLD_MAX / 2)
				break;
		}
		end();
	}
}
