/* compress.h: the messages of a frame as one zstd frame, in the one form that the contract allows (proto/README.md, "Compression"). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"

enum {
	/* Of one frame: what with its salt still is a frame without compression. */
	TORAP_CONTENT_SIZE_MAX = TORAP_FRAME_SIZE_MAX - TORAP_SALT_SIZE,
};

struct torap_compressor;   /* one thread at a time, as the other */
struct torap_decompressor; /* both keep their memory for the next frame */

/* NULL when memory ran out, as the other. */
struct torap_compressor *torap_compressor_create(void);
struct torap_compressor *torap_compressor_destroy(
	struct torap_compressor *c); /* accepts NULL, returns NULL */
/* Bytes written to `out`; 0: it would take more than `room`, or memory ran out. */
size_t torap_compress(struct torap_compressor *c, struct torap_bytes content, uint8_t *out, size_t room);

/* How many bytes `frame` says that it holds; 0: not one zstd frame of the contract's form, or out of its limit. */
size_t torap_content_size(struct torap_bytes frame);

struct torap_decompressor *torap_decompressor_create(void);
struct torap_decompressor *torap_decompressor_destroy(
	struct torap_decompressor *d); /* accepts NULL, returns NULL */
/* Fills `out` with the torap_content_size() bytes of the frame.  False: they are not in it. */
bool torap_decompress(struct torap_decompressor *d, struct torap_bytes frame, uint8_t *out, size_t size);
