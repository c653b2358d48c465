/* pictures.h: `torap follow --pictures DIR`: the picture of an event as a file beside its line. */
#pragma once

#include "base/bytes.h"
#include "wire/open.h"

struct torap_error;

/* For the life of the process; borrowed.  A folder that is not there or cannot be written is refused with a negative errno. */
int ctl_pictures_into(const char *dir, struct torap_error *err);
/* As follow_line_json() and follow_line_table() (agents/follow/line.h), after the event's picture was written to DIR/DIGEST.jpg,
 * which is there as a whole or not at all.  What cannot be written is said, and stays in the feed's own directory. */
void ctl_pictures_json(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
	struct torap_writer *line);
void ctl_pictures_table(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
	struct torap_writer *line);
