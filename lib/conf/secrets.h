/* secrets.h: an agent's own secrets, by name: a file of mode 0600, a line each:
 *
 *     # whose key_name in the registry is the name here
 *     school-12: 00112233445566778899AABBCCDDEEFF
 *     nvr-7: "viewer:geheim # 7"
 *
 * (YAML, as far as it goes.)  What the text behind the colon means is the agent's business.  A comment begins with '#' at the begin of
 * the line or after a blank, outside of quotes. */
#pragma once

#include <stddef.h>

struct torap_error;

enum {
	TORAP_SECRET_NAME_MAX = 63,
	TORAP_SECRET_TEXT_MAX = 383,
	TORAP_SECRETS_MAX = 65536,
	TORAP_SECRETS_FILE_SIZE_MAX = 16 << 20
};

struct torap_secret {
	char name[TORAP_SECRET_NAME_MAX + 1], text[TORAP_SECRET_TEXT_MAX + 1];
	int line;
};

/* Zero is empty. */
struct torap_secrets {
	struct torap_secret *list; /* owned, sorted by name */
	size_t count, room;
};

/* Refuses a file that others may use, a name that comes twice, and anything that is no such line, with file and line. */
int torap_secrets_load(struct torap_secrets *out, const char *path, struct torap_error *err);
/* NULL: there is none of that name. */
const struct torap_secret *torap_secrets_find(const struct torap_secrets *s, const char *name);
void torap_secrets_finish(struct torap_secrets *s); /* wipes and frees; zeros are fine */
