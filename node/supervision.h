/* supervision.h: devices that have been silent for longer than their period.
 *
 * Any observation moves the deadline.  A device past it gets a comm_fault (start, severity normal, cause=supervision), in the same
 * commit a row of the table `silent`, and its end when it speaks again or is no longer supervised.  After a restart every device
 * has one full period of grace.
 *
 * Cheap for 20,000 devices: being heard changes one number; a heap holds deadlines that may be too early, and corrects them when
 * they come up, once a period and device. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "node/event.h"

struct node_batcher;
struct node_device;
struct node_registry;
struct node_subjects;
struct node_supervision;
struct torap_error;
struct torap_kv;

struct node_supervision_options {
	struct node_batcher *batcher;
	struct node_subjects *subjects;
};

/* Reads who was silent.  Blocks; before the loop runs. */
int node_supervision_create(struct node_supervision **out, const struct node_supervision_options *options,
	struct torap_kv *kv, struct torap_error *err);
struct node_supervision *node_supervision_destroy(
	struct node_supervision *s); /* accepts NULL, returns NULL */

/* Takes over the devices of this registry (a reference): those that it knew keep their deadlines.  -ENOMEM: nothing has changed. */
int node_supervision_registry(
	struct node_supervision *s, struct node_registry *registry, struct node_now now);
/* `device` is of that registry. */
void node_supervision_heard(
	struct node_supervision *s, const struct node_device *device, struct node_now now);
/* Once a second. */
void node_supervision_tick(struct node_supervision *s, struct node_now now);

size_t node_supervision_devices(const struct node_supervision *s);
size_t node_supervision_silent(const struct node_supervision *s);
