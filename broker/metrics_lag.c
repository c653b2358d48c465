#include "broker/metrics.h"

#include <stdio.h>

#include "base/bytes.h"
#include "broker/absent.h"
#include "broker/broker.h"
#include "broker/feed.h"
#include "broker/lag.h"
#include "broker/session.h"
#include "broker/sessions.h"
#include "broker/writer.h"
#include "loop/app.h"
#include "loop/http.h"

enum { LABEL_SIZE = 160 };

static double events_of(const struct broker_lag *lag)
{
	return (double)lag->events;
}

static double bytes_of(const struct broker_lag *lag)
{
	return (double)lag->bytes;
}

static double seconds_of(const struct broker_lag *lag)
{
	return lag->seconds;
}

struct row {
	const char *name, *help;
	double (*value)(const struct broker_lag *lag); /* NULL: whether it flows… */
	bool stalled;                                  /* …or is stalled */
};

struct page {
	struct broker *broker;
	struct torap_writer *body;
	struct torap_wall now;
	const struct row *row;
};

/* `key`: four bytes; NULL: none. */
static void put(const struct page *p, const char *label, const char *name, uint32_t lane, const uint8_t *key,
	double value)
{
	char who[LABEL_SIZE], labels[2 * LABEL_SIZE], hex[2 * 4 + 1];
	int size = snprintf(labels, sizeof labels, "%s,lane=\"%s\"",
		torap_metric_label(who, sizeof who, label, name), torap_lane_name(lane));
	if (key)
		snprintf(labels + size, sizeof labels - (size_t)size, ",key=\"%s\"",
			torap_hex(hex, torap_bytes(key, 4)));
	torap_metric(p->body, p->row->name, labels, value);
}

static void put_feed(void *hint, struct broker_session *s)
{
	const struct page *p = hint;
	if (!s->feed)
		return;
	struct broker_lag lag = broker_feed_lag(s->feed, p->now);
	put(p, "feed", s->name, s->lane, s->key,
		p->row->value ? p->row->value(&lag) : s->feed->stall.stalled == p->row->stalled);
}

static void put_absent(void *hint, const struct broker_policy_feed *feed, const uint8_t *key, uint8_t lane,
	const struct broker_absence *a)
{
	const struct page *p = hint;
	if (!p->row->value)
		put(p, "feed", feed->name, lane, key, 0);
	else if (a->has_lag)
		put(p, "feed", feed->name, lane, key, p->row->value(&a->lag));
}

static void put_writers(struct page *p)
{
	struct broker *b = p->broker;
	const struct broker_policy *policy = b->rules.policy;
	for (size_t i = 0; i < policy->writers_count; i++) {
		const char *id = policy->writers[i].id;
		for (int lane = TORAP__LANE__LANE_CRITICAL; lane < TORAP_LANES; lane++) {
			struct broker_lag lag = broker_writer_lag(b, id, (uint8_t)lane, p->now);
			put(p, "writer", id, (uint32_t)lane, NULL,
				p->row->value
					? p->row->value(&lag)
					: broker_sessions_writer(b->sessions, id, (uint8_t)lane) != NULL);
		}
	}
}

void broker_metrics_lag(struct broker *b, struct torap_writer *body)
{
	static const struct row feeds[] = {
		{ .name = "torap_broker_feed_flowing",
			.help = "1 while a subscriber of the feed is here and not stalled" },
		{ .name = "torap_broker_feed_stalled",
			.help = "1 while it is here and takes nothing of what is sent",
			.stalled = true },
		{ "torap_broker_feed_lag_events",
			"Events that a subscriber has not flushed, also when it is away", events_of, false },
		{ "torap_broker_feed_lag_bytes", "About how many bytes they are, uncut", bytes_of, false },
		{ "torap_broker_feed_lag_seconds", "Since the oldest of them came in", seconds_of, false },
	};
	static const struct row writers[] = {
		{ .name = "torap_broker_writer_flowing", .help = "1 while the writer is here" },
		{ "torap_broker_writer_lag_events", "Events that its newest head names and that are not here",
			events_of, false },
		{ "torap_broker_writer_lag_bytes", "What these take, in proportion to what came so far",
			bytes_of, false },
		{ "torap_broker_writer_lag_seconds", "How old the oldest of them is, at most", seconds_of,
			false },
	};
	struct page p = { .broker = b, .body = body, .now = torap_app_wall() };
	b->lag_reads = BROKER_LAG_READS;
	for (size_t i = 0; i < sizeof feeds / sizeof *feeds; i++) {
		p.row = &feeds[i];
		torap_metric_head(body, p.row->name, "gauge", p.row->help);
		broker_sessions_each(b->sessions, put_feed, &p);
		broker_absent_each(b, p.now, put_absent, &p);
	}
	for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
		p.row = &writers[i];
		torap_metric_head(body, p.row->name, "gauge", p.row->help);
		put_writers(&p);
	}
}
