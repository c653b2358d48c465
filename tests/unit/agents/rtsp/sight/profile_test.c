#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agents/rtsp/sight/fault.h"
#include "agents/rtsp/sight/profile.h"
#include "base/error.h"
#include "base/time.h"
#include "tests/kit/temporary.h"

static char path[128];

static int load(struct rtsp_profiles *out, const char *text, struct torap_error *err)
{
	int fd = mkstemp(temporary_pattern(path, sizeof path, "profiles"));
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	int r = rtsp_profiles_load(out, path, err);
	unlink(path);
	return r;
}

Test(profile, is_there_without_a_file)
{
	struct rtsp_profiles p;
	cr_assert_eq(rtsp_profiles_load(&p, NULL, NULL), 0);
	cr_assert_eq(p.count, 1);
	cr_expect_eq(rtsp_profiles_find(&p, NULL), &p.list[0]);
	cr_expect_eq(rtsp_profiles_find(&p, ""), &p.list[0]);
	cr_expect_eq(rtsp_profiles_find(&p, "default"), &p.list[0]);
	cr_expect_eq(rtsp_profiles_find(&p, "school"), NULL);
	rtsp_profiles_finish(&p);
}

/* The example that people copy says what happens without it. */
Test(profile, example_says_the_defaults)
{
	struct rtsp_profiles p;
	struct torap_error err;
	cr_assert_eq(rtsp_profiles_load(&p, "deploy/rtsp/profiles.yaml", &err), 0, "%s", err.text);
	cr_assert_eq(p.count, 1);
	cr_expect_eq(memcmp(&p.list[0], &rtsp_profile_default, sizeof p.list[0]), 0);
	rtsp_profiles_finish(&p);
}

Test(profile, takes_over_what_a_file_says)
{
	struct rtsp_profiles p;
	struct torap_error err;
	int r = load(&p,
		"profiles:\n"
		"  - name: school\n"
		"    width: 1920\n"
		"    rate: 12.5\n"
		"    black_dark: 99%\n"
		"    frozen_after: 5m\n"
		"    ignore: [wrong_clock, defocused]\n"
		"  - { name: default, start_pictures: 5 }\n",
		&err);
	cr_assert_eq(r, 0, "%s", err.text);
	cr_assert_eq(p.count, 2);
	const struct rtsp_profile *s = rtsp_profiles_find(&p, "school");
	cr_assert(s);
	cr_expect_eq(s->width_min, 1920);
	cr_expect_eq(s->rate_min_mhz, 12500);
	cr_expect_float_eq(s->black_dark_min, 0.99, 1e-6);
	cr_expect_eq(s->frozen_after_us, 300LL * TORAP_US_PER_S);
	cr_expect_eq(s->ignored, rtsp_fault_bit(RTSP_WRONG_CLOCK) | rtsp_fault_bit(RTSP_DEFOCUSED));
	cr_expect_eq(s->start_pictures, rtsp_profile_default.start_pictures);
	cr_expect_eq(rtsp_profiles_find(&p, NULL)->start_pictures, 5);
	rtsp_profiles_finish(&p);
}

/* Each with the line that has to be changed, and the reason. */
Test(profile, refuses_what_makes_no_sense)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "profiles:\n  - name: a\n    black_dark: 0.9\n", ":3: black_dark: \"0.9\" is not a share" },
		{ "profiles:\n  - name: a\n    black_dark: 20%\n", ":3: black_dark: must be 50 to 100 %" },
		{ "profiles:\n  - name: a\n    width: 12.5\n", ":3: width: \"12.5\" is not a whole number" },
		{ "profiles:\n  - name: a\n    defocus_drop: nan\n",
			":3: defocus_drop: \"nan\" is not a number" },
		{ "profiles:\n  - name: a\n    flap_starts: 300\n", ":3: flap_starts: must be 2 to 100" },
		{ "profiles:\n  - name: a\n    clock: soon\n", ":3: clock: " },
		{ "profiles:\n  - name: a\n    ignore: [wrong_hat]\n",
			":3: ignore: \"wrong_hat\" is no fault" },
		{ "profiles:\n  - name: a\n  - name: a\n", ":3: name: there is one of that name already" },
		{ "profiles:\n  - name: a\n    blackness: 1\n", ":3: unknown key \"blackness\"" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rtsp_profiles p;
		struct torap_error err;
		cr_assert_neq(load(&p, cases[i].text, &err), 0, "%s", cases[i].text);
		cr_expect(strstr(err.text, cases[i].reason), "%s\nbut: %s", cases[i].reason, err.text);
	}
}
