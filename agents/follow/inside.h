/* inside.h: what the parts of the library know of each other.  Not for its users. */
#pragma once

#include "agents/follow/follow.h"
#include "agents/follow/grants.h"
#include "agents/follow/shelf.h"
#include "agents/follow/store.h"
#include "agents/follow/streams.h"
#include "loop/http.h"
#include "loop/wake.h"
#include "loop/zlink.h"
#include "store/committer.h"

struct follow_lane {
	struct torap_zlink *link;
	bool started; /* its first welcome is stored, or on its way there */
	bool ack_due; /* some stream of it */
	struct torap_grant_row *granted;
	size_t granted_count;
	uint32_t grant;       /* number in the store */
	size_t waiting_bytes; /* of batches on their way to the disk, or put aside */
	bool let_go; /* more came in this session than its credit holds: it comes again in the next */
};

/* No room, as it was told. */
struct follow_full {
	bool store, output;
	struct torap_mono store_since, output_since;
	uint64_t times; /* of both */
};

struct follow {
	struct follow_options options;
	struct follow_config *config;
	uv_loop_t *loop;
	struct torap_zmtp_turn *turns; /* what its links have in common */
	struct torap_kv *kv;
	struct torap_committer *committer;
	struct follow_shelf shelf;
	struct follow_full full;
	struct torap_wake committed;
	uv_timer_t second;
	struct torap_http *http;
	struct follow_output *output;

	struct follow_lane lanes[TORAP_LANES];
	struct follow_streams streams;
	struct follow_unheard unheard;
	struct torap_trust *trust;      /* NULL before the first welcome */
	struct follow_grant last_grant; /* the newest in the store */
	struct follow_totals totals;
	struct torap_mono withheld_told, beyond_told, grant_told; /* one line of each a second */
	struct torap_mono hole_told;                              /* likewise */

	bool ended, closing;
	unsigned closing_parts;
	void (*on_closed)(void *hint);
	void *on_closed_hint;
};

/* receive.c */
void follow_receive(struct follow *f, struct torap_zlink *l, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count);
/* welcome.c: welcome, grant, trust. */
/* The holes of the stream that are due, into a position; the caller frees them.  Without memory they are asked for later. */
void follow_ask_holes(struct follow_stream *s, struct torap_stream_position *p);
struct torap_buffer *follow_hello(struct follow *f, uint8_t lane);
bool follow_may_tell(struct torap_mono *told);
void follow_receive_welcome(struct follow *f, struct torap_zlink *l, struct torap_bytes body);
void follow_receive_grant(struct follow *f, struct torap_zlink *l, struct torap_bytes body);
/* jobs.c: what goes to the committer.  All take what they need; memory that runs out ends the process by follow_end(). */
void follow_commit_batch(struct follow *f, struct follow_stream *s, struct torap_batch **take);
void follow_commit_welcome(struct follow *f, uint8_t lane, struct torap_stream_position *positions,
	size_t count, bool late, const struct follow_grant *grant, const struct torap_trust *trust);
void follow_commit_head(struct follow *f, const struct torap_stream_id *stream, struct torap_buffer *head);
/* False: of this stream there are FOLLOW_PROOFS_MAX already, and a writer gone mad signs without an end. */
bool follow_commit_proof(struct follow *f, struct follow_stream *s, enum torap_proof sort, uint64_t number,
	struct torap_buffer *document);
/* full.c: while the directory or the output has no room. */
/* Each second, and when something was flushed. */
void follow_look_at_room(struct follow *f);
/* Is the batch let go?  It comes again: what is put aside stays within the credit.  To be asked before it is judged. */
bool follow_lets_go(struct follow *f, const struct follow_stream *s, const struct torap_batch *b);
/* The same of one that is old: it is put aside already, or was flushed. */
bool follow_lets_go_old(const struct follow *f);
/* writers.c */
/* A head that was not known before. */
void follow_writer_head(const struct follow_stream *s, const struct torap_head *head);
/* A batch, or frames of it that were missing, is on the disk: has it a canary? */
void follow_writer_flushed(
	const struct follow_stream *s, const struct torap_batch *batch, struct torap_wall received_at);
/* The welcome of a lane: what this broker has.  Each is a known stream. */
void follow_writers_carried(
	struct follow *f, uint8_t lane, const struct torap_stream_position *positions, size_t count);
/* The configuration names others.  0 or -ENOMEM. */
int follow_writers_expect(struct follow *f);
/* Once a second: who is silent, whose canaries do not come. */
void follow_writers_judge(struct follow *f);
/* follow.c */
void follow_end(struct follow *f, const char *why);
void follow_acknowledge(struct follow *f);
/* status.c */
extern const struct torap_http_route follow_routes[]; /* hint: the struct follow */
