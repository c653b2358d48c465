/* What the agent reads and writes: credentials, configuration, state. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/rtsp/config.h"
#include "agents/rtsp/credentials.h"
#include "agents/rtsp/evidence/holds.h"
#include "agents/rtsp/state.h"
#include "base/error.h"
#include "tests/kit/temporary.h"

static char dir[64], path[128];

static void begin(void)
{
	temporary_dir(dir, sizeof dir, "rtsp");
	snprintf(path, sizeof path, "%s/file", dir);
}

static void finish(void)
{
	unlink(path);
	rmdir(dir);
}

static void write_file(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(text, f);
	cr_assert_eq(fclose(f), 0);
	chmod(path, mode);
}

Test(credentials, are_found_by_name, .init = begin, .fini = finish)
{
	struct rtsp_credentials c = { 0 };
	struct torap_error err;
	write_file("# comment\n\n school-12 : viewer:s#cr:t \nbank: admin:\n", 0600);
	cr_assert_eq(rtsp_credentials_load(&c, path, &err), 0, "%s", err.text);
	cr_expect_eq(c.count, 2);
	cr_expect_str_eq(rtsp_credentials_find(&c, "school-12")->user, "viewer");
	cr_expect_str_eq(rtsp_credentials_find(&c, "school-12")->password, "s#cr:t");
	cr_expect_str_eq(rtsp_credentials_find(&c, "bank")->password, "");
	cr_expect_null(rtsp_credentials_find(&c, "other"));
	rtsp_credentials_finish(&c);
}

/* A complaint never repeats what stands in the line. */
Test(credentials, refuses_what_is_none_by_its_line, .init = begin, .fini = finish)
{
	static const char *const bad[] = { "x: viewer", "x viewer:hidden", "x: :hidden", ": viewer:hidden",
		"x: vie wer:hidden", "x: vie\"wer:hidden", "x: a:b\nx: a:b" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct rtsp_credentials c = { 0 };
		struct torap_error err = { "" };
		write_file(bad[i], 0600);
		cr_expect_lt(rtsp_credentials_load(&c, path, &err), 0, "taken: %s", bad[i]);
		cr_expect(strstr(err.text, path) && !strstr(err.text, "hidden"), "%s", err.text);
	}
	struct rtsp_credentials c = { 0 };
	write_file("x: viewer:hidden\n", 0644);
	cr_expect_lt(rtsp_credentials_load(&c, path, NULL), 0, "others may read it");
}

Test(config, takes_the_example)
{
	struct rtsp_config c = { 0 };
	struct torap_error err;
	cr_assert_eq(rtsp_config_load(&c, "deploy/rtsp/rtsp.yaml", &err), 0, "%s", err.text);
	cr_expect_eq(c.schedule.period_us, 40 * TORAP_US_PER_S);
	cr_expect_eq(c.schedule.alive_us, 20 * TORAP_US_PER_S);
	cr_expect_eq(c.schedule.retry_us, 4 * TORAP_US_PER_S);
	cr_expect_eq(c.schedule.parallel, 1000);
	cr_expect_eq(c.limits.stall_us, rtsp_limits_default.stall_us);
	cr_expect_eq(c.trust_us, 180 * TORAP_US_PER_S);
	cr_expect(c.peek);
	cr_expect_not(c.held);
	cr_expect_eq(c.outage.cameras, rtsp_outage_limits_default.cameras); /* the example has the defaults */
	cr_expect_float_eq(c.outage.share, rtsp_outage_limits_default.share, 1e-6);
	cr_expect_float_eq(c.outage.back, rtsp_outage_limits_default.back, 1e-6);
	cr_expect_eq(c.outage.hold_us, rtsp_outage_limits_default.hold_us);
	cr_expect_eq(c.outage.settle_us, rtsp_outage_limits_default.settle_us);
	cr_expect_eq(c.outage.join_us, rtsp_outage_limits_default.join_us);
	cr_expect_str_eq(c.planned, "deploy/rtsp/../etc/planned.yaml");
	cr_expect_str_eq(c.credentials, "deploy/rtsp/cameras.credentials");
	cr_expect_str_eq(c.evidence.folder, "/var/lib/torap/evidence");
	cr_expect(c.evidence.clips && c.evidence.before_us == 10 * TORAP_US_PER_S &&
		  c.evidence.after_us == 20 * TORAP_US_PER_S);
	cr_expect_eq(c.evidence.keep_us, 30 * 86400 * (int64_t)TORAP_US_PER_S);
	cr_expect(c.evidence.quota == (uint64_t)20 << 30 && c.evidence.memory == 64 << 20 &&
		  c.evidence.snapshot_max == 1 << 20);
	rtsp_config_finish(&c);
}

