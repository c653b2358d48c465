/* track.h: what a held camera sends, kept for a while, and recorded when its site has an alarm.  Loop thread only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/evidence/clip.h"
#include "agents/rtsp/evidence/occasion.h"
#include "agents/rtsp/evidence/ring.h"
#include "agents/rtsp/talk/sdp.h"

enum { RTSP_REEL_BYTES_MAX = 16 << 20 }; /* of a clip, before it is one */

/* Footage that a thread may read while the track goes on: references of chunks. */
struct rtsp_reel {
	struct rtsp_footage footage; /* points into what follows */
	struct rtsp_chunk **chunks;
	uint32_t count, room;
	uint8_t sets[RTSP_PARAMETER_SETS_MAX];
};
/* On the loop.  Accepts NULL. */
void rtsp_reel_destroy(struct rtsp_reel *r);

struct rtsp_track {
	struct rtsp_ring ring;
	uint32_t session;
	enum rtsp_codec codec;
	uint32_t clock_hz;
	uint8_t sets[RTSP_PARAMETER_SETS_MAX];
	size_t sets_size;

	/* The clip under way. */
	bool recording;
	struct rtsp_occasion occasion;
	struct rtsp_reel *reel; /* owned */
	size_t reel_bytes;
	uint64_t seen; /* ring.added */
	struct torap_wall from, until;
	struct torap_mono end;
	enum rtsp_gap_cause ended; /* before its time; RTSP_GAP_LOST: not so */
};

/* NULL: memory ran out. */
struct rtsp_track *rtsp_track_create(struct rtsp_budget *budget);
/* Accepts NULL, returns NULL.  The occasion must be finished. */
struct rtsp_track *rtsp_track_destroy(struct rtsp_track *t);
/* `most`: bytes of the ring. */
void rtsp_track_packet(struct rtsp_track *t, uint32_t session, const struct rtsp_video *video,
	const struct rtsp_rtp *packet, size_t most, int64_t before_us, struct torap_mono now,
	struct torap_wall wall);
/* Begins a clip, or makes the one under way end later.  False: memory ran out. */
bool rtsp_track_record(
	struct rtsp_track *t, struct torap_wall from, struct torap_wall until, struct torap_mono end);
/* Ends the clip under way now, with what it has: it is due. */
void rtsp_track_end(struct rtsp_track *t, enum rtsp_gap_cause why);
/* Its end has come, or it holds as much as it may. */
bool rtsp_track_due(const struct rtsp_track *t, struct torap_mono now);
/* Ends the clip and gives what it holds; NULL: memory ran out. */
struct rtsp_reel *rtsp_track_cut(struct rtsp_track *t);
/* What lies in the ring now.  NULL: nothing, or memory ran out. */
struct rtsp_reel *rtsp_track_look(const struct rtsp_track *t);
