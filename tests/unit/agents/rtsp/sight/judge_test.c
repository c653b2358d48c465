#include "tests/unit/agents/rtsp/sight/eye.h"

/* Each fault once, by its clearest form; tests/judging counts how often it is seen. */
Test(judge, names_what_is_wrong)
{
	struct eye *e = eye_open();
	eye_learn(e, 1);
	static const struct {
		enum rtsp_fault fault;
		enum rtsp_cause cause;
	} cases[] = {
		{ RTSP_BLACK, RTSP_CAUSE_MASKED },
		{ RTSP_WHITE, RTSP_CAUSE_MASKED },
		{ RTSP_UNIFORM, RTSP_CAUSE_MASKED },
		{ RTSP_DEFOCUSED, RTSP_CAUSE_TAMPER },
		{ RTSP_MOVED, RTSP_CAUSE_TAMPER },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct eye *f = malloc(sizeof *f);
		cr_assert(f);
		*f = *e;
		for (int n = 0; n < 5; n++) {
			enum rtsp_fault fault = cases[i].fault;
			eye_draw(f, 1, fault == RTSP_MOVED ? 50 : 0, 0);
			if (fault == RTSP_BLACK || fault == RTSP_WHITE || fault == RTSP_UNIFORM)
				eye_fill(f, fault == RTSP_BLACK ? 16 : fault == RTSP_WHITE ? 245 : 110);
			if (fault == RTSP_DEFOCUSED)
				eye_blur(f, 5);
			eye_noise(f, 6);
			struct rtsp_verdict v = eye_judge(f);
			cr_expect_eq(v.sight, fault, "%s seen as %s", rtsp_fault_name(fault),
				rtsp_fault_name(v.sight));
			cr_expect_eq(v.faults, rtsp_fault_bit(fault));
			cr_expect_eq(v.cause, cases[i].cause, "%s by %s", rtsp_fault_name(fault),
				rtsp_cause_name(v.cause));
		}
		free(f);
	}
	free(e);
}

/* Less light, more light, a box that drives through, a truck over a third of the picture: all good. */
Test(judge, lets_light_and_traffic_pass)
{
	struct eye *e = eye_open();
	eye_learn(e, 2);
	for (int n = 0; n < 60; n++) {
		eye_draw(e, 2, 0, 0);
		eye_dim(e, n % 3 ? 0.5f : 1, n % 5 * 10);
		eye_box(e, n * 11 % 400 - 40, 90, 60, 30, 220);
		if (n % 10 > 6)
			eye_box(e, 100, 40, 120, 140, 60);
		eye_noise(e, 8);
		struct rtsp_verdict v = eye_judge(e);
		cr_expect_eq(v.sight, RTSP_GOOD, "picture %d is %s", n, rtsp_fault_name(v.sight));
	}
	free(e);
}

/* Upright bars, which look the same when they are tilted, and a few things between them. */
static void draw_bars(struct eye *e, int down)
{
	static const int levels[] = { 170, 225, 60, 120, 80 };
	for (int i = 0; i < 5; i++)
		eye_box(e, i * 80 - 40, 0, 80, EYE_HEIGHT, levels[i]);
	eye_box(e, 0, 50 - down, 120, 6, 100);
	eye_box(e, 200, 120 - down, 60, 24, 200);
	eye_box(e, 140, 150 - down, 60, 6, 150);
}

/* Most regions seem to be in their place after the tilt, and the rest is not half of them: only all together tell.  A lorry that hides
 * a third of the same scene is none. */
Test(judge, sees_a_tilt_of_what_looks_alike)
{
	struct eye *e = eye_open();
	for (int i = 0; i < 40; i++) {
		draw_bars(e, 0);
		eye_noise(e, 6);
		cr_assert_eq(eye_judge(e).sight, RTSP_GOOD);
	}
	struct rtsp_sight known = e->sight;
	draw_bars(e, 27);
	eye_noise(e, 6);
	struct rtsp_verdict v = eye_judge(e);
	cr_expect_eq(v.sight, RTSP_MOVED, "tilted is %s", rtsp_fault_name(v.sight));
	cr_expect_eq(v.match.right, 0);
	cr_expect_eq(v.match.down, -3);
	for (int x = 0; x < 200; x += 40) {
		e->sight = known;
		draw_bars(e, 0);
		eye_box(e, x, 40, 110, 120, 100);
		eye_noise(e, 6);
		v = eye_judge(e);
		cr_expect_eq(v.sight, RTSP_GOOD, "a lorry at %d is %s", x, rtsp_fault_name(v.sight));
	}
	free(e);
}

