/* GET /status and GET /metrics of a subscriber. */
#include "agents/follow/inside.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "loop/app.h"

/* Of all streams of a lane: sums, and the oldest. */
static struct follow_lag lane_lag(const struct follow *f, uint8_t lane)
{
	struct follow_lag sum = { 0 };
	struct torap_wall now = torap_app_wall();
	for (size_t i = 0; i < f->streams.count; i++) {
		const struct follow_stream *s = f->streams.list[i];
		struct follow_lag lag = follow_stream_lag(s, now);
		if (s->id.lane != lane)
			continue;
		sum.batches += lag.batches;
		sum.events += lag.events;
		sum.bytes += lag.bytes;
		if (lag.seconds > sum.seconds)
			sum.seconds = lag.seconds;
	}
	return sum;
}

static struct torap_wall wall_of(struct torap_mono at)
{
	return (struct torap_wall){ torap_app_wall().us - (torap_app_mono().us - at.us) };
}

/* It may be up, and does not flow when what comes by it finds no room. */
static bool flows(const struct follow *f, uint8_t lane)
{
	return torap_zlink_flowing(f->lanes[lane].link) && !f->full.store;
}

static json_t *link_of(const struct follow *f, uint8_t lane)
{
	const struct torap_zlink *l = f->lanes[lane].link;
	const struct torap_dialler *d = torap_zlink_dialler(l);
	struct follow_lag lag = lane_lag(f, lane);
	char since[TORAP_WALL_TEXT_SIZE];
	bool full = torap_zlink_flowing(l) && f->full.store;
	struct torap_wall at = wall_of(full ? f->full.store_since : d->since);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:f}", "peer", torap_zlink_peer(l)->name,
		"role", "subscriber", "lane", torap_lane_name(lane), "state",
		full ? "down" : torap_dial_state_name(d->state), "reason",
		full ? "store-full" : torap_dial_reason_name(d->reason), "since",
		torap_wall_format(at, since), "lag_events", (json_int_t)lag.events, "lag_bytes",
		(json_int_t)lag.bytes, "lag_seconds", lag.seconds);
}

/* Of a writer in one lane: the streams of the list that belong to it end with `last`. */
static struct follow_lag writer_lag(const struct follow *f, size_t last)
{
	struct follow_lag sum = { 0 };
	struct torap_wall now = torap_app_wall();
	for (size_t i = last + 1; i-- > 0 && f->streams.list[i]->writer == f->streams.list[last]->writer;) {
		struct follow_lag lag = follow_stream_lag(f->streams.list[i], now);
		sum.batches += lag.batches;
		sum.events += lag.events;
		sum.bytes += lag.bytes;
		if (lag.seconds > sum.seconds)
			sum.seconds = lag.seconds;
	}
	return sum;
}

static double seconds_between(struct torap_wall from, struct torap_wall to)
{
	return (double)(to.us - from.us) / TORAP_US_PER_S;
}

static double canary_age(const struct follow_writer *w)
{
	return (double)(torap_app_mono().us - w->came.us) / TORAP_US_PER_S;
}

/* When the newest one came, and how long each part of its way was; between two hosts that includes what their clocks differ by. */
static json_t *canary_of(const struct follow_writer *w)
{
	char text[TORAP_WALL_TEXT_SIZE];
	return json_pack("{s:f, s:s, s:f, s:f, s:f, s:f}", "age_seconds", canary_age(w), "occurred",
		torap_wall_format(w->occurred, text), "way_seconds", seconds_between(w->occurred, w->flushed),
		"sealed_after_seconds", seconds_between(w->occurred, w->sealed), "received_after_seconds",
		seconds_between(w->sealed, w->received), "flushed_after_seconds",
		seconds_between(w->received, w->flushed));
}

static json_t *writer_row(
	const char *writer, uint8_t lane, const struct follow_writer *w, const struct follow_lag *lag)
{
	char since[TORAP_WALL_TEXT_SIZE];
	struct torap_wall at = wall_of(w->canary.since);
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:f, s:I}", "peer", writer, "role",
		"writer", "lane", torap_lane_name(lane), "state",
		w->canary.reason == TORAP_CANARY_FINE ? "flowing" : "down", "reason",
		torap_canary_reason_name(w->canary.reason), "since", torap_wall_format(at, since),
		"lag_events", (json_int_t)lag->events, "lag_bytes", (json_int_t)lag->bytes, "lag_seconds",
		lag->seconds, "canary_period_seconds", (json_int_t)w->canary.period_s);
	if (w->came.us)
		json_object_set_new(row, "canary", canary_of(w));
	return row;
}

static json_t *writer_of(const struct follow *f, size_t last)
{
	const struct follow_stream *s = f->streams.list[last];
	struct follow_lag lag = writer_lag(f, last);
	return writer_row(s->id.writer, s->id.lane, s->writer, &lag);
}

