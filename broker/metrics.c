#include "broker/metrics.h"

#include <search.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/broker.h"
#include "broker/door.h"
#include "broker/feed.h"
#include "broker/listener.h"
#include "broker/own.h"
#include "broker/retention.h"
#include "broker/routing.h"
#include "broker/session.h"
#include "broker/sessions.h"
#include "broker/streams.h"
#include "broker/upstream.h"
#include "loop/app.h"
#include "loop/http.h"
#include "loop/zlink.h"
#include "store/committer.h"
#include "store/kv.h"
#include "store/sweep.h"

enum { LABEL_SIZE = 160 };

static int compare_feeds(const void *a, const void *b)
{
	const struct broker_feed_count *x = a, *y = b;
	return strcmp(x->name, y->name);
}

struct broker_feed_count *broker_counts_feed(struct broker_counts *c, const char *name)
{
	struct broker_feed_count *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	snprintf(f->name, sizeof f->name, "%s", name);
	struct broker_feed_count **found = tsearch(f, &c->feeds_by_name, compare_feeds);
	if (!found || *found != f) {
		free(f);
		return found ? *found : NULL;
	}
	f->next = c->feeds;
	c->feeds = f;
	return f;
}

void broker_counts_finish(struct broker_counts *c)
{
	while (c->feeds) {
		struct broker_feed_count *f = c->feeds;
		c->feeds = f->next;
		tdelete(f, &c->feeds_by_name, compare_feeds);
		free(f);
	}
}

static void admission(struct torap_writer *body, const struct broker_counts *c)
{
	torap_metric_one(body, "torap_broker_batches_total", "counter", "Batches on the disk since the start",
		(double)c->batches);
	torap_metric_one(body, "torap_broker_events_total", "counter", "Events in them", (double)c->events);
	torap_metric_one(body, "torap_broker_bytes_total", "counter", "Bytes of them", (double)c->bytes);
	torap_metric_head(body, "torap_broker_refused_total", "counter",
		"Batches not taken, by what was wrong; old: came twice; gap: sent back");
	for (int v = 0; v < BROKER_VERDICTS; v++)
		if (v != TORAP_VERDICT_GOOD)
			torap_metric_labelled(body, "torap_broker_refused_total", "reason",
				torap_verdict_name((enum torap_verdict)v), (double)c->refused[v]);
	torap_metric_labelled(
		body, "torap_broker_refused_total", "reason", "store-full", (double)c->refused_full);
	torap_metric_one(body, "torap_broker_beyond_rights_events_total", "counter",
		"Events stored as manifest only, for their writer may not speak for them",
		(double)c->beyond_events);
	torap_metric_one(body, "torap_broker_heads_total", "counter", "Signed heads taken", (double)c->heads);
	torap_metric_one(body, "torap_broker_heads_refused_total", "counter",
		"Heads that were not signed as they should", (double)c->heads_refused);
	torap_metric_one(body, "torap_broker_rollbacks_total", "counter",
		"Heads of writers that fell behind themselves", (double)c->rollbacks);
	torap_metric_one(body, "torap_broker_merged_total", "counter",
		"Batches that came again with frames that were missing", (double)c->merged);
	torap_metric_one(body, "torap_broker_forks_total", "counter",
		"Batches and heads, signed by their writer, that contradict what is here", (double)c->forks);
}

static void links(struct torap_writer *body, const struct broker_counts *c)
{
	torap_metric_one(body, "torap_broker_hellos_total", "counter", "Hellos heard", (double)c->hellos);
	torap_metric_one(body, "torap_broker_hellos_refused_total", "counter", "Hellos refused",
		(double)c->hellos_refused);
	torap_metric_one(body, "torap_broker_hellos_too_many_total", "counter",
		"Hellos answered by BUSY, for their key said more than one a second",
		(double)c->hellos_too_many);
	torap_metric_head(
		body, "torap_broker_sessions_ended_total", "counter", "Sessions that ended, by why");
	torap_metric_labelled(
		body, "torap_broker_sessions_ended_total", "reason", "replaced", (double)c->replaced);
	torap_metric_labelled(body, "torap_broker_sessions_ended_total", "reason", "gone", (double)c->gone);
	torap_metric_labelled(
		body, "torap_broker_sessions_ended_total", "reason", "silent", (double)c->silent);
	torap_metric_labelled(
		body, "torap_broker_sessions_ended_total", "reason", "revoked", (double)c->revoked);
	torap_metric_head(body, "torap_broker_odd_messages_total", "counter", "Messages that led to nothing");
	torap_metric_labelled(
		body, "torap_broker_odd_messages_total", "reason", "malformed", (double)c->malformed);
	torap_metric_labelled(
		body, "torap_broker_odd_messages_total", "reason", "unknown-type", (double)c->unknown_types);
	torap_metric_labelled(
		body, "torap_broker_odd_messages_total", "reason", "no-session", (double)c->strangers);
}

