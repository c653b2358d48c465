/* config.h: the node's configuration file.  README.md shows one; names in it are relative to its folder. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "node/pictures.h"
#include "wire/stream.h"
#include "wire/taxonomy.h"

struct torap_error;

enum { NODE_BROKERS_MAX = 16 };

struct node_config_broker {
	char *name, *endpoint, *key; /* key: a .pub file */
	bool required;
	int64_t lag_max_us; /* of one that is not: past it it is given up; 0: no limit */
};

struct node_config {
	char *path;
	char name[TORAP_WRITER_ID_MAX + 1];
	uint32_t region;
	char *keys, *trust, *root, *journal, *intake, *sites, *devices, *mapping;
	char *metrics; /* NULL: none */
	uint64_t journal_size;
	struct node_config_broker brokers[NODE_BROKERS_MAX];
	size_t brokers_count;
	uint32_t seal_delay_ms[TORAP_LANES];
	size_t seal_bytes; /* the most for a batch, by the slowest broker's rate; 0: none says one */
	int64_t canary_us;
	int64_t keep_us; /* of what every broker has and no rule keeps: NODE_KEEP_WHILE_ROOM, NODE_KEEP_FOR_EVER, or a time */
	unsigned bulk_percent, normal_percent; /* marks of the journal's size (room.h) */
	struct node_pictures pictures;
};

/* On failure *out is untouched and err names file, line and reason. */
int node_config_load(struct node_config *out, const char *path, struct torap_error *err);
/* Is `next`, of the same file, what a reload may take over: other names of files, which events ask for pictures, and endpoint, key and rate of each broker?  Else err says what
 * changes with a restart only. */
int node_config_judge_reload(
	const struct node_config *now, const struct node_config *next, struct torap_error *err);
/* Gives `now` what a reload takes over of `next`, and `next` the old. */
void node_config_take(struct node_config *now, struct node_config *next);
void node_config_finish(struct node_config *c);
