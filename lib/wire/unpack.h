/* unpack.h: protobuf messages taken apart in one pass: what protobuf_c_message_unpack() makes of them, at a third of its price.
 *
 * protobuf-c goes over a message twice and allocates each text by itself.  What is unusual (a field twice, an unknown one, another wire
 * type than it should have, more of a list than 64) is left to it, so both always understand the same. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"
#include "wire/arena.h"

/* For messages of proto3 whose fields are numbered 1, 2, 3… without gaps, at most 31, and that are nested without recursion; others are
 * protobuf-c's.  In the arena, until it is reset; fields of type `bytes` stay where they are, in `bytes`, or are copied.  NULL: it cannot be read,
 * or breaks the arena's limit.
 * *texts (which may be NULL): where all its texts stand, each with a zero byte behind it.  No data: each stands by itself. */
void *torap_unpack(struct torap_arena *arena, const ProtobufCMessageDescriptor *message,
	struct torap_bytes bytes, struct torap_bytes *texts);
