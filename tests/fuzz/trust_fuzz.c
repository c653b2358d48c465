/* A trust file twice: as it came, and signed by the root, so that what stands behind the signature is reached too.  What is
 * taken must answer for each of its writers. */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/trust.h"
#include "proto/session.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct torap_sign_key root;

static void check(struct torap_trust *t)
{
	for (size_t i = 0; i < t->writers_count; i++) {
		const struct torap_trust_writer *w = &t->writers[i];
		assert(torap_trust_writer(t, w->id) == w);
		for (size_t k = 0; k < w->curve_keys_count; k++)
			assert(torap_trust_writer_by_curve(t, w->curve_keys[k]) == w);
		for (size_t k = 0; k < w->keys_count; k++)
			assert(torap_trust_lookup(t, w->id, w->keys[k].id, w->keys[k].from));
		torap_trust_may_speak(w, 391010000);
	}
}

static void decode(struct torap_bytes bytes)
{
	struct torap_trust *t = NULL;
	struct torap_error err = { "" };
	if (torap_trust_decode(&t, bytes, root.public, (struct torap_wall){ 1 }, &err) == 0)
		check(t);
	else
		assert(*err.text && !t);
	torap_trust_unref(t);
}

static void decode_signed(const uint8_t *data, size_t size)
{
	static const char prefix[] = "torap trust 1"; /* with its NUL */
	uint8_t signature[TORAP_SIGNATURE_SIZE];
	uint8_t *message = malloc(sizeof prefix + size);
	assert(message);
	memcpy(message, prefix, sizeof prefix);
	memcpy(message + sizeof prefix, data, size);
	crypto_sign_detached(signature, NULL, message, sizeof prefix + size, root.secret);

	Torap__SignedTrust s = TORAP__SIGNED_TRUST__INIT;
	s.trust = (ProtobufCBinaryData){ .len = size, .data = message + sizeof prefix };
	s.signature = (ProtobufCBinaryData){ .len = sizeof signature, .data = signature };
	size_t whole = torap__signed_trust__get_packed_size(&s);
	uint8_t *bytes = malloc(whole);
	assert(bytes);
	torap__signed_trust__pack(&s, bytes);
	decode(torap_bytes(bytes, whole));
	free(bytes);
	free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[32] = { 7 };
	if (!root.secret[0] && !root.public[0]) {
		int started = sodium_init();
		assert(started >= 0);
		(void)started;
		torap_sign_key_make(&root, seed);
	}
	decode(torap_bytes(data, size));
	if (size > 0)
		decode_signed(data, size);
	return 0;
}
