#include <criterion/criterion.h>
#include <stdlib.h>

#include "agents/rtsp/sight/health.h"

struct ward {
	struct rtsp_health health;
	struct rtsp_now now;
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	unsigned count;
};

static void later(struct ward *w, int64_t s)
{
	w->now.mono.us += s * TORAP_US_PER_S;
	w->now.wall.us += s * TORAP_US_PER_S;
}

/* `s` seconds later, a picture with this fault.  Returns how many reports it made. */
static unsigned picture(struct ward *w, int64_t s, enum rtsp_fault fault)
{
	struct rtsp_verdict v = { .sight = fault, .cause = RTSP_CAUSE_MASKED, .mean = 16 };
	if (fault != RTSP_GOOD)
		v.faults = rtsp_fault_bit(fault);
	later(w, s);
	w->count = rtsp_health_picture(&w->health, &v, false, &rtsp_profile_default, w->now, w->reports);
	return w->count;
}

static unsigned failure(struct ward *w, int64_t s, enum rtsp_outcome outcome)
{
	later(w, s);
	w->count = rtsp_health_failure(&w->health, outcome, false, &rtsp_profile_default, w->now, w->reports);
	return w->count;
}

static struct ward ward(void)
{
	return (struct ward){ .now = { { 1000 }, { 1795687200LL * TORAP_US_PER_S } } };
}

/* Two bad ones are not enough; the third is, and tells since when; more say nothing; one good one is not the end. */
Test(health, reports_each_change_once)
{
	struct ward w = ward();
	cr_expect_eq(picture(&w, 10, RTSP_BLACK), 0);
	int64_t since = w.now.wall.us;
	cr_expect(rtsp_health_undecided(&w.health));
	cr_expect_eq(picture(&w, 10, RTSP_BLACK), 0);
	cr_assert_eq(picture(&w, 10, RTSP_BLACK), 1);
	cr_expect_not(rtsp_health_undecided(&w.health));
	const struct rtsp_report *r = &w.reports[0];
	cr_expect_eq(r->fault, RTSP_BLACK);
	cr_expect(r->start && !r->flapping && r->measured);
	cr_expect_eq(r->cause, RTSP_CAUSE_MASKED);
	cr_expect_eq(r->since.us, since);
	cr_expect_eq(r->verdict.mean, 16);
	for (int i = 0; i < 50; i++)
		cr_expect_eq(picture(&w, 10, RTSP_BLACK), 0);
	cr_expect_eq(rtsp_health_open(&w.health), rtsp_fault_bit(RTSP_BLACK));
	cr_expect_eq(picture(&w, 10, RTSP_GOOD), 0);
	cr_expect_eq(picture(&w, 10, RTSP_BLACK), 0);
	cr_expect_eq(picture(&w, 10, RTSP_GOOD), 0);
	cr_assert_eq(picture(&w, 10, RTSP_GOOD), 1);
	cr_expect_eq(w.reports[0].fault, RTSP_BLACK);
	cr_expect_not(w.reports[0].start);
	cr_expect_eq(w.reports[0].since.us, since);
	cr_expect_eq(rtsp_health_open(&w.health), 0);
}

/* Three pictures of one second are a lorry; a fault has to last. */
Test(health, waits_for_time_and_for_pictures)
{
	struct ward w = ward();
	for (int i = 0; i < 10; i++)
		cr_expect_eq(picture(&w, 1, RTSP_UNIFORM), 0);
	cr_expect_eq(picture(&w, 1, RTSP_GOOD), 0);
	cr_expect_eq(picture(&w, 1000, RTSP_UNIFORM), 0);
	cr_expect_eq(picture(&w, 1000, RTSP_UNIFORM), 0);
	cr_expect_eq(picture(&w, 1000, RTSP_UNIFORM), 1);
}

/* Another fault takes over: its start and the other's end are two reports. */
Test(health, tells_faults_apart)
{
	struct ward w = ward();
	for (int i = 0; i < 3; i++)
		picture(&w, 10, RTSP_MOVED);
	cr_assert_eq(w.count, 1);
	picture(&w, 10, RTSP_BLACK);
	cr_assert_eq(picture(&w, 10, RTSP_BLACK), 1);
	cr_expect(w.reports[0].fault == RTSP_MOVED && !w.reports[0].start);
	cr_assert_eq(picture(&w, 10, RTSP_BLACK), 1);
	cr_expect(w.reports[0].fault == RTSP_BLACK && w.reports[0].start);
}

/* A camera that goes and comes makes four starts and no more, until it has been calm. */
Test(health, damps_flapping)
{
	struct ward w = ward();
	unsigned starts = 0, ends = 0, flapping = 0;
	for (int round = 0; round < 30; round++) {
		for (int i = 0; i < 4; i++)
			if (picture(&w, 10, RTSP_BLACK)) {
				starts++;
				flapping += w.reports[0].flapping;
			}
		for (int i = 0; i < 4; i++)
			ends += picture(&w, 10, RTSP_GOOD);
	}
	cr_expect_eq(starts, rtsp_profile_default.flap_starts);
	cr_expect_eq(ends, starts - 1);
	cr_expect_eq(flapping, 1);
	int calm_s = 0;
	while (!picture(&w, 10, RTSP_GOOD))
		cr_assert_lt(calm_s += 10, 2000);
	cr_expect_geq(calm_s, 800);
	cr_expect_not(w.reports[0].start);
	cr_expect_eq(w.reports[0].times, 27); /* the one that opened it and 26 while it was held */
	for (int i = 0; i < 3; i++)
		picture(&w, 10, RTSP_BLACK);
	cr_assert_eq(w.count, 1);
	cr_expect_not(w.reports[0].flapping);
}

