/* crypt.h: the encryption of DC-09: AES in CBC mode, 128, 192 or 256 bits, IV zero, hexadecimal on the wire.
 *
 * It keeps strangers from reading, not from writing: nothing is authenticated, and a wrong key shows as noise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { DC09_KEY_SIZE_MAX = 32, DC09_BLOCK_SIZE = 16 };

struct dc09_key {
	size_t size; /* 16, 24 or 32; 0: there is no key */
	uint8_t bytes[DC09_KEY_SIZE_MAX];
};

/* Reads 32, 48 or 64 hexadecimal digits. */
bool dc09_key_parse(struct dc09_key *out, const char *text);

/* `in` is whole blocks; `out` has room for as many bytes and may be `in`.  False: the size does not fit, or libcrypto failed. */
bool dc09_decrypt(const struct dc09_key *key, struct torap_bytes in, uint8_t *out);
bool dc09_encrypt(const struct dc09_key *key, struct torap_bytes in, uint8_t *out);
