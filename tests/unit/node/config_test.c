#include "node/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "node/retention.h"
#include "proto/batch.pb-c.h"
#include "tests/kit/temporary.h"

static const char good[] =
	"name: node-a\n"
	"region: \"391010000\"\n"
	"keys: k/node-a.key\n"
	"trust: k/trust.signed\n"
	"root: /etc/torap/root.pub\n"
	"journal: journal\n"
	"journal_size: 512MiB\n"
	"intake: ipc://run/intake\n"
	"sites: sites.csv\n"
	"devices: devices.csv\n"
	"mapping: mapping\n"
	"metrics: 127.0.0.1:9101\n"
	"brokers:\n"
	"  - { name: one, endpoint: \"tcp://127.0.0.1:7400\", key: one.pub, kind: required }\n"
	"  - { name: two, endpoint: \"tcp://10.0.0.1:7400\", key: two.pub, kind: best_effort }\n"
	"seal: { normal: 100ms, bulk: 2s }\n"
	"canary: 10s\n";

/* The good file with one text replaced.  Returns what the load returned. */
/* A name in the configuration file at `path` is relative to its folder. */
static bool is_beside(const char *path, const char *found, const char *name)
{
	size_t folder = (size_t)(strrchr(path, '/') - path) + 1;
	return strncmp(found, path, folder) == 0 && strcmp(found + folder, name) == 0;
}

static int load(
	struct node_config *out, char *path, const char *find, const char *put, struct torap_error *err)
{
	char text[4096];
	int fd = mkstemp(temporary_pattern(path, 64, "node-config"));
	cr_assert_geq(fd, 0);
	const char *at = find ? strstr(good, find) : good;
	cr_assert_not_null(at);
	int size = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, put ? put : "",
		at + (find ? strlen(find) : 0));
	cr_assert_eq(write(fd, text, (size_t)size), size);
	close(fd);
	int r = node_config_load(out, path, err);
	unlink(path);
	return r;
}

Test(config, reads_a_whole_file_with_names_against_its_folder)
{
	struct node_config c;
	struct torap_error err = { "" };
	char path[64];
	cr_assert_eq(load(&c, path, NULL, NULL, &err), 0, "%s", err.text);
	cr_expect_str_eq(c.name, "node-a");
	cr_expect_eq(c.region, 391010000);
	cr_expect(is_beside(path, c.keys, "k/node-a.key"), "%s", c.keys);
	cr_expect_str_eq(c.root, "/etc/torap/root.pub");
	cr_expect(strncmp(c.intake, "ipc://", 6) == 0 && is_beside(path, c.intake + 6, "run/intake"), "%s",
		c.intake);
	cr_expect_eq(c.journal_size, 512 << 20);
	cr_assert_eq(c.brokers_count, 2);
	cr_expect(c.brokers[0].required);
	cr_expect_not(c.brokers[1].required);
	cr_expect_str_eq(c.brokers[1].endpoint, "tcp://10.0.0.1:7400");
	cr_expect(is_beside(path, c.brokers[1].key, "two.pub"), "%s", c.brokers[1].key);
	cr_expect_eq(c.seal_delay_ms[TORAP__LANE__LANE_NORMAL], 100);
	cr_expect_eq(c.seal_delay_ms[TORAP__LANE__LANE_BULK], 2000);
	cr_expect_eq(c.canary_us, 10 * TORAP_US_PER_S);
	cr_expect_eq(c.seal_bytes, 0, "no broker says its rate");
	node_config_finish(&c);
}

Test(config, has_defaults_for_what_may_be_left_out)
{
	struct node_config c;
	struct torap_error err = { "" };
	char path[64];
	cr_assert_eq(load(&c, path, "seal: { normal: 100ms, bulk: 2s }\ncanary: 10s\n", "", &err), 0, "%s",
		err.text);
	cr_expect_eq(c.seal_delay_ms[TORAP__LANE__LANE_NORMAL], 200);
	cr_expect_eq(c.seal_delay_ms[TORAP__LANE__LANE_BULK], 1000);
	cr_expect_eq(c.canary_us, 30 * TORAP_US_PER_S);
	cr_expect_eq(c.keep_us, NODE_KEEP_WHILE_ROOM);
	cr_expect(c.bulk_percent == 70 && c.normal_percent == 80);
	node_config_finish(&c);
}