/* No picture: offline, with the cause of how it ended.  What was wrong with the picture stays wrong until a picture says else. */
Test(health, knows_why_nothing_comes)
{
	static const struct {
		enum rtsp_outcome outcome;
		enum rtsp_cause cause;
	} cases[] = {
		{ RTSP_OUTCOME_UNAUTHORISED, RTSP_CAUSE_CREDENTIALS },
		{ RTSP_OUTCOME_NO_ROUTE, RTSP_CAUSE_POWER },
		{ RTSP_OUTCOME_TIMEOUT_CONNECT, RTSP_CAUSE_NETWORK },
		{ RTSP_OUTCOME_STALLED, RTSP_CAUSE_NETWORK },
		{ RTSP_OUTCOME_CORRUPT, RTSP_CAUSE_BROKEN },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ward w = ward();
		for (int n = 0; n < 3; n++)
			picture(&w, 10, RTSP_MOVED);
		cr_expect_eq(failure(&w, 10, cases[i].outcome), 0);
		cr_assert_eq(failure(&w, 30, cases[i].outcome), 1);
		cr_expect_eq(w.reports[0].fault, RTSP_OFFLINE);
		cr_expect_eq(w.reports[0].cause, cases[i].cause);
		cr_expect_eq(w.reports[0].outcome, cases[i].outcome);
		cr_expect_not(w.reports[0].measured);
		cr_expect_eq(rtsp_health_open(&w.health),
			rtsp_fault_bit(RTSP_OFFLINE) | rtsp_fault_bit(RTSP_MOVED));
		picture(&w, 10, RTSP_MOVED);
		cr_assert_eq(picture(&w, 10, RTSP_MOVED), 1);
		cr_expect(w.reports[0].fault == RTSP_OFFLINE && !w.reports[0].start);
		cr_expect_eq(rtsp_health_open(&w.health), rtsp_fault_bit(RTSP_MOVED));
	}
	struct rtsp_health h = { 0 };
	struct rtsp_report r[RTSP_REPORTS_MAX];
	struct rtsp_now now = { { 0 }, { 1 } };
	rtsp_health_failure(&h, RTSP_OUTCOME_NOT_FOUND, true, &rtsp_profile_default, now, r);
	now.mono.us += 60LL * TORAP_US_PER_S;
	cr_assert_eq(rtsp_health_failure(&h, RTSP_OUTCOME_NOT_FOUND, true, &rtsp_profile_default, now, r), 1);
	cr_expect_eq(r[0].cause, RTSP_CAUSE_RECORDER);
}

/* What was told before a restart is not told again, and its end is told. */
Test(health, survives_as_bytes)
{
	struct ward w = ward(), again = ward();
	for (int i = 0; i < 3; i++)
		picture(&w, 10, RTSP_FROZEN);
	failure(&w, 10, RTSP_OUTCOME_REFUSED);
	failure(&w, 30, RTSP_OUTCOME_REFUSED);
	struct torap_writer out = { 0 };
	rtsp_health_encode(&w.health, &out);
	cr_assert_leq(out.size, 160);
	cr_assert(rtsp_health_decode(&again.health, torap_bytes(out.data, out.size), again.now));
	cr_expect_eq(rtsp_health_open(&again.health), rtsp_health_open(&w.health));
	for (int i = 0; i < 5; i++)
		cr_expect_eq(failure(&again, 20, RTSP_OUTCOME_REFUSED), 0);
	picture(&again, 10, RTSP_GOOD);
	cr_assert_eq(picture(&again, 10, RTSP_GOOD), 2);
	cr_expect_eq(again.reports[1].fault, RTSP_FROZEN);
	cr_expect_eq(again.reports[1].since.us, w.health.troubles[RTSP_FROZEN].bad_since.wall.us);

	static const struct rtsp_health zeros;
	for (size_t size = 0; size < out.size; size++) {
		cr_expect_not(rtsp_health_decode(&again.health, torap_bytes(out.data, size), again.now));
		cr_expect_eq(rtsp_health_open(&again.health), rtsp_health_open(&zeros));
	}
	for (unsigned i = 0; i < out.size * 256;
		i++) { /* any byte anything: decoded or refused, faults in range */
		uint8_t keep = out.data[i / 256];
		out.data[i / 256] = (uint8_t)i;
		rtsp_health_decode(&again.health, torap_bytes(out.data, out.size), again.now);
		cr_expect_lt(rtsp_health_open(&again.health), 1u << RTSP_FAULTS);
		out.data[i / 256] = keep;
	}
	torap_writer_finish(&out);
}

/* What a picture says nothing of goes on as it was. */
Test(health, neither_starts_nor_ends_what_is_unknown)
{
	struct ward w = ward();
	struct rtsp_verdict unknown = { .sight = RTSP_GOOD, .unknown = rtsp_fault_bit(RTSP_WRONG_CLOCK) };
	unsigned starts = 0;
	for (int i = 0; i < 30 && !starts; i++) {
		later(&w, 10);
		rtsp_health_picture(&w.health, &unknown, false, &rtsp_profile_default, w.now, w.reports);
		starts = picture(&w, 10, RTSP_WRONG_CLOCK);
	}
	cr_assert_eq(starts, 1);
	for (int i = 0; i < 30; i++) {
		later(&w, 10);
		cr_expect_eq(rtsp_health_picture(
				     &w.health, &unknown, false, &rtsp_profile_default, w.now, w.reports),
			0);
	}
	cr_expect_eq(rtsp_health_open(&w.health), rtsp_fault_bit(RTSP_WRONG_CLOCK));
}
