/* The configuration file: complete, or refused with its line. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "broker/config.h"

static const char good[] = "name: broker-one\n"
			   "region: \"750000000\"\n"
			   "keys: broker-one.key\n"
			   "trust: /etc/torap/trust.signed\n"
			   "root: root.pub\n"
			   "store: store\n"
			   "store_size: 8GiB\n"
			   "listen: tcp://127.0.0.1:7400\n"
			   "policy: policy.yaml\n"
			   "metrics: 127.0.0.1:9201\n"
			   "canary: 10s\n";

static char dir[] = "/tmp/torap-config-XXXXXX";
static char path[64];

static void make_dir(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/broker.yaml", dir);
}

static void remove_dir(void)
{
	unlink(path);
	rmdir(dir);
}

TestSuite(config, .init = make_dir, .fini = remove_dir);

/* The good file with the first `from` replaced by `to`. */
static int load(struct broker_config *out, const char *from, const char *to, struct torap_error *err)
{
	const char *at = strstr(good, from);
	cr_assert(at);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fprintf(f, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	fclose(f);
	return broker_config_load(out, path, err);
}

Test(config, is_taken_with_names_relative_to_its_folder)
{
	struct torap_error err = { "" };
	struct broker_config c;
	char expected[128];
	cr_assert_eq(load(&c, "", "", &err), 0, "%s", err.text);
	cr_expect_str_eq(c.name, "broker-one");
	cr_expect_eq(c.region, 750000000);
	cr_expect_eq(c.store_size, UINT64_C(8) << 30);
	cr_expect_eq(c.canary_us, 10 * TORAP_US_PER_S);
	cr_expect_str_eq(c.trust, "/etc/torap/trust.signed");
	snprintf(expected, sizeof expected, "%s/policy.yaml", dir);
	cr_expect_str_eq(c.policy, expected);
	broker_config_finish(&c);
}

Test(config, needs_neither_metrics_nor_a_canary_period)
{
	struct torap_error err = { "" };
	struct broker_config c;
	cr_assert_eq(load(&c, "metrics: 127.0.0.1:9201\ncanary: 10s\n", "", &err), 0, "%s", err.text);
	cr_expect_null(c.metrics);
	cr_expect_eq(c.canary_us, 30 * TORAP_US_PER_S);
	broker_config_finish(&c);
}

Test(config, refuses_each_thing_that_is_wrong_with_its_line)
{
	static const struct {
		const char *from, *to;
		int line;
	} wrong[] = {
		{ "broker-one\n", "Broker One\n", 1 },
		{ "\"750000000\"", "\"7500\"", 2 },
		{ "8GiB", "8 GiB", 7 },
		{ "8GiB", "-1GiB", 7 },
		{ "8GiB", "1MiB", 7 },
		{ "8GiB", "99999999999TiB", 7 },
		{ "8GiB", "8", 7 },
		{ "listen:", "lisen:", 8 },
		{ "10s", "soon", 11 },
		{ "10s", "1ms", 11 },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct torap_error err = { "" };
		struct broker_config c;
		char where[96];
		cr_expect_lt(load(&c, wrong[i].from, wrong[i].to, &err), 0, "taken: %s", wrong[i].to);
		snprintf(where, sizeof where, "%s:%d:", path, wrong[i].line);
		cr_expect(strncmp(err.text, where, strlen(where)) == 0, "not at %s: %s", where, err.text);
	}
}

Test(config, refuses_a_file_in_which_something_is_missing)
{
	struct torap_error err = { "" };
	struct broker_config c;
	cr_expect_lt(load(&c, "policy: policy.yaml\n", "", &err), 0);
	cr_expect(strstr(err.text, "policy"), "%s", err.text);
}
