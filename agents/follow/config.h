/* config.h: what a subscriber is told: which feed, from which brokers, into which directory.
 *
 *     feed: prosecutor-kostanay
 *     keys: prosecutor.key
 *     root: root.pub                  public half of the offline root key
 *     dir: received                   batches, cursor, trust file: one directory
 *     dir_size: 8GiB                  the most it may grow to
 *     brokers:                        the first is used; at a failure the next
 *       - { name: almaty, endpoint: "tcp://127.0.0.1:7400", key: broker.pub }
 *     expect:                         optional: what the feed should be granted; less is said loudly
 *       - { regions: ["391010000"], facilities: [prison], parts: [open] }
 *     writers: [node-kostanay]        optional: of whom something must come, in each lane; a broker may never name one
 *     credit: 4MiB                    optional: bytes in flight
 *     metrics: 127.0.0.1:9130         optional
 *
 * File names are relative to the folder of the file.  Everything is checked at load: keys, names, sizes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "conf/keys.h"
#include "link/message.h"
#include "loop/zlink.h"

struct torap_error;

enum { FOLLOW_BROKERS_MAX = 16, FOLLOW_FEED_NAME_MAX = 63, FOLLOW_WRITERS_MAX = 4096 };

struct follow_config {
	char *path;
	char *feed;
	struct torap_keys keys;
	uint8_t root[TORAP_SIGN_KEY_SIZE];
	char *dir;
	uint64_t dir_bytes;
	struct torap_zlink_peer *brokers;
	size_t brokers_count;
	struct torap_grant_row *expected;
	size_t expected_count;
	char (*writers)[TORAP_WRITER_ID_MAX + 1];
	size_t writers_count;
	uint64_t credit_bytes;
	char *metrics; /* NULL: none */
};

/* On failure *out is untouched and err names file, line and reason. */
int follow_config_load(struct follow_config **out, const char *path, struct torap_error *err);
/* Is `next`, of the same file, what a reload may take over: keys, brokers, expect, writers and credit?  Else err says what changes with a restart only. */
int follow_config_judge_reload(
	const struct follow_config *now, const struct follow_config *next, struct torap_error *err);
/* Gives `now` what a reload takes over of `next`, and `next` the old. */
void follow_config_take(struct follow_config *now, struct follow_config *next);
/* Wipes the secrets.  Accepts NULL.  Returns NULL. */
struct follow_config *follow_config_destroy(struct follow_config *c);
