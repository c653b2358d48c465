#include "agents/soap/token.h"

#include <assert.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

void soap_token_digest(char text[static SOAP_DIGEST_TEXT_SIZE], struct torap_bytes nonce, const char *created,
	const char *password)
{
	enum { SHA1_SIZE = 20 };
	uint8_t digest[SHA1_SIZE];
	EVP_MD_CTX *sha1 = EVP_MD_CTX_new();
	int good = sha1 && EVP_DigestInit_ex(sha1, EVP_sha1(), NULL) &&
		   EVP_DigestUpdate(sha1, nonce.data, nonce.size) &&
		   EVP_DigestUpdate(sha1, created, strlen(created)) &&
		   EVP_DigestUpdate(sha1, password, strlen(password)) &&
		   EVP_DigestFinal_ex(sha1, digest, NULL);
	assert(good); /* Nothing of it depends on the input; memory for a hash is not to be had only when nothing is. */
	EVP_MD_CTX_free(sha1);
	sodium_bin2base64(text, SOAP_DIGEST_TEXT_SIZE, digest, sizeof digest, sodium_base64_VARIANT_ORIGINAL);
}
