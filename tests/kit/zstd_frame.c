#include "kit/zstd_frame.h"

enum {
	SIZE_OF_4_BYTES = 2 << 6,
	SINGLE_SEGMENT = 1 << 5,
	DICTIONARY_OF_1_BYTE = 1,
	WINDOW_1_MIB = 10 << 3,
	RAW = 0,
	REPEAT = 1,
};

static void put(struct torap_writer *w, uint32_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		torap_write_u8(w, (uint8_t)(value >> 8 * i));
}

void zstd_frame_begin(struct torap_writer *w, struct zstd_frame header, uint32_t content_size)
{
	put(w, 0xfd2fb528, 4);
	torap_write_u8(w, (uint8_t)((header.size_unknown ? 0 : SIZE_OF_4_BYTES | SINGLE_SEGMENT) |
				    (header.dictionary_id ? DICTIONARY_OF_1_BYTE : 0)));
	if (header.size_unknown)
		torap_write_u8(w, WINDOW_1_MIB);
	if (header.dictionary_id)
		torap_write_u8(w, header.dictionary_id);
	if (!header.size_unknown)
		put(w, content_size, 4);
}

static void begin_block(struct torap_writer *w, uint32_t type, uint32_t size, bool last)
{
	put(w, size << 3 | type << 1 | last, 3);
}

void zstd_frame_raw(struct torap_writer *w, struct torap_bytes bytes, bool last)
{
	begin_block(w, RAW, (uint32_t)bytes.size, last);
	torap_write_bytes(w, bytes);
}

void zstd_frame_repeat(struct torap_writer *w, uint8_t byte, uint32_t count, bool last)
{
	begin_block(w, REPEAT, count, last);
	torap_write_u8(w, byte);
}

void zstd_frame_skippable(struct torap_writer *w)
{
	put(w, 0x184d2a50, 4);
	put(w, 3, 4);
	put(w, 0, 3);
}
