#include "node/metrics.h"

#include <stdio.h>

#include "conf/trust.h"
#include "loop/http.h"
#include "node/acceptance.h"
#include "node/batcher.h"
#include "node/dedup.h"
#include "node/faults.h"
#include "node/intake.h"
#include "node/node.h"
#include "node/registry.h"
#include "node/requests.h"
#include "node/reissue.h"
#include "node/retention.h"
#include "node/status.h"
#include "node/strangers.h"
#include "node/subjects.h"
#include "node/supervision.h"
#include "node/unknown.h"
#include "node/uplink.h"
#include "store/kv.h"
#include "store/sweep.h"

enum { LABELS_MAX = 160, FIRST_LANE = TORAP__LANE__LANE_CRITICAL };

static void observations(struct torap_writer *body, const struct node *n)
{
	const struct node_acceptance_counts *c = node_acceptance_counts(n->acceptance);
	char labels[LABELS_MAX];
	torap_metric_head(
		body, "torap_node_observations_total", "counter", "Observations of agents by verdict.");
	torap_metric(body, "torap_node_observations_total", "verdict=\"durable\"", (double)c->durable);
	torap_metric(body, "torap_node_observations_total", "verdict=\"duplicate\"", (double)c->duplicate);
	uint64_t refused = 0;
	for (int i = 0; i < NODE_REFUSALS; i++)
		refused += c->refused[i];
	torap_metric(body, "torap_node_observations_total", "verdict=\"refused\"", (double)refused);
	torap_metric_head(body, "torap_node_refused_total", "counter", "Refused observations by reason.");
	for (int i = 0; i < NODE_REFUSALS; i++) {
		torap_metric_label(labels, sizeof labels, "reason", node_refusal_name((enum node_refusal)i));
		torap_metric(body, "torap_node_refused_total", labels, (double)c->refused[i]);
	}
	torap_metric_one(body, "torap_node_alive_total", "counter", "Signs of life that made no event.",
		(double)c->alive);
	torap_metric_one(body, "torap_node_unmapped_total", "counter",
		"Observations with a code that no table knows.", (double)c->unmapped);
	torap_metric_one(body, "torap_node_unknown_total", "counter",
		"Observations of devices that the registry does not know.", (double)c->unknown);
}

static void intake(struct torap_writer *body, const struct node *n)
{
	struct node_intake_counts c = node_intake_counts(n->intake);
	torap_metric_one(
		body, "torap_node_agents", "gauge", "Agents that are connected.", (double)c.sessions);
	torap_metric_one(body, "torap_node_offers_total", "counter", "Offers of agents.", (double)c.offers);
	torap_metric_one(body, "torap_node_malformed_total", "counter",
		"Messages of agents that were refused as a whole.", (double)c.malformed);
	torap_metric_one(body, "torap_node_strange_total", "counter",
		"Messages of agents of a type that is not known.", (double)c.strange);
	torap_metric_one(body, "torap_node_verdicts_lost_total", "counter", "Verdicts whose agent was gone.",
		(double)c.lost_verdicts);
}

static void requests(struct torap_writer *body, const struct node *n)
{
	struct node_requests_counts c = node_requests_counts(n->requests);
	torap_metric_head(body, "torap_node_picture_alarms_total", "counter",
		"Alarms of sites with cameras; shared: another one's request stands for them; shed: none does.");
	torap_metric_labelled(body, "torap_node_picture_alarms_total", "fate", "asked",
		(double)(c.alarms - c.shared - c.shed));
	torap_metric_labelled(body, "torap_node_picture_alarms_total", "fate", "shared", (double)c.shared);
	torap_metric_labelled(body, "torap_node_picture_alarms_total", "fate", "shed", (double)c.shed);
	torap_metric_one(body, "torap_node_picture_requests_total", "counter",
		"Requests for pictures that became events.", (double)c.asked);
	torap_metric_head(body, "torap_node_picture_requests_ended_total", "counter",
		"Such requests, by how they ended.");
	torap_metric_labelled(body, "torap_node_picture_requests_ended_total", "end", "done", (double)c.done);
	torap_metric_labelled(
		body, "torap_node_picture_requests_ended_total", "end", "no agent", (double)c.unheard);
	torap_metric_labelled(
		body, "torap_node_picture_requests_ended_total", "end", "no answer", (double)c.unanswered);
	torap_metric_one(body, "torap_node_picture_requests_waiting", "gauge", "Such requests under way.",
		(double)c.waiting);
}

