/* message.h: a frame understood: deciphered when it was encrypted, its content decoded, its account settled.
 *
 * Holds views into the frame's bytes and into its own clear text: it must not be copied, nor outlive the frame. */
#pragma once

#include <stdint.h>

#include "agents/dc09/decode.h"
#include "agents/dc09/crypt.h"
#include "agents/dc09/frame.h"
#include "base/time.h"

enum { /* An encrypted message may be so much older or newer than our clock. */
	DC09_OLDEST_S = 40,
	DC09_NEWEST_S = 20,
};

enum dc09_message_answer {
	DC09_MESSAGE_REPLY = 1,   /* an answer of somebody: never answered */
	DC09_MESSAGE_NO_ACCOUNT,  /* correct, but nobody says who sent it: DUH */
	DC09_MESSAGE_NO_KEY,      /* encrypted, and this account has no key here: silence */
	DC09_MESSAGE_NOISE,       /* deciphered to nothing that is a message: another key: silence */
	DC09_MESSAGE_FOREIGN,     /* the account inside is not the one outside: silence */
	DC09_MESSAGE_OUT_OF_TIME, /* encrypted, and its time is missing or outside the window: NAK */
};

struct dc09_message {
	struct dc09_frame frame;
	enum dc09_vocabulary vocabulary;
	char account[DC09_ACCOUNT_MAX + 1]; /* the outer one; when there is none, the inner */
	struct dc09_content content;
	struct torap_bytes clear; /* content of an encrypted message, its pad taken off; size 0 when plain */
	uint8_t storage[DC09_FRAME_SIZE_MAX / 2];
};

/* The account of a frame, before anything is deciphered: which key to fetch.  Empty when the header names none. */
void dc09_message_account(char account[static DC09_ACCOUNT_MAX + 1], const struct dc09_frame *frame);

/* `key` is NULL or of size 0 when the account has none.  0 or an answer above. */
int dc09_message_decode(struct dc09_message *out, const struct dc09_frame *frame, const struct dc09_key *key,
	struct torap_wall now);