/* Writers that have no stream in a lane. */
static void add_unheard(const struct follow *f, json_t *links)
{
	static const struct follow_lag none = { 0 };
	for (size_t i = 0; i < f->unheard.count; i++)
		for (unsigned lane = TORAP__LANE__LANE_CRITICAL; lane < TORAP_LANES; lane++)
			if (f->unheard.writers[i][lane].expected)
				json_array_append_new(links, writer_row(f->config->writers[i], lane,
								     &f->unheard.writers[i][lane], &none));
}

static uint64_t unheard(const struct follow *f)
{
	uint64_t count = 0;
	for (size_t i = 0; i < f->unheard.count; i++)
		for (unsigned lane = TORAP__LANE__LANE_CRITICAL; lane < TORAP_LANES; lane++)
			count += f->unheard.writers[i][lane].expected &&
				 f->unheard.writers[i][lane].canary.reason == TORAP_CANARY_SILENT;
	return count;
}

/* Where the lines go. */
static json_t *output_of(const struct follow *f)
{
	const char *file = f->options.output.file;
	json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "peer", file ? file : "standard output", "role",
		"output", "state", f->full.output ? "down" : "flowing", "reason",
		f->full.output ? "output-full" : "fine");
	char since[TORAP_WALL_TEXT_SIZE];
	if (f->full.output)
		json_object_set_new(
			row, "since", json_string(torap_wall_format(wall_of(f->full.output_since), since)));
	return row;
}

static json_t *streams_of(const struct follow *f)
{
	json_t *list = json_array();
	for (size_t i = 0; i < f->streams.count; i++) {
		const struct follow_stream *s = f->streams.list[i];
		char text[TORAP_STREAM_TEXT_SIZE];
		json_array_append_new(list,
			json_pack("{s:s, s:I, s:I, s:I}", "stream", torap_stream_id_format(&s->id, text),
				"last_batch", (json_int_t)(s->flushed.next_batch - 1), "next_seq",
				(json_int_t)s->flushed.next_seq, "holes", (json_int_t)s->holes.count));
	}
	return list;
}

static size_t holes(const struct follow *f)
{
	size_t count = 0;
	for (size_t i = 0; i < f->streams.count; i++)
		count += f->streams.list[i]->holes.count;
	return count;
}

static int write_part(const char *bytes, size_t size, void *hint)
{
	torap_write_bytes(hint, torap_bytes(bytes, size));
	return 0;
}

static void status_page(void *hint, struct torap_writer *body)
{
	struct follow *f = hint;
	struct torap_app_clock clock = torap_app_clock();
	json_t *links = json_array();
	for (int n = TORAP__LANE__LANE_CRITICAL; n < TORAP_LANES; n++)
		if (f->lanes[n].link)
			json_array_append_new(links, link_of(f, n));
	for (size_t i = 0; i < f->streams.count; i++)
		if (follow_streams_ends_lane(&f->streams, i) && f->streams.list[i]->writer->expected)
			json_array_append_new(links, writer_of(f, i));
	add_unheard(f, links);
	if (f->output)
		json_array_append_new(links, output_of(f));
	json_t *status = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "process", "torap-follow", "name",
		f->config->feed, "version", TORAP_VERSION, "clock", torap_clock_json(&clock), "links", links,
		"streams", streams_of(f));
	json_dump_callback(status, write_part, body, JSON_COMPACT);
	json_decref(status);
	torap_write_u8(body, '\n');
}

static void lag_metrics(const struct follow *f, struct torap_writer *body)
{
	static const struct {
		const char *name, *help;
	} rows[] = {
		{ "torap_follow_lag_events", "Events that the writers have numbered and are not here." },
		{ "torap_follow_lag_bytes",
			"What these take on their way, in proportion to what came so far." },
		{ "torap_follow_lag_seconds", "How old the oldest of them is, at most." },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		torap_metric_head(body, rows[i].name, "gauge", rows[i].help);
		for (int n = TORAP__LANE__LANE_CRITICAL; n < TORAP_LANES; n++) {
			char labels[32];
			struct follow_lag lag = lane_lag(f, n);
			double values[] = { (double)lag.events, (double)lag.bytes, lag.seconds };
			snprintf(labels, sizeof labels, "lane=\"%s\"", torap_lane_name(n));
			torap_metric(body, rows[i].name, labels, values[i]);
		}
	}
}

static double writer_flowing(const struct follow_writer *w)
{
	return w->canary.reason == TORAP_CANARY_FINE;
}

static double writer_overdue(const struct follow_writer *w)
{
	return w->canary.overdue;
}

static double writer_times_overdue(const struct follow_writer *w)
{
	return (double)w->canary.times_overdue;
}

static double writer_canaries(const struct follow_writer *w)
{
	return (double)w->canaries;
}

static double writer_way(const struct follow_writer *w)
{
	return seconds_between(w->occurred, w->flushed);
}

static double writer_period(const struct follow_writer *w)
{
	return w->canary.period_s;
}

