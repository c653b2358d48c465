/* token.h: how ONVIF proves a password without sending it: WS-Security UsernameToken Profile 1.0, PasswordDigest. */
#pragma once

#include "base/bytes.h"

enum { SOAP_DIGEST_TEXT_SIZE = 29 }; /* 20 bytes of SHA-1 in base64, and the zero */

/* Base64(SHA-1(nonce ‖ created ‖ password)); `created` as it will stand in the message. */
void soap_token_digest(char text[static SOAP_DIGEST_TEXT_SIZE], struct torap_bytes nonce, const char *created,
	const char *password);
