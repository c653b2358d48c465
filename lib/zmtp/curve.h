/* curve.h: CurveZMQ (ZeroMQ RFC 26), both sides: who knocks at whose door, and the boxes that everything then travels in.
 *
 * A handshake is HELLO, WELCOME, INITIATE, READY.  Each function takes one and writes what follows it: the body of the command frame
 * (RFC 37, "Commands"; RFC 25 for what stands in it).  After any failure the connection is to end.  No I/O; randomness is libsodium's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"

enum {
	TORAP_CURVE_HELLO_SIZE = 200,
	TORAP_CURVE_WELCOME_SIZE = 168,
	TORAP_CURVE_INITIATE_MIN = 257,                /* without any metadata */
	TORAP_CURVE_INITIATE_MAX = 257 + 512,          /* libzmq needs some 40 bytes of metadata */
	TORAP_CURVE_READY_OVERHEAD = 6 + 8 + 16,       /* what READY adds to its metadata */
	TORAP_CURVE_MESSAGE_OVERHEAD = 8 + 8 + 16 + 1, /* what MESSAGE adds to a frame's payload */
	TORAP_CURVE_MORE = 1,                          /* flags of a MESSAGE: further frames follow */
	TORAP_CURVE_COMMAND = 2,                       /* a command of ZMTP, no frame of a message */
};

/* Of one connection, once it is open.  Zeroed to begin with. */
struct torap_curve {
	uint8_t shared[32];   /* of both short-term keys */
	uint64_t sent, heard; /* the last nonces */
	bool dials;           /* the two directions have nonces of their own */
};

/* What only a handshake needs. */
struct torap_curve_opening {
	uint8_t client[TORAP_CURVE_KEY_SIZE]; /* the client's short-term key, C' */
	uint8_t secret[TORAP_CURVE_KEY_SIZE]; /* ours: s' of who listens, c' of who dials */
	uint8_t cookie[96];                   /* of who listens */
};

struct torap_curve_keys {
	uint8_t secret[TORAP_CURVE_KEY_SIZE], public[TORAP_CURVE_KEY_SIZE];
};

/* --- who listens --- */

/* Takes HELLO, writes WELCOME.  False: it is none, or meant for another key. */
bool torap_curve_welcome(struct torap_curve_opening *o, uint8_t out[static TORAP_CURVE_WELCOME_SIZE],
	const struct torap_curve_keys *keys, struct torap_bytes hello);
/* Takes INITIATE, which may be overwritten: *out_key is who knocks, and has proved to hold its secret; the metadata point into it.  False:
 * it is none, or does not belong to this handshake. */
bool torap_curve_initiate(struct torap_curve *c, const struct torap_curve_opening *o,
	uint8_t out_key[static TORAP_CURVE_KEY_SIZE], struct torap_bytes *out_metadata,
	const struct torap_curve_keys *keys, uint8_t *initiate, size_t size);
/* Writes READY: TORAP_CURVE_READY_OVERHEAD + metadata.size bytes. */
void torap_curve_ready(struct torap_curve *c, uint8_t *out, struct torap_bytes metadata);

/* --- who dials: `server` is the key of who is to listen there --- */

/* Writes HELLO. */
bool torap_curve_hello(struct torap_curve_opening *o, uint8_t out[static TORAP_CURVE_HELLO_SIZE],
	const uint8_t server[static TORAP_CURVE_KEY_SIZE]);
/* Takes WELCOME, writes INITIATE: TORAP_CURVE_INITIATE_MIN + metadata.size bytes, at most TORAP_CURVE_INITIATE_MAX.  False: it is none, or
 * not of who holds that key's secret. */
bool torap_curve_answer(struct torap_curve *c, const struct torap_curve_opening *o, uint8_t *out,
	const struct torap_curve_keys *keys, const uint8_t server[static TORAP_CURVE_KEY_SIZE],
	struct torap_bytes welcome, struct torap_bytes metadata);
/* Takes READY, which may be overwritten: the metadata point into it.  False: it is none, or not of this handshake. */
bool torap_curve_admitted(
	struct torap_curve *c, struct torap_bytes *out_metadata, uint8_t *ready, size_t size);

/* --- both --- */

/* Writes MESSAGE: TORAP_CURVE_MESSAGE_OVERHEAD + payload.size bytes. */
void torap_curve_seal(struct torap_curve *c, uint8_t *out, uint8_t flags, struct torap_bytes payload);
/* Opens MESSAGE where it lies: the payload is within it.  False: it is none, not of this connection, doubled or out of order. */
bool torap_curve_open(struct torap_curve *c, uint8_t *out_flags, struct torap_bytes *out_payload,
	uint8_t *message, size_t size);