Test(config, takes_no_trust_at_all, .init = begin, .fini = finish)
{
	struct rtsp_config c = { 0 };
	struct torap_error err;
	write_file("node: ipc://x\nwatch:\n  trust: 0\n", 0644);
	cr_assert_eq(rtsp_config_load(&c, path, &err), 0, "%s", err.text);
	cr_expect_eq(c.trust_us, 0);
	rtsp_config_finish(&c);
}

Test(config, takes_no_peeks, .init = begin, .fini = finish)
{
	struct rtsp_config c = { 0 };
	struct torap_error err;
	write_file("node: ipc://x\nwatch:\n  peek: false\n", 0644);
	cr_assert_eq(rtsp_config_load(&c, path, &err), 0, "%s", err.text);
	cr_expect(!c.peek && c.trust_us == 180 * TORAP_US_PER_S);
	rtsp_config_finish(&c);
}

Test(config, refuses_what_is_wrong_by_its_line, .init = begin, .fini = finish)
{
	static const struct {
		const char *text, *complaint;
	} cases[] = {
		{ "node: tcp://x\n", ":1: \"tcp://x\" is no ipc:// endpoint" },
		{ "node: ipc://x\nwatch:\n  mode: always\n", ":3: \"always\" is none of sampled, held" },
		{ "node: ipc://x\nwatch:\n  transport: rtp\n", ":3: \"rtp\" is none of any, tcp, udp" },
		{ "node: ipc://x\nwatch:\n  parallel: 0\n", ":3: watch.parallel must be 1 to 4096" },
		{ "node: ipc://x\nwatch:\n  alive: 20\n", ":3: \"20\" is not a duration" },
		{ "node: ipc://x\nwatch:\n  alive: 50ms\n", ":3: must be 0 (never), or between" },
		{ "node: ipc://x\nwatch:\n  alive: 2d\n", ":3: must be 0 (never), or between" },
		{ "node: ipc://x\nwatch:\n  alive: -1s\n", ":3: \"-1s\" is not a duration" },
		{ "node: ipc://x\nwatch:\n  trust: 25h\n", ":3: must be 0 (never), or between" },
		{ "node: ipc://x\nwatch:\n  peek: flase\n", ":3: \"flase\" is none of false, true" },
		{ "node: ipc://x\nlimits:\n  first: 1ms\n", ":3: must be between 100ms and 24h" },
		{ "node: ipc://x\nevidence:\n  keep: 30d\n", ":2: " },
		{ "node: ipc://x\nevidence:\n  folder: e\n  keep: 30\n", ":4: " },
		{ "node: ipc://x\nevidence:\n  folder: e\n  before: 5m\n", ":4: must be between 1s and 60s" },
		{ "node: ipc://x\nevidence:\n  folder: e\n  quota: 1KiB\n",
			":4: must be between 1MiB and 1PiB" },
		{ "node: ipc://x\nevidence:\n  folder: e\n  snapshot_max: 9MiB\n", ":4: must be between" },
		{ "node: ipc://x\nevidence:\n  folder: e\n  clips: all\n",
			":4: \"all\" is none of held, none" },
		{ "node: ipc://x\nwatch:\n  retry: 2m\n  retry_max: 1m\n", ":4: is shorter than retry" },
		{ "node: ipc://x\noutage:\n  cameras: 1\n", ":3: one camera is no outage of many" },
		{ "node: ipc://x\noutage:\n  share: 50\n", ":3: must be more than 50" },
		{ "node: ipc://x\noutage:\n  back: 101\n", ":3: outage.back must be 1 to 100" },
		{ "node: ipc://x\noutage:\n  hold: 0s\n", ":3: must be between 100ms and 24h" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rtsp_config c = { 0 };
		struct torap_error err = { "" };
		write_file(cases[i].text, 0644);
		cr_expect_lt(rtsp_config_load(&c, path, &err), 0);
		cr_expect(strstr(err.text, cases[i].complaint), "%s", err.text);
	}
}

Test(config, takes_glances_or_none, .init = begin, .fini = finish)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = { { "node: ipc://x\n", 20 * TORAP_US_PER_S },
		{ "node: ipc://x\nwatch:\n  period: 2s\n", 20 * TORAP_US_PER_S },
		{ "node: ipc://x\nwatch:\n  alive: 100ms\n", 100 * TORAP_US_PER_MS },
		{ "node: ipc://x\nwatch:\n  alive: 0\n", 0 }, { "node: ipc://x\nwatch:\n  alive: 0s\n", 0 } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rtsp_config c = { 0 };
		struct torap_error err = { "" };
		write_file(cases[i].text, 0644);
		cr_assert_eq(rtsp_config_load(&c, path, &err), 0, "%s", err.text);
		cr_expect_eq(c.schedule.alive_us, cases[i].us, "%s", cases[i].text);
		rtsp_config_finish(&c);
	}
}