static uint64_t holes(const struct broker *b)
{
	uint64_t count = 0;
	for (size_t i = 0; i < b->streams->count; i++)
		count += b->streams->all[i]->holes.count;
	return count;
}

static void store(struct torap_writer *body, struct broker *b)
{
	const struct broker_counts *c = &b->counts;
	struct torap_kv_size size = torap_kv_size(b->kv);
	torap_metric_one(body, "torap_broker_store_bytes", "gauge", "Bytes of the store in use",
		(double)size.used_bytes);
	torap_metric_one(body, "torap_broker_store_bytes_max", "gauge", "Bytes that it may grow to",
		(double)size.map_bytes);
	torap_metric_one(body, "torap_broker_commits_total", "counter",
		"Flushes whose batches were acknowledged", (double)c->collects);
	torap_metric_one(body, "torap_broker_commits_waiting", "gauge", "Batches that wait for their flush",
		(double)torap_committer_waiting(b->committer));
	torap_metric_one(body, "torap_broker_reads_total", "counter", "Reads of the store for feeds",
		(double)c->reads);
	torap_metric_one(body, "torap_broker_reads_failed_total", "counter",
		"Reads that found the store damaged", (double)c->reads_failed);
	torap_metric_one(body, "torap_broker_damaged_total", "counter",
		"Batches found with frames or manifests that are damaged or missing", (double)c->damaged);
	torap_metric_one(body, "torap_broker_mended_total", "counter",
		"Batches that came again and filled what was missing", (double)c->mended);
	torap_metric_one(body, "torap_broker_holes", "gauge", "Batches of which something is missing",
		(double)holes(b));
	torap_metric_one(body, "torap_broker_scanned_total", "counter",
		"Batches that the slow scan has looked at", (double)c->scanned);
	torap_metric_one(body, "torap_broker_recent_bytes", "gauge", "Bytes of batches kept in memory",
		(double)b->streams->recent_bytes);
	torap_metric_one(
		body, "torap_broker_streams", "gauge", "Streams in the store", (double)b->streams->count);
}

static double oldest_seconds(struct broker *b)
{
	struct torap_wall oldest;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, b->kv, false);
	int r = torap_sweep_oldest(&txn, &oldest);
	torap_kv_abort(&txn);
	return r || oldest.us == 0 ? 0 : (double)(torap_app_wall().us - oldest.us) / TORAP_US_PER_S;
}

static void retention(struct torap_writer *body, struct broker *b)
{
	struct torap_sweeper_counts c = broker_retention_counts(b->retention);
	torap_metric_head(body, "torap_broker_deleted_frames_total", "counter",
		"Frames deleted since the start, by reason; manifests stay");
	for (unsigned i = 0; i < TORAP_SWEEP_REASONS; i++)
		torap_metric_labelled(body, "torap_broker_deleted_frames_total", "reason",
			torap_sweep_reason_name(i), (double)c.deleted[i].frames);
	torap_metric_head(body, "torap_broker_deleted_bytes_total", "counter", "Bytes of them");
	for (unsigned i = 0; i < TORAP_SWEEP_REASONS; i++)
		torap_metric_labelled(body, "torap_broker_deleted_bytes_total", "reason",
			torap_sweep_reason_name(i), (double)c.deleted[i].bytes);
	torap_metric_one(body, "torap_broker_oldest_frame_seconds", "gauge",
		"Since the oldest frame that is held came in", oldest_seconds(b));
	torap_metric_one(body, "torap_broker_retention_waiting", "gauge",
		"1: the clock jumped, and nothing is deleted until it has been stable for 10 minutes",
		c.waiting);
	torap_metric_one(body, "torap_broker_retention_unreadable_total", "counter",
		"Batches of which nothing could be deleted, for their manifest is damaged",
		(double)c.unreadable);
}

