/* The files of torap-dc09: configuration and keys, good and bad. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/dc09/accounts.h"
#include "agents/dc09/config.h"
#include "agents/dc09/keys.h"
#include "base/error.h"
#include "tests/kit/temporary.h"

static char dir[64], path[96];

static void write_file(const char *text, mode_t mode)
{
	temporary_dir(dir, sizeof dir, "dc09");
	snprintf(path, sizeof path, "%s/file", dir);
	FILE *f = fopen(path, "w");
	cr_assert(f && fputs(text, f) >= 0 && !fclose(f) && !chmod(path, mode));
}

static void remove_file(void)
{
	unlink(path);
	rmdir(dir);
}

Test(keys, are_found_by_name)
{
	write_file("# panels\nschool-12: 00112233445566778899AABBCCDDEEFF # comment\n\n"
		   "\"bank\": '00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff'\n",
		0600);
	struct dc09_keys keys;
	struct torap_error err = { "" };
	cr_assert_eq(dc09_keys_load(&keys, path, &err), 0, "%s", err.text);
	cr_expect_eq(keys.count, 2);
	cr_assert(dc09_keys_find(&keys, "school-12"));
	cr_expect_eq(dc09_keys_find(&keys, "school-12")->size, 16);
	cr_expect_eq(dc09_keys_find(&keys, "bank")->size, 32);
	cr_expect_null(dc09_keys_find(&keys, "other"));

	struct dc09_accounts accounts = { 0 };
	const struct kit_row rows[] = {
		{ .address = "4002", .code_page = "cp1251", .key_name = "bank" },
		{ .address = "4001", .code_page = "", .key_name = "school-12" },
		{ .address = "4003", .code_page = "utf-8", .key_name = "" },
		{ .address = "4004", .code_page = "klingon", .key_name = "lost" },
		{ .address = "an account that is longer than any panel's", .code_page = "", .key_name = "" }
	};
	cr_assert_eq(dc09_accounts_set(&accounts, rows, 5, &keys), 0);
	cr_expect_eq(accounts.count, 4);
	cr_expect_eq(accounts.left_out, 1);
	cr_expect_eq(accounts.keyless, 1);
	cr_expect_eq(accounts.unknown_pages, 1);
	struct dc09_account account;
	dc09_accounts_find(&accounts, &keys, "4002", &account);
	cr_expect(account.key.size == 32 && account.code_page == DC09_CP1251);
	dc09_accounts_find(&accounts, &keys, "4004", &account);
	cr_expect_eq(account.key.size, 0);
	dc09_accounts_find(&accounts, &keys, "9999", &account);
	cr_expect(account.key.size == 0 && account.code_page == DC09_CODE_PAGE_GUESS);
	dc09_accounts_finish(&accounts);
	dc09_keys_finish(&keys);
	remove_file();
}

/* The registry compares addresses so: a panel that the node knows must not lack its key here. */
Test(accounts, are_the_same_in_capital_and_small_letters)
{
	struct dc09_keys keys = { 0 };
	struct dc09_accounts accounts = { 0 };
	const struct kit_row rows[] = { { .address = "bEEf", .code_page = "cp1251", .key_name = "" },
		{ .address = "BEE", .code_page = "kz1048", .key_name = "" },
		{ .address = "c0de", .code_page = "utf-8", .key_name = "" } };
	struct dc09_account account;
	cr_assert_eq(dc09_accounts_set(&accounts, rows, 3, &keys), 0);
	cr_expect_eq(accounts.unknown_pages, 0);
	dc09_accounts_find(&accounts, &keys, "BeeF", &account);
	cr_expect_eq(account.code_page, DC09_CP1251);
	dc09_accounts_find(&accounts, &keys, "bee", &account);
	cr_expect_eq(account.code_page, DC09_KZ1048);
	dc09_accounts_find(&accounts, &keys, "C0DE", &account);
	cr_expect_eq(account.code_page, DC09_UTF_8);
	dc09_accounts_find(&accounts, &keys, "be", &account);
	cr_expect_eq(account.code_page, DC09_CODE_PAGE_GUESS);
	dc09_accounts_finish(&accounts);
}

Test(keys, of_a_file_that_others_may_read_are_refused)
{
	static const mode_t modes[] = { 0640, 0604, 0660 };
	for (size_t i = 0; i < 3; i++) {
		write_file("a: 00112233445566778899AABBCCDDEEFF\n", modes[i]);
		struct dc09_keys keys;
		struct torap_error err = { "" };
		cr_expect(dc09_keys_load(&keys, path, &err) < 0);
		cr_expect(strstr(err.text, "chmod 600"), "%s", err.text);
		remove_file();
	}
}

