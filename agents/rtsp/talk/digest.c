#include "agents/rtsp/talk/digest.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agents/rtsp/talk/message.h"

/* name="value" or name=value out of a list with commas; a value with a quote, a backslash or a control character in it is none. */
static bool find(char *out, size_t room, struct torap_bytes list, const char *name)
{
	size_t size = strlen(name);
	for (size_t i = 0; i + size < list.size; i++) {
		const char *at = (const char *)list.data + i;
		bool begin = i == 0 || at[-1] == ' ' || at[-1] == ',' || at[-1] == '\t';
		if (!begin || at[size] != '=' || strncasecmp(at, name, size) != 0)
			continue;
		const char *value = at + size + 1, *end = (const char *)list.data + list.size;
		bool quoted = value < end && *value == '"';
		value += quoted;
		size_t length = 0;
		while (value + length < end &&
			(quoted ? value[length] != '"' : value[length] != ',' && value[length] != ' '))
			length++;
		if (length >= room)
			return false;
		for (size_t k = 0; k < length; k++)
			if ((unsigned char)value[k] < ' ' || value[k] == '\\')
				return false;
		memcpy(out, value, length);
		out[length] = 0;
		return true;
	}
	return false;
}

static bool read_one(struct rtsp_challenge *c, struct torap_bytes value)
{
	char text[RTSP_CHALLENGE_TEXT_MAX + 1];
	*c = (struct rtsp_challenge){ 0 };
	if (value.size >= 5 && strncasecmp((const char *)value.data, "Basic", 5) == 0) {
		c->scheme = RTSP_SCHEME_BASIC;
		return true;
	}
	if (value.size < 7 || strncasecmp((const char *)value.data, "Digest ", 7) != 0)
		return false;
	struct torap_bytes list = torap_bytes(value.data + 7, value.size - 7);
	c->scheme = RTSP_SCHEME_MD5;
	if (find(text, sizeof text, list, "algorithm")) {
		if (strcasecmp(text, "SHA-256") == 0)
			c->scheme = RTSP_SCHEME_SHA256;
		else if (strcasecmp(text, "MD5") != 0)
			return false;
	}
	if (!find(c->realm, sizeof c->realm, list, "realm") ||
		!find(c->nonce, sizeof c->nonce, list, "nonce"))
		return false;
	c->has_opaque = find(c->opaque, sizeof c->opaque, list, "opaque");
	c->stale = find(text, sizeof text, list, "stale") && strcasecmp(text, "true") == 0;
	/* "auth", perhaps beside "auth-int", which we never choose. */
	c->qop = find(text, sizeof text, list, "qop") && *text;
	return !c->qop || strcasecmp(text, "auth-int") != 0;
}

/* Is one of the two schemes that we know named here?  A parameter has a "=" behind its name. */
static bool names_scheme(struct torap_bytes text)
{
	static const char *const names[] = { "Basic", "Digest" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t size = strlen(names[i]);
		if (text.size >= size && strncasecmp((const char *)text.data, names[i], size) == 0 &&
			(text.size == size || strchr(" \t,", text.data[size])))
			return true;
	}
	return false;
}

/* How much of a header's value is its first challenge: up to a comma, not in quotes, behind which another one begins. */
static size_t first_challenge(struct torap_bytes value)
{
	bool quoted = false, behind_comma = false;
	for (size_t i = 0; i < value.size; i++) {
		const uint8_t c = value.data[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (behind_comma && names_scheme(torap_bytes(value.data + i, value.size - i)))
			return i;
		behind_comma = !quoted && (c == ',' || (behind_comma && (c == ' ' || c == '\t')));
	}
	return value.size;
}

bool rtsp_challenge_read(struct rtsp_challenge *out, struct torap_bytes head)
{
	struct rtsp_challenge best = { 0 }, one;
	struct torap_bytes value;
	for (unsigned n = 0; n < 8 && rtsp_header(head, "WWW-Authenticate", n, &value); n++)
		while (value.size) {
			const size_t size = first_challenge(value);
			if (read_one(&one, torap_bytes(value.data, size)) && one.scheme > best.scheme)
				best = one;
			value = torap_bytes(value.data + size, value.size - size);
		}
	*out = best;
	return best.scheme != RTSP_SCHEME_NONE;
}

/* The digest of the parts with colons between them, in hexadecimal. */
static bool hash(char *out, enum rtsp_scheme scheme, const char *const *parts, size_t count)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context &&
		    EVP_DigestInit_ex(context, scheme == RTSP_SCHEME_SHA256 ? EVP_sha256() : EVP_md5(), NULL);
	for (size_t i = 0; i < count && good; i++)
		good = (i == 0 || EVP_DigestUpdate(context, ":", 1)) &&
		       EVP_DigestUpdate(context, parts[i], strlen(parts[i]));
	good = good && EVP_DigestFinal_ex(context, digest, &size);
	EVP_MD_CTX_free(context);
	if (good)
		torap_hex(out, torap_bytes(digest, size));
	return good;
}

static bool answer_basic(char *out, const char *user, const char *password)
{
	char clear[512];
	int size = snprintf(clear, sizeof clear, "%s:%s", user, password);
	bool fits = size > 0 && (size_t)size < sizeof clear;
	if (fits) {
		memcpy(out, "Basic ", 6);
		sodium_bin2base64(out + 6, RTSP_AUTHORISATION_MAX - 6, (const uint8_t *)clear, (size_t)size,
			sodium_base64_VARIANT_ORIGINAL);
	}
	sodium_memzero(clear, sizeof clear);
	return fits;
}

bool rtsp_challenge_answer(char out[static RTSP_AUTHORISATION_MAX], struct rtsp_challenge *c,
	const char *user, const char *password, const char *method, const char *uri, uint64_t random)
{
	if (c->scheme == RTSP_SCHEME_BASIC)
		return answer_basic(out, user, password);
	if (c->scheme == RTSP_SCHEME_NONE || strpbrk(user, "\"\\\r\n"))
		return false;
	char who[2 * EVP_MAX_MD_SIZE + 1], what[2 * EVP_MAX_MD_SIZE + 1], response[2 * EVP_MAX_MD_SIZE + 1];
	char count[16], own[32];
	snprintf(count, sizeof count, "%08x", ++c->count);
	snprintf(own, sizeof own, "%016llx", (unsigned long long)random);
	bool good = hash(who, c->scheme, (const char *const[]){ user, c->realm, password }, 3) &&
		    hash(what, c->scheme, (const char *const[]){ method, uri }, 2);
	if (good && c->qop)
		good = hash(response, c->scheme,
			(const char *const[]){ who, c->nonce, count, own, "auth", what }, 6);
	else if (good)
		good = hash(response, c->scheme, (const char *const[]){ who, c->nonce, what }, 3);
	sodium_memzero(who, sizeof who);
	if (!good)
		return false;
	char more[128] = "";
	if (c->qop)
		snprintf(more, sizeof more, ", qop=auth, nc=%s, cnonce=\"%s\"", count, own);
	int size = snprintf(out, RTSP_AUTHORISATION_MAX,
		"Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", response=\"%s\"%s%s%s%s%s",
		user, c->realm, c->nonce, uri, response,
		c->scheme == RTSP_SCHEME_SHA256 ? ", algorithm=SHA-256" : "",
		c->has_opaque ? ", opaque=\"" : "", c->has_opaque ? c->opaque : "", c->has_opaque ? "\"" : "",
		more);
	return size > 0 && size < RTSP_AUTHORISATION_MAX;
}
