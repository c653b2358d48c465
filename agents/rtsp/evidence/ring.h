/* ring.h: what a camera sent last, as packets, for a clip that begins before its alarm.  Loop thread only.
 *
 * Packets lie one behind the other in chunks; a chunk is never changed where it was written, and has references, so that a clip takes
 * what is there by taking references, while the ring goes on and lets go of its oldest.  All rings together keep to one budget. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/talk/rtp.h"
#include "base/bytes.h"
#include "base/time.h"

enum { RTSP_CHUNK_SIZE = 32 << 10 };

struct rtsp_budget {
	size_t used, most;
	uint64_t refused; /* packets that there was no memory for: in a clip they are gaps */
};

struct rtsp_chunk {
	struct rtsp_budget *budget;
	unsigned refs;
	size_t used, room;
	struct torap_mono key_at; /* when its first keyframe began to come; INT64_MAX: none did */
	uint8_t data[];
};
struct rtsp_chunk *rtsp_chunk_ref(struct rtsp_chunk *c);
struct rtsp_chunk *rtsp_chunk_unref(struct rtsp_chunk *c); /* accepts NULL, returns NULL */

struct rtsp_ring { /* zeros but for budget and most */
	struct rtsp_budget *budget;
	size_t most;                /* bytes of this one */
	struct rtsp_chunk **chunks; /* owned, the oldest first */
	uint32_t count, room;
	size_t bytes;
	uint64_t added; /* chunks so far: the last `count` of them are there */
};
void rtsp_ring_finish(struct rtsp_ring *r);

/* `session` counts connections; `key`: a keyframe begins.  Lets go of chunks that are not needed for what came within the last
 * `before_us`, from a keyframe on; and of more when there is no room. */
void rtsp_ring_add(struct rtsp_ring *r, uint32_t session, const struct rtsp_rtp *packet, bool key,
	int64_t before_us, struct torap_mono now, struct torap_wall wall);

/* A packet as it lies there; points into the chunk. */
struct rtsp_packet {
	uint32_t session, time;
	uint16_t sequence;
	bool marker;
	struct torap_wall at;
	struct torap_bytes body;
};
/* False: that was the last one. */
bool rtsp_packet_read(struct torap_reader *chunk, struct rtsp_packet *out);
