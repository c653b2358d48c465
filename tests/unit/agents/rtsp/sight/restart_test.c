/* What a restart forgets is not taken for a sign of life. */
#include "tests/unit/agents/rtsp/sight/eye.h"

static unsigned look(struct eye *e, struct rtsp_health *h, struct rtsp_report *reports)
{
	struct rtsp_verdict v = eye_judge(e);
	return rtsp_health_picture(h, &v, true, &e->profile, (struct rtsp_now){ e->mono, e->wall }, reports);
}

static void restart(struct eye *e, struct rtsp_health *h)
{
	struct torap_writer w = { 0 };
	e->sight.history = (struct rtsp_history){ 0 };
	rtsp_health_encode(h, &w);
	cr_assert(rtsp_health_decode(h, torap_bytes(w.data, w.size), (struct rtsp_now){ e->mono, e->wall }));
	torap_writer_finish(&w);
}

/* The picture stands before and after: told once.  Then it is live again. */
Test(restart, a_picture_that_stays_frozen_is_told_once)
{
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	struct rtsp_health h = { 0 };
	struct eye *e = eye_open();
	unsigned starts = 0;
	e->profile.end_pictures = 1; /* as hasty as a profile may be */
	e->profile.end_after_us = 0;
	eye_learn(e, 1);
	for (int i = 0; i < 20; i++)
		starts += look(e, &h, reports);
	cr_assert_eq(starts, 1);
	cr_assert_eq(reports[0].fault, RTSP_FROZEN);
	restart(e, &h);
	for (int i = 0; i < 30; i++)
		cr_assert_eq(look(e, &h, reports), 0, "told again with picture %d", i);
	restart(e, &h);
	cr_assert_eq(look(e, &h, reports), 0, "one picture says nothing");
	eye_noise(e, 6);
	cr_assert_eq(look(e, &h, reports), 1, "another does");
	cr_expect(reports[0].fault == RTSP_FROZEN && !reports[0].start);
	free(e);
}

/* A camera whose picture is frozen, and known to be. */
static struct eye *open_frozen(struct rtsp_health *h)
{
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	struct eye *e = eye_open();
	eye_learn(e, 1);
	for (int i = 0; i < 20; i++)
		look(e, h, reports);
	cr_assert_eq(rtsp_health_open(h), rtsp_fault_bit(RTSP_FROZEN));
	return e;
}

/* Nobody wants to hear of frozen pictures any more: what is open ends. */
Test(restart, a_frozen_picture_that_is_ignored_ends)
{
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	struct rtsp_health h = { 0 };
	struct eye *e = open_frozen(&h);
	e->profile.ignored |= rtsp_fault_bit(RTSP_FROZEN);
	for (int i = 0; i < 5; i++)
		look(e, &h, reports);
	cr_expect_eq(rtsp_health_open(&h), 0);
	free(e);
}

/* It went black meanwhile: that is no frozen picture, whatever came before. */
Test(restart, a_frozen_picture_that_becomes_black_is_black)
{
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	struct rtsp_health h = { 0 };
	struct eye *e = open_frozen(&h);
	restart(e, &h);
	eye_fill(e, 2);
	for (int i = 0; i < 5; i++)
		look(e, &h, reports);
	cr_expect_eq(rtsp_health_open(&h), rtsp_fault_bit(RTSP_BLACK));
	free(e);
}
