#include "zmtp/endpoint.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"

Test(endpoint, is_known_before_it_is_used)
{
	static const char *const good[] = { "tcp://10.0.0.1:7400", "tcp://broker-one.example:1",
		"tcp://[::1]:7400", "tcp://*:*", "tcp://0.0.0.0:65535", "ipc:///run/torap/node.intake",
		"ipc://node.intake" };
	static const char *const bad[] = { "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:7400",
		"tcp://a b:7400", "tcp://127.0.0.1:99999", "tcp://127.0.0.1:74a", "tcp://127.0.0.1:-1",
		"tcp://eth0;10.0.0.1:7400", "ipc://", "udp://127.0.0.1:1" };
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		cr_expect_eq(torap_zmtp_check(good[i], NULL), 0, "%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct torap_error err = { "" };
		cr_expect_lt(torap_zmtp_check(bad[i], &err), 0, "%s", bad[i]);
		cr_expect(strstr(err.text, bad[i]), "%s", err.text);
	}
}

Test(endpoint, has_a_path_that_fits_a_socket)
{
	char endpoint[256] = "ipc:///", path[128];
	memset(endpoint + 7, 'x', 106);
	cr_assert_eq(torap_zmtp_check(endpoint, NULL), 0, "107 characters");
	endpoint[113] = 'x';
	cr_assert_lt(torap_zmtp_check(endpoint, NULL), 0, "108 characters");
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
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
