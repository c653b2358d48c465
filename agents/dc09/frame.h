/* frame.h: one DC-09 frame: is its CRC right in any of the forms that panels use, and what does its header say?
 *
 *     LF  CRC  0LLL  "ID" SEQ Rrrr Lppp #acct [ rest  CR
 *                    '------------- body -----------'
 *
 * Everything here looks into the bytes of the frame and owns nothing. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

enum {
	DC09_FRAME_SIZE_MAX = 4096, /* from CRC to CR; the longest message seen in the field has 300 bytes */
	DC09_ACCOUNT_MAX = 32,      /* the standard says 16 */
	DC09_ECHO_MAX = 128,        /* SEQ, R, L and account: what an answer repeats */
};

/* How the CRC came.  Also the index of the counters. */
enum dc09_crc_form {
	DC09_CRC_GOOD,   /* four hexadecimal characters, length right */
	DC09_CRC_LOWER,  /* the same with a lower-case letter in CRC or length */
	DC09_CRC_BINARY, /* two raw bytes; the panel wants a raw CRC back */
	DC09_CRC_ELDES,  /* CRC and length count the CR too */
	DC09_CRC_LENGTH, /* the CRC is right, the length is not: "crc-only" */
	DC09_CRC_FORMS,
};
const char *dc09_crc_form_name(enum dc09_crc_form form);

/* A frame as the splitter found it. */
struct dc09_cut {
	struct torap_bytes raw;  /* all of it as it came: LF (when there was one) to CR */
	struct torap_bytes crc;  /* 4 hexadecimal characters or 2 raw bytes */
	struct torap_bytes body; /* from the quote up to the CR */
	unsigned length;         /* what 0LLL says */
	bool lower;              /* a lower-case letter in CRC or length */
};

/* False: no reading of the CRC fits.  Cuts blanks and NULs off the end of the body when the sender did not count them. */
bool dc09_frame_check(struct dc09_cut *cut, enum dc09_crc_form *form);

struct dc09_frame {
	enum dc09_crc_form form;
	struct torap_bytes raw;
	bool encrypted;
	bool binary;                 /* the CRC came as raw bytes */
	struct torap_bytes token;    /* "SIA-DCS", without the asterisk */
	struct torap_bytes echo;     /* between the ID and [, character for character */
	struct torap_bytes sequence; /* as many digits as there are, to begin with */
	struct torap_bytes receiver; /* what follows R; size 0: nothing, or no R */
	struct torap_bytes line;     /* what follows L */
	struct torap_bytes account;  /* what follows #; size 0: there is none */
	struct torap_bytes rest;     /* after the [, up to the CR; data NULL: there is none */
};

enum dc09_frame_answer {
	DC09_FRAME_UNREADABLE = 1, /* no ID, or a header beyond the limits */
};
/* Takes the frame apart after dc09_frame_check().  0 or an answer above. */
int dc09_frame_decode(struct dc09_frame *out, const struct dc09_cut *cut, enum dc09_crc_form form);

/* "ACK", "NAK", "DUH", "RSP": is never answered. */
bool dc09_frame_is_reply(const struct dc09_frame *frame);
bool dc09_bytes_are(struct torap_bytes bytes, const char *text);
