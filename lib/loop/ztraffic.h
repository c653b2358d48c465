/* ztraffic.h: what a connection carries, by the kernel's count.
 *
 * a connection shows whole messages, and one of a megabyte is 8 s on its way over 1 Mbit/s: whoever counted messages alone would give up a
 * peer that is sending all the time, and have it begin again for ever. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct torap_ztraffic {
	int64_t quiet_ms;   /* since bytes came last */
	uint64_t delivered; /* bytes that the peer's host has acknowledged */
	int queued;         /* bytes in the kernel that it has not: on their way, or without room there */
	int64_t rtt_us;     /* the least round trip of late */
};

/* False: not a TCP connection (any more). */
bool torap_ztraffic_read(struct torap_ztraffic *out, int fd);
/* How many bytes may lie in the kernel, sent or not: nothing can overtake them. */
void torap_ztraffic_buffer(int fd, size_t bytes);
