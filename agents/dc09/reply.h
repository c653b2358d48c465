/* reply.h: what a panel hears from us.
 *
 * An ACK repeats everything between ID and [ as it came, character for character: R and L, their case, a missing L, accounts that
 * are not hexadecimal all come back right.  A panel that sent a raw CRC gets one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/dc09/crypt.h"
#include "agents/dc09/frame.h"
#include "base/bytes.h"
#include "base/time.h"

enum { DC09_REPLY_SIZE_MAX = 320 }; /* header, echo and three blocks in hexadecimal */

struct dc09_reply {
	size_t size;
	uint8_t bytes[DC09_REPLY_SIZE_MAX];
};

/* `key` of size 0: plain.  `random` fills the pad of an encrypted one.  False: libcrypto failed; say nothing then. */
bool dc09_reply_ack(struct dc09_reply *out, struct torap_bytes echo, bool binary, const struct dc09_key *key,
	struct torap_wall now, uint64_t random);
/* Our time, in the clear: the panel sets its clock by it and repeats. */
void dc09_reply_nak(struct dc09_reply *out, bool binary, struct torap_wall now);
/* A correct frame that nobody can process.  Never for a code that we do not know: panels then call again for ever. */
void dc09_reply_duh(struct dc09_reply *out, struct torap_bytes echo, bool binary);
