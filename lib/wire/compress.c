/* The structs of the header are zstd's own contexts under our names; nothing else is in them. */
#include "wire/compress.h"

#include <zstd.h>

/* Measured on full batches of 200-byte events: level 1 leaves 54 bytes for 0.50 s a million, level -1 68 for 0.42, level 3 52 for 0.68;
 * each byte saved is worth some 10 ms a million in digests and encryption on the way (tests/bench/README.md).  Its table has 2^13 places, or 2^14
 * for a large frame; 2^12 leave as many bytes, fit into the first cache beside the frame, and take a tenth less. */
enum { LEVEL = 1, HASH_LOG = 12 };

static ZSTD_CCtx *compressor(struct torap_compressor *c)
{
	return (ZSTD_CCtx *)c;
}

static ZSTD_DCtx *decompressor(struct torap_decompressor *d)
{
	return (ZSTD_DCtx *)d;
}

struct torap_compressor *torap_compressor_create(void)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	if (c && (ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, LEVEL)) ||
			 ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_hashLog, HASH_LOG)))) {
		ZSTD_freeCCtx(c);
		return NULL;
	}
	return (struct torap_compressor *)c;
}

struct torap_compressor *torap_compressor_destroy(struct torap_compressor *c)
{
	ZSTD_freeCCtx(compressor(c));
	return NULL;
}

size_t torap_compress(struct torap_compressor *c, struct torap_bytes content, uint8_t *out, size_t room)
{
	/* Writes the content's size, no checksum (the digest is over all of it), no dictionary. */
	size_t size = ZSTD_compress2(compressor(c), out, room, content.data, content.size);
	return ZSTD_isError(size) ? 0 : size;
}

static uint32_t magic_of(struct torap_bytes frame)
{
	const uint8_t *d = frame.data;
	return frame.size < 4 ? 0 : (uint32_t)d[3] << 24 | (uint32_t)d[2] << 16 | (uint32_t)d[1] << 8 | d[0];
}

size_t torap_content_size(struct torap_bytes frame)
{
	/* The library takes older formats and skippable frames, too. */
	if (magic_of(frame) != ZSTD_MAGICNUMBER)
		return 0;
	/* "Unknown" and "error" are beyond the limit. */
	unsigned long long size = ZSTD_getFrameContentSize(frame.data, frame.size);
	if (size > TORAP_CONTENT_SIZE_MAX || ZSTD_getDictID_fromFrame(frame.data, frame.size) != 0 ||
		ZSTD_findFrameCompressedSize(frame.data, frame.size) != frame.size)
		return 0;
	return (size_t)size;
}

struct torap_decompressor *torap_decompressor_create(void)
{
	return (struct torap_decompressor *)ZSTD_createDCtx();
}

struct torap_decompressor *torap_decompressor_destroy(struct torap_decompressor *d)
{
	ZSTD_freeDCtx(decompressor(d));
	return NULL;
}

bool torap_decompress(struct torap_decompressor *d, struct torap_bytes frame, uint8_t *out, size_t size)
{
	return ZSTD_decompressDCtx(decompressor(d), out, size, frame.data, frame.size) == size;
}
