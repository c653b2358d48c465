#include "agents/follow/config.h"

#include <sys/stat.h>

#include "base/error.h"
#include "conf/file.h"
#include "tests/unit/lib/store/place.h"

static struct place place;
static char path[PATH_MAX + 32];
static struct follow_config *config;
static struct torap_error err;

static void make(void)
{
	static const char *const names[] = { "feed", "root", "broker" };
	place_make(&place);
	cr_assert_eq(mkdir(place.dir, 0700), 0);
	for (int i = 0; i < 3; i++) {
		struct torap_keys keys;
		cr_assert_eq(torap_keys_create(&keys, names[i], &err), 0);
		cr_assert_eq(torap_keys_save(&keys, place.dir, &err), 0, "%s", err.text);
	}
	snprintf(path, sizeof path, "%s/follow.yaml", place.dir);
}

static void clean(void)
{
	config = follow_config_destroy(config);
	place_remove(&place);
}

TestSuite(config, .init = make, .fini = clean);

static int load(const char *more)
{
	char text[2048];
	snprintf(text, sizeof text,
		"feed: prosecutor\nkeys: feed.key\nroot: root.pub\ndir: received\n"
		"brokers:\n  - { name: almaty, endpoint: \"tcp://127.0.0.1:7400\", key: broker.pub }\n%s",
		more);
	cr_assert_eq(
		torap_file_replace(path, 0600, torap_bytes(text, strlen(text)), &err), 0, "%s", err.text);
	return follow_config_load(&config, path, &err);
}

Test(config, reads_everything_and_finds_files_beside_itself)
{
	cr_assert_eq(
		load("dir_size: 8GiB\ncredit: 1MiB\nmetrics: 127.0.0.1:0\n"
		     "expect:\n  - { regions: [\"391010000\"], facilities: [prison], kinds: [panic], severity_min: low, parts: [open, personal] }\n"),
		0, "%s", err.text);
	char dir[sizeof place.dir + 16];
	snprintf(dir, sizeof dir, "%s/received", place.dir);
	cr_assert_str_eq(config->dir, dir);
	cr_assert_eq(config->dir_bytes, 8ull << 30);
	cr_assert_eq(config->credit_bytes, 1 << 20);
	cr_assert_eq(config->brokers_count, 1);
	cr_assert_eq(config->expected_count, 1);
	const struct torap_grant_row *row = &config->expected[0];
	cr_assert_eq(row->regions[0], 391010000);
	cr_assert_eq(row->facilities[0], TORAP__FACILITY__FACILITY_PRISON);
	cr_assert_eq(row->kinds[0], TORAP__KIND__KIND_PANIC);
	cr_assert_eq(row->severity_min, TORAP__SEVERITY__SEVERITY_LOW);
	cr_assert(row->parts[1] && row->parts[2] && !row->parts[3]);
}

static void refuses(const char *more, const char *line, const char *word)
{
	cr_assert_lt(load(more), 0);
	cr_assert_not_null(strstr(err.text, line), "%s", err.text);
	cr_assert_not_null(strstr(err.text, word), "%s", err.text);
}

Test(config, names_line_and_reason_of_what_is_wrong)
{
	refuses("dir_size: 8GB\n", ":7:", "8GB");
	refuses("dir_size: 8GiB\ncredit: 1KiB\n", ":8:", "64KiB");
	refuses("dir_size: 8GiB\nexpekt: 1\n", ":8:", "expekt");
	refuses("dir_size: 8GiB\nmetrics: 0.0.0.0:9130\n", ":8:", "only addresses of this machine");
	refuses("dir_size: 8GiB\nexpect:\n  - { parts: [open, voice] }\n", ":9:", "voice");
	refuses("dir_size: 8GiB\nexpect:\n  - { regions: [\"39101\"], parts: [open] }\n", ":9:", "39101");
	refuses("dir_size: 8GiB\nexpect:\n  - { severity_min: worse, parts: [open] }\n", ":9:", "worse");
	refuses("", "follow.yaml", "dir_size");
}

Test(config, refuses_a_secret_that_others_may_read)
{
	char key[sizeof place.dir + 16];
	snprintf(key, sizeof key, "%s/feed.key", place.dir);
	cr_assert_eq(chmod(key, 0644), 0);
	cr_assert_lt(load("dir_size: 8GiB\n"), 0);
	cr_assert_not_null(strstr(err.text, "chmod 600"), "%s", err.text);
}

Test(config, says_what_a_reload_cannot_change)
{
	static const struct {
		const char *more, *key; /* key NULL: it can */
	} changes[] = {
		{ "dir_size: 9GiB\n", "dir_size" },
		{ "dir_size: 8GiB\nmetrics: 127.0.0.1:0\n", "metrics" },
		{ "dir_size: 8GiB\ncredit: 1MiB\n", NULL },
		{ "dir_size: 8GiB\nexpect:\n  - { parts: [open] }\n", NULL },
	};
	cr_assert_eq(load("dir_size: 8GiB\n"), 0, "%s", err.text);
	struct follow_config *now = config;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		err.text[0] = 0;
		cr_assert_eq(load(changes[i].more), 0, "%s", err.text);
		int r = follow_config_judge_reload(now, config, &err);
		cr_expect_eq(r < 0, changes[i].key != NULL, "%s", changes[i].more);
		cr_expect(!changes[i].key || strstr(err.text, changes[i].key), "%s", err.text);
		if (r == 0)
			follow_config_take(now, config);
		config = follow_config_destroy(config);
	}
	cr_expect_eq(now->expected_count, 1);
	follow_config_destroy(now);
}
