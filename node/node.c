#include "node/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "loop/http.h"
#include "node/acceptance.h"
#include "node/batcher.h"
#include "node/bus.h"
#include "node/consents.h"
#include "node/dedup.h"
#include "node/faults.h"
#include "node/fetch.h"
#include "node/give_up.h"
#include "node/intake.h"
#include "node/mapping.h"
#include "node/node_parts.h"
#include "node/registry.h"
#include "node/reissue.h"
#include "node/requests.h"
#include "node/retention.h"
#include "node/strangers.h"
#include "node/subjects.h"
#include "node/supervision.h"
#include "node/unknown.h"
#include "node/uplink.h"
#include "store/committer.h"
#include "store/kv.h"
#include "zmtp/turn.h"

enum {
	TICK_MS = 100,
	HEADS_MS = 2000,
	RECEIPTS_MS = 5000,
	SECOND_MS = 1000,
	DRAIN_MS = 10 * 1000, /* a flush that takes longer belongs to a disk that will not finish */
	SETTLE_MS = 200,      /* for answers and last batches to leave */
};

struct node_now node_now(const struct node *n)
{
	return (struct node_now){
		.mono = torap_app_mono(),
		.wall = torap_app_wall(),
		.clock_known = n->clock.known,
		.clock_offset_ms = n->clock.offset_ms,
	};
}

/* Turns and ticks. */

static void on_wake(struct torap_wake *wake)
{
	const struct node *n = wake->poll.data;
	if (n->committer)
		torap_committer_collect(n->committer);
}

static void on_due(uv_timer_t *timer)
{
	(void)timer; /* It only had to end the loop's sleep. */
}

static void prune_repeats(struct node *n, struct node_now now);
static void advance_stop(struct node *n, struct node_now now);

static void on_turn(uv_prepare_t *turn)
{
	struct node *n = turn->data;
	struct node_now now = node_now(n);
	struct torap_mono at;
	if (n->stage == NODE_RUNNING)
		node_requests_run(n->requests, now);
	node_batcher_run(n->batcher, now);
	node_intake_flush(n->intake);
	if (n->stage != NODE_RUNNING)
		advance_stop(n, now);
	if (n->stage == NODE_CLOSED)
		return;
	if (node_batcher_deadline(n->batcher, &at)) {
		int64_t wait_us = at.us - now.mono.us;
		uint64_t wait_ms =
			wait_us <= 0 ? 1 : (uint64_t)(wait_us + TORAP_US_PER_MS - 1) / TORAP_US_PER_MS;
		uv_timer_start(&n->due, on_due, wait_ms, 0);
	} else {
		uv_timer_stop(&n->due);
	}
}

/* A clock that is beyond the signing key's time is as good as unknown. */
static void look_at_clock(struct node *n, struct torap_wall wall)
{
	n->clock = torap_app_clock();
	n->clock_beyond_key = !torap_keys_judge(&n->keys, n->config->name, wall, n->clock_beyond_key);
	n->clock.known = n->clock.known && !n->clock_beyond_key;
}

static void on_second(struct node *n, struct node_now now)
{
	n->next_second = torap_mono_add_ms(now.mono, SECOND_MS);
	look_at_clock(n, now.wall);
	node_supervision_tick(n->supervision, now);
	node_unknown_tick(n->unknown, now);
	node_consents_tick(n->consents, n->rules.registry, now);
	prune_repeats(n, now);
}

/* What is sealed from now on has to pass the slowest link. */
static void follow_rates(struct node *n, struct node_now now)
{
	double slowest = 0;
	for (size_t i = 0; i < n->uplinks_count; i++) {
		double rate = node_uplink_slowest(n->uplinks[i]);
		if (rate > 0 && (slowest == 0 || rate < slowest))
			slowest = rate;
	}
	size_t before = n->seal_limit.measured;
	n->seal_limit.configured = n->config->seal_bytes;
	node_batcher_seal_bytes(n->batcher, node_seal_limit_step(&n->seal_limit, slowest, now.mono));
	if (n->seal_limit.measured && !before)
		torap_notice("LINK-SLOW",
			"the slowest link to a broker carries %.0f kbit/s; batches are sealed small from now on",
			slowest * 8 / 1000);
	else if (before && !n->seal_limit.measured)
		torap_notice("LINK-FAST", "no link to a broker is slow any more; batches grow with the load");
}

