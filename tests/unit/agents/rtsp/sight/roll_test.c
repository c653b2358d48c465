#include "agents/rtsp/sight/roll.h"

#include "tests/unit/agents/rtsp/sight/eye.h"

static struct rtsp_scene scene_of(struct eye *e)
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
		for (int degrees = -20; degrees <= 20; degrees += 8) {
			struct eye *e = eye_open();
			struct rtsp_roll roll;
			eye_draw(e, seed, 0, 0);
			struct rtsp_scene reference = scene_of(e);
			eye_roll(e, degrees);
			eye_noise(e, 6);
			struct rtsp_scene seen = scene_of(e);
			rtsp_roll_find(&roll, &reference, &seen);
			int off = abs(roll.degrees - degrees);
			if (abs(degrees) >= 10)
				cr_expect(off <= 4 && roll.rolled > roll.level + 0.2f,
					"seed %u by %d: by %d %.2f level %.2f", seed, degrees, roll.degrees,
					roll.rolled, roll.level);
			else
				cr_expect_gt(roll.level, 0.2f);
			free(e);
		}
}

Test(roll, of_a_camera_is_a_move_and_a_lorry_is_none)
{
	for (unsigned seed = 1; seed <= 8; seed++) {
		struct eye *e = eye_open();
		eye_learn(e, seed);
		eye_draw(e, seed, 0, 0);
		eye_box(e, 40 + 10 * (int)seed, 40, 130, 100, 60);
		eye_noise(e, 6);
		struct rtsp_verdict v = eye_judge(e);
		cr_expect_eq(v.sight, RTSP_GOOD, "seed %u, a lorry: %s", seed, rtsp_fault_name(v.sight));
		cr_expect_leq(v.roll.rolled, v.roll.level, "seed %u", seed);
		eye_draw(e, seed, 0, 0);
		eye_roll(e, seed & 1 ? 15 : -15);
		eye_noise(e, 6);
		v = eye_judge(e);
		cr_expect_eq(v.sight, RTSP_MOVED, "seed %u, rolled: %s", seed, rtsp_fault_name(v.sight));
		free(e);
	}
}
