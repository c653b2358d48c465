/* broker.h: the process: owns the parts, starts them in order, stops them in reverse, and says when each has its turn.
 *
 * The parts that think (policy, routing, streams, course, admission) know nothing of it.  Those that carry (listener, session,
 * writer, feed, own) are given the broker and use what stands here.
 *
 * A turn: every callback of the loop that may have changed something ends in broker_turn(), which sends the acknowledgements that are
 * due, lets feeds with work send, buries the sessions that ended, and seals the broker's own events: once, whatever there was. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/time.h"
#include "broker/config.h"
#include "broker/mend.h"
#include "broker/metrics.h"
#include "broker/rules.h"
#include "broker/state.h"
#include "conf/keys.h"
#include "loop/wake.h"
#include "wire/taxonomy.h"
#include "zmtp/listener.h"

struct broker_absent;
struct broker_audience;
struct broker_feed;
struct broker_listener;
struct broker_own;
struct broker_retention;
struct broker_routing;
struct broker_sessions;
struct broker_scan;
struct broker_stream;
struct broker_streams;
struct broker_upstreams;
struct broker_writer;
struct torap_app;
struct torap_batch;
struct torap_committer;
struct torap_compressor;
struct torap_error;
struct torap_http;
struct torap_kv;

struct broker {
	struct torap_app *app;
	struct broker_config *config; /* the caller's, for as long as the broker lives */
	struct torap_keys keys;
	uint8_t root[TORAP_SIGN_KEY_SIZE];
	struct broker_rules rules;
	struct broker_state state;
	struct broker_counts counts;

	struct torap_kv *kv;
	struct torap_committer *committer;
	struct broker_streams *streams;
	struct broker_routing *routing;
	struct torap_compressor *compressor; /* of runs */
	struct broker_audience *audience;
	struct broker_absent *absent;
	struct broker_own *own;
	struct broker_mend mend;
	struct broker_scan *scan;
	struct broker_retention *retention;
	struct torap_zmtp_turn *turns; /* what its connections have in common */
	struct torap_zmtp_counts zmtp;
	struct broker_sessions *sessions;
	struct broker_listener *listener;
	struct broker_upstreams *upstreams;
	struct torap_http *http;
	struct torap_wake commits; /* the committer has something for us */
	uv_timer_t tick;
	bool commits_open, tick_open, stopping;
	bool trust_expired;   /* and the log knows */
	bool key_out_of_time; /* likewise */
	unsigned ticks;

	/* What the end of the turn has to do. */
	struct broker_feed *ready;     /* feeds that may send */
	struct broker_writer *owing;   /* writers with an acknowledgement due */
	struct broker_writer *greeted; /* writers whose welcome waits for the disk */
	bool burials;                  /* sessions have ended */

	unsigned lag_reads; /* of the store, that the page being written may still do (lag.h) */
};

/* Reads every file that the configuration names and says what is wrong, without starting anything (-n). */
int broker_check(const struct broker_config *config, struct torap_error *err);

int broker_create(
	struct broker **out, struct torap_app *app, struct broker_config *config, struct torap_error *err);
/* SIGTERM: ends every session and closes what is on the loop; the loop then runs out. */
void broker_stop(struct broker *b);
/* After the loop.  Accepts NULL.  Returns NULL. */
struct broker *broker_destroy(struct broker *b);

void broker_turn(struct broker *b);
/* A batch of a writer or of our own is on the disk: takes it, moves the stream's head and tells the feeds whose it is. */
void broker_flushed(
	struct broker *b, struct broker_stream *s, struct torap_batch **take, struct torap_wall received_at);
/* Frames of a batch that was here already are on the disk now, too: feeds that they are granted to, and that got it without them, get it
 * again.  `was_damaged`: so may whoever could not be given it. */
void broker_merged(
	struct broker *b, struct broker_stream *s, const struct torap_batch *batch, bool was_damaged);
/* A stream that was not there before: feeds of its lane that it may concern follow it from its begin.  NULL: no room for it. */
struct broker_stream *broker_new_stream(struct broker *b, const struct torap_stream_id *id);
