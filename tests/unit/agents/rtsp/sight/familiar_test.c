/* The upper part of pictures of a made-up street, beside what it has shown before. */
#include "agents/rtsp/sight/familiar.h"

#include "eye.h"

enum { NOISE = 6, SEED = 3, OTHER = 4, QUARTER = 22 };
static const int64_t hours_us = 7200 * (int64_t)TORAP_US_PER_S;
static struct eye *e;
static struct rtsp_familiar f;
static struct torap_mono now;

static void begin(void)
{
	e = eye_open();
	f = (struct rtsp_familiar){ 0 };
	now.us = TORAP_US_PER_S;
}

static void finish(void)
{
	free(e);
}

/* What the eye sees now, so many rows of it. */
static struct rtsp_upper upper(int rows)
{
	static struct rtsp_picture p;
	struct rtsp_upper u;
	cr_assert(rtsp_picture_from_luma(&p, e->luma[0], EYE_WIDTH, EYE_WIDTH, EYE_HEIGHT));
	rtsp_upper_of(&u, &p, rows);
	return u;
}

static void see(unsigned seed)
{
	eye_draw(e, seed, 0, 0);
	eye_noise(e, NOISE);
}

static void learn(void)
{
	struct rtsp_upper u = upper(RTSP_PICTURE_HEIGHT);
	now.us += 40 * TORAP_US_PER_S;
	rtsp_familiar_learn(&f, &u, now);
	rtsp_familiar_saw(&f, &u);
}

static void learn_scene(unsigned seed, int pictures)
{
	for (int i = 0; i < pictures; i++) {
		see(seed);
		learn();
	}
}

static enum rtsp_likeness likeness(int rows)
{
	struct rtsp_upper u = upper(rows);
	return rtsp_familiar_compare(&f, &u);
}

Test(familiar, is_ready_after_two_pictures_and_while_they_are_not_old, .init = begin, .fini = finish)
{
	cr_expect(rtsp_familiar_lacks(&f) && !rtsp_familiar_ready(&f, now));
	learn_scene(SEED, 1);
	see(SEED);
	cr_expect(rtsp_familiar_lacks(&f) && likeness(QUARTER) == RTSP_LIKENESS_NONE);
	learn_scene(SEED, 1);
	cr_expect(!rtsp_familiar_lacks(&f) && rtsp_familiar_ready(&f, now));
	now.us += hours_us;
	cr_expect_not(rtsp_familiar_ready(&f, now));
	learn_scene(SEED, 1);
	cr_expect(rtsp_familiar_lacks(&f), "what is so old is learned anew");
}

Test(familiar, knows_a_good_picture_in_other_noise_and_somewhat_other_light, .init = begin, .fini = finish)
{
	learn_scene(SEED, 4);
	for (int rows = RTSP_UPPER_ROWS_MIN; rows <= RTSP_UPPER_ROWS; rows++) {
		see(SEED);
		cr_expect_eq(likeness(rows), RTSP_ALIKE, "%d rows", rows);
		eye_dim(e, 0.7f, 10);
		cr_expect_eq(likeness(rows), RTSP_ALIKE, "%d rows, less light", rows);
	}
}

Test(familiar, suspects_what_is_black_white_covered_sprayed_blurred_or_elsewhere, .init = begin,
	.fini = finish)
{
	enum { BLACK, WHITE, COVERED, SPRAYED, BLURRED, ELSEWHERE, CASES };
	learn_scene(SEED, 4);
	for (int i = 0; i < CASES; i++) {
		eye_draw(e, i == ELSEWHERE ? OTHER : SEED, 0, 0);
		if (i < SPRAYED)
			eye_fill(e, i == BLACK ? 16 : i == WHITE ? 250 : 112);
		else if (i == SPRAYED)
			eye_dim(e, 0.05f, 120);
		else if (i == BLURRED)
			eye_blur(e, 6);
		eye_noise(e, NOISE);
		cr_expect_eq(likeness(QUARTER), RTSP_UNLIKE, "case %d", i);
	}
}

/* Date, time and name, which a camera writes upon whatever it sees, black or not. */
static void write_text(void)
{
	for (int x = 4; x < EYE_WIDTH - 8; x += 8)
		eye_box(e, x, 4, 3 + x % 3, 12, 235);
}

/* Beside a wide text little of a scene: a wall hides half of it. */
static void see_below_text(unsigned seed)
{
	see(seed);
	eye_box(e, EYE_WIDTH / 2, 0, EYE_WIDTH, EYE_HEIGHT, 140);
	write_text();
}

Test(familiar, is_not_reassured_by_a_text, .init = begin, .fini = finish)
{
	for (int i = 0; i < 4; i++) {
		see_below_text(SEED);
		learn();
	}
	see_below_text(SEED);
	cr_expect_eq(likeness(QUARTER), RTSP_ALIKE);
	see_below_text(OTHER);
	cr_expect_eq(likeness(QUARTER), RTSP_UNLIKE);
}