static void draw_pale(struct eye *e, int darkest)
{
	eye_fill(e, 235);
	for (int x = 0; x < EYE_WIDTH; x += 30)
		eye_box(e, x, 0, 10, EYE_HEIGHT, darkest);
	eye_noise(e, 6);
}

/* A third of it is dark by nature and shows through a white-out, pale.  Where it is dark it is a bright day, and where it is usual, snow. */
Test(judge, knows_a_white_out_by_what_is_darkest)
{
	struct eye *e = eye_open();
	draw_pale(e, 196);
	cr_expect_eq(eye_judge(e).sight, RTSP_GOOD, "nothing is known yet");
	for (int i = 0; i < 40; i++) {
		draw_pale(e, 196);
		cr_expect_eq(eye_judge(e).sight, RTSP_GOOD, "usual, picture %d", i);
	}
	free(e);
	e = eye_open();
	eye_learn(e, 1);
	draw_pale(e, 150);
	cr_expect_neq(eye_judge(e).sight, RTSP_WHITE);
	draw_pale(e, 196);
	cr_expect_eq(eye_judge(e).sight, RTSP_WHITE);
	free(e);
}

/* A few sharp things, nothing of the scene, in its light: another scene.  In less light they are headlights. */
Test(judge, takes_few_sharp_things_in_the_same_light_for_another_scene)
{
	for (int lamps_out = 0; lamps_out < 2; lamps_out++) {
		struct eye *e = eye_open();
		eye_learn(e, 3);
		int level = lamps_out ? 40 : 140;
		eye_fill(e, level);
		for (int i = 0; i < 12; i++)
			eye_box(e, 12 + 25 * i, 86, 10, 10, level + 90);
		eye_noise(e, 2);
		struct rtsp_verdict v = eye_judge(e);
		cr_expect(v.match.hidden > v.match.judged - RTSP_REGIONS_MIN,
			"%u of %u hidden, sharp %.2f, like %.2f here %u else %u", v.match.hidden,
			v.match.judged, v.sharpness, v.match.likeness, v.match.in_place, v.match.elsewhere);
		cr_expect_eq(v.sight == RTSP_MOVED, !lamps_out, "lamps %d: %s", lamps_out,
			rtsp_fault_name(v.sight));
		free(e);
	}
}

/* A line that a lorry hides in part fits better elsewhere along itself, and has not moved. */
Test(judge, knows_that_a_line_fits_everywhere_along_itself)
{
	struct eye *e = eye_open();
	struct rtsp_sight known = { 0 };
	for (int i = 0; i < 40 + 8; i++) {
		bool lorry = i >= 40;
		if (lorry)
			e->sight = known;
		eye_fill(e, 110);
		for (int x = lorry ? 60 + (i - 40) * 10 : 0; x < EYE_WIDTH; x++)
			eye_box(e, x, 130 - x / 3, 1, 24, 200);
		eye_noise(e, 6);
		struct rtsp_verdict v = eye_judge(e);
		cr_expect_eq(v.sight, RTSP_GOOD, "picture %d is %s", i, rtsp_fault_name(v.sight));
		if (!lorry)
			known = e->sight;
	}
	free(e);
}

/* A fence and six boxes: much finer than the other scene that has the boxes, too. */
static void draw_fence(struct eye *e, bool other)
{
	eye_fill(e, 150);
	if (other)
		eye_draw(e, 12, 0, 0);
	for (int x = 0; !other && x < EYE_WIDTH; x += 12)
		eye_box(e, x, 100, 4, 80, x / 12 % 2 ? 20 : 240);
	for (int i = 0; i < 6; i++)
		eye_box(e, i * 54 + 8, 16, 24, 24, i % 2 ? 30 : 220);
}

