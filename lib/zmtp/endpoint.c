#include "zmtp/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"

static const char tcp[] = "tcp://", ipc[] = "ipc://";
enum { SCHEME = sizeof tcp - 1 };

/* A name, an IPv4 address, a star, or an IPv6 address in brackets: only there are colons that begin no port. */
static bool is_host(const char *text, size_t size)
{
	static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_%*";
	char six[TORAP_ZMTP_HOST_MAX];
	struct sockaddr_in6 address;
	if (size == 0 || size >= sizeof six)
		return false;
	if (text[0] != '[' || text[size - 1] != ']')
		return strspn(text, name) >= size;
	snprintf(six, sizeof six, "%.*s", (int)size - 2, text + 1);
	return uv_ip6_addr(six, 0, &address) == 0;
}

/* A host or a star, and a port or a star. */
static int check_tcp(const char *endpoint, struct torap_error *err)
{
	bool is_tcp = strncmp(endpoint, tcp, SCHEME) == 0;
	const char *host = endpoint + (is_tcp ? SCHEME : 0), *port = strrchr(host, ':');
	if (!is_tcp || !port || !is_host(host, (size_t)(port - host)))
		return torap_errorf(err, -EINVAL, "%.200s: is not tcp://HOST:PORT", endpoint);
	port++;
	if (strcmp(port, "*") == 0)
		return 0;
	size_t digits = strspn(port, "0123456789");
	if (digits == 0 || digits >= TORAP_ZMTP_PORT_MAX || port[digits] ||
		strtol(port, NULL, 10) > UINT16_MAX)
		return torap_errorf(err, -EINVAL, "%.200s: there is no such port", endpoint);
	return 0;
}

int torap_zmtp_check_dial(const char *endpoint, struct torap_error *err)
{
	struct torap_error nobody;
	err = err ? err : &nobody;
	int r = check_tcp(endpoint, err);
	if (!r && strchr(endpoint, '*'))
		r = torap_errorf(err, -EINVAL, "%.200s: a star can be listened at, not dialled", endpoint);
	if (!r && strtol(strrchr(endpoint, ':') + 1, NULL, 10) == 0)
		r = torap_errorf(err, -EINVAL, "%.200s: port 0 can be listened at, not dialled", endpoint);
	return r;
}

int torap_zmtp_check_local(const char *endpoint, struct torap_error *err)
{
	struct torap_error nobody;
	err = err ? err : &nobody;
	const char *path = torap_zmtp_endpoint_path(endpoint);
	if (!path || !*path || *path == '@' || *path == '*')
		return torap_errorf(err, -EINVAL, "%.200s: is not ipc://PATH", endpoint);
	if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
		return torap_errorf(err, -EINVAL,
			"%.200s: the path is too long for a socket (107 characters at most)", endpoint);
	return 0;
}

static bool is_own_address(const char *host)
{
	uint8_t address[sizeof(struct in6_addr)];
	return strcmp(host, "*") == 0 || inet_pton(AF_INET, host, address) == 1 ||
	       inet_pton(AF_INET6, host, address) == 1 || if_nametoindex(host) != 0;
}

void torap_zmtp_endpoint_split(
	const char *endpoint, char host[static TORAP_ZMTP_HOST_MAX], char port[static TORAP_ZMTP_PORT_MAX])
{
	const char *begin = endpoint + SCHEME, *colon = strrchr(begin, ':');
	bool bracket = begin[0] == '[' && colon[-1] == ']';
	snprintf(host, TORAP_ZMTP_HOST_MAX, "%.*s", (int)(colon - begin) - 2 * bracket, begin + bracket);
	snprintf(port, TORAP_ZMTP_PORT_MAX, "%s", colon + 1);
}

int torap_zmtp_check_listen(const char *endpoint, struct torap_error *err)
{
	char host[TORAP_ZMTP_HOST_MAX], port[TORAP_ZMTP_PORT_MAX];
	if (strncmp(endpoint, tcp, SCHEME) != 0)
		return torap_errorf(err, -EINVAL, "%.200s: is not tcp://ADDRESS:PORT", endpoint);
	int r = check_tcp(endpoint, err);
	if (r)
		return r;
	torap_zmtp_endpoint_split(endpoint, host, port);
	return is_own_address(host)
		       ? 0
		       : torap_errorf(err, -EINVAL,
				 "%.200s: \"%.100s\" is no address to listen at: names are not looked up there; write an address of this machine (tcp://127.0.0.1:PORT is itself alone), tcp://0.0.0.0:PORT for all of them, or a network interface that is there",
				 endpoint, host);
}

const char *torap_zmtp_endpoint_path(const char *endpoint)
{
	return strncmp(endpoint, ipc, SCHEME) == 0 ? endpoint + SCHEME : NULL;
}

/* A socket whose process has died refuses who calls; of any other answer somebody may be the author. */
static bool is_dead(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused =
		fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) < 0 && errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return refused;
}

int torap_zmtp_endpoint_clear(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct stat st;
	if (strlen(path) >= sizeof at.sun_path)
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (!is_dead(&at))
		return -EADDRINUSE;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

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
	char host[TORAP_ZMTP_HOST_MAX], number[TORAP_ZMTP_PORT_MAX];
	int r = torap_zmtp_check_listen(endpoint, err);
	if (r)
		return r;
	torap_zmtp_endpoint_split(endpoint, host, number);
	int port = strcmp(number, "*") == 0 ? 0 : (int)strtol(number, NULL, 10);
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
