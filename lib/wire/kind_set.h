/* kind_set.h: kinds of events as an operator names several at once.
 *
 *     panic             one kind, by its name
 *     *_fault           all whose name fits: * stands for any letters, ? for one
 *     alarm.*           a group, or what of it fits (`alarm.p*`)
 *
 * Groups are the paragraphs of proto/event.proto: alarm, condition, routine, camera, recording, body, patrol, incident, bus,
 * oversight, bulk.  A pattern stands for the kinds that this build can name: one to come has to be read anew. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TORAP_KINDS_MAX = 512 };

struct torap_kind_set {
	uint16_t list[TORAP_KINDS_MAX]; /* rising, each once */
	size_t count;
};

/* False: the pattern fits no kind, and nothing has changed. */
bool torap_kind_set_add(struct torap_kind_set *set, const char *pattern);
/* Leaves those that can travel in the lane: any kind in `critical`, those from 1000 on in `bulk`, the others in `normal`. */
void torap_kind_set_keep_lane(struct torap_kind_set *set, uint32_t lane);

/* Writes the kinds as few words: a group that is there in full as `alarm.*`, others by name or number.  NULL: no room for all. */
char *torap_kinds_format(const uint16_t *kinds, size_t count, char *text, size_t room);
