/* zstd_frame.h: zstd frames made by hand, of blocks that need no compressor: the same bytes whatever the library's version, and what no
 * library would write.  RFC 8878, "Frames". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct zstd_frame {
	bool size_unknown;     /* no content size in the header */
	uint8_t dictionary_id; /* 0: none */
};

/* The header, then blocks, of which the last says so.  A block holds at most 128 KiB. */
void zstd_frame_begin(struct torap_writer *w, struct zstd_frame header, uint32_t content_size);
void zstd_frame_raw(struct torap_writer *w, struct torap_bytes bytes, bool last);
void zstd_frame_repeat(struct torap_writer *w, uint8_t byte, uint32_t count, bool last);
/* Not data: what readers of zstd pass over. */
void zstd_frame_skippable(struct torap_writer *w);