static void lane_metric(struct torap_writer *body, const struct node *n, const char *name, const char *type,
	const char *help, double (*value)(const struct node_batcher_counts *c))
{
	char labels[LABELS_MAX];
	torap_metric_head(body, name, type, help);
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		struct node_batcher_counts c = node_batcher_counts(n->batcher, lane);
		torap_metric_label(labels, sizeof labels, "lane", torap_lane_name(lane));
		torap_metric(body, name, labels, value(&c));
	}
}

#define LANE_VALUE(member)                                                                                   \
	static double lane_##member(const struct node_batcher_counts *c)                                     \
	{                                                                                                    \
		return (double)c->member;                                                                    \
	}
static void reissued(struct torap_writer *body, const struct node *n)
{
	char labels[LABELS_MAX];
	const char *name = "torap_node_reissued_total";
	torap_metric_head(body, name, "counter",
		"Events told again because their stream was forked, or could not be read on.");
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		torap_metric_label(labels, sizeof labels, "lane", torap_lane_name(lane));
		torap_metric(body, name, labels, (double)node_reissue_count(n->reissues[lane]));
	}
}

static void faults(struct torap_writer *body, const struct node *n)
{
	char labels[LABELS_MAX];
	const char *name = "torap_node_faulty_batches_total";
	torap_metric_one(body, "torap_node_replaced_total", "counter",
		"Sessions that a broker ended for a newer one with our keys: another machine runs as this node.",
		(double)node_strangers_replaced_count(n->strangers));
	torap_metric_head(body, name, "counter",
		"Batches found damaged in the journal: frames of them, or the manifest (unreadable); mended: it came back from a broker.");
	for (enum node_fault what = 0; what < NODE_FAULTS; what++) {
		torap_metric_label(labels, sizeof labels, "what", node_fault_name(what));
		torap_metric(body, name, labels, (double)node_faults_count(n->faults, what));
	}
}

LANE_VALUE(events)
LANE_VALUE(batches)
LANE_VALUE(bytes)
LANE_VALUE(jobs)
LANE_VALUE(jobs_full)
LANE_VALUE(busy)
LANE_VALUE(waiting)
LANE_VALUE(unsealed)

static void lanes(struct torap_writer *body, const struct node *n)
{
	lane_metric(body, n, "torap_node_events_total", "counter", "Events that are durable.", lane_events);
	lane_metric(body, n, "torap_node_batches_total", "counter", "Batches sealed.", lane_batches);
	lane_metric(
		body, n, "torap_node_batch_bytes_total", "counter", "Bytes of sealed batches.", lane_bytes);
	lane_metric(body, n, "torap_node_commits_total", "counter", "Jobs given to the store.", lane_jobs);
	lane_metric(body, n, "torap_node_commits_full_total", "counter", "Jobs that found the disk full.",
		lane_jobs_full);
	lane_metric(body, n, "torap_node_busy_total", "counter", "Entries refused because too much waits.",
		lane_busy);
	lane_metric(body, n, "torap_node_waiting", "gauge", "Entries that wait for the store.", lane_waiting);
	lane_metric(body, n, "torap_node_unsealed", "gauge", "Durable events that are not sealed yet.",
		lane_unsealed);
}

static void memories(struct torap_writer *body, const struct node *n)
{
	struct torap_kv_size size = torap_kv_size(n->kv);
	torap_metric_one(body, "torap_node_repeat_keys", "gauge", "Repeat keys remembered.",
		(double)node_dedup_count(n->dedup));
	torap_metric_one(body, "torap_node_repeat_keys_forgotten_total", "counter",
		"Repeat keys forgotten before their time for want of room.",
		(double)node_dedup_forgotten(n->dedup));
	torap_metric_one(body, "torap_node_unknown_accounts", "gauge", "Unknown devices of the last minutes.",
		(double)node_unknown_accounts(n->unknown));
	torap_metric_one(body, "torap_node_subjects", "gauge",
		"Devices that stand in manifests by an opaque subject.",
		(double)node_subjects_count(n->subjects));
	torap_metric_one(body, "torap_node_supervised", "gauge", "Devices under supervision.",
		(double)node_supervision_devices(n->supervision));
	torap_metric_one(body, "torap_node_silent", "gauge", "Devices past their period.",
		(double)node_supervision_silent(n->supervision));
	torap_metric_one(body, "torap_node_devices", "gauge", "Devices of the registry.",
		(double)node_registry_devices(n->rules.registry));
	torap_metric_one(body, "torap_node_journal_bytes", "gauge", "Bytes of the journal in use.",
		(double)size.used_bytes);
	torap_metric_one(body, "torap_node_journal_bytes_max", "gauge", "Bytes that the journal may grow to.",
		(double)size.map_bytes);
	torap_metric_one(body, "torap_node_journal_room_bytes", "gauge",
		"As journal_bytes_max, or less where the file system has less: what the marks are of.",
		(double)size.most_bytes);
	torap_metric_one(body, "torap_node_trust_version", "gauge", "Version of the trust file in force.",
		(double)n->rules.trust->version);
	torap_metric_one(body, "torap_node_trust_valid_until_seconds", "gauge",
		"Until when the trust file is valid.",
		(double)n->rules.trust->valid_until.us / TORAP_US_PER_S);
	torap_metric_one(
		body, "torap_node_reloads_total", "counter", "Reloads that took effect.", (double)n->reloads);
	torap_metric_one(body, "torap_node_reloads_refused_total", "counter", "Reloads that were refused.",
		(double)n->reloads_refused);
	torap_clock_metrics(body, "torap_node", &n->clock);
}

