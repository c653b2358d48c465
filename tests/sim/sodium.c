/* What libsodium does for this program.
 *
 * The simulator would spend half of its time on curves.  Here a signature is a digest of the public key and of all that is signed: good for
 * the same two, bad for anything else, and nobody here forges one.  CMakeLists.txt leads every call here (--wrap).
 *
 * Random bytes (the salts of frames) come from the seed, so that a run that is replayed has the same bytes. */
#include "sim/sim.h"

#include <string.h>
#include <sodium.h>

enum { KEY = crypto_sign_PUBLICKEYBYTES, SECRET_HALF = crypto_sign_SECRETKEYBYTES - KEY };

static struct sim_world luck;

int __wrap_crypto_sign_detached(unsigned char *signature, unsigned long long *signature_size,
	const unsigned char *text, unsigned long long size, const unsigned char *secret);
int __wrap_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *text,
	unsigned long long size, const unsigned char *key);

static void digest(
	unsigned char *out, const unsigned char *text, unsigned long long size, const unsigned char *key)
{
	crypto_generichash(out, crypto_sign_BYTES, text, size, key, KEY);
}

int __wrap_crypto_sign_detached(unsigned char *signature, unsigned long long *signature_size,
	const unsigned char *text, unsigned long long size, const unsigned char *secret)
{
	if (signature_size)
		*signature_size = crypto_sign_BYTES;
	digest(signature, text, size, secret + SECRET_HALF); /* The second half is the public key. */
	return 0;
}

int __wrap_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *text,
	unsigned long long size, const unsigned char *key)
{
	unsigned char good[crypto_sign_BYTES];
	digest(good, text, size, key);
	return memcmp(good, signature, sizeof good) == 0 ? 0 : -1;
}

static const char *name(void)
{
	return "seed";
}

static uint32_t random_number(void)
{
	return (uint32_t)sim_random(&luck, UINT64_MAX);
}

static void random_bytes(void *buffer, size_t size)
{
	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t r = sim_random(&luck, UINT64_MAX);
		memcpy((uint8_t *)buffer + i, &r, size - i < sizeof r ? size - i : sizeof r);
	}
}

void sim_sodium_begin(uint64_t seed)
{
	static struct randombytes_implementation from_seed = {
		.implementation_name = name, .random = random_number, .buf = random_bytes
	};
	luck.random = ~seed;
	randombytes_set_implementation(&from_seed);
}