Test(holds, hold_what_fits_all_that_they_name, .init = begin, .fini = finish)
{
	struct rtsp_holds h;
	struct torap_error err;
	struct rtsp_item item = { .camera = "cam-1", .site = "school-1", .alarms_count = 1 };
	struct torap_wall now = { 1800000000 * (int64_t)TORAP_US_PER_S };
	item.from = item.until = now;
	item.digest[0] = 0xab;
	snprintf(item.alarms[0].stream, sizeof item.alarms[0].stream, "node-a/critical/01");
	item.alarms[0].seq = 17;
	static const struct {
		const char *hold;
		bool holds;
	} cases[] = {
		{ "site: school-1", true },
		{ "site: school-10", false },
		{ "camera: CAM-1", true },
		{ "alarm: \"node-a/critical/01 17\"", true },
		{ "alarm: \"node-a/critical/01 1\"", false },
		{ "alarm: \"node-a/critical/01 17\", camera: cam-2", false },
		{ "digest: AB00000000000000000000000000000000000000000000000000000000000000", true },
		{ "digest: ac00000000000000000000000000000000000000000000000000000000000000", false },
		{ "site: school-1, until: 2027-01-16", true },
		{ "site: school-1, until: 2027-01-15", false },
		{ "site: school-1, from: 2027-01-15, to: 2027-01-16", true },
		{ "site: school-1, from: 2027-01-16, to: 2027-01-17", false },
		{ "site: school-1, to: 2027-01-15", false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[256];
		snprintf(text, sizeof text, "holds:\n  - { who: w, why: y, %s }\n", cases[i].hold);
		write_file(text, 0644);
		cr_assert_eq(rtsp_holds_load(&h, path, &err), 0, "%s", err.text);
		cr_expect_eq(rtsp_holds_find(&h, &item, now) != NULL, cases[i].holds, "%s", cases[i].hold);
		rtsp_holds_finish(&h);
	}
	/* Whose alarm is not among those that are named may be among the others. */
	item.alarms_more = 1;
	write_file("holds: [ { who: w, why: y, alarm: other } ]\n", 0644);
	cr_assert_eq(rtsp_holds_load(&h, path, &err), 0, "%s", err.text);
	cr_expect(rtsp_holds_find(&h, &item, now));
	rtsp_holds_finish(&h);
}

Test(holds, refuses_what_is_none_by_its_line, .init = begin, .fini = finish)
{
	static const char *const bad[] = { "holds:\n  - { who: w, why: y }\n",
		"holds:\n  - { who: w, site: s }\n", "holds:\n  - { who: w, why: y, digest: ab }\n",
		"holds:\n  - { who: w, why: y, site: s, until: soon }\n",
		"holds:\n  - { who: w, why: y, site: s, from: 2026-02-01, to: 2026-01-01 }\n",
		"holds:\n  - { who: w, why: y, side: s }\n" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct rtsp_holds h = { 0 };
		struct torap_error err = { "" };
		write_file(bad[i], 0644);
		cr_expect_lt(rtsp_holds_load(&h, path, &err), 0, "taken: %s", bad[i]);
		cr_expect(strstr(err.text, ":2: "), "%s", err.text);
	}
	struct rtsp_holds h;
	cr_expect_lt(rtsp_holds_load(&h, "/nowhere/holds.yaml", NULL), 0,
		"a name that was mistyped deletes nothing");
}

static struct rtsp_cameras cameras;

static void on_gone(void *hint, struct rtsp_camera *camera, bool stays)
{
	(void)camera;
	(void)stays;
	++*(unsigned *)hint;
}

static int64_t aimed_us;

static void set_cameras(unsigned count)
{
	static char names[300][8];
	static struct kit_row rows[300];
	unsigned gone = 0;
	for (unsigned i = 0; i < count; i++) {
		snprintf(names[i], sizeof names[i], "cam-%u", i);
		rows[i] = (struct kit_row){ .address = names[i],
			.url = "rtsp://10.0.0.1/",
			.sub_url = "",
			.key_name = "",
			.profile = "",
			.mode = "",
			.site = "",
			.switch_name = "",
			.street = "",
			.device = "",
			.recorder = "",
			.aimed_us = aimed_us };
	}
	cr_assert_eq(rtsp_cameras_set(&cameras, rows, count, false, on_gone, &gone), 0);
}

static void forget(void)
{
	rtsp_cameras_finish(&cameras);
	cameras = (struct rtsp_cameras){ 0 };
}

Test(state, outlives_a_restart, .init = begin, .fini = finish)
{
	struct rtsp_now now = { { 7 * TORAP_US_PER_S }, { 1800000000LL * TORAP_US_PER_S } };
	struct torap_error err;
	uint32_t known, damaged;
	set_cameras(300);
	struct rtsp_camera *c = rtsp_cameras_named(&cameras, "CAM-299");
	c->sight.baseline.hours[3].count = 9;
	cr_assert_eq(rtsp_state_save(RTSP_STATE_BASELINES, path, &cameras, &err), 0, "%s", err.text);
	forget();
	set_cameras(300);
	cr_assert_eq(rtsp_state_load(RTSP_STATE_BASELINES, path, &cameras, now, &known, &damaged, &err), 0,
		"%s", err.text);
	cr_expect_eq(known, 300);
	cr_expect_eq(damaged, 0);
	cr_expect_eq(rtsp_cameras_named(&cameras, "cam-299")->sight.baseline.hours[3].count, 9);
	cr_expect_lt(rtsp_state_load(RTSP_STATE_FAULTS, path, &cameras, now, &known, &damaged, &err), 0);
	forget();
}

/* The registry says that it was turned on purpose, while it is watched and while it is not. */
Test(state, of_a_camera_that_was_turned_is_forgotten, .init = begin, .fini = finish)
{
	struct rtsp_now now = { { 7 * TORAP_US_PER_S }, { 1800000000LL * TORAP_US_PER_S } };
	struct torap_error err;
	uint32_t known, damaged;
	aimed_us = 5;
	set_cameras(1);
	rtsp_cameras_named(&cameras, "cam-0")->sight.baseline.hours[3].count = 9;
	set_cameras(1);
	cr_expect_eq(rtsp_cameras_named(&cameras, "cam-0")->sight.baseline.hours[3].count, 9);
	cr_assert_eq(rtsp_state_save(RTSP_STATE_BASELINES, path, &cameras, &err), 0, "%s", err.text);
	aimed_us = 6;
	set_cameras(1);
	cr_expect_eq(rtsp_cameras_named(&cameras, "cam-0")->sight.baseline.hours[3].count, 0);
	forget();
	set_cameras(1);
	cr_assert_eq(rtsp_state_load(RTSP_STATE_BASELINES, path, &cameras, now, &known, &damaged, &err), 0);
	cr_expect_eq(damaged, 0);
	cr_expect_eq(rtsp_cameras_named(&cameras, "cam-0")->sight.baseline.hours[3].count, 0);
	forget();
	aimed_us = 5;
	set_cameras(1);
	cr_assert_eq(rtsp_state_load(RTSP_STATE_BASELINES, path, &cameras, now, &known, &damaged, &err), 0);
	cr_expect_eq(rtsp_cameras_named(&cameras, "cam-0")->sight.baseline.hours[3].count, 9);
	forget();
	aimed_us = 0;
}

/* A start that was told and one that was not; an end that was not. */
Test(state, holds_the_faults_that_the_node_knows, .init = begin, .fini = finish)
{
	struct rtsp_now now = { { 7 * TORAP_US_PER_S }, { 1800000000LL * TORAP_US_PER_S } };
	struct torap_error err;
	uint32_t known, damaged;
	set_cameras(300);
	struct rtsp_camera *c = rtsp_cameras_named(&cameras, "cam-7");
	c->health.troubles[RTSP_MOVED] = (struct rtsp_trouble){ .open = true, .times = 1 };
	c->told = rtsp_fault_bit(RTSP_OFFLINE);
	c->told_since_us[RTSP_OFFLINE] = 55;
	c->told_cause[RTSP_OFFLINE] = RTSP_CAUSE_NETWORK;
	cr_assert_eq(rtsp_state_save(RTSP_STATE_FAULTS, path, &cameras, &err), 0, "%s", err.text);
	forget();
	set_cameras(300);
	cr_assert_eq(rtsp_state_load(RTSP_STATE_FAULTS, path, &cameras, now, &known, &damaged, &err), 0, "%s",
		err.text);
	cr_expect_eq(known, 1);
	c = rtsp_cameras_named(&cameras, "cam-7");
	cr_expect_eq(rtsp_health_open(&c->health), rtsp_fault_bit(RTSP_OFFLINE));
	cr_expect_eq(c->health.troubles[RTSP_OFFLINE].bad_since.wall.us, 55);
	cr_expect_eq(c->told, rtsp_fault_bit(RTSP_OFFLINE));
	cr_expect_eq(c->told_cause[RTSP_OFFLINE], RTSP_CAUSE_NETWORK);
	forget();
}

/* Each byte of a record flipped, and the file cut anywhere: what is damaged is left out, the rest is there. */
Test(state, leaves_out_what_is_damaged, .init = begin, .fini = finish)
{
	struct rtsp_now now = { 0 };
	struct stat st;
	uint32_t known, damaged;
	set_cameras(2);
	cr_assert_eq(rtsp_state_save(RTSP_STATE_BASELINES, path, &cameras, NULL), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	char *bytes = malloc((size_t)st.st_size);
	FILE *f = fopen(path, "r");
	cr_assert_eq(fread(bytes, 1, (size_t)st.st_size, f), (size_t)st.st_size);
	fclose(f);
	for (long i = 23; i < st.st_size; i += 13) {
		bytes[i] ^= 1;
		f = fopen(path, "w");
		fwrite(bytes, 1, (size_t)st.st_size, f);
		fclose(f);
		bytes[i] ^= 1;
		cr_assert_eq(
			rtsp_state_load(RTSP_STATE_BASELINES, path, &cameras, now, &known, &damaged, NULL),
			0);
		cr_assert(known < 2 && damaged >= 1, "%u known, %u damaged, byte %ld", known, damaged, i);
		cr_assert_eq(truncate(path, i), 0);
		cr_assert_eq(
			rtsp_state_load(RTSP_STATE_BASELINES, path, &cameras, now, &known, &damaged, NULL),
			0);
		cr_assert_lt(known, 2);
	}
	cr_assert_eq(truncate(path, 5), 0);
	cr_expect_lt(rtsp_state_load(RTSP_STATE_BASELINES, path, &cameras, now, &known, &damaged, NULL), 0);
	unlink(path);
	cr_expect_eq(rtsp_state_load(RTSP_STATE_BASELINES, path, &cameras, now, &known, &damaged, NULL), 0,
		"no file yet");
	free(bytes);
	forget();
}