static void room(struct torap_writer *body, const struct node *n)
{
	char labels[LABELS_MAX];
	struct torap_kv_size size = torap_kv_size(n->kv);
	torap_metric_head(body, "torap_node_journal_mark_bytes", "gauge",
		"Use of the journal from which a lane is refused as busy; the critical lane: from which the journal is full.");
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		unsigned percent = n->room.percent[lane] ? n->room.percent[lane] : TORAP_KV_HIGH_PERCENT;
		torap_metric_label(labels, sizeof labels, "lane", torap_lane_name(lane));
		torap_metric(body, "torap_node_journal_mark_bytes", labels,
			(double)size.most_bytes * percent / 100);
	}
	torap_metric_head(
		body, "torap_node_shedding", "gauge", "1: the lane is refused as busy for want of room.");
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		torap_metric_label(labels, sizeof labels, "lane", torap_lane_name(lane));
		torap_metric(body, "torap_node_shedding", labels, n->room.sheds[lane]);
	}
	torap_metric_head(body, "torap_node_shed_total", "counter", "Observations refused for want of room.");
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		torap_metric_label(labels, sizeof labels, "lane", torap_lane_name(lane));
		torap_metric(body, "torap_node_shed_total", labels,
			(double)node_acceptance_counts(n->acceptance)->shed[lane]);
	}
}

static double oldest_seconds(const struct node *n)
{
	struct torap_wall oldest;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, n->kv, false);
	int r = torap_sweep_oldest(&txn, &oldest);
	torap_kv_abort(&txn);
	return r || oldest.us == 0 ? 0 : (double)(node_now(n).wall.us - oldest.us) / TORAP_US_PER_S;
}

static void retention(struct torap_writer *body, const struct node *n)
{
	struct torap_sweeper_counts c = node_retention_counts(n->retention);
	char labels[LABELS_MAX];
	torap_metric_head(body, "torap_node_deleted_frames_total", "counter",
		"Frames deleted from the journal, by reason; manifests stay.");
	for (unsigned i = 0; i < TORAP_SWEEP_REASONS; i++) {
		torap_metric_label(labels, sizeof labels, "reason", torap_sweep_reason_name(i));
		torap_metric(body, "torap_node_deleted_frames_total", labels, (double)c.deleted[i].frames);
	}
	torap_metric_head(body, "torap_node_deleted_bytes_total", "counter", "Bytes of them.");
	for (unsigned i = 0; i < TORAP_SWEEP_REASONS; i++) {
		torap_metric_label(labels, sizeof labels, "reason", torap_sweep_reason_name(i));
		torap_metric(body, "torap_node_deleted_bytes_total", labels, (double)c.deleted[i].bytes);
	}
	torap_metric_one(body, "torap_node_oldest_frame_seconds", "gauge",
		"Age of the oldest frame in the journal.", oldest_seconds(n));
	torap_metric_one(body, "torap_node_retention_waiting", "gauge",
		"1: the clock jumped, and nothing is deleted until it has been stable for 10 minutes.",
		c.waiting);
	torap_metric_one(body, "torap_node_retention_unreadable_total", "counter",
		"Batches of which nothing could be deleted, for their manifest is damaged.",
		(double)c.unreadable);
}

struct link_value {
	const struct node_carrier *carrier;
	struct node_lag lag;
};

