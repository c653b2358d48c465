/* config.h: the broker's configuration file.
 *
 *     name: broker-almaty              writer id of the broker's own stream; the trust file knows it
 *     region: "750000000"              where the broker stands: the class of its own events
 *     keys: broker-almaty.key          CURVE and signing key, mode 0600
 *     trust: trust.signed
 *     root: root.pub
 *     store: /var/lib/torap/broker     directory
 *     store_size: 8GiB                 the most that the store may grow to
 *     listen: tcp://0.0.0.0:7400
 *     policy: policy.yaml
 *     metrics: 127.0.0.1:9201          optional; loopback only
 *     canary: 30s                      optional
 *     also_listen:                     optional: further endpoints with a CURVE key of their own, while the broker exchanges its key
 *       - { endpoint: "tcp://0.0.0.0:7401", keys: next/broker-almaty.key }
 *     upstream:                        optional: brokers that this one subscribes to, all at once
 *       - { name: broker-almaty, endpoint: "tcp://10.0.0.1:7400", key: broker-almaty.pub, feed: nation, credit: 4MiB }
 *
 * An upstream is named by its own writer id; `feed` is what its policy calls us, whose key there is our CURVE key; `credit` is
 * optional.  File names are relative to the folder of the file.  A reload takes over upstream, listen, also_listen, keys, trust and
 * policy; the rest changes with a restart. */
#pragma once

#include <stdint.h>

#include "loop/zlink.h"
#include "wire/stream.h"

struct torap_error;

enum { BROKER_UPSTREAMS_MAX = 16, BROKER_FEED_NAME_MAX = 63, BROKER_FURTHER_DOORS_MAX = 3 };

struct broker_door_config {
	char *endpoint, *keys;
};

struct broker_upstream_config {
	struct torap_zlink_peer peer; /* its name is a writer id */
	char *feed;
	uint64_t credit_bytes;
};

struct broker_config {
	char *path;
	char name[TORAP_WRITER_ID_MAX + 1];
	uint32_t region;
	char *keys, *trust, *root, *store, *policy; /* paths that can be opened as they are */
	char *listen, *metrics;                     /* metrics: NULL when not wanted */
	uint64_t store_size;                        /* bytes */
	int64_t canary_us;
	struct broker_door_config doors[BROKER_FURTHER_DOORS_MAX]; /* beside `listen` */
	size_t doors_count;
	struct broker_upstream_config *upstreams; /* of the file; those in force are upstream.h's */
	size_t upstreams_count;
};

/* On failure *out holds nothing, and err names file, line and reason. */
int broker_config_load(struct broker_config *out, const char *path, struct torap_error *err);
/* Is `next`, of the same file, what a reload may take over?  Else err says what changes with a restart only. */
int broker_config_judge_reload(
	const struct broker_config *now, const struct broker_config *next, struct torap_error *err);
/* Gives `now` what a reload takes over of `next`, but for the upstreams (upstream.h takes them one by one); `next` gets the old. */
void broker_config_take(struct broker_config *now, struct broker_config *next);
void broker_upstream_config_finish(struct broker_upstream_config *u);
void broker_config_finish(struct broker_config *c);
