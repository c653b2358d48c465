/* node_parts.h: makes the parts of a node and joins them: who tells what to whom.  Private to node.c, which runs and ends them. */
#pragma once

#include "node/event.h"

struct node;
struct torap_error;

/* In the order of node.h, after the handles and the files.  On failure what was made stays, for node_stop() and node_destroy(). */
int node_parts_create(struct node *n, struct node_now now, struct torap_error *err);
