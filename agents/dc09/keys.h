/* keys.h: the secrets of panels: a file of mode 0600, a line each, name and AES key in hexadecimal:
 *
 *     # whose key_name in the registry is the name here
 *     school-12: 00112233445566778899AABBCCDDEEFF
 *
 * (YAML, as far as it goes.)  32 digits make AES-128, 48 AES-192, 64 AES-256. */
#pragma once

#include <stddef.h>

#include "agents/dc09/crypt.h"

struct torap_error;

enum { DC09_KEY_NAME_MAX = 63, DC09_KEYS_MAX = 65536, DC09_KEYS_FILE_SIZE_MAX = 16 << 20 };

struct dc09_named_key {
	char name[DC09_KEY_NAME_MAX + 1];
	struct dc09_key key;
};

struct dc09_keys {
	struct dc09_named_key *list; /* owned, sorted by name */
	size_t count, room;
};

/* Refuses a file that others may use, a name that comes twice, and anything that is no such line, with file and line. */
int dc09_keys_load(struct dc09_keys *out, const char *path, struct torap_error *err);
/* Wipes and frees; zeros are fine. */
void dc09_keys_finish(struct dc09_keys *keys);
/* NULL: there is none of that name. */
const struct dc09_key *dc09_keys_find(const struct dc09_keys *keys, const char *name);
