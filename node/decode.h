/* decode.h: an Observation (proto/observation.proto) taken apart by hand, as its bytes stand there.
 *
 * protobuf-c looks up each field in its tables and allocates each text by itself: a fifth of the node's work.  What is unusual (a field
 * twice, an unknown one, another wire type than it should have) is left to protobuf-c, so both always understand the same. */
#pragma once

#include "base/bytes.h"
#include "proto/observation.pb-c.h"
#include "wire/arena.h"

/* In the arena, until its next reset (of which this is one), and repeat_key, raw and the image's data in `bytes`.  NULL: it cannot be read, or breaks the arena's limit. */
Torap__Observation *node_observation_decode(struct torap_arena *arena, struct torap_bytes bytes);