/* Another scene that has less fine detail is not a blur: as much is to be seen in it, and clearly. */
Test(judge, tells_a_softer_scene_from_a_blur)
{
	struct eye *e = eye_open();
	for (int i = 0; i < 40; i++) {
		draw_fence(e, false);
		eye_noise(e, 6);
		cr_assert_eq(eye_judge(e).sight, RTSP_GOOD);
	}
	draw_fence(e, true);
	eye_noise(e, 6);
	struct rtsp_verdict v = eye_judge(e);
	cr_expect_leq(v.sharpness, v.sharpness_usual - 1.3f);
	cr_expect_eq(v.sight, RTSP_MOVED, "the other is %s", rtsp_fault_name(v.sight));
	draw_fence(e, false);
	eye_blur(e, 4);
	eye_noise(e, 6);
	v = eye_judge(e);
	cr_expect_eq(v.sight, RTSP_DEFOCUSED, "the blur is %s", rtsp_fault_name(v.sight));
	free(e);
}

/* By night: noise in what is lit, which an encoder takes out of what is not, so that it cannot be told how sharp the picture is. */
static void add_lit_noise(struct eye *e, int size)
{
	uint8_t dark[EYE_HEIGHT][EYE_WIDTH];
	memcpy(dark, e->luma, sizeof dark);
	eye_noise(e, size);
	for (int y = 0; y < EYE_HEIGHT; y++)
		for (int x = 0; x < EYE_WIDTH; x++)
			if (x < 100 || x >= 300)
				e->luma[y][x] = dark[y][x];
}

/* A blur shows in the likeness, too; what stands in the way as well, but it blurs nothing. */
Test(judge, sees_a_blur_that_noise_hides)
{
	struct eye *e = eye_open();
	struct rtsp_verdict v;
	for (int i = 0; i < 42; i++) {
		struct rtsp_sight known = e->sight;
		bool blur = i == 40, lorry = i == 41;
		eye_draw(e, 8, 0, 0);
		eye_dim(e, 0.7f, 20);
		if (blur)
			eye_blur(e, 6);
		if (lorry)
			eye_box(e, 100, 30, 140, 120, 60);
		add_lit_noise(e, blur ? 26 : 12);
		v = eye_judge(e);
		cr_expect_eq(v.sight, blur ? RTSP_DEFOCUSED : RTSP_GOOD, "picture %d is %s", i,
			rtsp_fault_name(v.sight));
		if (!blur)
			continue;
		cr_expect_gt(v.sharpness, v.sharpness_usual - 1.15f, "so much loss would tell by itself");
		e->sight = known;
	}
	float usual = e->sight.baseline.scenes[0].likeness;
	cr_expect_lt(v.match.likeness, 0.8f * usual, "the lorry hides too little: %.2f of %.2f",
		(double)v.match.likeness, (double)usual);
	free(e);
}

/* Cells in no order, which find likenesses of each other everywhere when they are blurred. */
static void draw_cells(struct eye *e)
{
	enum { SIDE = 8 };
	uint32_t keep = e->random;
	e->random = 5;
	for (int y = 0; y < EYE_HEIGHT; y += SIDE)
		for (int x = 0; x < EYE_WIDTH; x += SIDE)
			eye_box(e, x, y, SIDE, SIDE, eye_random(e, 10) < 4 ? 230 : 60);
	e->random = keep;
}

/* What is so blurred may seem to be anywhere.  A profile that ignores blurs is told that it seems to have moved. */
Test(judge, calls_no_blur_a_turn)
{
	struct eye *e = eye_open();
	for (int i = 0; i < 40; i++) {
		draw_cells(e);
		eye_noise(e, 6);
		cr_assert_eq(eye_judge(e).sight, RTSP_GOOD);
	}
	struct rtsp_sight known = e->sight;
	for (int ignored = 0; ignored < 2; ignored++) {
		e->sight = known;
		e->profile.ignored = ignored ? rtsp_fault_bit(RTSP_DEFOCUSED) : 0;
		draw_cells(e);
		eye_blur(e, 9);
		eye_noise(e, 6);
		enum rtsp_fault sight = eye_judge(e).sight;
		cr_expect_eq(sight, ignored ? RTSP_MOVED : RTSP_DEFOCUSED, "the blur is %s",
			rtsp_fault_name(sight));
	}
	free(e);
}

