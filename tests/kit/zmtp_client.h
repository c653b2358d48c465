/* zmtp_client.h: the dialling side of ZMTP 3.1 with CURVE by hand, byte for byte from RFC 37 and 26, so that it can lie.
 *
 * Shares no line with lib/zmtp.  No I/O.  What it is to lie about is a field; the frames that it writes are whole, header and all.  For
 * tests only: what cannot be done ends the process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { ZMTP_GREETING_SIZE = 64, ZMTP_KEY_SIZE = 32, ZMTP_COMMAND = 4 /* flag of a frame */ };

struct zmtp_client {
	uint8_t secret[ZMTP_KEY_SIZE], public[ZMTP_KEY_SIZE];             /* c, C */
	uint8_t short_secret[ZMTP_KEY_SIZE], short_public[ZMTP_KEY_SIZE]; /* c', C' */
	uint8_t server[ZMTP_KEY_SIZE];                                    /* S, that HELLO is for */
	uint8_t vouched[ZMTP_KEY_SIZE];                                   /* S, that the vouch is for */
	uint8_t server_short[ZMTP_KEY_SIZE], cookie[96];                  /* from WELCOME */
	uint8_t shared[ZMTP_KEY_SIZE];                                    /* of C' and S' */
	const char *socket_type;                                          /* "DEALER" */
	uint64_t sent, heard;                                             /* the last nonces */
};

/* A key pair from a number. */
void zmtp_keys(uint8_t seed, uint8_t *public, uint8_t *secret);
/* Always the same for the same seed. */
void zmtp_client_init(struct zmtp_client *c, uint8_t seed, const uint8_t *server);

void zmtp_client_greeting(uint8_t out[ZMTP_GREETING_SIZE]);
void zmtp_client_hello(struct zmtp_client *c, struct torap_writer *out);
void zmtp_client_initiate(struct zmtp_client *c, struct torap_writer *out);
void zmtp_client_message(
	struct zmtp_client *c, struct torap_writer *out, uint8_t flags, struct torap_bytes payload);
void zmtp_client_frame(struct torap_writer *out, uint8_t flags, struct torap_bytes body);

/* The next frame of `in`, which goes on after it.  False: it is not whole yet. */
bool zmtp_client_next(struct torap_bytes *in, uint8_t *out_flags, struct torap_bytes *out_body);
/* False: not what the server has to say. */
bool zmtp_client_welcome(struct zmtp_client *c, struct torap_bytes body);
bool zmtp_client_ready(struct zmtp_client *c, struct torap_bytes body, struct torap_writer *out_metadata);
bool zmtp_client_open(
	struct zmtp_client *c, struct torap_bytes body, uint8_t *out_flags, struct torap_writer *out_payload);
