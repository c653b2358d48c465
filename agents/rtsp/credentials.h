/* credentials.h: users and passwords of cameras: a file of mode 0600, a line each:
 *
 *     # whose key_name in the registry is the name here
 *     school-12: viewer:secret
 *
 * What stands behind the first colon of the rest is the password, as it is: blanks at the end of the line do not count. */
#pragma once

#include <stddef.h>

#include "agents/rtsp/session.h"

struct torap_error;

enum { RTSP_KEY_NAME_MAX = 63, RTSP_CREDENTIALS_MAX = 65536, RTSP_CREDENTIALS_FILE_SIZE_MAX = 16 << 20 };

struct rtsp_credential {
	char name[RTSP_KEY_NAME_MAX + 1];
	char user[RTSP_USER_MAX + 1], password[RTSP_PASSWORD_MAX + 1];
};

struct rtsp_credentials {
	struct rtsp_credential *list; /* owned, sorted by name */
	size_t count, room;
};

/* Refuses a file that others may use, a name that comes twice, and anything that is no such line, with file and line. */
int rtsp_credentials_load(struct rtsp_credentials *out, const char *path, struct torap_error *err);
/* Wipes and frees; zeros are fine. */
void rtsp_credentials_finish(struct rtsp_credentials *c);
/* NULL: there is none of that name. */
const struct rtsp_credential *rtsp_credentials_find(const struct rtsp_credentials *c, const char *name);
