#include "agents/dc09/crypt.h"

#include <openssl/evp.h>
#include <string.h>

bool dc09_key_parse(struct dc09_key *out, const char *text)
{
	size_t digits = strlen(text);
	if (digits != 32 && digits != 48 && digits != 64)
		return false;
	struct dc09_key key = { .size = digits / 2 };
	if (!torap_unhex(key.bytes, key.size, text))
		return false;
	*out = key;
	return true;
}

static const EVP_CIPHER *cipher_of(const struct dc09_key *key)
{
	switch (key->size) {
	case 16:
		return EVP_aes_128_cbc();
	case 24:
		return EVP_aes_192_cbc();
	case 32:
		return EVP_aes_256_cbc();
	default:
		return NULL;
	}
}

static bool crypt_blocks(const struct dc09_key *key, struct torap_bytes in, uint8_t *out, int encrypt)
{
	static const uint8_t zero_iv[DC09_BLOCK_SIZE];
	const EVP_CIPHER *cipher = cipher_of(key);
	if (!cipher || !in.size || in.size % DC09_BLOCK_SIZE || in.size > INT32_MAX)
		return false;
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	if (!context)
		return false;
	int done = 0, rest = 0;
	bool ok = EVP_CipherInit_ex(context, cipher, NULL, key->bytes, zero_iv, encrypt) == 1 &&
		  EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
		  EVP_CipherUpdate(context, out, &done, in.data, (int)in.size) == 1 &&
		  EVP_CipherFinal_ex(context, out + done, &rest) == 1 &&
		  (size_t)done + (size_t)rest == in.size;
	EVP_CIPHER_CTX_free(context);
	return ok;
}

bool dc09_decrypt(const struct dc09_key *key, struct torap_bytes in, uint8_t *out)
{
	return crypt_blocks(key, in, out, 0);
}

bool dc09_encrypt(const struct dc09_key *key, struct torap_bytes in, uint8_t *out)
{
	return crypt_blocks(key, in, out, 1);
}
