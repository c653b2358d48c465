#include "agents/rtsp/talk/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PORT = 554, PORT_SECURE = 322 };

static bool printable(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return false;
	return true;
}

/* The length of "rtsp://" or "rtsps://"; 0: it is neither. */
static size_t scheme_of(const char *text)
{
	return strncasecmp(text, "rtsp://", 7) == 0 ? 7 : strncasecmp(text, "rtsps://", 8) == 0 ? 8 : 0;
}

static bool port_parse(uint16_t *out, const char *text, size_t size)
{
	unsigned port = 0;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9' || port > 65535)
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	*out = (uint16_t)port;
	return size && port && port <= 65535;
}

bool rtsp_url_parse(struct rtsp_url *out, const char *text)
{
	size_t scheme = scheme_of(text);
	if (!scheme || strlen(text) > RTSP_URL_MAX || !printable(text))
		return false;
	struct rtsp_url url = { .secure = scheme == 8 };
	url.port = url.secure ? PORT_SECURE : PORT;
	const char *host = text + scheme;
	size_t size = strcspn(host, "/?#");
	if (memchr(host, '@', size))
		return false;
	const char *end = host + size, *colon;
	if (*host == '[') {
		const char *close = memchr(host, ']', size);
		if (!close || (close + 1 < end && close[1] != ':'))
			return false;
		colon = close + 1 < end ? close + 1 : NULL;
		host++;
		size = (size_t)(close - host);
	} else {
		colon = memchr(host, ':', size);
		size = colon ? (size_t)(colon - host) : size;
	}
	if (colon && !port_parse(&url.port, colon + 1, (size_t)(end - colon - 1)))
		return false;
	if (!size || size > RTSP_HOST_MAX)
		return false;
	memcpy(url.host, host, size);
	memcpy(url.text, text, strlen(text) + 1);
	*out = url;
	return true;
}

bool rtsp_url_join(char out[static RTSP_URL_MAX + 1], const char *base, const char *control)
{
	int size;
	if (scheme_of(control))
		size = snprintf(out, RTSP_URL_MAX + 1, "%s", control);
	else if (!*control || !strcmp(control, "*"))
		size = snprintf(out, RTSP_URL_MAX + 1, "%s", base);
	else
		size = snprintf(out, RTSP_URL_MAX + 1, "%s%s%s", base,
			*base && base[strlen(base) - 1] == '/' ? "" : "/", control);
	return size > 0 && size <= RTSP_URL_MAX && printable(out);
}
