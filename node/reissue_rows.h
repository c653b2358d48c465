/* reissue_rows.h: what the disk knows of telling streams again: rows of the table `state`.  Private to reissue and lane.
 *
 *     reissue/LANE/incarnation/last batch    incarnation, from, to (u64): this stretch is still to be told again
 *     told/LANE/incarnation                  from (u64): from here on all of it has been or will be */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/stream.h"

struct torap_kv;
struct torap_writer;

enum { NODE_STRETCH_KEY_SIZE = 64 };

struct node_stretch {
	struct torap_stream_id stream;
	uint64_t from, to;
	char key[NODE_STRETCH_KEY_SIZE]; /* of its row */
};

/* Both rows, for the commit that decides it.  from > to: there is nothing to tell. */
void node_stretch_begin(
	const struct torap_stream_id *stream, uint64_t from, uint64_t to, struct torap_writer *writes);
/* The stretch begins at s->from now; the row goes when nothing is left. */
void node_stretch_move(const struct node_stretch *s, struct torap_writer *writes);
/* One of the lane's; false: there is nothing to do. */
bool node_stretch_find(struct node_stretch *out, struct torap_kv *kv, const char *writer, uint32_t lane);
/* From where on the stream has been or will be told again; UINT64_MAX: nowhere. */
uint64_t node_stretch_told(struct torap_kv *kv, const struct torap_stream_id *stream);
