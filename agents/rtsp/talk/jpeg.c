#include "agents/rtsp/talk/jpeg.h"

#include <string.h>

enum { TABLE = 64 };

/* Of the standard's annex K, in the order of the scan. */
static const uint8_t luma[TABLE] = { 16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24,
	22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55,
	56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99 };
static const uint8_t chroma_begin[16] = { 17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99 };

bool rtsp_jpeg_part_read(struct rtsp_jpeg_part *out, struct torap_bytes body)
{
	struct torap_reader r = torap_reader(body);
	*out = (struct rtsp_jpeg_part){ 0 };
	out->offset = torap_read_u32(&r) & 0xffffff;
	out->type = torap_read_u8(&r);
	out->quality = torap_read_u8(&r);
	out->width = (uint16_t)(8 * torap_read_u8(&r));
	out->height = (uint16_t)(8 * torap_read_u8(&r));
	if (out->type >= 64) {
		out->restart = (uint16_t)(torap_read_u32(&r) >> 16);
		out->type -= 64;
	}
	if (out->quality >= 128 && !out->offset) {
		uint32_t head = torap_read_u32(&r); /* zero, precision, length */
		if (head & 0xff0000)
			return false;
		out->tables = torap_read_bytes(&r, head & 0xffff);
	}
	if (r.failed || out->type > 1 || !out->width || !out->height)
		return false;
	out->data = torap_bytes(r.at, (size_t)(r.end - r.at));
	return true;
}

static uint8_t scaled(unsigned value, unsigned quality)
{
	unsigned factor = quality < 50 ? 5000 / quality : 200 - 2 * quality;
	unsigned v = (value * factor + 50) / 100;
	return (uint8_t)(v < 1 ? 1 : v > 255 ? 255 : v);
}

static bool make_tables(uint8_t out[2 * TABLE], unsigned quality)
{
	if (!quality || quality > 99)
		return false;
	for (unsigned i = 0; i < TABLE; i++) {
		out[i] = scaled(luma[i], quality);
		out[TABLE + i] = scaled(i < sizeof chroma_begin ? chroma_begin[i] : 99, quality);
	}
	return true;
}

static void put(struct torap_writer *w, const uint8_t *bytes, size_t size)
{
	torap_write_bytes(w, torap_bytes(bytes, size));
}

/* The Huffman tables are left out: a decoder of Motion JPEG knows the standard's. */
bool rtsp_jpeg_head_write(struct torap_writer *w, const struct rtsp_jpeg_part *part, const uint8_t *tables)
{
	uint8_t made[2 * TABLE];
	if (!tables && !make_tables(made, part->quality))
		return false;
	tables = tables ? tables : made;
	const uint8_t begin[] = { 0xff, 0xd8 };
	put(w, begin, sizeof begin);
	for (uint8_t i = 0; i < 2; i++) {
		const uint8_t head[] = { 0xff, 0xdb, 0, TABLE + 3, i };
		put(w, head, sizeof head);
		put(w, tables + (size_t)i * TABLE, TABLE);
	}
	if (part->restart) {
		const uint8_t restart[] = { 0xff, 0xdd, 0, 4, (uint8_t)(part->restart >> 8),
			(uint8_t)part->restart };
		put(w, restart, sizeof restart);
	}
	const uint8_t frame[] = { 0xff, 0xc0, 0, 17, 8, (uint8_t)(part->height >> 8), (uint8_t)part->height,
		(uint8_t)(part->width >> 8), (uint8_t)part->width, 3, 0, part->type ? 0x22 : 0x21, 0, 1, 0x11,
		1, 2, 0x11, 1 };
	const uint8_t scan[] = { 0xff, 0xda, 0, 12, 3, 0, 0, 1, 0x11, 2, 0x11, 0, 63, 0 };
	put(w, frame, sizeof frame);
	put(w, scan, sizeof scan);
	return !w->failed;
}

void rtsp_jpeg_end_write(struct torap_writer *w)
{
	if (w->size >= 2 && w->data[w->size - 2] == 0xff && w->data[w->size - 1] == 0xd9)
		return;
	torap_write_u8(w, 0xff);
	torap_write_u8(w, 0xd9);
}
