#include "node/node_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/trust.h"
#include "base/log.h"
#include "node/acceptance.h"
#include "node/batcher.h"
#include "node/bus.h"
#include "node/consent.h"
#include "node/consents.h"
#include "node/dedup.h"
#include "node/faults.h"
#include "node/fetch.h"
#include "node/give_up.h"
#include "node/intake.h"
#include "node/metrics.h"
#include "node/node.h"
#include "node/owner.h"
#include "node/registry.h"
#include "node/reissue.h"
#include "node/reissue_rows.h"
#include "node/requests.h"
#include "node/retention.h"
#include "node/strangers.h"
#include "node/subjects.h"
#include "node/supervision.h"
#include "node/tables.h"
#include "node/unknown.h"
#include "node/uplink.h"
#include "store/committer.h"
#include "store/kv.h"
#include "zmtp/turn.h"

/* 250 flushes a second at most for what can wait, where a disk gives some thousand. */
enum { ROUND_SPACING_MS = 4 };

/* Files. */

int node_load_broker_keys(
	uint8_t (*out)[TORAP_CURVE_KEY_SIZE], const struct node_config *config, struct torap_error *err)
{
	for (size_t i = 0; i < config->brokers_count; i++) {
		struct torap_keys broker;
		int r = torap_keys_load_public(&broker, config->brokers[i].key, err);
		if (r)
			return r;
		memcpy(out[i], broker.curve_public, TORAP_CURVE_KEY_SIZE);
	}
	return 0;
}

int node_load_files(struct node *n, struct node_config *config, struct torap_error *err)
{
	n->config = config;
	int r = torap_keys_load(&n->keys, config->keys, err);
	if (r == 0)
		r = torap_keys_load_public(&n->root, config->root, err);
	if (r == 0)
		r = node_load_broker_keys(n->broker_keys, config, err);
	if (r == 0)
		r = node_rules_load(&n->rules, config, &n->keys, &n->root, NULL, torap_app_wall(), err);
	if (r)
		node_unload_files(n);
	else
		torap_trust_date_key(n->rules.trust, config->name, &n->keys.sign);
	return r;
}

void node_unload_files(struct node *n)
{
	node_rules_finish(&n->rules);
	torap_keys_wipe(&n->keys);
	torap_keys_wipe(&n->root);
}

/* What the parts tell each other. */

static void on_verdict(
	void *hint, uint64_t session, uint64_t id, Torap__Verdict__Word word, const char *reason)
{
	const struct node *n = hint;
	if (n->intake)
		node_intake_verdict(n->intake, session, id, word, reason);
}

static void on_observation(void *hint, uint64_t session, const Torap__Observation *o, struct node_now now)
{
	struct node *n = hint;
	node_acceptance_offer(n->acceptance, session, o, now);
}

static void on_refused(void *hint, uint64_t session, uint64_t id, const char *reason)
{
	const struct node *n = hint;
	node_acceptance_refuse_limit(n->acceptance, session, id, reason);
}

static unsigned send_request(void *hint, struct torap_buffer *body)
{
	const struct node *n = hint;
	return n->intake ? node_intake_request(n->intake, "rtsp", body) : 0;
}

static bool send_request_to(void *hint, uint64_t session, struct torap_buffer *body)
{
	const struct node *n = hint;
	return n->intake && node_intake_request_to(n->intake, session, body);
}

static void on_agent(void *hint, uint64_t session)
{
	struct node *n = hint;
	node_requests_agent(n->requests, session, node_now(n));
}

static void on_request_done(void *hint, uint64_t id)
{
	const struct node *n = hint;
	node_requests_done(n->requests, id);
}

static void on_sealed(void *hint, uint32_t lane, struct node_sealed *sealed)
{
	struct node *n = hint;
	struct node_now now = node_now(n);
	for (size_t i = 0; i < n->uplinks_count; i++)
		node_uplink_sealed(n->uplinks[i], lane, sealed, now);
}

static void on_stream(void *hint, uint32_t lane)
{
	struct node *n = hint;
	struct node_now now = node_now(n);
	for (size_t i = 0; i < n->uplinks_count; i++)
		if (node_uplink_streams(n->uplinks[i], lane, now)) {
			torap_fail("OUT-OF-MEMORY", "no memory for a new stream; this process ends");
			torap_app_fail(n->app);
		}
	node_reissue_look(n->reissues[lane]);
}

