/* faults.h: what is damaged in the node's own journal, told as events (storage_fault), each batch once for the life of the process.
 *
 * Whoever reads the journal finds it, and often the same again: a ring remembers the last 1,024.  At most one event a second leaves, the
 * batches of a stream summed up.  One that finds no room is tried again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "node/event.h"

struct node_batcher;
struct node_faults;
struct torap_error;
struct torap_stream_id;

enum node_fault {
	NODE_FAULT_DAMAGED,    /* frames are not what was sealed; the rest of the batch is good */
	NODE_FAULT_UNREADABLE, /* the manifest is not: whoever has not got the batch never gets it from here */
	NODE_FAULT_MENDED,     /* the manifest came back from a broker */
	NODE_FAULTS,
};

const char *node_fault_name(enum node_fault what);

struct node_faults_options {
	struct node_batcher *batcher;
	uint32_t region;
};

int node_faults_create(
	struct node_faults **out, const struct node_faults_options *options, struct torap_error *err);
/* After the batcher.  Accepts NULL, returns NULL. */
struct node_faults *node_faults_destroy(struct node_faults *f);

/* False: it is known already. */
bool node_faults_add(
	struct node_faults *f, enum node_fault what, const struct torap_stream_id *stream, uint64_t batch_no);
/* Every 100 ms. */
void node_faults_tick(struct node_faults *f, struct node_now now);
/* All that was found is durable as events. */
bool node_faults_idle(const struct node_faults *f);
uint64_t node_faults_count(const struct node_faults *f, enum node_fault what); /* batches */
