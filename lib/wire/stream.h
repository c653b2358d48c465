/* stream.h: which stream: a writer of the trust file, a lane, an incarnation. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "proto/batch.pb-c.h"

struct torap_stream_id {
	char writer[TORAP_WRITER_ID_MAX + 1]; /* [a-z0-9-], ended by NUL, the rest zero */
	uint8_t lane;                         /* Torap__Lane */
	uint64_t incarnation;
};

bool torap_writer_id_valid(const char *id);
/* False when the writer or lane is not valid; *out is then untouched. */
bool torap_stream_id_make(
	struct torap_stream_id *out, const char *writer, uint32_t lane, uint64_t incarnation);
bool torap_stream_id_decode(struct torap_stream_id *out, const Torap__StreamId *in);
/* Fills a protobuf struct whose strings point into *id. */
void torap_stream_id_encode(Torap__StreamId *out, const struct torap_stream_id *id);
bool torap_stream_id_equal(const struct torap_stream_id *a, const struct torap_stream_id *b);
int torap_stream_id_compare(const struct torap_stream_id *a, const struct torap_stream_id *b);

/* "node-kostanay/critical/00f3a9c4d2e1b687" */
enum { TORAP_STREAM_TEXT_SIZE = 64 };
char *torap_stream_id_format(const struct torap_stream_id *id, char text[static TORAP_STREAM_TEXT_SIZE]);
bool torap_stream_id_parse(struct torap_stream_id *out, const char *text);
