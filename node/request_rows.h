/* request_rows.h: what the disk knows of pictures that alarms ask for: rows of the table `requests`.  Private to requests.
 *
 *     'a', number (u64)   an alarm that nobody was asked for yet: kind, at, site, lane, incarnation, number of its event
 *     'r', id (u64)       a request that nobody has done yet: region, facility, alarms, cameras, cameras left out, made, sent (u8), then as an alarm
 *
 * An alarm's row is written in the transaction of its event, and goes in that of the event which says what became of it: `access`, with
 * which the request's row comes, or `evidence_missing`.  A request's row goes when an agent has done it, or with its `evidence_missing`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/time.h"
#include "node/registry.h"
#include "wire/stream.h"
#include "wire/taxonomy.h"

struct node_entry;
struct torap_error;
struct torap_kv;

struct node_alarm {
	struct torap_stream_id stream;
	uint64_t seq;
	uint32_t kind;
	struct torap_wall at;
};

/* An alarm of a site with cameras, on its way to the disk or waiting to be asked for. */
struct node_wish {
	struct node_wish *next;
	uint64_t row; /* its number; 0: it has none */
	char site[NODE_REGISTRY_ID_MAX + 1];
	struct node_alarm alarm;
};

struct node_request {
	uint64_t id; /* never 0 */
	char site[NODE_REGISTRY_ID_MAX + 1];
	struct torap_class class;           /* region and facility of the site */
	struct node_alarm alarm;            /* the last of `alarms` */
	uint32_t alarms, cameras, left_out; /* left_out: cameras beyond what a request holds */
	struct torap_wall made;
	bool sent; /* an agent may have taken it */
};

/* The row of an alarm whose event is that of the entry: stream and number are filled in when it has them. */
void node_request_rows_wish(struct node_entry *entry, const struct node_wish *wish);
void node_request_rows_wish_gone(struct torap_writer *writes, uint64_t row);
void node_request_rows_put(struct torap_writer *writes, const struct node_request *request);
void node_request_rows_gone(struct torap_writer *writes, uint64_t id);

/* Who is shown the rows; all are borrowed.  Alarms come in the order in which they were accepted. */
struct node_request_rows_reader {
	const char *writer; /* of the journal */
	void (*on_wish)(void *hint, const struct node_wish *wish);
	void (*on_request)(void *hint, const struct node_request *request);
	void (*on_strange)(void *hint, struct torap_bytes key); /* what cannot be read */
	void *hint;
};
/* For the start: it blocks.  0 or a negative error. */
int node_request_rows_read(
	struct torap_kv *kv, const struct node_request_rows_reader *reader, struct torap_error *err);
