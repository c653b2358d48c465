/* What libsodium does for this program.
 *
 * The simulator would spend four fifths of its time on verifying one signature again at every process that it passes.  So what was signed
 * here, or found good, is remembered with the key and all bytes that it stands for: the same three are good again, anything else is
 * verified.  CMakeLists.txt leads every call here (--wrap).
 *
 * Random bytes (the salts of frames) come from the seed, so that a run that is replayed has the same bytes. */
#include "sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

enum { BUCKETS = 1 << 14 };

struct good {
	struct good *next;
	uint8_t signature[crypto_sign_BYTES], key[crypto_sign_PUBLICKEYBYTES];
	size_t size;
	uint8_t text[];
};

static struct good *buckets[BUCKETS];
static struct sim_world luck;

int __real_crypto_sign_detached(unsigned char *signature, unsigned long long *signature_size,
	const unsigned char *text, unsigned long long size, const unsigned char *secret);
int __wrap_crypto_sign_detached(unsigned char *signature, unsigned long long *signature_size,
	const unsigned char *text, unsigned long long size, const unsigned char *secret);
int __real_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *text,
	unsigned long long size, const unsigned char *key);
int __wrap_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *text,
	unsigned long long size, const unsigned char *key);

static struct good **bucket_of(const unsigned char *signature)
{
	uint32_t hash;
	memcpy(&hash, signature, sizeof hash);
	return &buckets[hash % BUCKETS];
}

static void remember(
	const unsigned char *signature, const unsigned char *text, size_t size, const unsigned char *key)
{
	struct good **bucket = bucket_of(signature), *g = malloc(sizeof *g + size);
	assert(g);
	memcpy(g->signature, signature, sizeof g->signature);
	memcpy(g->key, key, sizeof g->key);
	memcpy(g->text, text, size);
	g->size = size;
	g->next = *bucket;
	*bucket = g;
}

int __wrap_crypto_sign_detached(unsigned char *signature, unsigned long long *signature_size,
	const unsigned char *text, unsigned long long size, const unsigned char *secret)
{
	int r = __real_crypto_sign_detached(signature, signature_size, text, size, secret);
	if (r == 0)
		remember(signature, text, size, secret + 32); /* The second half is the public key. */
	return r;
}

int __wrap_crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *text,
	unsigned long long size, const unsigned char *key)
{
	for (const struct good *g = *bucket_of(signature); g; g = g->next)
		if (g->size == size && memcmp(g->signature, signature, sizeof g->signature) == 0 &&
			memcmp(g->key, key, sizeof g->key) == 0 && memcmp(g->text, text, size) == 0)
			return 0;
	int r = __real_crypto_sign_verify_detached(signature, text, size, key);
	if (r == 0)
		remember(signature, text, size, key);
	return r;
}

static void forget(void)
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (buckets[i]) {
			struct good *g = buckets[i];
			buckets[i] = g->next;
			free(g);
		}
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
	forget();
	luck.random = ~seed;
	randombytes_set_implementation(&from_seed);
}

void sim_sodium_end(void)
{
	forget();
}
