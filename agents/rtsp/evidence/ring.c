#include "agents/rtsp/evidence/ring.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 4 + 4 + 4 + 4 + 8, ROOM_FIRST = 16, MARKER = 1 << 16 };

struct rtsp_chunk *rtsp_chunk_ref(struct rtsp_chunk *c)
{
	c->refs++;
	return c;
}

struct rtsp_chunk *rtsp_chunk_unref(struct rtsp_chunk *c)
{
	if (c && --c->refs == 0) {
		c->budget->used -= c->room;
		free(c);
	}
	return NULL;
}

static void drop_oldest(struct rtsp_ring *r)
{
	r->bytes -= r->chunks[0]->room;
	rtsp_chunk_unref(r->chunks[0]);
	r->count--;
	memmove(r->chunks, r->chunks + 1, r->count * sizeof *r->chunks);
}

void rtsp_ring_finish(struct rtsp_ring *r)
{
	while (r->count)
		drop_oldest(r);
	free(r->chunks);
	r->chunks = NULL;
	r->room = 0;
}

/* The oldest goes when a keyframe in a later one is old enough to begin with. */
static void trim(struct rtsp_ring *r, int64_t before_us, struct torap_mono now)
{
	uint32_t enough = 0;
	for (uint32_t i = 1; i < r->count; i++)
		if (r->chunks[i]->key_at.us <= now.us - before_us)
			enough = i;
	while (enough--)
		drop_oldest(r);
}

static struct rtsp_chunk *new_chunk(struct rtsp_ring *r, size_t size)
{
	size_t room = size > RTSP_CHUNK_SIZE ? size : RTSP_CHUNK_SIZE;
	while (r->count && (r->bytes + room > r->most || r->budget->used + room > r->budget->most)) {
		if (r->count == 1 && r->bytes + room <= r->most)
			break; /* others have it all */
		drop_oldest(r);
	}
	if (r->budget->used + room > r->budget->most)
		return NULL;
	if (r->count == r->room) {
		uint32_t more = r->room ? 2 * r->room : ROOM_FIRST;
		struct rtsp_chunk **chunks = reallocarray(r->chunks, more, sizeof *chunks);
		if (!chunks)
			return NULL;
		r->chunks = chunks;
		r->room = more;
	}
	struct rtsp_chunk *c = malloc(sizeof *c + room);
	if (!c)
		return NULL;
	*c = (struct rtsp_chunk){ .budget = r->budget, .refs = 1, .room = room, .key_at.us = INT64_MAX };
	r->budget->used += room;
	r->bytes += room;
	r->chunks[r->count++] = c;
	r->added++;
	return c;
}

static uint8_t *put(uint8_t *at, uint64_t value, unsigned bytes)
{
	while (bytes--)
		*at++ = (uint8_t)(value >> 8 * bytes);
	return at;
}

void rtsp_ring_add(struct rtsp_ring *r, uint32_t session, const struct rtsp_rtp *packet, bool key,
	int64_t before_us, struct torap_mono now, struct torap_wall wall)
{
	size_t size = HEAD + packet->body.size;
	struct rtsp_chunk *c = r->count ? r->chunks[r->count - 1] : NULL;
	if (!c || c->room - c->used < size) {
		trim(r, before_us, now);
		c = new_chunk(r, size);
	}
	if (!c) {
		r->budget->refused++;
		return;
	}
	if (key && c->key_at.us == INT64_MAX)
		c->key_at = now;
	uint8_t *at = c->data + c->used;
	at = put(at, packet->body.size, 4);
	at = put(at, session, 4);
	at = put(at, packet->time, 4);
	at = put(at, packet->sequence | (packet->marker ? MARKER : 0), 4);
	at = put(at, (uint64_t)wall.us, 8);
	memcpy(at, packet->body.data, packet->body.size);
	c->used += size;
}

bool rtsp_packet_read(struct torap_reader *chunk, struct rtsp_packet *out)
{
	if (chunk->at == chunk->end)
		return false;
	size_t size = torap_read_u32(chunk);
	out->session = torap_read_u32(chunk);
	out->time = torap_read_u32(chunk);
	uint32_t sequence = torap_read_u32(chunk);
	out->sequence = (uint16_t)sequence;
	out->marker = sequence & MARKER;
	out->at.us = (int64_t)torap_read_u64(chunk);
	out->body = torap_read_bytes(chunk, size);
	return !chunk->failed;
}
