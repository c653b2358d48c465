#include "broker/broker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/absent.h"
#include "broker/audience.h"
#include "broker/door.h"
#include "broker/feed.h"
#include "broker/feed_send.h"
#include "broker/listener.h"
#include "broker/own.h"
#include "broker/retention.h"
#include "broker/routing.h"
#include "broker/scan.h"
#include "broker/session.h"
#include "broker/sessions.h"
#include "broker/status.h"
#include "broker/streams.h"
#include "broker/upstream.h"
#include "broker/writer.h"
#include "loop/app.h"
#include "loop/http.h"
#include "store/committer.h"
#include "store/journal.h"
#include "store/kv.h"
#include "wire/compress.h"
#include "zmtp/turn.h"

enum {
	TICK_MS = 240,
	TICKS_PER_FLUSH =
		4, /* less than a second: so often manifests that hold nothing for a feed reach it */
	TICKS_PER_JUDGING = 4,
};

/* Configuration. */

static int load_keys(
	struct torap_keys *keys, uint8_t *root, const struct broker_config *config, struct torap_error *err)
{
	struct torap_keys root_keys;
	int r = torap_keys_load(keys, config->keys, err);
	if (!r)
		r = torap_keys_load_public(&root_keys, config->root, err);
	if (!r)
		memcpy(root, root_keys.sign.public, TORAP_SIGN_KEY_SIZE);
	return r;
}

int broker_check(const struct broker_config *config, struct torap_error *err)
{
	struct torap_keys keys;
	uint8_t root[TORAP_SIGN_KEY_SIZE];
	struct broker_rules rules = { 0 };
	struct broker_doors_wish wish = { 0 };
	int r = load_keys(&keys, root, config, err);
	if (!r)
		r = broker_doors_wish(&wish, config, &keys, err);
	if (!r)
		r = broker_rules_load(
			&rules, config, root, broker_state_peek_trust(config->store), torap_app_wall(), err);
	if (!r)
		r = broker_rules_check_own(&rules, config, &keys, err);
	broker_rules_finish(&rules);
	broker_doors_wish_wipe(&wish);
	torap_keys_wipe(&keys);
	return r;
}

/* Turns. */

static void close_commits(struct broker *b)
{
	if (b->commits_open)
		torap_wake_close(&b->commits, NULL);
	b->commits_open = false;
}

/* The last events of our own reach the disk before the loop runs out. */
static void finish_stopping(struct broker *b)
{
	if (b->own)
		broker_own_turn(b->own);
	if (!b->committer || torap_committer_waiting(b->committer) == 0)
		close_commits(b);
}

void broker_turn(struct broker *b)
{
	if (b->stopping) {
		finish_stopping(b);
		return;
	}
	/* Alarms first: acknowledgements behind what they acknowledge.  A feed that is not done puts itself into the next turn's list. */
	struct broker_feed *ready = b->ready;
	b->ready = NULL;
	while (ready) {
		struct broker_feed *f = ready;
		ready = f->next_ready;
		f->ready = false;
		broker_feed_pump(f);
	}
	broker_writers_turn(b);
	broker_upstreams_turn(b->upstreams);
	if (b->burials) {
		b->burials = false;
		broker_sessions_bury(b->sessions);
	}
	broker_own_turn(b->own);
}

static void on_commits(struct torap_wake *wake)
{
	struct broker *b = wake->poll.data;
	if (torap_committer_collect(b->committer))
		b->counts.collects++;
	broker_turn(b);
}

static void wake(void *hint)
{
	struct broker *b = hint;
	torap_wake_send(&b->commits);
}

static void tick_session(void *hint, struct broker_session *s)
{
	struct broker *b = hint;
	if (!s->feed)
		return;
	/* Not all feeds in one tick: an alarm would wait for a message to each of them. */
	broker_feed_tick(s->feed, (b->ticks + s->feed->place) % TICKS_PER_FLUSH == 0);
	if (b->ticks % TICKS_PER_JUDGING == 0)
		broker_feed_judge(s->feed, torap_app_wall());
}