static void look_at_room(struct node *n)
{
	struct torap_kv_size size = torap_kv_size(n->kv);
	bool before[TORAP_LANES];
	memcpy(before, n->room.sheds, sizeof before);
	if (!node_room_look(&n->room, size.used_bytes, size.most_bytes))
		return;
	bool disk = size.most_bytes < size.map_bytes;
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
		if (n->room.sheds[lane] && !before[lane])
			torap_warn("JOURNAL-FILLS",
				"%s: the journal holds %.0f of %.0f MiB; observations of the %s lane are refused as busy until there is room",
				disk ? "the file system of the journal fills" : "the journal fills",
				(double)size.used_bytes / (1 << 20), (double)size.most_bytes / (1 << 20),
				torap_lane_name(lane));
		else if (!n->room.sheds[lane] && before[lane])
			torap_notice("JOURNAL-HAS-ROOM", "observations of the %s lane are taken again",
				torap_lane_name(lane));
	}
}

static void on_tick(uv_timer_t *tick)
{
	struct node *n = tick->data;
	struct node_now now = node_now(n);
	node_intake_tick(n->intake, now);
	for (size_t i = 0; i < n->uplinks_count; i++)
		node_uplink_tick(n->uplinks[i], now);
	follow_rates(n, now);
	if (n->stage != NODE_RUNNING)
		return;
	look_at_room(n);
	node_retention_tick(n->retention, now);
	node_give_up_tick(n->give_up, node_retention_exhausted(n->retention),
		!node_retention_counts(n->retention).waiting, now);
	node_bus_tick(n->bus, now);
	node_requests_tick(n->requests, now);
	node_faults_tick(n->faults, now);
	node_fetch_tick(n->fetch, now);
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++)
		node_reissue_tick(n->reissues[lane]);
	if (torap_mono_reached(n->next_second, now.mono))
		on_second(n, now);
	if (torap_mono_reached(n->next_heads, now.mono)) {
		n->next_heads = torap_mono_add_ms(now.mono, HEADS_MS);
		node_batcher_want_heads(n->batcher);
	}
	if (torap_mono_reached(n->next_receipts, now.mono)) {
		n->next_receipts = torap_mono_add_ms(now.mono, RECEIPTS_MS);
		for (size_t i = 0; i < n->uplinks_count; i++)
			node_uplink_receipts(n->uplinks[i]);
	}
}

struct prune {
	struct node_entry entry;
	struct node_dedup *dedup;
	size_t rows;
};

static void on_pruned(struct node_entry *entry, enum node_entry_result result)
{
	struct prune *p = (struct prune *)entry;
	if (result != NODE_ENTRY_DURABLE)
		node_dedup_prune_failed(p->dedup, p->rows);
	free(p);
}

static void prune_repeats(struct node *n, struct node_now now)
{
	struct prune *p = calloc(1, sizeof *p);
	if (!p)
		return;
	p->entry.done = on_pruned;
	p->dedup = n->dedup;
	p->rows = node_dedup_prune(n->dedup, now.wall, &p->entry.writes);
	if (p->rows && node_batcher_add(n->batcher, &p->entry) == 0)
		return;
	node_dedup_prune_failed(n->dedup, p->rows);
	torap_writer_finish(&p->entry.writes);
	free(p);
}

static int init_handles(struct node *n, struct torap_error *err)
{
	uv_loop_t *loop = &n->app->loop;
	int r = torap_wake_open(&n->wake, loop, on_wake, err);
	if (r)
		return r;
	uv_prepare_init(loop, &n->turn);
	uv_timer_init(loop, &n->tick);
	uv_timer_init(loop, &n->due);
	n->wake.poll.data = n->turn.data = n->tick.data = n->due.data = n;
	n->has_handles = true;
	return 0;
}