static void on_head(void *hint, uint32_t lane, struct torap_buffer *head)
{
	struct node *n = hint;
	struct node_now now = node_now(n);
	for (size_t i = 0; i < n->uplinks_count; i++)
		node_uplink_head(n->uplinks[i], lane, head, now);
}

static bool is_current(const struct node *n, const struct torap_stream_id *stream)
{
	size_t count;
	const struct node_stream *streams = node_batcher_streams(n->batcher, stream->lane, &count);
	return torap_stream_id_equal(&streams[count - 1].id, stream);
}

static void on_fork(void *hint, uint32_t lane, const char *broker, const struct torap_stream_id *old,
	const char *reason, uint64_t first_without_receipt)
{
	struct node *n = hint;
	if (node_reissue_want(n->reissues[lane], old, first_without_receipt) && is_current(n, old))
		node_bus_new_incarnation(n->bus, broker, old, reason, node_now(n));
}

static void on_unreadable(
	void *hint, const char *broker, const struct torap_stream_id *stream, uint64_t batch_no)
{
	struct node *n = hint;
	node_faults_add(n->faults, NODE_FAULT_UNREADABLE, stream, batch_no);
	/* Whoever asks again for what it had once does not wait for it. */
	if (broker && node_reissue_want(n->reissues[stream->lane], stream, batch_no) && is_current(n, stream))
		node_bus_new_incarnation(n->bus, broker, stream, "unreadable", node_now(n));
}

/* Told again is told: the same events in both streams would be too much. */
static bool fetch(void *hint, const struct torap_stream_id *stream, uint64_t batch_no)
{
	struct node *n = hint;
	if (node_stretch_told(n->kv, stream) <= batch_no ||
		!node_fetch_want(n->fetch, stream, batch_no, node_now(n)))
		return false;
	node_faults_add(n->faults, NODE_FAULT_UNREADABLE, stream, batch_no);
	return true;
}

static bool on_run(
	void *hint, const struct torap_stream_id *stream, uint64_t batch_no, struct torap_bytes run)
{
	struct node *n = hint;
	return node_fetch_take(n->fetch, stream, batch_no, run, node_now(n));
}

static void on_fetched(void *hint, const struct torap_stream_id *stream, uint64_t batch_no, bool mended)
{
	struct node *n = hint;
	struct node_now now = node_now(n);
	if (mended)
		node_faults_add(n->faults, NODE_FAULT_MENDED, stream, batch_no);
	for (size_t i = 0; i < n->uplinks_count; i++)
		node_uplink_fetched(n->uplinks[i], stream, batch_no, mended, now);
}

static void on_damaged(void *hint, const struct torap_stream_id *stream, uint64_t batch_no)
{
	const struct node *n = hint;
	node_faults_add(n->faults, NODE_FAULT_DAMAGED, stream, batch_no);
}

static void on_broker_stream(void *hint, const char *broker, const struct torap_stream_id *stream)
{
	const struct node *n = hint;
	if (strcmp(stream->writer, n->config->name) == 0)
		node_strangers_stream(n->strangers, broker, stream, node_now(n));
}

static void on_replaced(void *hint, const char *broker)
{
	const struct node *n = hint;
	node_strangers_replaced(n->strangers, broker, node_now(n));
}

/* Asked for each group with a subject, right before it is sent. */
static bool may_send(void *hint, const uint8_t subject[static TORAP_SUBJECT_SIZE])
{
	const struct node *n = hint;
	const char *id = node_subjects_device(n->subjects, subject);
	const struct node_device *device = id ? node_registry_device(n->rules.registry, id) : NULL;
	return device && node_consent_allows(node_consent_at(device, torap_app_wall()));
}

static uint64_t count_shed(void *hint, uint32_t lane)
{
	const struct node *n = hint;
	return node_acceptance_counts(n->acceptance)->shed[lane];
}

static void tell_now(void *hint, struct node_now *out)
{
	*out = node_now(hint);
}

