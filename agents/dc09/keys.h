/* keys.h: the secrets of panels (conf/secrets.h): AES keys in hexadecimal; 32 digits make AES-128, 48 AES-192, 64 AES-256. */
#pragma once

#include <stddef.h>

#include "agents/dc09/crypt.h"
#include "conf/secrets.h"

struct torap_error;

struct dc09_named_key {
	char name[TORAP_SECRET_NAME_MAX + 1];
	struct dc09_key key;
};

struct dc09_keys {
	struct dc09_named_key *list; /* owned, sorted by name */
	size_t count;
};

/* As torap_secrets_load(); what is no key is refused with file and line, too. */
int dc09_keys_load(struct dc09_keys *out, const char *path, struct torap_error *err);
/* Wipes and frees; zeros are fine. */
void dc09_keys_finish(struct dc09_keys *keys);
/* NULL: there is none of that name. */
const struct dc09_key *dc09_keys_find(const struct dc09_keys *keys, const char *name);
