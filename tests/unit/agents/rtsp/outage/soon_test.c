/* How soon after it began is a fault of one camera told, with the defaults?  Real configuration, schedule, health and machine of outages, in ticks of
 * 100 ms that nobody waits for.  The camera stands at a switch with others that are well; its fault begins at each moment of a period. */
#include <criterion/criterion.h>
#include <string.h>

#include "agents/rtsp/config.h"
#include "agents/rtsp/outage/outage.h"
#include "base/error.h"

enum {
	CAMERAS = 12,
	TICK_MS = 100,
	STEP_MS = 500,
	BEFORE_S = 100,
	MOST_S = 60,
	SHOWN_MS = 400,
	ONSETS = 400
};

static struct place { /* of a camera */
	struct rtsp_health health;
	bool busy, glance, black; /* black: as its keyframe showed it */
	int64_t begun_ms, until_ms;
} places[CAMERAS];

static struct {
	enum rtsp_outcome down; /* PICTURE: it answers, and is black */
	int64_t look_ms;        /* a look takes; its keyframe comes so that SHOWN_MS are left */
	int64_t onset_ms, told_ms, now_ms;
	uint32_t random; /* of waits after failures */
	uint64_t glances;
} play;

static struct rtsp_config config;
static struct rtsp_outages outages;
static struct rtsp_schedule schedule;

static struct rtsp_now clock_now(void)
{
	int64_t us = (play.now_ms + 1000) * TORAP_US_PER_MS;
	return (struct rtsp_now){ { us }, { us + 1700000000LL * TORAP_US_PER_S } };
}

static void on_tell(void *hint, uint32_t slot, const struct rtsp_report *r)
{
	(void)hint;
	cr_assert(slot == 0 && r->start && r->fault == (play.down ? RTSP_OFFLINE : RTSP_BLACK));
	play.told_ms = play.now_ms;
}

static void on_tell_mass(void *hint, const struct rtsp_mass *mass)
{
	(void)hint;
	(void)mass;
	cr_assert_fail("one camera is no outage of many");
}

static void on_hurry(void *hint, uint32_t slot, enum rtsp_fault fault)
{
	(void)hint;
	(void)fault;
	rtsp_schedule_soon(&schedule, slot, clock_now().mono);
}

static struct kit_planned *on_excuse(void *hint, uint32_t slot)
{
	(void)hint;
	(void)slot;
	return NULL;
}

static void begin(void)
{
	static const struct rtsp_belongs belongs = { .names = { "sw", "", "", "site", "" } };
	struct torap_error err;
	uint64_t numbers[CAMERAS];
	struct rtsp_belongs all[CAMERAS];
	memset(places, 0, sizeof places);
	cr_assert_eq(rtsp_config_load(&config, "deploy/rtsp/rtsp.yaml", &err), 0, "%s", err.text);
	outages.limits = config.outage;
	outages.port = (struct rtsp_outages_port){ NULL, on_tell, on_tell_mass, on_hurry, on_excuse };
	schedule.limits = config.schedule;
	cr_assert_eq(rtsp_schedule_init(&schedule, CAMERAS, 0), 0);
	for (uint32_t i = 0; i < CAMERAS; i++) {
		numbers[i] = i + 1;
		all[i] = belongs;
		rtsp_schedule_add(&schedule, i, RTSP_NOBODY, (double)i / CAMERAS, clock_now().mono);
	}
	cr_assert_eq(rtsp_outages_set(&outages, numbers, all, CAMERAS, clock_now().mono), 0);
}

static void finish(void)
{
	rtsp_outages_finish(&outages);
	rtsp_schedule_finish(&schedule);
	rtsp_config_finish(&config);
}

static bool hurt(uint32_t i, int64_t at_ms)
{
	return i == 0 && at_ms >= play.onset_ms;
}

