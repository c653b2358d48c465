/* keys.h: key files.  NAME.key holds secrets (mode 0600, refused otherwise), NAME.pub the public halves:
 *
 *     name: node-kostanay
 *     curve_secret: 64 hexadecimal digits     (CURVE25519, for ZeroMQ)       .key only
 *     curve_public: 64 hexadecimal digits
 *     sign_seed: 64 hexadecimal digits        (Ed25519, for batches)         .key only
 *     sign_public: 64 hexadecimal digits */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "wire/sign_key.h"

struct torap_error;

struct torap_keys {
	char name[64];
	uint8_t curve_secret[TORAP_CURVE_KEY_SIZE]; /* zero when read from a .pub */
	uint8_t curve_public[TORAP_CURVE_KEY_SIZE];
	struct torap_sign_key sign; /* .secret zero when read from a .pub */
};

int torap_keys_create(struct torap_keys *out, const char *name, struct torap_error *err);
/* Writes DIR/NAME.key (0600) and DIR/NAME.pub (0644), flushed; never overwrites: -EEXIST. */
int torap_keys_save(const struct torap_keys *keys, const char *dir, struct torap_error *err);
/* Refuses a file that others may read, with the chmod that mends it. */
int torap_keys_load(struct torap_keys *out, const char *path, struct torap_error *err);
int torap_keys_load_public(struct torap_keys *out, const char *path, struct torap_error *err);
void torap_keys_wipe(struct torap_keys *keys);
/* Is the signing key good, now?  Says so in the log when it is not any more (`said`: it was not at the last look).  Who goes on
 * signs all the same, with dates inside the key's time: wire/seal.h. */
bool torap_keys_judge(const struct torap_keys *keys, const char *writer, struct torap_wall now, bool said);
