/* The configuration file: complete, or refused with its line. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "broker/config.h"
#include "conf/keys.h"
#include "tests/kit/temporary.h"

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

static char dir[64], path[80];

static void make_dir(void)
{
	temporary_dir(dir, sizeof dir, "config");
	snprintf(path, sizeof path, "%s/broker.yaml", dir);
}

static void remove_dir(void)
{
	char key[96];
	snprintf(key, sizeof key, "%s/broker-two.pub", dir);
	unlink(key);
	snprintf(key, sizeof key, "%s/broker-two.key", dir);
	unlink(key);
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
		{ "127.0.0.1:9201", "localhost:9201", 10 },
		{ "127.0.0.1:9201", "10.0.0.1:9201", 10 },
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

/* The good file with an upstream of these fields behind it. */
static int load_upstream(struct broker_config *out, const char *fields, struct torap_error *err)
{
	char text[512];
	struct torap_keys keys;
	cr_assert_eq(torap_keys_create(&keys, "broker-two", err), 0);
	torap_keys_save(&keys, dir, err); /* It may be there from the call before. */
	snprintf(text, sizeof text, "canary: 10s\nupstream:\n%s", fields);
	return load(out, "canary: 10s\n", text, err);
}

Test(config, takes_upstreams_with_their_keys)
{
	struct torap_error err = { "" };
	struct broker_config c;
	cr_assert_eq(
		load_upstream(&c,
			"  - { name: broker-two, endpoint: \"tcp://10.0.0.1:7400\", key: broker-two.pub, feed: "
			"nation }\n"
			"  - { name: broker-three, endpoint: \"tcp://10.0.0.2:7400\", key: broker-two.pub, "
			"feed: city, credit: 1MiB }\n",
			&err),
		0, "%s", err.text);
	cr_assert_eq(c.upstreams_count, 2);
	cr_expect_str_eq(c.upstreams[0].peer.name, "broker-two");
	cr_expect_str_eq(c.upstreams[0].peer.endpoint, "tcp://10.0.0.1:7400");
	cr_expect_str_eq(c.upstreams[0].feed, "nation");
	cr_expect_eq(c.upstreams[0].credit_bytes, 4 << 20);
	cr_expect_eq(c.upstreams[1].credit_bytes, 1 << 20);
	cr_expect_eq(memcmp(c.upstreams[0].peer.key, c.upstreams[1].peer.key, TORAP_CURVE_KEY_SIZE), 0);
	broker_config_finish(&c);
}

Test(config, refuses_an_upstream_that_cannot_be_with_its_line)
{
	static const struct {
		const char *fields;
		int line; /* 0: the complaint names another file */
	} wrong[] = {
		{ "  - { name: Broker, endpoint: \"tcp://a:1\", key: broker-two.pub, feed: n }\n", 13 },
		{ "  - { name: broker-one, endpoint: \"tcp://a:1\", key: broker-two.pub, feed: n }\n", 13 },
		{ "  - { name: broker-two, endpoint: \"a:1\", key: broker-two.pub, feed: n }\n", 13 },
		{ "  - { name: broker-two, endpoint: \"tcp://a:1\", key: broker-two.pub, feed: n, credit: 1 }\n",
			13 },
		{ "  - { name: broker-two, endpoint: \"tcp://a:1\", key: broker-two.pub, feed: n, credit: 1GiB }\n",
			13 },
		{ "  - { name: broker-two, endpoint: \"tcp://a:1\", key: broker-two.pub, feeds: n }\n", 13 },
		{ "  - { name: broker-two, endpoint: \"tcp://a:1\", key: broker-two.pub, feed: n }\n"
		  "  - { name: broker-two, endpoint: \"tcp://b:1\", key: broker-two.pub, feed: n }\n",
			14 },
		{ "  - { name: broker-two, endpoint: \"tcp://a:1\", key: nobody.pub, feed: n }\n", 0 },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct torap_error err = { "" };
		struct broker_config c;
		char where[96];
		cr_expect_lt(load_upstream(&c, wrong[i].fields, &err), 0, "taken: %s", wrong[i].fields);
		snprintf(where, sizeof where, "%s:%d:", path, wrong[i].line);
		if (wrong[i].line)
			cr_expect(strncmp(err.text, where, strlen(where)) == 0, "not at %s: %s", where,
				err.text);
		else
			cr_expect(strstr(err.text, "nobody.pub"), "%s", err.text);
	}
}

