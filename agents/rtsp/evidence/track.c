#include "agents/rtsp/evidence/track.h"

#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/evidence/access.h"

enum { ROOM_FIRST = 64 };

void rtsp_reel_destroy(struct rtsp_reel *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->count; i++)
		rtsp_chunk_unref(r->chunks[i]);
	free(r->chunks);
	free(r->footage.spans);
	free(r);
}

static bool add_chunk(struct rtsp_reel *r, struct rtsp_chunk *c)
{
	if (r->count == r->room) {
		uint32_t room = r->room ? 2 * r->room : ROOM_FIRST;
		struct rtsp_chunk **chunks =
			room <= RTSP_FOOTAGE_SPANS_MAX ? reallocarray(r->chunks, room, sizeof *chunks) : NULL;
		if (!chunks)
			return false;
		r->chunks = chunks;
		r->room = room;
	}
	r->chunks[r->count++] = rtsp_chunk_ref(c);
	return true;
}

/* All that the ring has now. */
static struct rtsp_reel *reel_of(const struct rtsp_ring *ring)
{
	struct rtsp_reel *r = calloc(1, sizeof *r);
	for (uint32_t i = 0; r && i < ring->count; i++) {
		if (!add_chunk(r, ring->chunks[i])) {
			rtsp_reel_destroy(r);
			return NULL;
		}
	}
	return r;
}

/* What is written from now on is behind what a thread reads. */
static bool finish_reel(struct rtsp_reel *r, const struct rtsp_track *t)
{
	r->footage = (struct rtsp_footage){ .codec = t->codec, .clock_hz = t->clock_hz, .count = r->count };
	memcpy(r->sets, t->sets, t->sets_size);
	r->footage.sets = torap_bytes(r->sets, t->sets_size);
	r->footage.ended = t->ended;
	r->footage.spans = calloc(r->count + 1, sizeof *r->footage.spans);
	if (!r->footage.spans)
		return false;
	for (uint32_t i = 0; i < r->count; i++)
		r->footage.spans[i] = torap_bytes(r->chunks[i]->data, r->chunks[i]->used);
	return true;
}

struct rtsp_track *rtsp_track_create(struct rtsp_budget *budget)
{
	struct rtsp_track *t = calloc(1, sizeof *t);
	if (t)
		t->ring.budget = budget;
	return t;
}

struct rtsp_track *rtsp_track_destroy(struct rtsp_track *t)
{
	if (t) {
		rtsp_reel_destroy(t->reel);
		rtsp_ring_finish(&t->ring);
		free(t);
	}
	return NULL;
}

static void note_video(struct rtsp_track *t, const struct rtsp_video *video)
{
	t->codec = video->codec;
	t->clock_hz = video->clock_hz;
	memcpy(t->sets, video->sets, video->sets_size);
	t->sets_size = video->sets_size;
}

/* Of another codec: what was kept cannot stand in one file with what comes. */
static void begin_session(struct rtsp_track *t, uint32_t session, const struct rtsp_video *video)
{
	t->session = session;
	bool kept = t->ring.count || (t->reel && t->reel->count);
	if (kept && (t->codec != video->codec || t->clock_hz != video->clock_hz)) {
		rtsp_ring_finish(&t->ring);
		if (t->reel) /* by what was known of that */
			rtsp_track_end(t, RTSP_GAP_CODEC);
	} else {
		note_video(t, video);
	}
}

void rtsp_track_packet(struct rtsp_track *t, uint32_t session, const struct rtsp_video *video,
	const struct rtsp_rtp *packet, size_t most, int64_t before_us, struct torap_mono now,
	struct torap_wall wall)
{
	if (session != t->session)
		begin_session(t, session, video);
	if (t->reel && t->ended)
		return; /* until it is cut */
	if (t->codec != video->codec || t->clock_hz != video->clock_hz)
		note_video(t, video);
	t->ring.most = most;
	rtsp_ring_add(
		&t->ring, session, packet, rtsp_access_key(t->codec, packet->body), before_us, now, wall);
	if (!t->recording || t->ring.added == t->seen)
		return;
	t->seen = t->ring.added;
	struct rtsp_chunk *newest = t->ring.chunks[t->ring.count - 1];
	if (t->reel_bytes + newest->room <= RTSP_REEL_BYTES_MAX && add_chunk(t->reel, newest))
		t->reel_bytes += newest->room;
	else
		rtsp_track_end(t, RTSP_GAP_SIZE);
}

bool rtsp_track_record(
	struct rtsp_track *t, struct torap_wall from, struct torap_wall until, struct torap_mono end)
{
	if (t->recording) {
		if (until.us > t->until.us && !t->ended) {
			t->until = until;
			t->end = end;
		}
		return true;
	}
	t->reel = reel_of(&t->ring);
	if (!t->reel)
		return false;
	t->reel_bytes = t->ring.bytes;
	t->seen = t->ring.added;
	t->recording = true;
	t->from = from;
	t->until = until;
	t->end = end;
	t->ended = RTSP_GAP_LOST;
	return true;
}

void rtsp_track_end(struct rtsp_track *t, enum rtsp_gap_cause why)
{
	t->ended = why;
	t->end.us = INT64_MIN;
}

bool rtsp_track_due(const struct rtsp_track *t, struct torap_mono now)
{
	return t->recording && torap_mono_reached(t->end, now);
}

struct rtsp_reel *rtsp_track_cut(struct rtsp_track *t)
{
	struct rtsp_reel *r = t->reel;
	t->reel = NULL;
	t->recording = false;
	if (finish_reel(r, t))
		return r;
	rtsp_reel_destroy(r);
	return NULL;
}

struct rtsp_reel *rtsp_track_look(const struct rtsp_track *t)
{
	struct rtsp_reel *r = t->ring.count ? reel_of(&t->ring) : NULL;
	if (r && !finish_reel(r, t)) {
		rtsp_reel_destroy(r);
		r = NULL;
	}
	return r;
}
