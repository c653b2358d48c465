/* counters.h: what a receiver counts.  Devices can provoke each of these, so they are numbers and not log lines. */
#pragma once

#include <stdint.h>

#include "agents/dc09/decode.h"
#include "agents/dc09/frame.h"

/* Why a frame, or what looked like one, got no answer. */
enum dc09_silence {
	DC09_SILENT_BAD_CRC,    /* no reading of the CRC fits, or the frame never ended */
	DC09_SILENT_UNREADABLE, /* the CRC fits, the header cannot be taken apart */
	DC09_SILENT_REPLY,      /* an ACK, NAK, DUH or RSP that arrived */
	DC09_SILENT_NO_KEY,     /* encrypted, from an account without a key */
	DC09_SILENT_NOISE,      /* encrypted with another key */
	DC09_SILENT_FOREIGN,    /* the account inside is another */
	DC09_SILENT_REFUSED,    /* the node did not take it */
	DC09_SILENT_AWAY,       /* no node, or too much is waiting for its answer */
	DC09_SILENT_LATE,       /* the node's answer did not come in time */
	DC09_SILENT_GONE,       /* the panel hung up before the answer */
	DC09_SILENT_BROKEN,     /* memory or libcrypto failed */
	DC09_SILENCES,
};

struct dc09_counters {
	uint64_t frames[DC09_CRC_FORMS];      /* whose CRC fits, by form */
	uint64_t messages[DC09_VOCABULARIES]; /* understood */
	uint64_t encrypted;                   /* of those */
	uint64_t plain_with_key;              /* plain, though the account has a key */
	uint64_t empty;                       /* event messages without an event */
	uint64_t acked, naked, duh;
	uint64_t silent[DC09_SILENCES];
	uint64_t noise_bytes; /* that belonged to no frame */
};
const char *dc09_silence_name(enum dc09_silence s);
