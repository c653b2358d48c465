/* own.h: what the node itself has to say: node_up, clock_off, unknown_device… Class: the node's region, facility none, the kind's
 * own severity.  Detail names: proto/README.md, "Detail names of the bus's own events". */
#pragma once

#include <stdint.h>

#include "node/event.h"

struct node_own {
	uint32_t kind;        /* Torap__Kind */
	uint8_t state;        /* Torap__State; 0: pulse */
	struct torap_wall at; /* 0: now */
	uint32_t count;       /* how many it stands for; 0 and 1 are one */
	struct node_fields detail;
	struct torap_bytes raw; /* personal */
};

/* NULL: memory ran out. */
struct node_event *node_own_event(uint32_t region, const struct node_own *own, struct node_now now);
