#include "loop/address.h"

#include <criterion/criterion.h>
#include <netinet/in.h>

Test(address, is_of_either_family)
{
	struct sockaddr_storage a;
	cr_assert(torap_address_parse(&a, "127.0.0.1:9101"));
	cr_expect_eq(a.ss_family, AF_INET);
	cr_expect_eq(((struct sockaddr_in *)&a)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	cr_expect_eq(((struct sockaddr_in *)&a)->sin_port, htons(9101));
	cr_assert(torap_address_parse(&a, "[::1]:65535"));
	cr_expect_eq(a.ss_family, AF_INET6);
	cr_expect(IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&a)->sin6_addr));
	cr_expect_eq(((struct sockaddr_in6 *)&a)->sin6_port, htons(65535));
	cr_expect(torap_address_parse(&a, "0.0.0.0:0"));
}

Test(address, is_nothing_else)
{
	static const char *const bad[] = { "", ":", ":9101", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
		"127.0.0.1:1x", "127.0.0.1:70000", "127.0.0.1:-1", "127.0.0.1: 1", "127.0.0.1:+1",
		"localhost:9101", "::1:9101", "[::1]", "[::1", "[]:1", "[127.0.0.1]:1", "1.2.3:1",
		"127.0.0.1111111111111111111111111111111111111111111111111111111111:1" };
	struct sockaddr_storage a;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_not(torap_address_parse(&a, bad[i]), "\"%s\"", bad[i]);
}