static void start(uint32_t i)
{
	struct place *p = &places[i];
	p->busy = true;
	p->glance = rtsp_schedule_glances(&schedule, i);
	p->begun_ms = play.now_ms;
	p->black = !play.down && hurt(i, play.now_ms + play.look_ms - SHOWN_MS);
	int64_t takes = p->glance ? 50 : play.look_ms;
	if (play.down && hurt(i, play.now_ms))
		takes = play.down == RTSP_OUTCOME_TIMEOUT_CONNECT ? config.limits.connect_us / 1000 : 10;
	p->until_ms = play.now_ms + takes;
	play.glances += p->glance;
}

/* As watch.c does it. */
static void end(uint32_t i)
{
	struct place *p = &places[i];
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	struct rtsp_now now = clock_now();
	const struct rtsp_profile *profile = &rtsp_profile_default;
	bool failed = play.down && hurt(i, p->begun_ms);
	unsigned count = 0;
	p->busy = false;
	if (failed) {
		rtsp_outages_failed(&outages, i, play.down, now.mono);
		count = rtsp_health_failure(&p->health, play.down, false, profile, now, reports);
	} else if (!p->glance) {
		const struct rtsp_verdict v = { .faults = p->black ? rtsp_fault_bit(RTSP_BLACK) : 0 };
		rtsp_outages_seen(&outages, i, &v, 0, now.mono);
		count = rtsp_health_picture(&p->health, &v, false, profile, now, reports);
	}
	for (unsigned k = 0; k < count; k++)
		rtsp_outages_report(&outages, i, &reports[k], now);
	rtsp_schedule_done(&schedule, i, failed, rtsp_health_undecided(&p->health), play.random, now.mono);
}

static void tick(void)
{
	uint32_t turn;
	for (uint32_t i = 0; i < CAMERAS; i++)
		if (places[i].busy && places[i].until_ms <= play.now_ms)
			end(i);
	while ((turn = rtsp_schedule_take(&schedule, clock_now().mono, true)) != RTSP_NOBODY)
		start(turn);
	if (play.now_ms % STEP_MS == 0)
		rtsp_outages_step(&outages, clock_now());
}

/* From the fault to the report, when it begins `onset_ms` after the begin. */
static int64_t told_after_ms(int64_t onset_ms)
{
	play.now_ms = play.told_ms = 0;
	play.onset_ms = onset_ms;
	begin();
	for (; !play.told_ms && play.now_ms < onset_ms + 4 * MOST_S * 1000; play.now_ms += TICK_MS)
		tick();
	finish();
	cr_assert(play.told_ms, "never told");
	return play.told_ms - onset_ms;
}

/* The latest, whenever it begins: also a moment after it was seen to be well. */
static int64_t latest_ms(enum rtsp_outcome down, int64_t look_ms)
{
	static const uint32_t randoms[] = { 0, UINT32_MAX / 2, UINT32_MAX };
	int64_t latest = 0;
	play.down = down;
	play.look_ms = look_ms;
	for (unsigned k = 0; k < sizeof randoms / sizeof *randoms; k++) {
		play.random = randoms[k];
		for (int i = 0; i < ONSETS; i++) {
			int64_t after = told_after_ms(BEFORE_S * 1000 + i * TICK_MS + 1);
			latest = after > latest ? after : latest;
		}
	}
	return latest;
}

Test(soon, tells_within_a_minute_who_is_offline_alone)
{
	cr_expect_leq(latest_ms(RTSP_OUTCOME_REFUSED, 1000), 52 * 1000);
	cr_expect_leq(latest_ms(RTSP_OUTCOME_TIMEOUT_CONNECT, 1000), 49 * 1000);
	cr_expect(play.glances);
}

/* Looks are as long as it takes for a keyframe to come: up to 2 s. */
Test(soon, tells_within_a_minute_who_is_black)
{
	for (int64_t look_ms = 500; look_ms <= 2500; look_ms += 100)
		cr_expect_leq(latest_ms(RTSP_OUTCOME_PICTURE, look_ms), MOST_S * 1000);
}
