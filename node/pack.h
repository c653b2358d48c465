/* pack.h: an event as protobuf, written at once from what it is made of (proto/event.proto: EventOpen, EventPersonal,
 * EventImage).
 *
 * protobuf-c wants structs first, measures them, and walks over its descriptors twice; this was a fifth of the node's work.  The
 * bytes are those that protobuf-c would write, without the field `offset`, which is the sealer's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node_event_spec;

/* What all parts together never pass. */
size_t node_pack_size_max(const struct node_event_spec *spec);
/* Each writes at `at` and return where they ended. */
uint8_t *node_pack_open(uint8_t *at, const struct node_event_spec *spec);
uint8_t *node_pack_personal(uint8_t *at, const struct node_event_spec *spec);
uint8_t *node_pack_image(uint8_t *at, const struct node_event_spec *spec);
/* Is there anything that belongs into the personal part? */
bool node_pack_has_personal(const struct node_event_spec *spec);