static void policy(struct torap_writer *body, struct broker *b)
{
	struct broker_memo_stats memo = broker_routing_stats(b->routing);
	torap_metric_one(body, "torap_broker_memo_classes", "gauge", "Classes whose feeds are known",
		(double)memo.classes);
	torap_metric_one(body, "torap_broker_memo_bytes", "gauge", "Bytes of the memo", (double)memo.bytes);
	torap_metric_one(body, "torap_broker_memo_hits_total", "counter", "Questions that the memo answered",
		(double)memo.hits);
	torap_metric_one(body, "torap_broker_memo_misses_total", "counter", "Questions that asked every feed",
		(double)memo.misses);
	torap_metric_one(body, "torap_broker_memo_drops_total", "counter", "Times that the memo was full",
		(double)memo.drops);
	torap_metric_one(body, "torap_broker_connections", "gauge",
		"Connections to its endpoints, those without a session too", (double)b->zmtp.connections);
	torap_metric_one(body, "torap_broker_keys_refused_total", "counter",
		"Handshakes with a key that nobody here knows", (double)b->zmtp.refused);
	torap_metric_one(body, "torap_broker_connections_broken_total", "counter",
		"Connections that ended because of what came over them, or of a handshake that took too long",
		(double)b->zmtp.broken);
	torap_metric_one(body, "torap_broker_reloads_total", "counter",
		"Times that policy and trust file were read again", (double)b->counts.reloads);
	torap_metric_one(body, "torap_broker_reloads_refused_total", "counter",
		"Times that they were refused", (double)b->counts.reloads_refused);
	torap_metric_one(body, "torap_broker_trust_version", "gauge", "Version of the trust file in force",
		(double)b->rules.trust->version);
	torap_metric_one(body, "torap_broker_own_events_lost_total", "counter",
		"Events of the broker's own without room", (double)broker_own_lost(b->own));
}

struct tally {
	unsigned sessions[2][TORAP_LANES]; /* writers, feeds */
};

static void count_session(void *hint, struct broker_session *s)
{
	struct tally *t = hint;
	t->sessions[s->feed != NULL][s->lane]++;
}

struct door_tally {
	const struct broker_door *door;
	unsigned sessions;
};

static void count_at_door(void *hint, struct broker_session *s)
{
	struct door_tally *t = hint;
	t->sessions += s->door == t->door;
}

static void sessions(struct torap_writer *body, struct broker *b)
{
	struct tally t = { 0 };
	broker_sessions_each(b->sessions, count_session, &t);
	torap_metric_head(body, "torap_broker_sessions", "gauge", "Open sessions");
	for (unsigned feed = 0; feed < 2; feed++) {
		for (uint32_t lane = 1; lane < TORAP_LANES; lane++) {
			char labels[LABEL_SIZE];
			snprintf(labels, sizeof labels, "role=\"%s\",lane=\"%s\"",
				feed ? "subscriber" : "writer", torap_lane_name(lane));
			torap_metric(body, "torap_broker_sessions", labels, t.sessions[feed][lane]);
		}
	}
	torap_metric_head(body, "torap_broker_endpoint_sessions", "gauge",
		"Open sessions of each endpoint: the old one of an exchange of keys may go when it has none");
	for (const struct broker_door *d = broker_listener_doors(b->listener); d; d = d->next) {
		struct door_tally at = { d, 0 };
		broker_sessions_each(b->sessions, count_at_door, &at);
		torap_metric_labelled(
			body, "torap_broker_endpoint_sessions", "endpoint", d->endpoint, at.sessions);
	}
}

static void feeds(struct torap_writer *body, const struct broker_counts *c)
{
	torap_metric_head(body, "torap_broker_feed_batches_total", "counter", "Batches sent to a feed");
	for (const struct broker_feed_count *f = c->feeds; f; f = f->next)
		torap_metric_labelled(
			body, "torap_broker_feed_batches_total", "feed", f->name, (double)f->batches);
	torap_metric_head(
		body, "torap_broker_feed_runs_total", "counter", "Runs of manifests sent to a feed");
	for (const struct broker_feed_count *f = c->feeds; f; f = f->next)
		torap_metric_labelled(body, "torap_broker_feed_runs_total", "feed", f->name, (double)f->runs);
	torap_metric_head(body, "torap_broker_feed_again_total", "counter",
		"Batches sent to a feed once more, for frames that were missing");
	for (const struct broker_feed_count *f = c->feeds; f; f = f->next)
		torap_metric_labelled(
			body, "torap_broker_feed_again_total", "feed", f->name, (double)f->again);
	torap_metric_head(body, "torap_broker_feed_bytes_total", "counter", "Bytes sent to a feed");
	for (const struct broker_feed_count *f = c->feeds; f; f = f->next)
		torap_metric_labelled(
			body, "torap_broker_feed_bytes_total", "feed", f->name, (double)f->bytes);
}