Test(familiar, suspects_what_has_not_even_other_noise, .init = begin, .fini = finish)
{
	struct rtsp_upper u;
	learn_scene(SEED, 4);
	cr_expect_eq(likeness(QUARTER), RTSP_STANDS, "the last that was learned");
	see(SEED);
	cr_expect_eq(likeness(QUARTER), RTSP_ALIKE);
	u = upper(QUARTER);
	rtsp_familiar_saw(&f, &u);
	write_text();
	cr_expect_eq(likeness(QUARTER), RTSP_STANDS, "its clock goes on");
	cr_expect_eq(likeness(RTSP_UPPER_ROWS_MIN), RTSP_STANDS, "of fewer rows, too");
	see(SEED);
	cr_expect_eq(likeness(QUARTER), RTSP_ALIKE);
	u = upper(QUARTER);
	struct eye other = *e;
	for (int i = 0; i < 2; i++) { /* written in turns of two */
		rtsp_familiar_saw(&f, &u);
		see(SEED);
		struct rtsp_upper next = upper(QUARTER);
		rtsp_familiar_saw(&f, &next);
	}
	*e = other;
	cr_expect_eq(likeness(QUARTER), RTSP_STANDS);
}

/* A cover over the lower part, or a lorry that hides a third of the upper one. */
Test(familiar, claims_nothing_of_what_is_below_or_hides_little, .init = begin, .fini = finish)
{
	learn_scene(SEED, 4);
	eye_draw(e, SEED, 0, 0);
	eye_box(e, 0, EYE_HEIGHT * RTSP_UPPER_ROWS / RTSP_PICTURE_HEIGHT, EYE_WIDTH, EYE_HEIGHT, 64);
	eye_noise(e, NOISE);
	cr_expect_eq(likeness(QUARTER), RTSP_ALIKE, "below");
	eye_draw(e, SEED, 0, 0);
	eye_box(e, EYE_WIDTH / 3, 0, EYE_WIDTH / 4, EYE_HEIGHT, 64);
	eye_noise(e, NOISE);
	cr_expect_eq(likeness(QUARTER), RTSP_ALIKE, "a lorry");
}

Test(familiar, says_nothing_of_too_few_rows_or_where_there_is_nothing_to_see, .init = begin, .fini = finish)
{
	learn_scene(SEED, 4);
	for (int rows = 0; rows < RTSP_UPPER_ROWS_MIN; rows++)
		cr_expect_eq(likeness(rows), RTSP_LIKENESS_NONE, "%d rows", rows);
	f = (struct rtsp_familiar){ 0 };
	for (int i = 0; i < 4; i++) { /* a fog: nothing but noise, which is never twice the same */
		eye_fill(e, 130);
		eye_noise(e, 40);
		learn();
	}
	cr_expect_eq(likeness(QUARTER), RTSP_LIKENESS_NONE);
	rtsp_familiar_vague(&f);
	cr_expect(rtsp_familiar_ready(&f, now) && f.deep, "more may show more");
	rtsp_familiar_vague(&f);
	cr_expect_not(rtsp_familiar_ready(&f, now), "nobody need try again");
	for (int i = 0; i < 4; i++) {
		eye_fill(e, 130);
		eye_noise(e, 40);
		learn();
	}
	cr_expect(rtsp_familiar_ready(&f, now), "until more was learned");
}

/* What stood there for one picture is no part of the scene: that it is gone is no suspicion. */
Test(familiar, leaves_out_what_was_there_only_once, .init = begin, .fini = finish)
{
	eye_fill(e, 130);
	for (int x = 0; x < EYE_WIDTH; x += 8)
		eye_box(e, x, 0, 4, EYE_HEIGHT, 40);
	eye_noise(e, NOISE);
	learn();
	for (int i = 0; i < 3; i++) {
		eye_fill(e, 130);
		eye_noise(e, NOISE);
		learn();
	}
	cr_expect_neq(likeness(QUARTER), RTSP_UNLIKE);
}

/* Night: the scene has other tones.  One good picture that is unlike may have a lorry before it; two are the scene. */
Test(familiar, learns_anew_after_two_good_pictures_that_are_unlike, .init = begin, .fini = finish)
{
	learn_scene(SEED, 4);
	learn_scene(OTHER, 1);
	see(SEED);
	cr_expect_eq(likeness(QUARTER), RTSP_ALIKE, "one changes nothing");
	learn_scene(SEED, 1);
	learn_scene(OTHER, 1);
	cr_expect_not(rtsp_familiar_lacks(&f), "nor does one now and then");
	learn_scene(OTHER, 1);
	cr_expect(rtsp_familiar_lacks(&f));
	learn_scene(OTHER, 1);
	cr_expect(rtsp_familiar_ready(&f, now));
	see(OTHER);
	cr_expect_eq(likeness(QUARTER), RTSP_ALIKE);
	see(SEED);
	cr_expect_eq(likeness(QUARTER), RTSP_UNLIKE);
}