static void on_commit(void *hint)
{
	struct node *n = hint; /* On the committer's thread. */
	torap_wake_send(&n->wake);
}

/* Starting. */

static int open_store(struct node *n, struct torap_error *err)
{
	static const char *const tables[] = { NODE_TABLE_NAMES };
	struct torap_kv_options options = {
		.tables = tables, .map_size = n->config->journal_size, .redo = true
	};
	int r = torap_kv_open(&n->kv, n->config->journal, &options, err);
	if (r == 0)
		r = node_owner_check(n->kv, n->config->journal, n->config->name, err);
	return r ? r : torap_committer_start(&n->committer, n->kv, on_commit, n, err);
}

static int create_batcher(struct node *n, struct node_now now, struct torap_error *err)
{
	struct node_batcher_options options = {
		.kv = n->kv,
		.committer = n->committer,
		.writer = n->config->name,
		.key = &n->keys.sign,
		.canary_us = n->config->canary_us,
		.seal_bytes = n->config->seal_bytes,
		.round_spacing_ms = { [TORAP__LANE__LANE_NORMAL] = ROUND_SPACING_MS,
			[TORAP__LANE__LANE_BULK] = ROUND_SPACING_MS },
		.on_sealed = on_sealed,
		.on_stream = on_stream,
		.on_head = on_head,
		.hint = n,
	};
	memcpy(options.seal_delay_ms, n->config->seal_delay_ms, sizeof options.seal_delay_ms);
	node_room_init(&n->room, n->config->bulk_percent, n->config->normal_percent);
	for (uint32_t lane = 1; lane < TORAP_LANES; lane++)
		options.limit_percent[lane] = node_room_limit(&n->room, lane);
	return node_batcher_create(&n->batcher, &options, now, err);
}

static int create_memories(struct node *n, struct node_now now, struct torap_error *err)
{
	struct node_unknown_options unknown = { n->batcher, n->config->region };
	int r = node_dedup_create(&n->dedup, NODE_DEDUP_MAX, err);
	if (r == 0)
		r = node_dedup_load(n->dedup, n->kv, now.wall, err);
	if (r == 0)
		r = node_unknown_create(&n->unknown, &unknown, n->kv, now, err);
	if (r == 0)
		r = node_subjects_create(&n->subjects, n->kv, err);
	if (r)
		return r;
	struct node_supervision_options supervision = { n->batcher, n->subjects };
	r = node_supervision_create(&n->supervision, &supervision, n->kv, err);
	if (r == 0 && node_supervision_registry(n->supervision, n->rules.registry, now))
		r = torap_errorf(err, -ENOMEM, "supervision: out of memory");
	return r ? r : node_consents_create(&n->consents, n->batcher, n->kv, err);
}

static int create_reissues(struct node *n, struct torap_error *err)
{
	struct node_faults_options faults = { n->batcher, n->config->region };
	struct node_strangers_options strangers = { n->batcher, n->kv, n->config->region };
	int r = node_faults_create(&n->faults, &faults, err);
	if (r == 0)
		r = node_strangers_create(&n->strangers, &strangers, err);
	for (uint32_t lane = 1; lane < TORAP_LANES && r == 0; lane++) {
		struct node_reissue_options options = {
			.loop = &n->app->loop,
			.kv = n->kv,
			.batcher = n->batcher,
			.faults = n->faults,
			.trust = &n->rules.trust,
			.lane = lane,
			.writer = n->config->name,
		};
		r = node_reissue_create(&n->reissues[lane], &options, err);
	}
	return r;
}

static int create_acceptance(struct node *n, struct node_now now, struct torap_error *err)
{
	struct node_acceptance_parts parts = {
		.batcher = n->batcher,
		.dedup = n->dedup,
		.supervision = n->supervision,
		.unknown = n->unknown,
		.subjects = n->subjects,
		.room = &n->room,
	};
	struct node_requests_options requests = {
		.batcher = n->batcher,
		.writer = n->config->name,
		.pictures = &n->config->pictures,
		.send = send_request,
		.send_to = send_request_to,
		.hint = n,
	};
	struct node_bus_options bus = {
		.batcher = n->batcher,
		.kv = n->kv,
		.region = n->config->region,
		.canary_us = n->config->canary_us,
		.shed = count_shed,
		.hint = n,
	};
	int r = node_requests_create(&n->requests, &requests, err);
	if (r)
		return r;
	node_requests_registry(n->requests, n->rules.registry);
	parts.requests = n->requests;
	r = node_requests_load(n->requests, n->kv, now, err);
	if (r)
		return r;
	r = node_acceptance_create(&n->acceptance, &parts, on_verdict, n, err);
	if (r)
		return r;
	node_acceptance_rules(n->acceptance, n->rules.registry, n->rules.mapping);
	return node_bus_create(&n->bus, &bus, err);
}

