/* url.h: where a camera's stream is: rtsp://host:port/path, or rtsps://.  User and password never stand in it: the registry refuses
 * them, and so do we. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { RTSP_URL_MAX = 512, RTSP_HOST_MAX = 255 };

struct rtsp_url {
	char text[RTSP_URL_MAX + 1];  /* as requests name it */
	char host[RTSP_HOST_MAX + 1]; /* without brackets */
	uint16_t port;
	bool secure;
};

/* False when it is none. */
bool rtsp_url_parse(struct rtsp_url *out, const char *text);
/* What a control attribute means, seen from `base`: an absolute URL, "*" or "" for the base itself, or a part to be added.  False when
 * the result is too long or holds what no URL does. */
bool rtsp_url_join(char out[static RTSP_URL_MAX + 1], const char *base, const char *control);
