/* pack.h: an event as protobuf, written at once from what it is made of (proto/event.proto: EventOpen, EventPersonal,
 * EventImage).
 *
 * By protobuf-c it was a fifth of the node's work.  The bytes are those that protobuf-c would write, without the field `offset`, which is the
 * sealer's. */
#pragma once

#include "wire/put.h"

struct node_event_spec;

void node_pack_open(struct torap_put *p, const struct node_event_spec *spec);
void node_pack_personal(struct torap_put *p, const struct node_event_spec *spec);
void node_pack_image(struct torap_put *p, const struct node_event_spec *spec);
/* Is there anything that belongs into the personal part? */
bool node_pack_has_personal(const struct node_event_spec *spec);
