#include "wire/sign_key.h"

#include <sodium.h>
#include <string.h>

#include "wire/digest.h"

void torap_key_id(uint8_t id[static TORAP_KEY_ID_SIZE], const uint8_t public[static TORAP_SIGN_KEY_SIZE])
{
	uint8_t digest[TORAP_DIGEST_SIZE];
	torap_digest(digest, torap_bytes(public, TORAP_SIGN_KEY_SIZE));
	memcpy(id, digest, TORAP_KEY_ID_SIZE);
}

void torap_sign_key_make(struct torap_sign_key *out, const uint8_t seed[static 32])
{
	crypto_sign_seed_keypair(out->public, out->secret, seed);
	torap_key_id(out->id, out->public);
	out->from.us = INT64_MIN;
	out->until.us = INT64_MAX;
}

bool torap_sign_key_good(const struct torap_sign_key *key, struct torap_wall at)
{
	return at.us >= key->from.us && at.us < key->until.us;
}
