#include "agents/soap/url.h"

#include <stdio.h>
#include <string.h>

enum { URL_MAX = 511 };

/* Where the host begins; NULL: no such address. */
static const char *host_of(const char *url)
{
	if (strncmp(url, "http://", 7) == 0)
		return url + 7;
	return strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
}

static const char *path_of(const char *host)
{
	return host + strcspn(host, "/?#");
}

bool soap_url_valid(const char *url)
{
	const char *host = host_of(url);
	if (!host || strlen(url) > URL_MAX || path_of(host) == host)
		return false;
	for (const char *c = url; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '"' || *c == '<' || *c == '>')
			return false;
	return !memchr(host, '@', (size_t)(path_of(host) - host));
}

bool soap_url_at_host(char *out, size_t room, const char *named, const char *configured)
{
	if (!soap_url_valid(named) || !soap_url_valid(configured))
		return false;
	const char *path = path_of(host_of(named));
	size_t base = (size_t)(path_of(host_of(configured)) - configured);
	int size = snprintf(out, room, "%.*s%s%s", (int)base, configured, *path == '/' ? "" : "/", path);
	return size > 0 && (size_t)size < room;
}