Test(config, takes_further_endpoints_with_keys_of_their_own)
{
	struct torap_error err = { "" };
	struct broker_config c;
	char expected[128];
	cr_assert_eq(load(&c, "canary: 10s\n",
			     "canary: 10s\nalso_listen:\n"
			     "  - { endpoint: \"tcp://127.0.0.1:7401\", keys: next/broker-one.key }\n",
			     &err),
		0, "%s", err.text);
	cr_assert_eq(c.doors_count, 1);
	cr_expect_str_eq(c.doors[0].endpoint, "tcp://127.0.0.1:7401");
	snprintf(expected, sizeof expected, "%s/next/broker-one.key", dir);
	cr_expect_str_eq(c.doors[0].keys, expected);
	broker_config_finish(&c);
}

/* One endpoint shows one key. */
Test(config, refuses_an_endpoint_that_is_there_twice_or_is_none)
{
	static const char *const wrong[] = {
		"also_listen:\n  - { endpoint: \"tcp://127.0.0.1:7400\", keys: next.key }\n",
		"also_listen:\n  - { endpoint: \"ipc://x\", keys: next.key }\n",
		"also_listen:\n  - { endpoint: \"tcp://127.0.0.1:74010\", keys: next.key }\n",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct torap_error err = { "" };
		struct broker_config c;
		char where[96];
		cr_expect_lt(load(&c, "canary: 10s\n", wrong[i], &err), 0, "taken: %s", wrong[i]);
		snprintf(where, sizeof where, "%s:12:", path);
		cr_expect(strncmp(err.text, where, strlen(where)) == 0, "not at %s: %s", where, err.text);
	}
}

/* libzmq looks up no name to listen at, and calls it no device. */
Test(config, says_what_is_wrong_with_an_endpoint_to_listen_at)
{
	static const struct {
		const char *from, *to, *says;
		int line;
	} wrong[] = {
		{ "canary: 10s\n",
			"also_listen:\n  - { endpoint: \"tcp://localhost:7401\", keys: next.key }\n",
			"\"localhost\" is no address to listen at: names are not looked up", 12 },
		{ "canary: 10s\n", "also_listen:\n  - { endpoint: \"tcp://localhost\", keys: next.key }\n",
			"tcp://localhost: is not tcp://HOST:PORT", 12 },
		{ "canary: 10s\n",
			"also_listen:\n  - { endpoint: \"tcp://0.0.0.0:99999\", keys: next.key }\n",
			"there is no such port", 12 },
		{ "tcp://127.0.0.1:7400", "tcp://localhost:7400", "\"localhost\" is no address to listen at",
			8 },
		{ "tcp://127.0.0.1:7400", "ipc://broker", "is not tcp://ADDRESS:PORT", 8 },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct torap_error err = { "" };
		struct broker_config c;
		char where[96];
		cr_expect_lt(load(&c, wrong[i].from, wrong[i].to, &err), 0, "taken: %s", wrong[i].to);
		snprintf(where, sizeof where, "%s:%d:", path, wrong[i].line);
		cr_expect(strncmp(err.text, where, strlen(where)) == 0, "not at %s: %s", where, err.text);
		cr_expect(strstr(err.text, wrong[i].says), "%s", err.text);
	}
	static const char *const fine[] = { "tcp://0.0.0.0:7400", "tcp://*:7400", "tcp://[::1]:7400",
		"tcp://lo:7400" };
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
		struct torap_error err = { "" };
		struct broker_config c;
		cr_expect_eq(load(&c, "tcp://127.0.0.1:7400", fine[i], &err), 0, "%s", err.text);
		broker_config_finish(&c);
	}
}

Test(config, says_what_a_reload_cannot_change)
{
	static const struct {
		const char *from, *to, *key; /* key NULL: it can */
	} changes[] = {
		{ "broker-one\n", "broker-two\n", "name" },
		{ "750000000", "390000000", "region" },
		{ "root.pub", "other.pub", "root" },
		{ "store: store", "store: other", "store" },
		{ "8GiB", "9GiB", "store_size" },
		{ "metrics: 127.0.0.1:9201\n", "", "metrics" },
		{ "10s", "11s", "canary" },
		{ "7400", "7401", NULL },
		{ "policy.yaml", "other.yaml", NULL },
		{ "/etc/torap/trust.signed", "trust.signed", NULL },
		{ "broker-one.key", "other.key", NULL },
	};
	struct torap_error err = { "" };
	struct broker_config now, next;
	cr_assert_eq(load(&now, "", "", &err), 0, "%s", err.text);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		err.text[0] = 0;
		cr_assert_eq(load(&next, changes[i].from, changes[i].to, &err), 0, "%s", err.text);
		int r = broker_config_judge_reload(&now, &next, &err);
		cr_expect_eq(r < 0, changes[i].key != NULL, "%s", changes[i].to);
		cr_expect(!changes[i].key || strstr(err.text, changes[i].key), "%s", err.text);
		broker_config_finish(&next);
	}
	broker_config_finish(&now);
}
