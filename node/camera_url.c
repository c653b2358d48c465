#include "node/camera_url.h"

#include <string.h>
#include <strings.h>

/* What makers call a password in a path or query: "/user=admin&password=…", "?pwd=…". */
static const char *const secrets[] = { "password=", "passwd=", "pwd=", "pass=", "user=", "username=" };

const char *node_camera_url_fault(const char *url)
{
	size_t scheme = strncasecmp(url, "rtsp://", 7) == 0    ? 7
			: strncasecmp(url, "rtsps://", 8) == 0 ? 8
							       : 0;
	if (!scheme)
		return "begins neither with rtsp:// nor with rtsps://";
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return "has a blank or a letter beyond ASCII; write it as %20 and the like";
	const char *host = url + scheme;
	size_t size = strcspn(host, "/?#");
	if (memchr(host, '@', size))
		return "has a user or password in it; they belong into the agent's file of credentials";
	if (!size || *host == ':')
		return "names no host";
	for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
		if (strcasestr(host + size, secrets[i]))
			return "has a user or password in it; they belong into the agent's file of credentials";
	return NULL;
}
