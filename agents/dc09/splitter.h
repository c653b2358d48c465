/* splitter.h: a stream of bytes into DC-09 frames.
 *
 * Panels split a message over segments, even inside its CRC, put several into one, leave LF out, add NULs and blanks, and send a
 * CRC of two raw bytes that may look like LF, CR or a quote.  So nothing counts on LF alone: a frame is found by the quote that
 * begins its ID, with eight hexadecimal characters before it (CRC and length), or with LF, any two bytes and four hexadecimal
 * characters.  It ends at the first CR after that quote, which no body contains.
 *
 * A broken frame costs nothing but itself: when its CRC does not fit and another header stands inside it, the search goes on there.
 * The result depends on the bytes alone, never on how they were cut into segments.
 *
 * Memory is held only while an unfinished frame waits, at most DC09_FRAME_SIZE_MAX and what was fed in one call. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/dc09/frame.h"
#include "base/bytes.h"

struct dc09_splitter {
	uint8_t *data; /* owned; NULL while nothing waits */
	size_t size, room;
	size_t consumed; /* of data; given back at the next call */
	bool ended;      /* no more bytes follow: a datagram */
	uint64_t noise;  /* bytes that belonged to no frame, blanks and line ends not counted */
	uint64_t wrong;  /* bytes of bodies of another CRC: each once for each header that it stands behind */
};

enum dc09_split {
	DC09_SPLIT_NONE,  /* feed more */
	DC09_SPLIT_FRAME, /* with a CRC that fits */
	DC09_SPLIT_BAD,   /* it looked like a frame, but no reading of its CRC fits, or it never ended */
};

/* A splitter of zeros is ready. */
void dc09_splitter_finish(struct dc09_splitter *s);
/* 0 or -ENOMEM; then nothing was taken. */
int dc09_splitter_feed(struct dc09_splitter *s, struct torap_bytes bytes);
/* The bytes end here, as a datagram does: a frame without CR is then taken as it stands. */
void dc09_splitter_end(struct dc09_splitter *s);
/* Do bytes wait for the rest of their frame?  Blanks, NULs and line ends do not. */
bool dc09_splitter_waiting(const struct dc09_splitter *s);
/* *cut looks into the splitter and is valid until its next call. */
enum dc09_split dc09_splitter_next(struct dc09_splitter *s, struct dc09_cut *cut, enum dc09_crc_form *form);