/* A lorry with a picture on its side hides two thirds; what is left is in its place, and the whole is likest there. */
Test(judge, lets_a_painted_lorry_pass)
{
	struct eye *e = eye_open();
	static uint8_t side[EYE_HEIGHT][EYE_WIDTH];
	enum { FROM_X = 100, FROM_Y = 20 };
	eye_learn(e, 2);
	struct rtsp_sight known = e->sight;
	for (unsigned other = 20; other < 23; other++) {
		e->sight = known;
		eye_draw(e, other, 0, 0);
		memcpy(side, e->luma, sizeof side);
		eye_draw(e, 2, 0, 0);
		for (int y = FROM_Y; y < EYE_HEIGHT; y++)
			memcpy(&e->luma[y][FROM_X], &side[y][FROM_X], EYE_WIDTH - FROM_X);
		eye_noise(e, 6);
		struct rtsp_verdict v = eye_judge(e);
		cr_expect_eq(v.sight, RTSP_GOOD, "lorry %u is %s", other, rtsp_fault_name(v.sight));
		cr_expect(3 * v.match.elsewhere >= v.match.judged && 2 * v.match.in_place < v.match.judged,
			"lorry %u: %u of %u elsewhere, %u in place", other, v.match.elsewhere, v.match.judged,
			v.match.in_place);
	}
	free(e);
}

/* A scene that is hardly ever like itself cannot have moved; the same one, steady, has. */
Test(judge, does_not_judge_a_scene_without_edges_of_its_own)
{
	struct eye *e = eye_open();
	eye_learn(e, 3);
	struct rtsp_sight steady = e->sight;
	for (int i = 0; i < RTSP_SCENES; i++)
		e->sight.baseline.scenes[i].likeness = 0.7f;
	eye_draw(e, 3, 50, 20);
	cr_expect_eq(eye_judge(e).sight, RTSP_GOOD);
	e->sight = steady;
	eye_draw(e, 3, 50, 20);
	cr_expect_eq(eye_judge(e).sight, RTSP_MOVED);
	free(e);
}

/* It gets dark at once, with noise and only the middle lit: not a fault, also for a camera that never saw a night. */
Test(judge, tolerates_the_switch_to_night)
{
	struct eye *e = eye_open();
	eye_learn(e, 3);
	for (int n = 0; n < 40; n++) {
		eye_draw(e, 3, 0, 0);
		for (int y = 0; y < EYE_HEIGHT; y++)
			for (int x = 0; x < EYE_WIDTH; x++) {
				float d = hypotf((float)(x - 160) / 160, (float)(y - 100) / 90);
				e->luma[y][x] = (uint8_t)((float)e->luma[y][x] * 0.6f * expf(-d * d * 1.5f));
			}
		eye_noise(e, 14);
		struct rtsp_verdict v = eye_judge(e);
		cr_expect_eq(v.sight, RTSP_GOOD, "picture %d is %s", n, rtsp_fault_name(v.sight));
	}
	free(e);
}

/* The same picture again and again, with a clock that goes on in its corner; then it lives again. */
Test(judge, sees_that_nothing_changes)
{
	struct eye *e = eye_open();
	eye_learn(e, 4);
	eye_draw(e, 4, 0, 0);
	eye_noise(e, 6);
	for (int n = 0; n < 20; n++) {
		eye_box(e, 290, 4, 6, 8, n % 2 ? 250 : 20);
		struct rtsp_verdict v = eye_judge(e);
		cr_expect_eq(v.sight, n >= 6 ? RTSP_FROZEN : RTSP_GOOD, "picture %d", n);
		cr_expect_eq(v.unchanged_us, n * 10LL * TORAP_US_PER_S);
		cr_expect_not(v.stuck);
	}
	static const enum rtsp_fault after[] = { RTSP_FROZEN, RTSP_GOOD, RTSP_GOOD };
	for (int n = 0; n < 3; n++) { /* the first may be an encoder that writes the same thing differently */
		eye_draw(e, 4, 0, 0);
		eye_noise(e, 6);
		cr_expect_eq(eye_judge(e).sight, after[n], "picture %d", n);
	}
	free(e);
}

/* While looks are spared, minutes pass between two pictures that are judged.  They are no sign of a freeze, nor of life: a picture that has not
 * changed after them is frozen at once, when one more shows the same. */