/* What is in force stays in force, for silence would be worse; but whoever comes anew refuses the file, and so does our next start. */
static void judge_trust(struct broker *b, struct torap_wall now)
{
	char text[TORAP_WALL_TEXT_SIZE];
	struct torap_wall until = b->rules.trust->valid_until;
	bool said = b->trust_expired;
	b->trust_expired = now.us >= until.us;
	if (b->trust_expired && !said)
		torap_fail("TRUST-EXPIRED",
			"%s: version %" PRIu64
			" was valid until %s; sign a new one, or subscribers that connect refuse it",
			b->config->trust, b->rules.trust->version, torap_wall_format(until, text));
}

static void on_tick(uv_timer_t *timer)
{
	struct broker *b = timer->data;
	struct torap_mono now = torap_app_mono();
	if (b->ticks++ % TICKS_PER_JUDGING == 0) {
		judge_trust(b, torap_app_wall());
		b->key_out_of_time =
			!torap_keys_judge(&b->keys, b->config->name, torap_app_wall(), b->key_out_of_time);
		broker_scan_tick(b->scan, now);
		broker_mend_tick(b, now);
	}
	broker_own_tick(b->own, now);
	broker_retention_tick(b->retention, now, torap_app_wall());
	broker_listener_tick(b->listener, now);
	broker_sessions_each(b->sessions, tick_session, b);
	broker_turn(b);
}

void broker_flushed(
	struct broker *b, struct broker_stream *s, struct torap_batch **take, struct torap_wall received_at)
{
	uint64_t events = s->events, bytes = s->bytes;
	struct broker_recent *e = broker_stream_flushed(b->streams, s, take, received_at);
	b->counts.batches++;
	b->counts.events += s->events - events;
	b->counts.bytes += s->bytes - bytes;
	/* Without memory nobody is told now: feeds look again at the next flush of their runs. */
	if (b->stopping || !e || broker_recent_route(e, b->routing))
		return;
	for (uint32_t i = 0; i < e->matched_count; i++)
		for (struct broker_feed *f = broker_audience_first(b->audience, e->matched[i], s->id.lane); f;
			f = f->next_same)
			broker_feed_offer(f, s);
}

/* Is any of the frames granted to the feed? */
static bool grants(struct broker *b, uint32_t feed, const struct torap_manifest *m, const bool *frames)
{
	for (unsigned g = 0; g < m->groups_count; g++) {
		const struct torap_group *group = &m->groups[g];
		uint8_t parts = broker_routing_parts(b->routing, feed, &group->class);
		for (unsigned i = 0; i < group->parts_count; i++)
			if (frames[group->first_frame + i] && parts >> group->parts[i].part & 1)
				return true;
	}
	return false;
}

struct again {
	struct broker_stream *stream;
	uint64_t batch_no;
};

static void send_again(void *hint, struct broker_session *s)
{
	const struct again *again = hint;
	if (s->feed && s->lane == again->stream->id.lane)
		broker_feed_mended(s->feed, again->stream, again->batch_no);
}

void broker_merged(
	struct broker *b, struct broker_stream *s, const struct torap_batch *batch, bool was_damaged)
{
	struct again again = { s, batch->manifest->batch_no };
	const struct torap_manifest *m = batch->manifest;
	const struct broker_recent *e = broker_stream_recent(s, m->batch_no);
	bool came[TORAP_BATCH_FRAMES_MAX];
	uint32_t *feeds = NULL, count = 0;
	for (unsigned i = 0; i < m->frames_count; i++)
		came[i] = batch->frames[i] && !(e && e->batch->frames[i]);
	b->counts.merged++;
	broker_stream_merged(b->streams, s, batch);
	if (was_damaged && !b->stopping) {
		/* Feeds may stand before it, whatever it holds for them. */
		broker_sessions_each(b->sessions, send_again, &again);
		return;
	}
	/* Without memory nobody is told: as a feed that is not here, it has a hole then. */
	if (b->stopping || broker_routing_batch(b->routing, m, &feeds, &count))
		return;
	for (uint32_t i = 0; i < count; i++)
		for (struct broker_feed *f = grants(b, feeds[i], m, came) ? broker_audience_first(b->audience,
										    feeds[i], s->id.lane)
									  : NULL;
			f; f = f->next_same)
			broker_feed_mended(f, s, m->batch_no);
	free(feeds);
}