static void link_metric(struct torap_writer *body, const struct node *n, const char *name, const char *type,
	const char *help, double (*value)(const struct link_value *v))
{
	struct node_now now = node_now(n);
	torap_metric_head(body, name, type, help);
	for (size_t i = 0; i < n->uplinks_count; i++)
		for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
			char broker[LABELS_MAX / 2], labels[LABELS_MAX];
			struct link_value v = { .carrier = node_uplink_carrier(n->uplinks[i], lane) };
			v.lag = node_carrier_lag(v.carrier, now);
			torap_metric_label(broker, sizeof broker, "broker", node_uplink_name(n->uplinks[i]));
			snprintf(labels, sizeof labels, "%s,lane=\"%s\"", broker, torap_lane_name(lane));
			torap_metric(body, name, labels, value(&v));
		}
}

static double link_up(const struct link_value *v)
{
	return v->carrier->dialler.state == TORAP_DIAL_FLOWING;
}

static double link_lag_events(const struct link_value *v)
{
	return (double)v->lag.events;
}

static double link_lag_bytes(const struct link_value *v)
{
	return (double)v->lag.bytes;
}

static double link_lag_seconds(const struct link_value *v)
{
	return v->lag.seconds;
}

static double link_batches(const struct link_value *v)
{
	return (double)v->carrier->batches_sent;
}

static double link_bytes(const struct link_value *v)
{
	return (double)v->carrier->bytes_sent;
}

static double link_withheld(const struct link_value *v)
{
	return (double)v->carrier->frames_refused;
}

static double link_again(const struct link_value *v)
{
	return (double)v->carrier->batches_again;
}

static double link_damaged(const struct link_value *v)
{
	return (double)v->carrier->frames_damaged;
}

static double link_unreadable(const struct link_value *v)
{
	return (double)v->carrier->batches_unreadable;
}

static double link_times_up(const struct link_value *v)
{
	return (double)v->carrier->dialler.times_flowing;
}

static void given_up(struct torap_writer *body, const struct node *n)
{
	char labels[LABELS_MAX];
	const char *name = "torap_node_broker_given_up";
	torap_metric_head(body, name, "gauge",
		"1: a best-effort broker so far behind that the journal keeps nothing for it.");
	for (size_t i = 0; i < n->uplinks_count; i++) {
		torap_metric_label(labels, sizeof labels, "broker", node_uplink_name(n->uplinks[i]));
		torap_metric(body, name, labels, node_uplink_given_up(n->uplinks[i]));
	}
}

static void links(struct torap_writer *body, const struct node *n)
{
	link_metric(body, n, "torap_node_link_up", "gauge", "1: batches flow.", link_up);
	link_metric(body, n, "torap_node_link_times_up_total", "counter", "How often the link came up.",
		link_times_up);
	link_metric(body, n, "torap_node_link_lag_events", "gauge", "Durable events that the broker lacks.",
		link_lag_events);
	link_metric(body, n, "torap_node_link_lag_bytes", "gauge", "Bytes of batches that the broker lacks.",
		link_lag_bytes);
	link_metric(body, n, "torap_node_link_lag_seconds", "gauge",
		"Age of the oldest batch that the broker lacks.", link_lag_seconds);
	link_metric(body, n, "torap_node_link_batches_total", "counter", "Batches sent.", link_batches);
	link_metric(body, n, "torap_node_link_batches_again_total", "counter",
		"Batches sent once more, for frames that the broker lacked.", link_again);
	link_metric(body, n, "torap_node_link_frames_damaged_total", "counter",
		"Frames left out because they are damaged in the journal.", link_damaged);
	link_metric(body, n, "torap_node_link_batches_unreadable_total", "counter",
		"Batches that the broker lacked and that cannot be read here.", link_unreadable);
	link_metric(body, n, "torap_node_link_bytes_total", "counter", "Bytes of batches sent.", link_bytes);
	link_metric(body, n, "torap_node_link_frames_withheld_total", "counter",
		"Frames left out because their owner's consent has ended.", link_withheld);
}

static void on_metrics(void *hint, struct torap_writer *body)
{
	const struct node *n = hint;
	observations(body, n);
	intake(body, n);
	requests(body, n);
	lanes(body, n);
	reissued(body, n);
	faults(body, n);
	memories(body, n);
	room(body, n);
	retention(body, n);
	links(body, n);
	given_up(body, n);
}

int node_metrics_open(struct torap_http **out, struct node *n, struct torap_error *err)
{
	static const struct torap_http_route routes[] = {
		{ "/metrics", "text/plain; version=0.0.4", on_metrics },
		{ "/status", "application/json", node_status_write },
		{ 0 },
	};
	return torap_http_open(out, &n->app->loop, n->config->metrics, routes, n, err);
}
