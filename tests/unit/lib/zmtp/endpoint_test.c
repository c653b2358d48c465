#include "zmtp/endpoint.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "kit/temporary.h"

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
		"udp://127.0.0.1:1", "tcp://10.0.0.1:0", "tcp://10.0.0.1:000", "tcp://10.0.0.1:9100:9100",
		"tcp://broker.example:9100:1", "tcp://[::1:9100", "tcp://::1]:9100", "tcp://::1:9100",
		"tcp://[::1]x:9100", "tcp://[]:9100", "tcp://[[::1]]:9100", "tcp://[a.example]:9100",
		"tcp://[10.0.0.1]:9100" };
	expect(torap_zmtp_check_dial, good, sizeof good / sizeof *good, bad, sizeof bad / sizeof *bad);
}

Test(endpoint, to_listen_at_has_one_port_which_may_be_any)
{
	static const char *const good[] = { "tcp://127.0.0.1:7400", "tcp://127.0.0.1:0", "tcp://*:*",
		"tcp://[::1]:7400", "tcp://lo:7400" };
	static const char *const bad[] = { "tcp://127.0.0.1:7400:7400", "tcp://[::1:7400", "tcp://::1:7400",
		"tcp://[::1]:", "tcp://[*]:7400" };
	expect(torap_zmtp_check_listen, good, sizeof good / sizeof *good, bad, sizeof bad / sizeof *bad);
}

Test(endpoint, has_a_path_that_fits_a_socket)
{
	char most[128] = "ipc:///", more[128] = "ipc:///", path[128];
	memset(most + 7, 'x', 106);
	memset(more + 7, 'x', 107);
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	const char *const good[] = { "ipc:///run/torap/node.intake", "ipc://node.intake", most };
	const char *const bad[] = { "ipc://", "ipc://@abstract", "ipc://*", "tcp://127.0.0.1:1", more };
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

/* Whatever else than "refused" is answered there, somebody may be its author. */
Test(endpoint, makes_room_where_the_dead_listened_and_nowhere_else)
{
	char dir[64];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	temporary_dir(dir, sizeof dir, "endpoint");
	snprintf(at.sun_path, sizeof at.sun_path, "%s/socket", dir);
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		int fd = socket(AF_UNIX, types[i], 0);
		cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
		if (types[i] != SOCK_DGRAM)
			cr_assert_eq(listen(fd, 1), 0);
		cr_expect_eq(torap_zmtp_endpoint_clear(at.sun_path), -EADDRINUSE);
		cr_assert_eq(access(at.sun_path, F_OK), 0);
		close(fd);
		if (types[i] != SOCK_STREAM)
			unlink(at.sun_path);
		cr_expect_eq(torap_zmtp_endpoint_clear(at.sun_path), 0);
		cr_expect_neq(access(at.sun_path, F_OK), 0);
	}
	rmdir(dir);
}
