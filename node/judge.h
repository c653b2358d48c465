/* judge.h: what does an observation mean?  Registry, consent and mapping are asked; nothing is changed, nothing remembered. */
#pragma once

#include <stdbool.h>

#include "node/event.h"
#include "proto/observation.pb-c.h"

struct node_device;
struct node_mapping;
struct node_registry;

enum node_judgement {
	NODE_JUDGED_EVENT,   /* spec tells which; `unmapped` when no table knows its code */
	NODE_JUDGED_ALIVE,   /* a sign of life of a known device, no event */
	NODE_JUDGED_UNKNOWN, /* the registry does not know the address */
	NODE_JUDGED_REFUSED, /* `refusal` says why */
};

enum { NODE_CODE_TEXT_MAX = 256 };

struct node_judged {
	enum node_judgement judgement;
	const struct node_device *device; /* NULL: unknown; the registry's */
	const char *refusal;              /* a constant */
	bool lacks_consent;               /* that is why it was refused */
	bool unmapped;
	struct node_event_spec
		spec; /* points into the observation, the registry, and below; without its subject */
	struct node_fields detail;
	char code[NODE_CODE_TEXT_MAX];
};

void node_judge(struct node_judged *out, const struct node_registry *registry,
	const struct node_mapping *mapping, const Torap__Observation *observation, struct node_now now);

/* The device's claim when it is believable: at most 24 h before and 2 min after it was received.  Else `received`. */
struct torap_wall node_judge_occurred(struct torap_wall claim, struct torap_wall received);
