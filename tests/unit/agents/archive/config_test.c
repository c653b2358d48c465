#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agents/archive/config.h"
#include "base/error.h"
#include "tests/kit/temporary.h"

static char dir[64], path[96];
static struct archive_config config;
static struct torap_error err;

static int load(const char *text)
{
	temporary_dir(dir, sizeof dir, "archive-config");
	snprintf(path, sizeof path, "%s/a.yaml", dir);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(text, f);
	fclose(f);
	int r = archive_config_load(&config, path, &err);
	unlink(path);
	rmdir(dir);
	return r;
}

Test(config, the_example_has_every_key_and_is_good)
{
	cr_assert_eq(archive_config_load(&config, "deploy/archive/archive.yaml", &err), 0, "%s", err.text);
	cr_expect_eq(config.utc_offset_s, 18000);
	cr_expect_eq(archive_config_profile(&config, "crossing")->demand.term_days, 90);
	cr_expect_eq(archive_config_profile(&config, "")->demand.share_percent, 95);
	cr_expect(archive_config_recorder(&config, "nvr-7")->url);
	cr_expect(archive_config_recorder(&config, "disk-3")->folder);
	cr_expect_null(archive_config_recorder(&config, "nobody"));
	cr_expect_eq(config.plan.count, 1);
	archive_config_finish(&config);
}

Test(config, what_is_wrong_is_named_with_its_line)
{
	static const struct {
		const char *text, *reason;
	} rows[] = {
		{ "node: ipc://x\nutc_offset: \"5\"\n", "a.yaml:2: \"5\" is no offset" },
		{ "node: ipc://x\nat: \"25:00\"\n", "a.yaml:2: \"25:00\" is no time of the day" },
		{ "node: tcp://x\n", "a.yaml:1: \"tcp://x\" is no ipc:// endpoint" },
		{ "node: ipc://x\nrecorders:\n  - { name: a }\n", "a.yaml:3: a recorder has either" },
		{ "node: ipc://x\nrecorders:\n  - { name: a, onvif: \"http://u:p@h/\" }\n",
			"without user and password" },
		{ "node: ipc://x\nrecorders:\n  - { name: a, folder: /x, pattern: film.mp4 }\n",
			"does not tell date, hour and minute" },
		{ "node: ipc://x\nrecorders:\n  - { name: a, onvif: \"http://h/\" }\n  - { name: a, onvif: \"http://h/\" }\n",
			"twice" },
		{ "node: ipc://x\nprofiles:\n  - { name: a, share: 101 }\n",
			"a.yaml:3: share is a percentage" },
		{ "node: ipc://x\nprofiles:\n  - { name: a }\n  - { name: default }\n", "must be the first" },
		{ "node: ipc://x\nplanned: none.yaml\n", "none.yaml" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cr_expect_neq(load(rows[i].text), 0, "%s", rows[i].text);
		cr_expect(strstr(err.text, rows[i].reason), "%s", err.text);
	}
}
