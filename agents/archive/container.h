/* container.h: what a film's container says of its time.
 *
 * MP4 and QuickTime (ISO/IEC 14496-12, 8.2.2: creation_time of mvhd, seconds since 1904), Matroska (RFC 9559, 5.1.2.11: DateUTC); both in UTC. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct archive_container {
	struct torap_wall from;
	int64_t length_us; /* 0: it does not say */
};

/* fd: of a file, open for reading; stays the caller's.  False: it is none of these, or says no time after 2009. */
bool archive_container_read(struct archive_container *out, int fd);
