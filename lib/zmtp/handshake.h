/* handshake.h: how a connection (connection.h) gets from its first byte to open.  Private to it.
 *
 * Greetings cross.  Then, with CURVE, who dials says HELLO and INITIATE, who listens WELCOME and READY (RFC 26); with NULL both say READY
 * (RFC 37, "The NULL Security Mechanism"). */
#pragma once

#include "zmtp/connection.h"

enum {
	TORAP_ZMTP_GREETING_SIZE = 64,
	TORAP_ZMTP_COMMAND = 4, /* flag of a frame: a command */
};

/* Puts the greeting.  0 or -ENOMEM. */
int torap_zmtp_greet(struct torap_zmtp_connection *c);
/* The greeting of the other side, or the body of its next command, which may be overwritten.  NULL, or why the connection cannot go on. */
const char *torap_zmtp_shake(struct torap_zmtp_connection *c, uint8_t *data, size_t size);
void torap_zmtp_forget_opening(struct torap_zmtp_connection *c);

/* connection.c's: bytes that leave as they are, before any message. */
int torap_zmtp_put_shake(struct torap_zmtp_connection *c, struct torap_bytes bytes);
/* RFC 37, "Framing": flags, the size in one byte or eight; the body is the caller's to write.  NULL: no memory. */
uint8_t *torap_zmtp_write_frame(struct torap_writer *out, uint8_t flags, size_t size);
