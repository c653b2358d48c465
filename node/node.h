/* node.h: the node: owns its parts, starts them in order, stops them in reverse (reload.h: what SIGHUP does).
 *
 *     store → batcher, dedup, unknown, subjects, supervision, consents → requests → acceptance → bus → uplinks → retention → intake → http
 *
 * A turn of the loop: callbacks of sockets and timers fill the batcher; before the loop sleeps (uv_prepare) the batcher starts its
 * rounds and the gathered verdicts go out.  The committer's thread wakes the loop when a flush is done.
 *
 * Stopping: offers are not read any more; what waits is numbered, sealed and flushed; answers and batches get a moment to leave;
 * then everything is closed, and the row `clean` says so to the next start. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/limits.h"
#include "conf/keys.h"
#include "loop/app.h"
#include "loop/wake.h"
#include "node/config.h"
#include "node/event.h"
#include "node/room.h"
#include "node/rules.h"
#include "node/seal_limit.h"

struct torap_error;

enum node_stage { NODE_RUNNING, NODE_DRAINING, NODE_SETTLING, NODE_CLOSED };

struct node {
	struct torap_app *app;
	struct node_config *config; /* the caller's; a reload puts into it what it takes over */
	struct torap_keys keys, root;
	uint8_t broker_keys[NODE_BROKERS_MAX][TORAP_CURVE_KEY_SIZE];
	struct node_rules rules;
	struct torap_zmtp_turn *turns; /* what its connections have in common */
	struct torap_kv *kv;
	struct torap_committer *committer;
	struct node_batcher *batcher;
	struct node_dedup *dedup;
	struct node_unknown *unknown;
	struct node_subjects *subjects;
	struct node_supervision *supervision;
	struct node_consents *consents;
	struct node_requests *requests;
	struct node_acceptance *acceptance;
	struct node_bus *bus;
	struct node_faults *faults;
	struct node_strangers *strangers;
	struct node_reissue *reissues[TORAP_LANES]; /* 0 is unused */
	struct node_fetch *fetch;
	struct node_uplink *uplinks[NODE_BROKERS_MAX];
	size_t uplinks_count;
	struct node_seal_limit seal_limit;
	struct node_room room;
	struct node_retention *retention;
	struct node_give_up *give_up;
	struct node_intake *intake;
	struct torap_http *http;

	struct torap_wake wake;
	uv_prepare_t turn;
	uv_timer_t tick, due;
	bool has_handles;
	enum node_stage stage;
	struct torap_mono stage_until;
	struct torap_app_clock clock; /* read once a second */
	bool clock_beyond_key;        /* it says a time at which our signing key is not good */
	struct torap_mono next_second, next_heads, next_receipts;
	uint64_t reloads, reloads_refused;
};

/* Keys and rules: all files that the configuration names, and whether they fit each other.  For -n, and at the start. */
int node_load_files(struct node *n, struct node_config *config, struct torap_error *err);
void node_unload_files(struct node *n);

/* `app` and `config` are borrowed for the node's life. */
int node_create(
	struct node **out, struct torap_app *app, struct node_config *config, struct torap_error *err);
void node_stop(struct node *n);
/* After the loop has run out.  Accepts NULL, returns NULL. */
struct node *node_destroy(struct node *n);

struct node_now node_now(const struct node *n);