/* What `torap status` shows of each writer and lane. */
static void writer_metrics(const struct follow *f, struct torap_writer *body)
{
	static const struct {
		const char *name, *type, *help;
		double (*value)(const struct follow_writer *w);
		bool needs_canary;
	} rows[] = {
		{ "torap_follow_writer_flowing", "gauge", "1 while the writer's heads and canaries come.",
			writer_flowing, false },
		{ "torap_follow_canaries_total", "counter", "Canaries opened and flushed.", writer_canaries,
			false },
		{ "torap_follow_canary_period_seconds", "gauge",
			"How often the writer says that one comes; 0: it does not say.", writer_period,
			false },
		{ "torap_follow_canary_age_seconds", "gauge", "Since the last one was flushed here.",
			canary_age, true },
		{ "torap_follow_canary_way_seconds", "gauge",
			"From its making at the writer to its flush here, by both clocks.", writer_way,
			true },
		{ "torap_follow_canary_overdue", "gauge", "1 while heads come and the canary does not.",
			writer_overdue, false },
		{ "torap_follow_canaries_overdue_total", "counter", "Times that one became overdue.",
			writer_times_overdue, false },
	};
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
		torap_metric_head(body, rows[r].name, rows[r].type, rows[r].help);
		for (size_t i = 0; i < f->streams.count; i++) {
			const struct follow_stream *s = f->streams.list[i];
			char writer[64], labels[96];
			if (!follow_streams_ends_lane(&f->streams, i) || !s->writer->expected ||
				(rows[r].needs_canary && !s->writer->came.us))
				continue;
			snprintf(labels, sizeof labels, "%s,lane=\"%s\"",
				torap_metric_label(writer, sizeof writer, "writer", s->id.writer),
				torap_lane_name(s->id.lane));
			torap_metric(body, rows[r].name, labels, rows[r].value(s->writer));
		}
	}
}

static void metrics_page(void *hint, struct torap_writer *body)
{
	struct follow *f = hint;
	struct follow_totals t = follow_totals(f);
	const struct {
		const char *name, *help;
		uint64_t value;
	} counters[] = {
		{ "torap_follow_batches_total", "Batches verified and flushed.", t.batches },
		{ "torap_follow_events_total", "Events of these batches, by their manifests.", t.events },
		{ "torap_follow_bytes_total", "Bytes of manifests and frames flushed.", t.bytes },
		{ "torap_follow_duplicates_total", "Batches that were there already.", t.duplicates },
		{ "torap_follow_refused_total", "Messages that did not verify.", t.refused },
		{ "torap_follow_withheld_total", "Granted frames that came empty without a reason.",
			t.withheld },
		{ "torap_follow_beyond_rights_total", "Frames beyond their writer's rights.", t.beyond },
		{ "torap_follow_holes_total",
			"Batches that came without granted frames, damaged or not held.", t.holes },
		{ "torap_follow_mended_total", "Batches that came again with frames that were missing.",
			t.mended },
		{ "torap_follow_proofs_total", "Proofs of forks and rollbacks.", t.proofs },
		{ "torap_follow_full_total", "Times that directory or output became full.", f->full.times },
		{ "torap_follow_printed_total", "Events written to the output.", t.printed },
	};
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
		torap_metric_head(body, counters[i].name, "counter", counters[i].help);
		torap_metric(body, counters[i].name, NULL, (double)counters[i].value);
	}
	torap_metric_head(body, "torap_follow_flowing", "gauge",
		"1 while the lane's link is flowing and what comes by it finds room.");
	for (int n = TORAP__LANE__LANE_CRITICAL; n < TORAP_LANES; n++) {
		char labels[32];
		snprintf(labels, sizeof labels, "lane=\"%s\"", torap_lane_name(n));
		if (f->lanes[n].link)
			torap_metric(body, "torap_follow_flowing", labels, flows(f, (uint8_t)n));
	}
	torap_metric_head(
		body, "torap_follow_holes", "gauge", "Batches of which granted frames are missing.");
	torap_metric(body, "torap_follow_holes", NULL, (double)holes(f));
	torap_metric_head(body, "torap_follow_writers_unheard", "gauge",
		"Lanes of writers that the configuration names and of which nothing ever came.");
	torap_metric(body, "torap_follow_writers_unheard", NULL, (double)unheard(f));
	torap_metric_head(body, "torap_follow_full", "gauge",
		"1 while there is no room: in the directory, nothing is acknowledged; where the output writes, it waits.");
	torap_metric(body, "torap_follow_full", "of=\"store\"", f->full.store);
	torap_metric(body, "torap_follow_full", "of=\"output\"", f->full.output);
	lag_metrics(f, body);
	writer_metrics(f, body);
}

const struct torap_http_route follow_routes[] = {
	{ "/metrics", "text/plain; version=0.0.4", metrics_page },
	{ "/status", "application/json", status_page },
	{ NULL, NULL, NULL },
};
