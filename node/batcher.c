#include "node/batcher.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "node/lane.h"
#include "proto/batch.pb-c.h"

const size_t node_batcher_waiting_max[TORAP_LANES] = {
	[TORAP__LANE__LANE_CRITICAL] = 64 << 10,
	[TORAP__LANE__LANE_NORMAL] = 32 << 10,
	[TORAP__LANE__LANE_BULK] = 16 << 10,
};

struct node_batcher {
	struct node_batcher_options options;
	struct node_lane lanes[TORAP_LANES]; /* 0 is unused */
};

enum { FIRST_LANE = TORAP__LANE__LANE_CRITICAL }; /* the alarms' job is submitted first */

int node_batcher_create(struct node_batcher **out, const struct node_batcher_options *options,
	struct node_now now, struct torap_error *err)
{
	struct node_batcher *b = calloc(1, sizeof *b);
	if (!b)
		return torap_errorf(err, -ENOMEM, "batcher: out of memory");
	b->options = *options;
	int r = 0;
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES && r == 0; lane++)
		r = node_lane_open(&b->lanes[lane], &b->options, lane, now, err);
	if (r)
		node_batcher_destroy(b);
	else
		*out = b;
	return r;
}

struct node_batcher *node_batcher_destroy(struct node_batcher *b)
{
	if (b) {
		for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
			node_lane_finish(&b->lanes[lane]);
		free(b);
	}
	return NULL;
}

int node_batcher_add(struct node_batcher *b, struct node_entry *entry)
{
	uint32_t lane = entry->event ? node_event_lane(entry->event) : TORAP__LANE__LANE_NORMAL;
	return node_lane_add(&b->lanes[lane], entry);
}

void node_batcher_run(struct node_batcher *b, struct node_now now)
{
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
		node_lane_run(&b->lanes[lane], now);
}

bool node_batcher_deadline(const struct node_batcher *b, struct torap_mono *out)
{
	bool any = false;
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++) {
		struct torap_mono at;
		if (node_lane_deadline(&b->lanes[lane], &at) && (!any || at.us < out->us)) {
			*out = at;
			any = true;
		}
	}
	return any;
}

void node_batcher_seal_bytes(struct node_batcher *b, size_t bytes)
{
	b->options.seal_bytes = bytes;
}

void node_batcher_flush(struct node_batcher *b)
{
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
		b->lanes[lane].flush = true;
}

bool node_batcher_idle(const struct node_batcher *b)
{
	bool idle = true;
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
		idle = idle && node_lane_idle(&b->lanes[lane]);
	return idle;
}

void node_batcher_want_heads(struct node_batcher *b)
{
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
		b->lanes[lane].want_head = true;
}

struct torap_buffer *node_batcher_last_head(
	const struct node_batcher *b, uint32_t lane, size_t stream, struct node_now now)
{
	const struct node_stream *s = &b->lanes[lane].streams[stream];
	struct torap_sealer *sealer;
	struct torap_error err;
	if (torap_sealer_create(
		    &sealer, &s->id, s->sealed.batch_no, s->sealed.next_seq, s->digest, b->options.key, &err))
		return NULL;
	torap_sealer_dated(sealer, s->sealed.sealed_at, NULL);
	struct torap_buffer *head = torap_sealer_head(sealer, now.wall);
	torap_sealer_destroy(sealer);
	return head;
}

void node_batcher_new_incarnation(struct node_batcher *b, uint32_t lane, uint64_t reissue_from)
{
	struct node_lane *l = &b->lanes[lane];
	/* Two brokers may ask before the round has come: what either lacks is told again. */
	if (!l->renew || reissue_from < l->reissue_from)
		l->reissue_from = reissue_from;
	l->renew = true;
}

const struct node_stream *node_batcher_streams(const struct node_batcher *b, uint32_t lane, size_t *count)
{
	*count = b->lanes[lane].streams_count;
	return b->lanes[lane].streams;
}

uint64_t node_batcher_next_seq(const struct node_batcher *b, uint32_t lane)
{
	const struct node_lane *l = &b->lanes[lane];
	return node_lane_stream(l)->sealed.next_seq + l->unsealed.count;
}

void node_batcher_forget(struct node_batcher *b, struct torap_wall before)
{
	for (uint32_t lane = FIRST_LANE; lane < TORAP_LANES; lane++)
		node_recent_forget(&b->lanes[lane].recent, before);
}

struct node_sealed *node_batcher_recent(
	const struct node_batcher *b, uint32_t lane, const struct torap_stream_id *stream, uint64_t batch_no)
{
	return node_recent_find(&b->lanes[lane].recent, stream, batch_no);
}

struct node_batcher_counts node_batcher_counts(const struct node_batcher *b, uint32_t lane)
{
	struct node_batcher_counts counts = b->lanes[lane].counts;
	counts.waiting = b->lanes[lane].waiting.count;
	counts.unsealed = b->lanes[lane].unsealed.count;
	return counts;
}
