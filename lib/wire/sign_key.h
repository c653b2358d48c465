/* sign_key.h: the key of a writer, Ed25519, with the time in which it is good. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/time.h"

struct torap_sign_key {
	uint8_t secret[64]; /* libsodium's Ed25519 secret key: seed and public key */
	uint8_t public[TORAP_SIGN_KEY_SIZE];
	uint8_t id[TORAP_KEY_ID_SIZE];
	/* When it is good, by the trust file: whatever is signed is dated inside, with the nearest moment when the clock is outside.  A
	 * clock that jumped would else seal a batch that nobody may believe, and its stream could never go on. */
	struct torap_wall from, until;
};
/* From a 32-byte seed; good at any time. */
void torap_sign_key_make(struct torap_sign_key *out, const uint8_t seed[static 32]);
bool torap_sign_key_good(const struct torap_sign_key *key, struct torap_wall at);
/* How documents name a key: the first bytes of its digest. */
void torap_key_id(uint8_t id[static TORAP_KEY_ID_SIZE], const uint8_t public[static TORAP_SIGN_KEY_SIZE]);