Test(judge, takes_the_time_between_two_pictures_for_nothing)
{
	struct eye *e = eye_open();
	eye_learn(e, 4);
	for (int n = 0; n < 12; n++) {
		eye_draw(e, 4, 0, 0);
		eye_noise(e, 6);
		e->mono = torap_mono_add_ms(e->mono, n % 2 ? 170000 : 0);
		struct rtsp_verdict v = eye_judge(e);
		cr_expect(v.sight == RTSP_GOOD && !v.unchanged_us, "picture %d", n);
	}
	e->mono = torap_mono_add_ms(e->mono, 170000);
	struct rtsp_verdict v = eye_judge(e);
	cr_expect(v.sight == RTSP_GOOD && v.unchanged_us == 180 * TORAP_US_PER_S);
	cr_expect_eq(eye_judge(e).sight, RTSP_FROZEN);
	free(e);
}

/* A frozen picture that is encoded a little differently every fifth time. */
Test(judge, is_not_deceived_by_an_encoder)
{
	struct eye *e = eye_open();
	eye_learn(e, 4);
	for (int n = 0; n < 40; n++) {
		eye_draw(e, 4, 0, 0);
		eye_dim(e, 1, n / 5 % 2);
		cr_expect_eq(eye_judge(e).sight, n >= 6 ? RTSP_FROZEN : RTSP_GOOD, "picture %d", n);
	}
	free(e);
}

/* Two streams of one camera are never the same: a change of stream is neither a sign of life nor of a freeze. */
Test(judge, takes_another_stream_for_nothing_new)
{
	struct eye *e = eye_open();
	e->sub = true;
	for (int dead = 0; dead < 2; dead++) {
		eye_learn(e, 4);
		for (int n = 0; n < 14; n++) {
			bool change = n == 3 || n == 4 || n == 8 || n == 9;
			e->sub = n != 3 && n != 8;
			if (dead)
				e->random = 77 + e->sub;
			eye_draw(e, 4, 0, 0);
			eye_noise(e, 6);
			struct rtsp_verdict v = eye_judge(e);
			cr_expect_eq(v.sight, dead && n >= 6 ? RTSP_FROZEN : RTSP_GOOD, "dead %d, picture %d",
				dead, n);
			cr_expect_eq(v.first, dead ? n == 3 : change, "dead %d, picture %d", dead, n);
		}
	}
	free(e);
}

/* Content changes (noise), but the server repeats its timestamps; a reconnect begins them anew. */
Test(judge, sees_that_timestamps_stand)
{
	struct eye *e = eye_open();
	eye_learn(e, 5);
	for (int n = 0; n < 6; n++) {
		eye_draw(e, 5, 0, 0);
		eye_noise(e, 6);
		e->pts_us -= 10LL * TORAP_US_PER_S; /* eye_judge() adds them */
		struct rtsp_verdict v = eye_judge(e);
		cr_expect_eq(v.stuck, n >= 1);
		cr_expect_eq(v.sight, n >= 1 ? RTSP_FROZEN : RTSP_GOOD);
	}
	e->sight.history.session = 7;
	cr_expect_eq(eye_judge(e).sight, RTSP_GOOD);
	free(e);
}

/* The 32 bits of RTP's time run over every 13 hours. */
Test(judge, follows_rtp_time_over_its_end)
{
	struct eye *e = eye_open();
	uint32_t rtp = UINT32_MAX - 2000000;
	for (int n = 0; n < 8; n++, rtp += 900000) {
		struct rtsp_picture p;
		struct rtsp_measure m;
		struct rtsp_verdict v;
		eye_draw(e, 6, 0, 0);
		eye_noise(e, 6);
		p.shot = (struct rtsp_shot){
			.arrived = { n + 1 }, .session = 1, .rtp_known = true, .rtp_time = rtp
		};
		cr_assert(rtsp_picture_from_luma(&p, e->luma[0], EYE_WIDTH, EYE_WIDTH, EYE_HEIGHT));
		rtsp_measure_picture(&m, &p);
		rtsp_judge(&v, &e->sight, &m, &e->profile);
		cr_expect_not(v.stuck, "picture %d", n);
	}
	free(e);
}

