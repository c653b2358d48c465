#include "zmtp/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/error.h"
#include "loop/zsocket.h"

/* The first address of a network interface. */
static bool find_interface(const char *name, uint16_t port, struct sockaddr_storage *out)
{
	struct ifaddrs *all;
	bool found = false;
	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || strcmp(a->ifa_name, name) != 0)
			continue;
		struct sockaddr_in *in = (struct sockaddr_in *)out;
		memcpy(in, a->ifa_addr, sizeof *in);
		in->sin_port = htons(port);
		found = true;
	}
	freeifaddrs(all);
	return found;
}

int torap_zmtp_endpoint_read(struct sockaddr_storage *out, const char *endpoint, struct torap_error *err)
{
	char host[256];
	int r = torap_zsocket_check_listen(endpoint, err);
	if (r)
		return r;
	const char *begin = strstr(endpoint, "://") + 3, *colon = strrchr(begin, ':');
	int port = strcmp(colon + 1, "*") == 0 ? 0 : (int)strtol(colon + 1, NULL, 10);
	bool bracket = begin[0] == '[';
	snprintf(host, sizeof host, "%.*s", (int)(colon - begin) - 2 * bracket, begin + bracket);
	if (strcmp(host, "*") == 0)
		snprintf(host, sizeof host, "0.0.0.0");
	if (uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0 ||
		uv_ip6_addr(host, port, (struct sockaddr_in6 *)out) == 0 ||
		find_interface(host, (uint16_t)port, out))
		return 0;
	return torap_errorf(
		err, -EADDRNOTAVAIL, "cannot listen on %s: the interface has no IPv4 address", endpoint);
}

void torap_zmtp_endpoint_write(const struct sockaddr_storage *address, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN];
	bool six = address->ss_family == AF_INET6;
	uint16_t port = six ? ((const struct sockaddr_in6 *)address)->sin6_port
			    : ((const struct sockaddr_in *)address)->sin_port;
	if (uv_ip_name((const struct sockaddr *)address, host, sizeof host) != 0)
		snprintf(text, size, "?");
	else
		snprintf(text, size, six ? "tcp://[%s]:%u" : "tcp://%s:%u", host, ntohs(port));
}
