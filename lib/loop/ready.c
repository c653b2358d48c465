/* systemd's notification protocol (app.h): one datagram to the socket that NOTIFY_SOCKET names. */
#include "loop/app.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

/* 0 or a negative errno. */
static int notify(const char *path, const char *text)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	if (length >= sizeof to.sun_path)
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, length);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0'; /* The abstract name space. */

	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ssize_t n = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	int r = n < 0 ? -errno : 0;
	close(fd);
	return r;
}

void torap_app_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	if (!path || !*path)
		return;
	int r = notify(path, "READY=1");
	if (r < 0)
		torap_warn("APP-NOTIFY",
			"cannot tell systemd that we are ready (%s): %s; it may stop us as late", path,
			strerror(-r));
}