/* What the stream says against the profile: each beside a good picture, and not when the profile ignores it. */
Test(judge, holds_the_stream_against_the_profile)
{
	struct eye *e = eye_open();
	e->profile.width_min = 1280;
	e->profile.rate_min_mhz = 12000;
	for (int ignored = 0; ignored < 2; ignored++) {
		struct rtsp_picture p;
		struct rtsp_measure m;
		struct rtsp_verdict v;
		eye_draw(e, 7, 0, 0);
		eye_noise(e, 6);
		p.shot = (struct rtsp_shot){
			.arrived = { 1 },
			.arrived_wall = e->wall,
			.sender_clock = { e->wall.us - 11LL * TORAP_US_PER_S },
			.rate_mhz = 6000,
		};
		cr_assert(rtsp_picture_from_luma(&p, e->luma[0], EYE_WIDTH, EYE_WIDTH, EYE_HEIGHT));
		rtsp_measure_picture(&m, &p);
		if (ignored)
			e->profile.ignored =
				rtsp_fault_bit(RTSP_WRONG_SIZE) | rtsp_fault_bit(RTSP_WRONG_CLOCK);
		rtsp_judge(&v, &e->sight, &m, &e->profile);
		cr_expect_eq(v.sight, RTSP_GOOD);
		cr_expect_eq(v.faults, rtsp_fault_bit(RTSP_WRONG_RATE) |
					       (ignored ? 0
							: rtsp_fault_bit(RTSP_WRONG_SIZE) |
								       rtsp_fault_bit(RTSP_WRONG_CLOCK)));
		cr_expect_eq(v.clock_off_us, -11LL * TORAP_US_PER_S);
		cr_expect_eq(v.unknown, 0);
		m.shot.sub = true;
		rtsp_judge(&v, &e->sight, &m, &e->profile);
		cr_expect_eq(v.faults, ignored ? 0 : rtsp_fault_bit(RTSP_WRONG_CLOCK));
		cr_expect_eq(v.unknown,
			rtsp_fault_bit(RTSP_WRONG_RATE) | (ignored ? 0 : rtsp_fault_bit(RTSP_WRONG_SIZE)));
		m.shot.sub = false;
		m.shot.rate_mhz = 0;
		m.shot.sender_clock.us = 0;
		rtsp_judge(&v, &e->sight, &m, &e->profile);
		cr_expect_eq(v.unknown,
			rtsp_fault_bit(RTSP_WRONG_RATE) | (ignored ? 0 : rtsp_fault_bit(RTSP_WRONG_CLOCK)));
	}
	free(e);
}

/* A camera that stays covered, and one that stays turned: what they are known by does not become that. */
Test(judge, never_learns_from_a_faulty_picture)
{
	struct eye *e = eye_open();
	eye_learn(e, 8);
	struct rtsp_baseline before = e->sight.baseline;
	for (int n = 0; n < 300; n++) {
		if (n % 2)
			eye_fill(e, 100);
		else
			eye_draw(e, 8, 60, 0);
		eye_noise(e, 6);
		cr_expect_neq(eye_judge(e).sight, RTSP_GOOD);
	}
	cr_expect_eq(memcmp(&before, &e->sight.baseline, sizeof before), 0);
	rtsp_sight_forget(&e->sight);
	for (int n = 0; n < 60; n++) {
		eye_draw(e, 8, 60, 0);
		eye_noise(e, 6);
		cr_expect_eq(eye_judge(e).sight, RTSP_GOOD);
	}
	free(e);
}

/* That it was not found means nothing then. */
Test(judge, says_what_was_not_looked_for)
{
	struct rtsp_profile p = rtsp_profile_default;
	struct rtsp_verdict v = { 0 };
	p.width_min = 1920;
	p.rate_min_mhz = 5000;
	p.clock_off_us_max = 10 * TORAP_US_PER_S;
	cr_expect_eq(rtsp_judge_unasked(&v, &p), 0);
	p.ignored = rtsp_fault_bit(RTSP_BLACK);
	cr_expect_eq(rtsp_judge_unasked(&v, &p), p.ignored);
	p.ignored = 0;
	p.width_min = p.height_min = 0;
	p.rate_min_mhz = 0;
	p.clock_off_us_max = 0;
	cr_expect_eq(rtsp_judge_unasked(&v, &p), rtsp_fault_bit(RTSP_WRONG_SIZE) |
							 rtsp_fault_bit(RTSP_WRONG_RATE) |
							 rtsp_fault_bit(RTSP_WRONG_CLOCK));
	p.height_min = 720;
	p.rate_min_mhz = 1;
	p.clock_off_us_max = 1;
	v.learning = true;
	v.faults = rtsp_fault_bit(RTSP_MOVED); /* by the scene, which is known already */
	cr_expect_eq(rtsp_judge_unasked(&v, &p), rtsp_fault_bit(RTSP_DEFOCUSED));
}