int node_create(struct node **out, struct torap_app *app, struct node_config *config, struct torap_error *err)
{
	struct node *n = calloc(1, sizeof *n);
	if (!n)
		return torap_errorf(err, -ENOMEM, "node: out of memory");
	n->app = app;
	n->clock = torap_app_clock();
	struct node_now now = node_now(n);
	int r = node_load_files(n, config, err);
	if (r) {
		free(n);
		return r;
	}
	r = init_handles(n, err);
	if (!r)
		r = node_parts_create(n, now, err);
	*out = n;
	if (r)
		return r;
	node_bus_up(n->bus, now);
	uv_prepare_start(&n->turn, on_turn);
	uv_timer_start(&n->tick, on_tick, TICK_MS, TICK_MS);
	torap_notice("NODE-UP", "node %s: %zu devices at %zu sites, %zu codes, %zu brokers", config->name,
		node_registry_devices(n->rules.registry), node_registry_sites(n->rules.registry),
		node_mapping_size(n->rules.mapping), config->brokers_count);
	return 0;
}

/* Stopping. */

/* Everything that is on the loop.  The committer first: its thread must not wake what is closed. */
static void close_all(struct node *n)
{
	n->stage = NODE_CLOSED;
	n->committer = torap_committer_stop(n->committer);
	for (size_t i = 0; i < n->uplinks_count; i++)
		node_uplink_close(n->uplinks[i]);
	node_intake_close(n->intake);
	n->intake = NULL; /* It frees itself. */
	torap_zmtp_turn_close(n->turns);
	n->turns = NULL;
	torap_http_close(n->http);
	n->http = NULL;
	if (n->has_handles) {
		torap_wake_close(&n->wake, NULL);
		torap_wake_finish(&n->wake);
		uv_close((uv_handle_t *)&n->turn, NULL);
		uv_close((uv_handle_t *)&n->tick, NULL);
		uv_close((uv_handle_t *)&n->due, NULL);
	}
	n->has_handles = false;
}

static void finish_clean(struct node *n)
{
	struct torap_error err;
	bool flushed = node_batcher_idle(n->batcher);
	close_all(n);
	if (!flushed)
		torap_warn("STOP-UNFINISHED",
			"not all could be sealed; the next start goes on with what was flushed");
	else if (node_bus_write_clean(n->bus, &err))
		torap_warn(
			"STOP-UNCLEAN", "%s; the next start will say that this one was not clean", err.text);
	else
		torap_notice("NODE-DOWN", "node %s has stopped; everything is sealed and flushed",
			n->config->name);
}

static void advance_stop(struct node *n, struct node_now now)
{
	bool over = torap_mono_reached(n->stage_until, now.mono);
	if (n->stage == NODE_DRAINING && (node_batcher_idle(n->batcher) || over)) {
		n->stage = NODE_SETTLING;
		n->stage_until = torap_mono_add_ms(now.mono, SETTLE_MS);
	} else if (n->stage == NODE_SETTLING && over) {
		finish_clean(n);
	}
}

void node_stop(struct node *n)
{
	if (n->stage != NODE_RUNNING)
		return;
	if (!uv_is_active((uv_handle_t *)&n->tick)) {
		close_all(n); /* It never came to run. */
		return;
	}
	struct node_now now = node_now(n);
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++)
		node_reissue_stop(n->reissues[lane]);
	node_retention_stop(n->retention);
	n->stage = NODE_DRAINING;
	n->stage_until = torap_mono_add_ms(now.mono, DRAIN_MS);
	node_intake_deafen(n->intake);
	for (size_t i = 0; i < n->uplinks_count; i++)
		node_uplink_receipts(n->uplinks[i]);
	node_batcher_flush(n->batcher);
}

struct node *node_destroy(struct node *n)
{
	if (!n)
		return NULL;
	for (size_t i = 0; i < n->uplinks_count; i++)
		node_uplink_destroy(n->uplinks[i]);
	/* The batcher gives back what still waits, so those who gave it are there until then. */
	node_batcher_destroy(n->batcher);
	node_retention_destroy(n->retention);
	node_give_up_destroy(n->give_up);
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++)
		node_reissue_destroy(n->reissues[lane]);
	node_fetch_destroy(n->fetch);
	node_faults_destroy(n->faults);
	node_strangers_destroy(n->strangers);
	node_bus_destroy(n->bus);
	node_acceptance_destroy(n->acceptance);
	node_requests_destroy(n->requests);
	node_consents_destroy(n->consents);
	node_supervision_destroy(n->supervision);
	node_subjects_destroy(n->subjects);
	node_unknown_destroy(n->unknown);
	node_dedup_destroy(n->dedup);
	torap_kv_close(n->kv);
	node_unload_files(n);
	free(n);
	return NULL;
}