static int open_uplinks(struct node *n, struct node_now now, struct torap_error *err)
{
	struct node_fetch_options back = {
		.committer = n->committer,
		.trust = &n->rules.trust,
		.uplinks = n->uplinks,
		.uplinks_count = &n->uplinks_count,
		.done = on_fetched,
		.now = tell_now,
		.hint = n,
	};
	int failed = node_fetch_create(&n->fetch, &back, err);
	if (failed)
		return failed;
	for (size_t i = 0; i < n->config->brokers_count; i++) {
		const struct node_config_broker *broker = &n->config->brokers[i];
		struct node_uplink_options options = {
			.carrier = { .loop = &n->app->loop,
				.turn = n->turns,
				.kv = n->kv,
				.batcher = n->batcher,
				.writer = n->config->name,
				.keys = &n->keys,
				.may_send = may_send,
				.trust = &n->rules.trust,
				.on_fork = on_fork,
				.on_unreadable = on_unreadable,
				.fetch = fetch,
				.on_run = on_run,
				.on_damaged = on_damaged,
				.on_stream = on_broker_stream,
				.on_replaced = on_replaced,
				.now = tell_now,
				.hint = n },
			.name = broker->name,
			.endpoint = broker->endpoint,
			.key = n->broker_keys[i],
			.required = broker->required,
			.lag_max_us = broker->lag_max_us,
		};
		int r = node_uplink_open(&n->uplinks[i], &options, now, err);
		if (r)
			return r;
		n->uplinks_count++;
	}
	return 0;
}

static int create_retention(struct node *n, struct node_now now, struct torap_error *err)
{
	struct node_retention_options options = {
		.kv = n->kv,
		.committer = n->committer,
		.batcher = n->batcher,
		.room = &n->room,
		.uplinks = n->uplinks,
		.uplinks_count = &n->uplinks_count,
		.region = n->config->region,
		.keep_us = n->config->keep_us,
	};
	struct node_give_up_options give_up = { n->batcher, n->kv, n->uplinks, &n->uplinks_count,
		n->config->region };
	int r = node_give_up_create(&n->give_up, &give_up, err);
	if (r == 0)
		r = node_retention_create(&n->retention, &options, now, err);
	if (r == 0)
		node_retention_rules(n->retention, n->rules.trust);
	return r;
}

static int open_doors(struct node *n, struct torap_error *err)
{
	struct node_intake_options options = {
		.turn = n->turns,
		.endpoint = n->config->intake,
		.on_observation = on_observation,
		.on_refused = on_refused,
		.on_agent = on_agent,
		.on_request_done = on_request_done,
		.now = tell_now,
		.hint = n,
	};
	int r = node_intake_open(&n->intake, &options, err);
	if (r)
		return r;
	node_intake_registry(n->intake, n->rules.registry);
	return n->config->metrics ? node_metrics_open(&n->http, n, err) : 0;
}

int node_parts_create(struct node *n, struct node_now now, struct torap_error *err)
{
	int r = torap_zmtp_turn_create(&n->turns, &n->app->loop, err);
	if (r == 0)
		r = open_store(n, err);
	if (r == 0)
		r = create_batcher(n, now, err);
	if (r == 0)
		r = create_memories(n, now, err);
	if (r == 0)
		r = create_reissues(n, err);
	if (r == 0)
		r = create_acceptance(n, now, err);
	if (r == 0)
		r = open_uplinks(n, now, err);
	if (r == 0)
		r = create_retention(n, now, err);
	return r ? r : open_doors(n, err);
}