Test(config, reads_how_long_to_keep_and_where_the_marks_are)
{
	struct node_config c;
	struct torap_error err = { "" };
	char path[64];
	cr_assert_eq(load(&c, path, "canary: 10s\n", "keep: 7d\nmarks: { normal: 75%, bulk: 60% }\n", &err),
		0, "%s", err.text);
	cr_expect_eq(c.keep_us, 7 * 86400 * (int64_t)TORAP_US_PER_S);
	cr_expect(c.bulk_percent == 60 && c.normal_percent == 75);
	node_config_finish(&c);
	cr_assert_eq(load(&c, path, "canary: 10s\n", "keep: forever\nmarks: { bulk: 80% }\n", &err), 0, "%s",
		err.text);
	cr_expect_eq(c.keep_us, NODE_KEEP_FOR_EVER);
	cr_expect(c.bulk_percent == 80 && c.normal_percent == 80);
	node_config_finish(&c);
}

/* What is sealed cannot be split, so a batch must be small for the slowest of the links that carry it. */
Test(config, derives_the_size_of_batches_from_the_slowest_rate)
{
	static const struct {
		const char *one, *two;
		size_t bytes;
	} cases[] = {
		{ "1Mbit", NULL, 16 << 10 },
		{ "1Mbit", "512kbit", 8388 },
		{ "1Gbit", "2Mbit", 32 << 10 },
		{ "1Gbit", NULL, 256 << 10 },
		{ "9kbit", "1Gbit", 4 << 10 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct node_config c;
		struct torap_error err = { "" };
		char path[64], brokers[512];
		int size = snprintf(brokers, sizeof brokers,
			"required, rate: %s }\n"
			"  - { name: two, endpoint: \"tcp://10.0.0.1:7400\", key: two.pub, kind: best_effort",
			cases[i].one);
		if (cases[i].two)
			snprintf(brokers + size, sizeof brokers - (size_t)size, ", rate: %s", cases[i].two);
		cr_assert_eq(
			load(&c, path,
				"required }\n"
				"  - { name: two, endpoint: \"tcp://10.0.0.1:7400\", key: two.pub, kind: best_effort",
				brokers, &err),
			0, "%s", err.text);
		cr_expect_eq(c.seal_bytes, cases[i].bytes, "%s: %zu", cases[i].one, c.seal_bytes);
		node_config_finish(&c);
	}
}

Test(config, names_file_line_and_reason_of_what_is_wrong)
{
	static const struct {
		const char *find, *put;
		int line;
		const char *reason;
	} cases[] = {
		{ "name: node-a", "name: Node_A", 1, "is not a writer id" },
		{ "\"391010000\"", "\"39101\"", 2, "is not a region" },
		{ "512MiB", "512", 7, "is not a size" },
		{ "512MiB", "1MiB", 7, "is not a size" },
		{ "ipc://run/intake", "tcp://127.0.0.1:1", 8, "is not ipc://PATH" },
		{ "tcp://127.0.0.1:7400", "udp://127.0.0.1", 14, "is not tcp://HOST:PORT" },
		{ "name: two", "name: one", 15, "named twice" },
		{ "10.0.0.1:7400", "127.0.0.1:7400", 15, "tcp://127.0.0.1:7400 is that of \"one\"" },
		{ "kind: best_effort", "kind: best_effort, lag_max: soon", 15, "\"soon\" is not a duration" },
		{ "kind: best_effort", "kind: best_effort, lag_max: 10ms", 15, "less than 1s" },
		{ "kind: required", "kind: required, lag_max: 7d", 14, "never given up" },
		{ "kind: best_effort", "kind: perhaps", 15, "" },
		{ "required }", "required, rate: 1Mb }", 14, "is not a rate" },
		{ "required }", "required, rate: 0Mbit }", 14, "is not a rate" },
		{ "required }", "required, rate: -1Mbit }", 14, "is not a rate" },
		{ "required }", "required, rate: 18446744073709551615Gbit }", 14, "is not a rate" },
		{ "normal: 100ms", "normal: 100", 16, "" },
		{ "normal: 100ms", "normal: 2h", 16, "is more than 60s" },
		{ "canary: 10s", "canary: 1ms", 17, "is less than 100ms" },
		{ "canary: 10s", "keep: 10", 17, "or forever" },
		{ "canary: 10s", "keep: 10ms", 17, "is less than 1s" },
		{ "canary: 10s", "marks: { bulk: 70 }", 17, "is not 1% to 85%" },
		{ "canary: 10s", "marks: { bulk: 0% }", 17, "is not 1% to 85%" },
		{ "canary: 10s", "marks: { normal: 86% }", 17, "is not 1% to 85%" },
		{ "canary: 10s", "marks: { normal: 50% }", 17, "before bulk at 70%" },
		{ "canary: 10s", "pictures: { severity: loud }", 17, "neither a severity nor none" },
		{ "canary: 10s", "pictures: { interval: 10ms }", 17, "not between 1s and 1h" },
		{ "canary: 10s", "pictures: { kinds: [panic, pannic] }", 17, "\"pannic\" fits no kind" },
		{ "metrics:", "metricks:", 12, "metricks" },
		{ "metrics: 127.0.0.1:9101", "metrics: 0.0.0.0:9101", 12, "only addresses of this machine" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct node_config c;
		struct torap_error err = { "" };
		char path[64], where[96];
		cr_expect_lt(load(&c, path, cases[i].find, cases[i].put, &err), 0, "taken: %s", cases[i].put);
		snprintf(where, sizeof where, "%s:%d: ", path, cases[i].line);
		cr_expect_eq(strncmp(err.text, where, strlen(where)), 0, "%s: \"%s\" is not at %s",
			cases[i].put, err.text, where);
		cr_expect_not_null(strstr(err.text, cases[i].reason), "%s: \"%s\"", cases[i].put, err.text);
	}
}

Test(config, refuses_a_file_without_what_it_must_have)
{
	static const char *const lines[] = { "name: node-a\n", "keys: k/node-a.key\n", "journal: journal\n",
		"intake: ipc://run/intake\n", "mapping: mapping\n" };
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct node_config c;
		struct torap_error err = { "" };
		char path[64];
		cr_expect_lt(load(&c, path, lines[i], "", &err), 0, "taken without %s", lines[i]);
		cr_expect_neq(err.text[0], 0);
	}
}

Test(config, says_what_a_reload_cannot_change)
{
	static const struct {
		const char *from, *to, *key; /* key NULL: it can */
	} changes[] = {
		{ "node-a\n", "node-b\n", "name" },
		{ "391010000", "391020000", "region" },
		{ "root.pub", "other.pub", "root" },
		{ "journal: journal", "journal: other", "journal" },
		{ "512MiB", "1GiB", "journal_size" },
		{ "run/intake", "intake", "intake" },
		{ "metrics: 127.0.0.1:9101\n", "", "metrics" },
		{ "normal: 100ms", "normal: 1s", "seal" },
		{ "canary: 10s", "canary: 10s\nkeep: 1h", "keep" },
		{ "canary: 10s", "canary: 10s\nmarks: { bulk: 10% }", "marks" },
		{ "10s", "11s", "canary" },
		{ "name: two", "name: three", "brokers" },
		{ "best_effort", "required", "brokers" },
		{ "tcp://10.0.0.1:7400", "tcp://10.0.0.2:7401", NULL },
		{ "two.pub", "next/two.pub", NULL },
		{ "kind: best_effort", "kind: best_effort, rate: 1Mbit", NULL },
		{ "sites.csv", "other.csv", NULL },
		{ "k/node-a.key", "next/node-a.key", NULL },
	};
	struct torap_error err = { "" };
	struct node_config now, next;
	char path[64];
	cr_assert_eq(load(&now, path, NULL, NULL, &err), 0, "%s", err.text);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		err.text[0] = 0;
		cr_assert_eq(load(&next, path, changes[i].from, changes[i].to, &err), 0, "%s", err.text);
		int r = node_config_judge_reload(&now, &next, &err);
		cr_expect_eq(r < 0, changes[i].key != NULL, "%s", changes[i].to);
		cr_expect(!changes[i].key || strstr(err.text, changes[i].key), "%s", err.text);
		node_config_finish(&next);
	}
	node_config_finish(&now);
}

Test(config, gives_a_reload_what_it_takes_over_and_takes_the_old)
{
	struct torap_error err = { "" };
	struct node_config now, next;
	char path[64];
	cr_assert_eq(load(&now, path, NULL, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(
		load(&next, path, "tcp://10.0.0.1:7400", "tcp://10.0.0.2:7401", &err), 0, "%s", err.text);
	node_config_take(&now, &next);
	cr_expect_str_eq(now.brokers[1].endpoint, "tcp://10.0.0.2:7401");
	cr_expect_str_eq(next.brokers[1].endpoint, "tcp://10.0.0.1:7400");
	node_config_finish(&next);
	cr_expect_str_eq(now.brokers[0].endpoint, "tcp://127.0.0.1:7400");
	node_config_finish(&now);
}
