/* credentials.h: users and passwords of cameras (conf/secrets.h), "school-12: viewer:geheim".  What stands behind the second colon is the
 * password. */
#pragma once

#include <stddef.h>

#include "agents/rtsp/talk/session.h"
#include "conf/secrets.h"

struct torap_error;

struct rtsp_credential {
	char name[TORAP_SECRET_NAME_MAX + 1];
	char user[RTSP_USER_MAX + 1], password[RTSP_PASSWORD_MAX + 1];
};

struct rtsp_credentials {
	struct rtsp_credential *list; /* owned, sorted by name */
	size_t count;
};

/* As torap_secrets_load(); what has no user is refused with file and line, too. */
int rtsp_credentials_load(struct rtsp_credentials *out, const char *path, struct torap_error *err);
/* Wipes and frees; zeros are fine. */
void rtsp_credentials_finish(struct rtsp_credentials *c);
/* NULL: there is none of that name. */
const struct rtsp_credential *rtsp_credentials_find(const struct rtsp_credentials *c, const char *name);
