/* upstream.h: the brokers that this one subscribes to: a link per lane (loop/zlink.h), as any subscriber of a feed has them.
 *
 *     hello with what is here of each stream → welcome: grant, the upstream's trust file → batches, runs, heads (upstream_take.h)
 *         → admission → arrival → flushed → acknowledged to the upstream, and routed here like a writer's batch
 *
 * A link comes up, stays up and comes up again by itself.  Nothing is kept of a session but what is on the disk (source.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/time.h"
#include "broker/config.h"
#include "broker/heard.h"
#include "broker/lag.h"
#include "broker/source.h"
#include "wire/taxonomy.h"

struct broker;
struct broker_stream;
struct torap_error;
struct torap_grant_row;
struct torap_zlink;

struct broker_upstream;

struct broker_upstream_lane {
	struct broker_upstream *upstream;
	uint8_t lane;
	struct torap_zlink *link;
	struct broker_heard heard;
	struct torap_stream_position *said; /* in the last hello */
	size_t said_count;
	struct torap_grant_row *granted; /* by the upstream */
	size_t granted_count;
	uint64_t credit_bytes;  /* in the last hello */
	size_t waiting_bytes;   /* on their way to the disk */
	struct torap_mono told; /* of batches passed over and frames withheld: one line a second */
	struct torap_mono grant_told;
};

struct broker_upstream {
	struct broker *broker;
	struct broker_upstream_config config;
	struct broker_source source;
	struct broker_upstream_lane lanes[TORAP_LANES]; /* 0 is unused */
	uint64_t trust_version; /* the highest that it showed, signed by our root; 0: none */
	bool trust_refused;     /* and the log knows */
	/* Since it stands in the configuration of this process. */
	uint64_t batches, again, passed_over, refused, withheld;
	unsigned closing; /* links that the loop has not let go of; with the last it frees itself */
};

struct broker_upstreams {
	struct broker *broker;
	size_t count, fresh_count;
	struct broker_upstream *list[BROKER_UPSTREAMS_MAX];  /* in the order of the configuration */
	struct broker_upstream *fresh[BROKER_UPSTREAMS_MAX]; /* of a reload that is not in force yet */
	uint64_t serial;
};

/* None yet.  NULL when memory ran out. */
struct broker_upstreams *broker_upstreams_create(struct broker *b);
/* At the start and at a reload, in two steps.  Opens the links of those that are new in the configuration; on failure nothing has changed. */
int broker_upstreams_prepare(
	struct broker_upstreams *u, const struct broker_config *next, struct torap_error *err);
/* `take`: what `next` says is in force, and taken out of it: the new ones flow, those that stand there no more end, those that changed begin
 * anew within some seconds (`rekeyed`: all that stay, for our CURVE key is another), with their old sessions until then.  Else the new ones
 * are closed. */
void broker_upstreams_settle(struct broker_upstreams *u, struct broker_config *next, bool rekeyed, bool take);
/* Stops listening; what is on the loop frees itself there.  Accepts NULL. */
void broker_upstreams_close(struct broker_upstreams *u);
struct broker_upstreams *broker_upstreams_destroy(
	struct broker_upstreams *u); /* accepts NULL, returns NULL */

/* All of these accept NULL. */

/* End of a turn: sends the acknowledgements that are due. */
void broker_upstreams_turn(struct broker_upstreams *u);
/* The stream moved on the disk, or what came again is there. */
void broker_upstreams_owe(struct broker_upstreams *u, const struct broker_stream *s);
/* There was no room for it: who brings it is to begin again later. */
void broker_upstreams_full(struct broker_upstreams *u, const struct broker_stream *s);
/* Another trust file: what was passed over is asked for anew, within some seconds. */
void broker_upstreams_greet_again(struct broker_upstreams *u);

/* How many there are. */
unsigned broker_upstreams_count(const struct broker_upstreams *u);
/* Asks this one for the holes of the stream that are due and that it is past.  False: there are none, or its link is away. */
bool broker_upstreams_ask(struct broker_upstreams *u, size_t i, struct broker_stream *s);

/* Bytes of the upstream that wait for the disk.  NULL: it is there no more. */
size_t *broker_upstreams_waiting(
	struct broker_upstreams *u, const struct broker_source *source, uint8_t lane);

/* By the newest heads of the streams that it was heard of. */
struct broker_lag broker_upstream_lag(const struct broker_upstream_lane *l, struct torap_wall now);
