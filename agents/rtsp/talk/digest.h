/* digest.h: how a camera wants to be told who we are (RFC 7616 and 7617): the challenge of a 401, and the answer to it.  Pure.
 *
 * Of several challenges, each in a header of its own or all in one, the strongest that we know is taken: Digest with SHA-256, Digest with MD5, Basic. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { RTSP_CHALLENGE_TEXT_MAX = 255, RTSP_AUTHORISATION_MAX = 2048 };

enum rtsp_scheme { RTSP_SCHEME_NONE, RTSP_SCHEME_BASIC, RTSP_SCHEME_MD5, RTSP_SCHEME_SHA256 };

struct rtsp_challenge {
	enum rtsp_scheme scheme;
	bool qop, stale, has_opaque;
	char realm[RTSP_CHALLENGE_TEXT_MAX + 1], nonce[RTSP_CHALLENGE_TEXT_MAX + 1],
		opaque[RTSP_CHALLENGE_TEXT_MAX + 1];
	uint32_t count; /* how often the nonce was used */
};

/* From the head of a 401.  False: it asks for nothing that we know. */
bool rtsp_challenge_read(struct rtsp_challenge *out, struct torap_bytes head);
/* Writes the value of an Authorization header.  `random` makes our own nonce.  False: it does not fit. */
bool rtsp_challenge_answer(char out[static RTSP_AUTHORISATION_MAX], struct rtsp_challenge *c,
	const char *user, const char *password, const char *method, const char *uri, uint64_t random);