Test(keys, that_make_no_sense_are_refused_with_their_line_and_never_shown)
{
	static const struct {
		const char *text, *complaint;
	} cases[] = {
		{ "a: 0011\n", "file:1: " },
		{ "a: 00112233445566778899AABBCCDDEEFF\nb: 00112233445566778899AABBCCDDEEFG\n", "file:2: " },
		{ "# \nno colon\n", "file:2: " },
		{ ": 00112233445566778899AABBCCDDEEFF\n", "file:1: " },
		{ "a: 00112233445566778899AABBCCDDEEFF\na: 00112233445566778899AABBCCDDEEFF\n",
			"file:2: the name a stands already in line 1" },
		{ "b: 00112233445566778899AABBCCDDEEFF\nc: 00112233445566778899AABBCCDDEEFE\n\n"
		  "a: 00112233445566778899AABBCCDDEEFF\nb: 00112233445566778899AABBCCDDEEF0\n",
			"file:5: the name b stands already in line 1" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		write_file(cases[i].text, 0600);
		struct dc09_keys keys;
		struct torap_error err = { "" };
		cr_expect(dc09_keys_load(&keys, path, &err) < 0, "case %zu", i);
		cr_expect(strstr(err.text, cases[i].complaint), "%s", err.text);
		cr_expect_not(strstr(err.text, "0011"), "a secret in a message: %s", err.text);
		remove_file();
	}
}

Test(keys, may_end_without_a_line_end_but_not_be_longer_than_a_line)
{
	char text[600];
	struct dc09_keys keys;
	struct torap_error err = { "" };
	write_file("a: 00112233445566778899AABBCCDDEEFF", 0600);
	cr_assert_eq(dc09_keys_load(&keys, path, &err), 0, "%s", err.text);
	cr_expect_eq(keys.count, 1);
	dc09_keys_finish(&keys);
	remove_file();

	memset(text, '#', sizeof text);
	memcpy(text, "#\n", 2);
	text[sizeof text - 1] = '\0';
	write_file(text, 0600);
	cr_expect(dc09_keys_load(&keys, path, &err) < 0);
	cr_expect(strstr(err.text, "file:2: the line is too long"), "%s", err.text);
	remove_file();
}

Test(config, takes_names_relative_to_its_folder)
{
	write_file("listen_tcp: 127.0.0.1:7500\nlisten_udp: \"[::1]:7500\"\nnode: ipc://run/node.intake\n"
		   "keys: panels.keys\nmetrics: 127.0.0.1:9111\n"
		   "limits: { connections: 20, idle: 5m, answer: 2s, noise: 100 }\n",
		0644);
	struct dc09_config c;
	struct torap_error err = { "" };
	cr_assert_eq(dc09_config_load(&c, path, &err), 0, "%s", err.text);
	char want[128];
	snprintf(want, sizeof want, "ipc://%s/run/node.intake", dir);
	cr_expect_str_eq(c.kit.node, want);
	snprintf(want, sizeof want, "%s/panels.keys", dir);
	cr_expect_str_eq(c.keys, want);
	cr_expect_eq(c.tcp.ss_family, AF_INET);
	cr_expect_eq(c.udp.ss_family, AF_INET6);
	cr_expect_eq(c.connections_max, 20);
	cr_expect_eq(c.limits.idle_us, 300 * 1000000LL);
	cr_expect_eq(c.limits.answer_us, 2 * 1000000LL);
	cr_expect_eq(c.limits.first_us, dc09_limits_default.first_us);
	cr_expect_eq(c.limits.noise_bytes, 100);
	dc09_config_finish(&c);
	remove_file();
}

Test(config, is_refused_with_the_reason)
{
	static const struct {
		const char *text, *complaint;
	} cases[] = {
		{ "node: ipc:///a\n", "listen_tcp" },
		{ "listen_tcp: 127.0.0.1:7500\n", "node" },
		{ "listen_tcp: localhost:7500\nnode: ipc:///a\n", "no address" },
		{ "listen_tcp: 127.0.0.1:99999\nnode: ipc:///a\n", "no address" },
		{ "listen_tcp: 127.0.0.1:7500\nnode: tcp://1.2.3.4:5\n", "ipc://" },
		{ "listen_tcp: 127.0.0.1:7500\nnode: ipc:///a\nmetrics: 10.0.0.1:9111\n",
			"file:3: 10.0.0.1:9111: only" },
		{ "listen_tcp: 127.0.0.1:7500\nnode: ipc:///a\nlimits: { idle: soon }\n", "file:3" },
		{ "listen_tcp: 127.0.0.1:7500\nnode: ipc:///a\nlimits: { connections: 0 }\n", "connections" },
		{ "listen_tcp: 127.0.0.1:7500\nnode: ipc:///a\nlimits: { connections: 10_000 }\n",
			"file:3: \"limits.connections\": '10_000' is not a number" },
		{ "listen_tcp: 127.0.0.1:7500\nnode: ipc:///a\nlimits:\n  noise: 0100\n",
			"file:4: \"limits.noise\": '0100' is not a number" },
		{ "listen_tcp: 127.0.0.1:7500\nnode: ipc:///a\nlisten: 1\n", "listen" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		write_file(cases[i].text, 0644);
		struct dc09_config c;
		struct torap_error err = { "" };
		cr_expect(dc09_config_load(&c, path, &err) < 0, "case %zu", i);
		cr_expect(strstr(err.text, cases[i].complaint), "case %zu: %s", i, err.text);
		remove_file();
	}
}
