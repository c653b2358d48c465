/* mapping.h: what a native code means, by tables that an operator can edit.
 *
 * A folder of YAML files, one per vocabulary:
 *
 *     vocabulary: sia-dcs
 *     rows:
 *       - { code: BA, kind: burglary, state: start }
 *       - { code: TA, kind: tamper, state: start, severity: normal }
 *       - { code: SR, kind: heartbeat }
 *
 * Without `severity` a row has that of its kind.  `heartbeat` is a sign of life and makes no event.  An end must have the
 * severity of its start, so all start and end rows of a kind in a vocabulary agree.  Kinds that only the bus itself may use
 * are refused.  One bad row refuses all tables, with file, line and reason, and the caller goes on with what it has.
 *
 * Immutable once loaded and counted by references, on any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct torap_error;
struct node_mapping;

enum {
	NODE_MAPPING_FILES_MAX = 64,
	NODE_MAPPING_ROWS_MAX = 8192, /* of one file */
	NODE_MAPPING_CODE_MAX = 128   /* an ONVIF topic is the longest native code */
};

struct node_meaning {
	bool alive;       /* a sign of life, no event; the rest is then 0 */
	uint16_t kind;    /* Torap__Kind */
	uint8_t state;    /* Torap__State */
	uint8_t severity; /* Torap__Severity */
};

/* All *.yaml of the folder.  On failure *out is untouched. */
int node_mapping_load(struct node_mapping **out, const char *dir, struct torap_error *err);
/* One table from memory; `name` stands for the path in errors. */
int node_mapping_parse(
	struct node_mapping **out, const char *name, struct torap_bytes text, struct torap_error *err);
struct node_mapping *node_mapping_ref(struct node_mapping *m);
struct node_mapping *node_mapping_unref(struct node_mapping *m); /* accepts NULL, returns NULL */

/* NULL: no table knows it, and the observation becomes an `unmapped` event. */
const struct node_meaning *node_mapping_find(
	const struct node_mapping *m, const char *vocabulary, const char *code);
size_t node_mapping_size(const struct node_mapping *m); /* rows of all tables */
