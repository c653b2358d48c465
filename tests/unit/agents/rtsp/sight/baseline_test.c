#include "tests/unit/agents/rtsp/sight/eye.h"

static struct torap_writer encoded(const struct rtsp_baseline *b)
{
	struct torap_writer w = { 0 };
	rtsp_baseline_encode(b, &w);
	cr_assert_not(w.failed);
	cr_assert_leq(w.size, RTSP_BASELINE_SIZE_MAX);
	return w;
}

/* After a restart the camera is judged as before: the same faults, and none that was not. */
Test(baseline, survives_as_bytes)
{
	struct eye *e = eye_open();
	eye_learn(e, 1);
	for (int n = 0; n < 40; n++) { /* a night, so that there are two scenes */
		eye_draw(e, 1, 0, 0);
		eye_dim(e, 0.3f, 0);
		eye_box(e, 0, 0, 320, 120, 10);
		eye_noise(e, 10);
		eye_judge(e);
	}
	struct torap_writer w = encoded(&e->sight.baseline);
	struct rtsp_sight restarted = { 0 };
	cr_assert(rtsp_baseline_decode(&restarted.baseline, torap_bytes(w.data, w.size)));
	struct torap_writer again = encoded(&restarted.baseline);
	cr_expect(torap_bytes_equal(torap_bytes(w.data, w.size), torap_bytes(again.data, again.size)));
	e->sight = restarted;
	for (int right = 0; right <= 60; right += 60) {
		eye_draw(e, 1, right, 0);
		eye_noise(e, 6);
		cr_expect_eq(eye_judge(e).sight, right ? RTSP_MOVED : RTSP_GOOD);
	}
	torap_writer_finish(&w);
	torap_writer_finish(&again);
	free(e);
}

/* Cut anywhere, longer, or with any byte changed: refused or decoded, never read beyond, and zeros when refused. */
Test(baseline, refuses_what_is_none)
{
	struct eye *e = eye_open();
	eye_learn(e, 2);
	struct torap_writer w = encoded(&e->sight.baseline);
	static const struct rtsp_baseline zeros;
	struct rtsp_baseline b;
	for (size_t size = 0; size < w.size; size++) {
		uint8_t *cut = malloc(size + 1); /* of that size, so that a sanitizer sees a read beyond */
		cr_assert(cut);
		memcpy(cut, w.data, size);
		cr_expect_not(rtsp_baseline_decode(&b, torap_bytes(cut, size)), "%zu", size);
		cr_expect_eq(memcmp(&b, &zeros, sizeof b), 0);
		free(cut);
	}
	torap_write_u8(&w, 0);
	cr_expect_not(rtsp_baseline_decode(&b, torap_bytes(w.data, w.size)));
	w.size--;
	w.data[0]++;
	cr_expect_not(rtsp_baseline_decode(&b, torap_bytes(w.data, w.size)));
	torap_writer_finish(&w);
	free(e);
}

/* Noon does not speak for midnight, but for the hours beside it it does. */
Test(baseline, is_by_hour)
{
	struct rtsp_baseline b = { 0 };
	struct rtsp_measure m = { .sharpness = 2, .structured = 50, .mean = 120 };
	for (int i = 0; i < 10; i++) {
		m.shot.arrived_wall.us = 12LL * 3600 * TORAP_US_PER_S;
		rtsp_baseline_learn(&b, &m);
	}
	for (int hour = 0; hour < 24; hour++) {
		struct torap_wall at = { hour * 3600LL * TORAP_US_PER_S };
		struct rtsp_usual u = rtsp_baseline_usual(&b, at);
		cr_expect_eq(u.count, 10);
		cr_expect_eq(u.foreign, hour < 11 || hour > 13, "%d", hour);
		cr_expect_float_eq(u.sharpness, 2, 0.01);
	}
	m.sharpness = 1;
	for (int i = 0; i < 10; i++) {
		m.shot.arrived_wall.us = 13LL * 3600 * TORAP_US_PER_S;
		rtsp_baseline_learn(&b, &m);
	}
	cr_expect_float_eq(
		rtsp_baseline_usual(&b, (struct torap_wall){ 12LL * 3600 * TORAP_US_PER_S }).sharpness, 1,
		0.01);
}