enum upstream_lane_value { FLOWING, LAG_BATCHES, LAG_EVENTS, LAG_BYTES, LAG_SECONDS };

static double of_lane(
	const struct broker_upstream_lane *l, enum upstream_lane_value what, struct torap_wall now)
{
	struct broker_lag lag = broker_upstream_lag(l, now);
	switch (what) {
	case FLOWING:
		return torap_zlink_flowing(l->link);
	case LAG_BATCHES:
		return (double)lag.batches;
	case LAG_EVENTS:
		return (double)lag.events;
	case LAG_BYTES:
		return (double)lag.bytes;
	case LAG_SECONDS:
		return lag.seconds;
	}
	return 0;
}

static void upstream_lanes(struct torap_writer *body, const struct broker_upstreams *u)
{
	static const struct {
		const char *name, *help;
	} gauges[] = {
		[FLOWING] = { "torap_broker_upstream_flowing",
			"1 while the lane's link to the upstream flows" },
		[LAG_BATCHES] = { "torap_broker_upstream_lag_batches",
			"Batches that writers have sealed, by their heads, and that are not here" },
		[LAG_EVENTS] = { "torap_broker_upstream_lag_events", "Events in them" },
		[LAG_BYTES] = { "torap_broker_upstream_lag_bytes",
			"What these take, in proportion to what came so far" },
		[LAG_SECONDS] = { "torap_broker_upstream_lag_seconds",
			"How old the oldest of them is, at most" },
	};
	struct torap_wall now = torap_app_wall();
	for (unsigned g = 0; g < sizeof gauges / sizeof *gauges; g++) {
		torap_metric_head(body, gauges[g].name, "gauge", gauges[g].help);
		for (size_t i = 0; i < u->count * (TORAP_LANES - 1); i++) {
			const struct broker_upstream_lane *l =
				&u->list[i / (TORAP_LANES - 1)]->lanes[1 + i % (TORAP_LANES - 1)];
			char name[LABEL_SIZE], lane[LABEL_SIZE], labels[2 * LABEL_SIZE + 1];
			snprintf(labels, sizeof labels, "%s,%s",
				torap_metric_label(name, sizeof name, "upstream", l->upstream->source.name),
				torap_metric_label(lane, sizeof lane, "lane", torap_lane_name(l->lane)));
			torap_metric(body, gauges[g].name, labels, of_lane(l, g, now));
		}
	}
}

static void upstreams(struct torap_writer *body, const struct broker_upstreams *u)
{
	static const struct {
		const char *name, *type, *help;
		size_t at;
	} values[] = {
		{ "torap_broker_upstream_batches_total", "counter", "Batches that an upstream sent",
			offsetof(struct broker_upstream, batches) },
		{ "torap_broker_upstream_again_total", "counter", "Those that were here already",
			offsetof(struct broker_upstream, again) },
		{ "torap_broker_upstream_passed_over_total", "counter", "Those that could not be taken",
			offsetof(struct broker_upstream, passed_over) },
		{ "torap_broker_upstream_refused_total", "counter", "Messages for which a lane was refused",
			offsetof(struct broker_upstream, refused) },
		{ "torap_broker_upstream_withheld_total", "counter",
			"Frames granted to us that came empty without a reason",
			offsetof(struct broker_upstream, withheld) },
		{ "torap_broker_upstream_trust_version", "gauge",
			"Newest version of the trust file that it showed",
			offsetof(struct broker_upstream, trust_version) },
	};
	upstream_lanes(body, u);
	for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
		torap_metric_head(body, values[v].name, values[v].type, values[v].help);
		for (size_t i = 0; i < u->count; i++) {
			const uint64_t *value = (const uint64_t *)((const char *)u->list[i] + values[v].at);
			torap_metric_labelled(
				body, values[v].name, "upstream", u->list[i]->source.name, (double)*value);
		}
	}
}

void broker_metrics_page(void *broker, struct torap_writer *body)
{
	struct broker *b = broker;
	admission(body, &b->counts);
	links(body, &b->counts);
	sessions(body, b);
	broker_metrics_lag(b, body);
	feeds(body, &b->counts);
	if (b->upstreams && b->upstreams->count)
		upstreams(body, b->upstreams);
	store(body, b);
	retention(body, b);
	policy(body, b);
}
