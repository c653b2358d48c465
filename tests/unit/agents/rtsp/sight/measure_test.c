#include "tests/unit/agents/rtsp/sight/eye.h"

static struct rtsp_measure measure(struct eye *e)
{
	struct rtsp_picture p = { 0 };
	struct rtsp_measure m;
	cr_assert(rtsp_picture_from_luma(&p, e->luma[0], EYE_WIDTH, EYE_WIDTH, EYE_HEIGHT));
	rtsp_measure_picture(&m, &p);
	return m;
}

/* One level: everything is known. */
Test(measure, tells_a_flat_picture_exactly)
{
	struct eye *e = eye_open();
	eye_fill(e, 200);
	struct rtsp_measure m = measure(e);
	cr_expect_eq(m.mean, 200);
	cr_expect_eq(m.deviation, 0);
	cr_expect_eq(m.noise, 0);
	cr_expect_eq(m.entropy, 0);
	cr_expect_float_eq(m.flat, 1, 1e-5);
	cr_expect_float_eq(m.relief, 0, 0.01);
	cr_expect_eq(m.structured, 0);
	cr_expect_eq(m.dark + m.bright, 0);
	eye_box(e, 0, 0, 80, EYE_HEIGHT, 10);
	eye_box(e, 80, 0, 80, EYE_HEIGHT, 240);
	m = measure(e);
	cr_expect_float_eq(m.dark, 0.25, 1e-5);
	cr_expect_float_eq(m.bright, 0.25, 1e-5);
	free(e);
}

/* Noise is what it is, on a slope and beside edges; and it is no content. */
Test(measure, knows_noise_from_content)
{
	struct eye *e = eye_open();
	for (int size = 4; size <= 24; size += 10) {
		for (int y = 0; y < EYE_HEIGHT; y++)
			for (int x = 0; x < EYE_WIDTH; x++)
				e->luma[y][x] = (uint8_t)(60 + x / 4);
		eye_noise(e, size);
		/* A triangle of that half width, over four pixels. */
		float expected = (float)size / sqrtf(6) / 2;
		struct rtsp_measure m = measure(e);
		cr_expect_float_eq(
			m.noise, expected, 0.2 * expected + 0.1, "%d: %f for %f", size, m.noise, expected);
		cr_expect_geq(m.flat, 0.99);
		cr_expect_leq(m.relief, 1.5);
		eye_draw(e, 1, 0, 0);
		eye_noise(e, size);
		m = measure(e);
		cr_expect_leq(m.noise, 1.6 * expected + 0.5, "%d: %f for %f", size, m.noise, expected);
		cr_expect_leq(m.flat, 0.6);
	}
	free(e);
}

/* Half the contrast, less light, noise, a text in the corner: as sharp as before.  A blur: not. */
Test(measure, takes_only_blur_for_blur)
{
	for (unsigned seed = 1; seed <= 8; seed++) {
		struct eye *e = eye_open();
		eye_draw(e, seed, 0, 0);
		float sharp = measure(e).sharpness;
		eye_dim(e, 0.5f, 20);
		cr_expect_float_eq(measure(e).sharpness, sharp, 0.25, "seed %u", seed);
		eye_noise(e, 8);
		eye_box(e, 4, 4, 60, 10, 255);
		cr_expect_float_eq(measure(e).sharpness, sharp, 0.35, "seed %u", seed);
		eye_draw(e, seed, 0, 0);
		eye_blur(e, 3);
		eye_noise(e, 8);
		eye_box(e, 4, 4, 60, 10, 255);
		cr_expect_leq(measure(e).sharpness, sharp - 0.9f, "seed %u", seed);
		free(e);
	}
}

/* A scene is found again where it went, and in place when only its light changed. */
Test(scene, is_found_where_it_went)
{
	struct rtsp_scene_match match;
	for (unsigned seed = 1; seed <= 8; seed++) {
		struct eye *e = eye_open();
		eye_draw(e, seed, 0, 0);
		struct rtsp_scene reference = measure(e).scene;
		cr_expect_float_eq(rtsp_scene_likeness(&reference, &reference), 1, 1e-4);
		eye_dim(e, -0.6f, 240); /* dark and bright change places */
		eye_noise(e, 6);
		struct rtsp_measure m = measure(e);
		rtsp_scene_compare(&match, &reference, &m.scene, 1);
		cr_expect_geq(match.likeness, 0.8, "seed %u: %f", seed, match.likeness);
		cr_expect_geq(match.in_place, match.judged - 1);
		cr_expect_leq(match.shifted, match.unshifted);
		eye_draw(e, seed, 50, 20); /* 5 and 2 cells: content goes left and up */
		m = measure(e);
		rtsp_scene_compare(&match, &reference, &m.scene, 1);
		cr_expect_eq(match.right, -5, "seed %u: %d", seed, match.right);
		cr_expect_eq(match.down, -2, "seed %u: %d", seed, match.down);
		cr_expect_geq(match.elsewhere, match.judged / 2);
		cr_expect_geq(match.shifted, match.unshifted + 0.4f, "seed %u", seed);
		free(e);
	}
}
