/* line.h: an event as a line: JSON for programs, columns for people.
 *
 *     {"stream":"node-kostanay/critical/00f3…","seq":4711,"lane":"critical","kind":"panic","state":"start","severity":"critical",
 *      "region":"391010000","facility":"school","site":"school-7","device":"panel-7","occurred_at":"2026-11-22T14:27:49.123Z",
 *      "received_at":…,"detail":{"zone":"3",…},"personal":{…}}
 *
 * Kinds, states, severities and facilities without a name in this build are numbers.  `personal` is there when the feed is entitled to it
 * and the event has one, `image` likewise (without the picture's bytes, but with their digest). */
#pragma once

#include "base/bytes.h"
#include "wire/open.h"

/* Appends a line with its newline.  `hint` is unused; both have the form of follow_output_options.render. */
void follow_line_json(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
	struct torap_writer *line);
void follow_line_table(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
	struct torap_writer *line);
/* The heading of the table. */
extern const char follow_line_heading[];
