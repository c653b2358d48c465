/* broker.h: what the parts of the simulator's broker know of each other.
 *
 * Of the real one are its streams in memory, admission, routing, cut, course, and what it heard of upstreams and owes them; what stands
 * here in place of its I/O follows writer.c, upstream.c, upstream_take.c, arrival.c, commit.c, mend.c, feed.c and feed_again.c. */
#pragma once

#include "broker/heard.h"
#include "broker/routing.h"
#include "broker/rules.h"
#include "broker/source.h"
#include "broker/streams.h"
#include "link/message.h"
#include "link/pulse.h"
#include "sim/sim.h"

enum { SIM_STALL_US = 5 * TORAP_US_PER_S, SIM_POLICIES = 2 };

/* A batch on its way to the disk. */
struct sim_arrival {
	struct sim_arrival *next;
	size_t stream;
	struct torap_batch *batch;
	enum broker_source_kind source;
	size_t upstream; /* whose it is */
	bool mends;
};

struct sim_write_session {
	bool open, owed;
	uint32_t connection;
	struct torap_pulse pulse;
};

struct sim_again {
	size_t stream;
	uint64_t batch_no;
};

struct sim_feed_session {
	bool open;
	uint32_t connection;
	struct torap_pulse pulse;
	struct torap_window window;
	uint64_t next[SIM_STREAMS]; /* 0: not of this lane */
	uint64_t acked[SIM_STREAMS];
	struct torap_mono next_flush;
	struct sim_again *again; /* to be sent once more */
	size_t again_count, again_room;
	bool again_sent; /* one is on its way… */
	size_t again_stream;
};

/* A lane of the nation's subscription to a city. */
struct sim_upstream {
	struct torap_dialler dialler;
	struct broker_heard heard;
	struct torap_grant_row *granted;
	size_t granted_count;
	uint64_t said[SIM_STREAMS]; /* in its hello: what is here before this */
};

struct sim_broker {
	size_t number;
	bool up;
	struct torap_mono back_at, full_until, stuck_until, next_mend;
	struct broker_rules rules;
	struct broker_policy *policies[SIM_POLICIES]; /* 1: almaty is granted personal parts */
	struct broker_routing *routing;
	struct broker_streams *streams;
	struct broker_stream *stream[SIM_STREAMS];
	struct sim_arrival *waiting;
	struct sim_write_session writers[SIM_STREAMS];
	struct sim_upstream upstreams[SIM_CITIES][SIM_LANES]; /* the nation's */
	struct sim_feed_session feeds[SIM_FEEDS][SIM_LANES];
	size_t scanned[SIM_STREAMS];

	/* On the disk. */
	struct sim_disk disks[SIM_STREAMS];
	uint64_t shown[SIM_CITIES][SIM_STREAMS]; /* an upstream brought all before this */
};

/* Where a stream stands before batch `next`; past what is here, nothing is known of it. */
struct torap_stream_position sim_broker_position(const struct sim_broker *b, size_t stream, uint64_t next);
/* With the holes before it that are due. */
void sim_broker_ask(struct sim_world *w, struct sim_broker *b, size_t stream, struct torap_stream_position *p,
	struct torap_holes_turn turn);
/* 0 is the writer, else an upstream from 1 on. */
struct torap_holes_turn sim_broker_turn(const struct sim_broker *b, unsigned source);
void sim_broker_found(struct sim_world *w, struct sim_broker *b, size_t stream, uint64_t batch_no);
void sim_broker_refuse(
	struct sim_world *w, struct sim_line *line, int code, const struct torap_stream_position *resume);
/* Takes *batch; it goes to the disk with the next flush. */
void sim_broker_arrival(struct sim_world *w, struct sim_broker *b, size_t stream, struct torap_batch **take,
	enum broker_source_kind source, size_t upstream);
size_t sim_broker_stream(const struct sim_broker *b, const struct torap_stream_id *id);

/* --- broker_writer.c --- */

struct sim_line *sim_writer_line(struct sim_world *w, const struct sim_broker *b, size_t stream);
void sim_writer_step(struct sim_world *w, struct sim_broker *b, size_t stream);
void sim_writer_acknowledge(struct sim_world *w, struct sim_broker *b, size_t stream);
void sim_writer_full(struct sim_world *w, struct sim_broker *b, size_t stream);

/* --- broker_upstream.c --- */

void sim_upstream_start(struct sim_world *w, struct sim_broker *b);
void sim_upstream_forget(struct sim_world *w, struct sim_broker *b);
void sim_upstream_step(struct sim_world *w, struct sim_broker *b, size_t upstream, size_t lane);
void sim_upstream_full(struct sim_world *w, struct sim_broker *b, size_t stream);
/* False: it cannot be asked now. */
bool sim_upstream_ask(struct sim_world *w, struct sim_broker *b, size_t upstream, size_t stream);

/* --- broker_feed.c --- */

void sim_feed_step(struct sim_world *w, struct sim_broker *b, size_t f, size_t lane);
void sim_feed_end(struct sim_feed_session *session);
/* A batch has frames that it had not.  `came`: which; NULL: it was damaged, and all are to have it again. */
void sim_feeds_mended(
	struct sim_world *w, struct sim_broker *b, size_t stream, uint64_t batch_no, const bool *came);
