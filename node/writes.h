/* writes.h: what a transaction shall put and delete, written down on the loop and done on the committer's thread. */
#pragma once

#include "base/bytes.h"
#include "node/tables.h"

struct torap_kv_txn;

/* Recorded in order.  The list is an ordinary writer: zero to begin with, freed by torap_writer_finish(), and it remembers when
 * memory ran out (.failed). */
void node_writes_put(
	struct torap_writer *list, enum node_table table, struct torap_bytes key, struct torap_bytes value);
void node_writes_delete(struct torap_writer *list, enum node_table table, struct torap_bytes key);
/* The first rows of the table, as far as their keys are lower, and no more than `most`. */
void node_writes_delete_below(
	struct torap_writer *list, enum node_table table, struct torap_bytes key, uint32_t most);

/* Does them all.  A delete of what is not there is no failure.  Returns 0 or what kv returned. */
int node_writes_apply(const struct torap_writer *list, struct torap_kv_txn *txn);