static void appeared(void *hint, struct broker_session *s)
{
	struct broker_stream *stream = hint;
	if (s->feed && s->lane == stream->id.lane)
		broker_feed_appeared(s->feed, stream);
}

struct broker_stream *broker_new_stream(struct broker *b, const struct torap_stream_id *id)
{
	struct broker_stream *stream =
		broker_streams_have_room(b->streams, id) ? broker_streams_add(b->streams, id) : NULL;
	if (stream)
		broker_sessions_each(b->sessions, appeared, stream);
	return stream;
}

/* Start and stop. */

static int take_stream(void *hint, const struct torap_journal_head *head)
{
	struct broker *b = hint;
	struct broker_stream *s = broker_streams_add(b->streams, &head->stream);
	if (!s)
		return -ENOMEM;
	s->stored = true;
	s->number = head->number;
	s->first_batch = head->first_batch ? head->first_batch : 1;
	s->flushed = (struct torap_position){ .next_batch = head->last_batch + 1,
		.next_seq = head->next_seq,
		.has_digest = head->last_batch > 0 };
	memcpy(s->flushed.last_digest, head->last_digest, TORAP_DIGEST_SIZE);
	s->accepted = s->flushed;
	s->recent_from = s->flushed.next_batch;
	return 0;
}

static int open_store(struct broker *b, struct torap_error *err)
{
	static const char *const tables[] = { BROKER_TABLE_NAMES, NULL };
	struct torap_kv_options options = {
		.tables = tables, .map_size = b->config->store_size, .redo = true
	};
	int r = torap_kv_open(&b->kv, b->config->store, &options, err);
	if (!r)
		r = broker_state_open(&b->state, b->kv, err);
	if (r)
		return r;
	b->streams = broker_streams_create();
	if (!b->streams)
		return torap_errorf(err, -ENOMEM, "out of memory");
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, b->kv, false);
	r = torap_journal_heads(&txn, take_stream, b);
	torap_kv_abort(&txn);
	return r ? torap_errorf(err, r < 0 ? r : -EIO, "%s: its streams cannot be read", b->config->store)
		 : 0;
}

static int load_rules(struct broker *b, struct torap_error *err)
{
	int r = broker_rules_load(
		&b->rules, b->config, b->root, b->state.trust_version, torap_app_wall(), err);
	if (!r)
		r = broker_rules_check_own(&b->rules, b->config, &b->keys, err);
	if (!r) {
		torap_trust_date_key(b->rules.trust, b->config->name, &b->keys.sign);
		r = broker_state_trust(&b->state, b->kv, b->rules.trust->version, err);
	}
	if (!r)
		r = broker_routing_create(&b->routing, b->rules.policy, err);
	if (r)
		return r;
	b->audience = broker_audience_create(b->rules.policy->feeds_count);
	b->absent = broker_absent_create();
	b->compressor = torap_compressor_create();
	b->sessions = broker_sessions_create();
	return b->audience && b->absent && b->compressor && b->sessions
		       ? 0
		       : torap_errorf(err, -ENOMEM, "out of memory");
}

static int open_loop(struct broker *b, struct torap_error *err)
{
	int r = torap_wake_open(&b->commits, &b->app->loop, on_commits, err);
	if (r)
		return r;
	b->commits.poll.data = b;
	b->commits_open = true;
	r = uv_timer_init(&b->app->loop, &b->tick);
	if (r)
		return torap_errorf(err, r, "loop: %s", uv_strerror(r));
	b->tick.data = b;
	b->tick_open = true;
	b->scan = broker_scan_create(b);
	if (!b->scan)
		return torap_errorf(err, -ENOMEM, "out of memory");
	r = torap_committer_start(&b->committer, b->kv, wake, b, err);
	if (!r)
		r = broker_own_create(&b->own, b, err);
	if (!r)
		r = broker_retention_create(&b->retention, b, err);
	if (!r)
		broker_retention_rules(b->retention, b->rules.trust);
	return r;
}

