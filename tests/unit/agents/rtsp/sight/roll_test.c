#include "agents/rtsp/sight/roll.h"

#include "tests/unit/agents/rtsp/sight/eye.h"

static struct rtsp_scene scene_of(const struct eye *e)
{
	struct rtsp_picture p = { 0 };
	struct rtsp_measure m;
	cr_assert(rtsp_picture_from_luma(&p, e->luma[0], EYE_WIDTH, EYE_WIDTH, EYE_HEIGHT));
	rtsp_measure_picture(&m, &p);
	return m.scene;
}

Test(roll, is_found_either_way)
{
	for (unsigned seed = 1; seed <= 8; seed++)
		for (int degrees = -20; degrees <= 20; degrees += 5) {
			struct eye *e = eye_open();
			struct rtsp_roll roll;
			eye_draw(e, seed, 0, 0);
			struct rtsp_scene reference = scene_of(e);
			eye_roll(e, degrees);
			eye_noise(e, 6);
			struct rtsp_scene seen = scene_of(e);
			rtsp_roll_find(&roll, &reference, &seen);
			float gain = roll.turned - roll.otherwise;
			if (abs(degrees) >= 10)
				cr_expect(abs(roll.degrees - degrees) <= 4 && gain > 0.2f,
					"seed %u by %d: by %d, %.2f", seed, degrees, roll.degrees, gain);
			else if (!degrees)
				cr_expect_lt(gain, -0.2f, "seed %u: by %d, %.2f", seed, roll.degrees, gain);
			free(e);
		}
}

/* To the right is east, down is south: what stood east of the middle goes south. */
Test(roll, is_told_clockwise)
{
	struct eye *e = eye_open();
	struct rtsp_roll roll;
	eye_fill(e, 150);
	eye_box(e, 160, 82, 150, 16, 40);
	eye_box(e, 40, 40, 30, 30, 230);
	struct rtsp_scene reference = scene_of(e);
	eye_fill(e, 150);
	for (int x = 160; x < 310; x++) /* 15 degrees: 0.268 down for each to the right */
		eye_box(e, x, 82 + (x - 160) * 268 / 1000, 1, 16, 40);
	eye_box(e, 54, 10, 30, 30, 230);
	struct rtsp_scene seen = scene_of(e);
	rtsp_roll_find(&roll, &reference, &seen);
	cr_expect(roll.degrees >= 12 && roll.degrees <= 16, "by %d", roll.degrees);
	cr_expect_gt(roll.turned, roll.otherwise + 0.2f);
	free(e);
}

/* By night, large things turned by `degrees`, below a text and above one, which never turn.  `lorry`: where one stands; 0: none does. */
static struct rtsp_verdict judge_night(struct eye *e, unsigned seed, int degrees, int lorry)
{
	uint32_t keep = e->random;
	e->random = seed * 2654435761u;
	eye_fill(e, 150);
	for (int i = 0; i < 14; i++) {
		int x = eye_random(e, 300) - 20, y = eye_random(e, 160) - 20;
		eye_box(e, x, y, 60 + eye_random(e, 80), 40 + eye_random(e, 60), 40 + eye_random(e, 180));
	}
	e->random = keep;
	eye_roll(e, degrees);
	if (lorry)
		eye_box(e, lorry, 20, 200, 140, 90);
	eye_dim(e, 0.25f, 60);
	eye_noise(e, 8);
	for (int x = 6; x < EYE_WIDTH - 8; x += 7) {
		eye_box(e, x, 6, 3 + x % 3, 8, 250);
		eye_box(e, x, 168, 4, 8, 250);
	}
	return eye_judge(e);
}

/* Most of a scene is where it was: only that it is turned tells.  How often it is found: tests/judging. */
Test(roll, of_a_camera_is_a_move_and_a_lorry_is_none)
{
	for (unsigned seed = 1; seed <= 4; seed++) {
		struct eye *e = eye_open();
		for (int i = 0; i < 40; i++)
			cr_assert_eq(judge_night(e, seed, 0, 0).sight, RTSP_GOOD);
		struct rtsp_verdict v = judge_night(e, seed, 0, 10 + 20 * (int)seed);
		cr_expect_eq(v.sight, RTSP_GOOD, "seed %u, a lorry: %s", seed, rtsp_fault_name(v.sight));
		cr_expect_neq(v.roll.degrees, 0, "seed %u: the lorry is too small", seed);
		cr_expect_lt(v.roll.turned, v.roll.otherwise, "seed %u", seed);
		v = judge_night(e, seed, seed & 1 ? 16 : -16, 0);
		cr_expect_eq(v.sight, RTSP_MOVED, "seed %u, rolled: %s", seed, rtsp_fault_name(v.sight));
		cr_expect_gt(2 * v.match.in_place, v.match.judged);
		free(e);
	}
}
