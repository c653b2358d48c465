#include "zmtp/endpoint.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"

static void expect(int (*check)(const char *, struct torap_error *), const char *const *good,
	size_t good_count, const char *const *bad, size_t bad_count)
{
	for (size_t i = 0; i < good_count; i++)
		cr_expect_eq(check(good[i], NULL), 0, "%s", good[i]);
	for (size_t i = 0; i < bad_count; i++) {
		struct torap_error err = { "" };
		cr_expect_eq(check(bad[i], &err), -EINVAL, "%s", bad[i]);
		cr_expect(strstr(err.text, bad[i]), "%s", err.text);
	}
}

Test(endpoint, is_known_before_it_is_dialled)
{
	static const char *const good[] = { "tcp://10.0.0.1:7400", "tcp://broker-one.example:1",
		"tcp://[::1]:7400", "tcp://0.0.0.0:65535" };
	static const char *const bad[] = { "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:7400",
		"tcp://a b:7400", "tcp://127.0.0.1:99999", "tcp://127.0.0.1:74a", "tcp://127.0.0.1:-1",
		"tcp://eth0;10.0.0.1:7400", "tcp://*:7400", "tcp://10.0.0.1:*", "ipc://x",
		"udp://127.0.0.1:1" };
	expect(torap_zmtp_check_dial, good, sizeof good / sizeof *good, bad, sizeof bad / sizeof *bad);
}

Test(endpoint, has_a_path_that_fits_a_socket)
{
	char most[128] = "ipc:///", more[128] = "ipc:///", path[128];
	memset(most + 7, 'x', 106);
	memset(more + 7, 'x', 107);
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	const char *const good[] = { "ipc:///run/torap/node.intake", "ipc://node.intake", most };
	const char *const bad[] = { "ipc://", "tcp://127.0.0.1:1", more };
	expect(torap_zmtp_check_local, good, sizeof good / sizeof *good, bad, sizeof bad / sizeof *bad);
	cr_assert_eq(torap_zmtp_endpoint_clear(path), -ENAMETOOLONG);
}

Test(endpoint, comes_apart_into_host_and_port)
{
	static const struct {
		const char *endpoint, *host, *port;
	} cases[] = { { "tcp://10.0.0.1:7400", "10.0.0.1", "7400" }, { "tcp://[::1]:1", "::1", "1" },
		{ "tcp://a.example:65535", "a.example", "65535" } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char host[TORAP_ZMTP_HOST_MAX], port[TORAP_ZMTP_PORT_MAX];
		torap_zmtp_endpoint_split(cases[i].endpoint, host, port);
		cr_expect_str_eq(host, cases[i].host);
		cr_expect_str_eq(port, cases[i].port);
	}
}