static int open_links(struct broker *b, struct torap_error *err)
{
	struct broker_doors_wish wish;
	int r = broker_doors_wish(&wish, b->config, &b->keys, err);
	if (!r)
		r = broker_listener_open(&b->listener, b, &wish, err);
	broker_doors_wish_wipe(&wish);
	if (r)
		return r;
	b->upstreams = broker_upstreams_create(b);
	r = b->upstreams ? broker_upstreams_prepare(b->upstreams, b->config, err)
			 : torap_errorf(err, -ENOMEM, "out of memory");
	if (!r)
		broker_upstreams_settle(b->upstreams, b->config, false, true);
	return r;
}

static int open_sockets(struct broker *b, struct torap_error *err)
{
	static const struct torap_http_route routes[] = {
		{ "/metrics", "text/plain; version=0.0.4", broker_metrics_page },
		{ "/status", "application/json", broker_status_page },
		{ NULL, NULL, NULL },
	};
	int r = torap_zmtp_turn_create(&b->turns, &b->app->loop, err);
	if (!r)
		r = open_links(b, err);
	if (!r && b->config->metrics)
		r = torap_http_open(&b->http, &b->app->loop, b->config->metrics, routes, b, err);
	if (r)
		return r;
	r = uv_timer_start(&b->tick, on_tick, TICK_MS, TICK_MS);
	return r ? torap_errorf(err, r, "loop: %s", uv_strerror(r)) : 0;
}

int broker_create(
	struct broker **out, struct torap_app *app, struct broker_config *config, struct torap_error *err)
{
	struct broker *b = calloc(1, sizeof *b);
	if (!b)
		return torap_errorf(err, -ENOMEM, "out of memory");
	b->app = app;
	b->config = config;
	int r = load_keys(&b->keys, b->root, config, err);
	if (!r)
		r = open_store(b, err);
	if (!r)
		r = load_rules(b, err);
	if (!r)
		r = open_loop(b, err);
	if (!r)
		r = open_sockets(b, err);
	if (r)
		goto fail;
	torap_notice("POLICY-LOADED", "%s: %zu feeds, %zu writers; trust file version %" PRIu64,
		config->policy, b->rules.policy->feeds_count, b->rules.policy->writers_count,
		b->rules.trust->version);
	broker_own_policy(b->own, config->policy, b->rules.policy->digest, NULL);
	broker_turn(b);
	*out = b;
	return 0;
fail:
	broker_stop(b);
	torap_app_stop(app);
	uv_run(&app->loop, UV_RUN_DEFAULT);
	broker_destroy(b);
	return r;
}

void broker_stop(struct broker *b)
{
	if (b->stopping)
		return;
	b->stopping = true;
	torap_http_close(b->http);
	b->http = NULL;
	broker_retention_stop(b->retention);
	if (b->tick_open)
		uv_close((uv_handle_t *)&b->tick, NULL);
	broker_listener_close(b->listener);
	broker_upstreams_close(b->upstreams);
	torap_zmtp_turn_close(b->turns);
	finish_stopping(b);
}

struct broker *broker_destroy(struct broker *b)
{
	if (!b)
		return NULL;
	b->committer = torap_committer_stop(b->committer);
	torap_wake_finish(&b->commits);
	b->retention = broker_retention_destroy(b->retention);
	b->own = broker_own_destroy(b->own);
	b->upstreams = broker_upstreams_destroy(b->upstreams);
	b->scan = broker_scan_destroy(b->scan);
	b->streams = broker_streams_destroy(b->streams);
	b->audience = broker_audience_destroy(b->audience);
	b->absent = broker_absent_destroy(b->absent);
	b->sessions = broker_sessions_destroy(b->sessions);
	b->routing = broker_routing_destroy(b->routing);
	b->compressor = torap_compressor_destroy(b->compressor);
	broker_rules_finish(&b->rules);
	b->kv = torap_kv_close(b->kv);
	broker_counts_finish(&b->counts);
	torap_keys_wipe(&b->keys);
	free(b);
	return NULL;
}
