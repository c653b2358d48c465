/* tables.h: the tables of a node's store.  The first are the journal's; numbers are big endian, so LMDB's order is ours.
 *
 *     unsealed  lane (u8), seq (u64)                         an event that is numbered and not sealed yet (event.h)
 *     repeats   until when (u64, microseconds, wall),        nothing
 *               16-byte hash of an observation's repeat key
 *     silent    device id                                    class, site and since when: a comm_fault has started (supervision.h)
 *     subjects  device id                                    16 random bytes: the subject of its groups
 *     consents  device id                                    one byte, enum node_consent: what was last recorded as an event
 *     unknown   protocol, NUL, address                       observations since the last event about it (u32), since (u64)
 *     receipts  broker, NUL, stream as text                  next batch that the broker wants (u64); may be behind
 *     marks     lane (u8), incarnation (u64), batch (u64)    bytes, events and age up to this batch (stream.h)
 *     requests  what, number (u64)                           alarms that nobody was asked for yet, requests that nobody has done (request_rows.h)
 *     state     text                                         "incarnation/critical"…, "clean", "clock", "stranger/STREAM", "given-up/BROKER";
 *                                                            and reissue_rows.h */
#pragma once

#include "base/bytes.h"
#include "store/journal.h"

struct torap_error;

enum node_table {
	NODE_TABLE_UNSEALED = TORAP_JOURNAL_TABLES,
	NODE_TABLE_REPEATS,
	NODE_TABLE_SILENT,
	NODE_TABLE_SUBJECTS,
	NODE_TABLE_CONSENTS,
	NODE_TABLE_UNKNOWN,
	NODE_TABLE_RECEIPTS,
	NODE_TABLE_MARKS,
	NODE_TABLE_STATE,
	NODE_TABLE_REQUESTS,
};

#define NODE_TABLE_NAMES                                                                                     \
	TORAP_JOURNAL_TABLE_NAMES, "unsealed", "repeats", "silent", "subjects", "consents", "unknown",       \
		"receipts", "marks", "state", "requests", NULL

/* Shows every row of a table to `each`, which returns 0 to go on; anything else it returns refuses the table.  For the start: it blocks. */
int node_table_read(struct torap_kv *kv, enum node_table table,
	int (*each)(void *hint, struct torap_bytes key, struct torap_bytes value), void *hint,
	struct torap_error *err);
