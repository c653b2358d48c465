/* request.h: a SOAP 1.2 message to an ONVIF device.
 *
 * The security header is there when there is a user; the addressing header always is: one maker's devices close the connection
 * without it, and nobody minds it. */
#pragma once

#include <stdint.h>

#include "base/time.h"

struct torap_writer;

enum { SOAP_NONCE_SIZE = 16 };

struct soap_request {
	const char *to;                   /* the service's address */
	const char *action;               /* WS-Addressing's, as the service's WSDL names it */
	const char *body;                 /* XML: what stands in Body */
	const char *user, *password;      /* user NULL: nobody signs */
	uint8_t nonce[SOAP_NONCE_SIZE];   /* random: devices refuse a repetition */
	uint8_t message[SOAP_NONCE_SIZE]; /* random: its MessageID */
	struct torap_wall created;        /* by the device's clock: it refuses what is minutes away */
};

/* Puts the message behind what the writer holds; the writer remembers when memory ran out. */
void soap_request_write(struct torap_writer *out, const struct soap_request *r);
/* A text as XML writes it between tags and in attributes. */
void soap_escape(struct torap_writer *out, const char *text);
