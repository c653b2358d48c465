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
 *     upstream:                        optional: brokers that this one subscribes to, all at once
 *       - { name: broker-almaty, endpoint: "tcp://10.0.0.1:7400", key: broker-almaty.pub, feed: nation, credit: 4MiB }
 *
 * An upstream is named by its own writer id; `feed` is what its policy calls us, whose key there is our CURVE key; `credit` is
 * optional.  File names are relative to the folder of the file. */
#pragma once

#include <stdint.h>

#include "loop/zlink.h"
#include "wire/stream.h"

struct torap_error;

enum { BROKER_UPSTREAMS_MAX = 16, BROKER_FEED_NAME_MAX = 63 };

struct broker_upstream_config {
	struct torap_zlink_peer peer; /* its name is a writer id */
	char *feed;
	uint64_t credit_bytes;
};

struct broker_config {
	char name[TORAP_WRITER_ID_MAX + 1];
	uint32_t region;
	char *keys, *trust, *root, *store, *policy; /* paths that can be opened as they are */
	char *listen, *metrics;                     /* metrics: NULL when not wanted */
	uint64_t store_size;                        /* bytes */
	int64_t canary_us;
	struct broker_upstream_config *upstreams;
	size_t upstreams_count;
};

/* On failure *out holds nothing, and err names file, line and reason. */
int broker_config_load(struct broker_config *out, const char *path, struct torap_error *err);
void broker_config_finish(struct broker_config *c);
