/* content.h: what a message says: its events, further fields, times.  Looks into the bytes of the frame and owns nothing. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/time.h"

enum {
	DC09_EVENTS_MAX = 16, /* codes in one message; the most seen is 3 */
	DC09_FIELDS_MAX = 32,
	DC09_TEXTS_MAX = 4,
	DC09_CODE_SIZE = 16,
	DC09_NUMBER_MAX = 32,      /* a user */
	DC09_OPEN_NUMBER_MAX = 10, /* area, zone: hexadecimal digits, as the standards have them */
};

/* The code of an event that has none we can read. */
#define DC09_CODE_UNREADABLE "unreadable"

struct dc09_event {
	char code[DC09_CODE_SIZE]; /* "BA", "131 q1" */
	struct torap_bytes area, zone, user;
	struct torap_bytes texts[DC09_TEXTS_MAX];
	unsigned texts_count;
};

struct dc09_field {
	char name[20];
	struct torap_bytes value;
	bool personal; /* may identify a person */
};

struct dc09_content {
	bool terminated;             /* the ] was there */
	struct torap_bytes data;     /* between [ and ] */
	struct torap_bytes extended; /* the [xdata] blocks as they came */
	bool has_account;
	struct torap_bytes account; /* inside the data: hearsay, compared only */
	struct dc09_event events[DC09_EVENTS_MAX];
	unsigned events_count;
	bool events_cut; /* there were more */
	struct dc09_field fields[DC09_FIELDS_MAX];
	unsigned fields_count;
	bool has_position;
	double latitude, longitude, altitude_m;
	struct torap_bytes stamp_text; /* after the _; size 0: none */
	bool has_stamp;                /* it is a time */
	struct torap_wall stamp;
	bool has_happened; /* extended data H: the time of the event itself */
	struct torap_wall happened;
	struct torap_bytes happened_text;
};

/* For the decoders of the parts: the next event, a further text, a further field.  What is beyond the limits is left out (and for
 * events noted); NULL from the first. */
struct dc09_event *dc09_content_event(struct dc09_content *c);
void dc09_event_text(struct dc09_event *e, struct torap_bytes text);
/* A number, or something that a person may have written?  Only numbers may stand in open fields. */
bool dc09_content_number(struct torap_bytes value);
void dc09_content_field(struct dc09_content *c, const char *name, struct torap_bytes value, bool personal);
