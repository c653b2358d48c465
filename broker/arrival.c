#include "broker/arrival.h"

#include <inttypes.h>

#include "base/log.h"
#include "broker/broker.h"
#include "broker/commit.h"
#include "broker/damage.h"
#include "broker/history.h"
#include "broker/mend.h"
#include "broker/streams.h"
#include "broker/upstream.h"
#include "broker/writer.h"
#include "loop/app.h"

/* What waits is counted where its credit is: of an upstream at its lane, while it is there, else at the stream. */
static void count_waiting(struct broker *b, struct broker_stream *s, const struct broker_source *source,
	size_t size, bool arrives)
{
	size_t *bytes = source->kind == BROKER_SOURCE_UPSTREAM
				? broker_upstreams_waiting(b->upstreams, source, s->id.lane)
				: &s->waiting_bytes;
	if (bytes)
		*bytes += arrives ? size : -size;
	if (source->kind == BROKER_SOURCE_WRITER)
		s->writer_merges += arrives ? 1 : -1u;
}

/* Said once for each stream until something of it finds room again: who brings it comes back every few seconds. */
static void on_full(struct broker *b, struct broker_stream *s, uint64_t batch_no)
{
	if (batch_no == broker_stream_due(s))
		broker_stream_fall_back(s);
	b->counts.refused_full++;
	if (!s->full_told)
		torap_fail("STORE-FULL",
			"no room for batches of %s; who brings them keeps them and tries again",
			s->id.writer);
	s->full_told = true;
	broker_writer_full(s->writer);
	broker_upstreams_full(b->upstreams, s);
}

/* What is here cannot be read, or is not what its writer signed: a hole, and nothing behind it proves the one that came. */
static void on_damage(struct broker *b, struct broker_stream *s, uint64_t batch_no)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	b->counts.refused[TORAP_VERDICT_BROKEN_CHAIN]++;
	torap_info("BATCH-UNPROVEN",
		"%s batch %" PRIu64
		" came again, and nothing behind it proves yet that it is the one that is damaged here",
		torap_stream_id_format(&s->id, text), batch_no);
	broker_mend_found(b, s, batch_no);
}

static bool on_fork(struct broker *b, struct broker_stream *s, const struct broker_commit *c)
{
	bool relayed = c->source.kind == BROKER_SOURCE_UPSTREAM;
	uint64_t batch_no = c->batch->manifest->batch_no;
	/* Two that are signed are a fork; of one that a bit may have made there is nothing to be said. */
	if (c->there &&
		broker_provenance_of(c->there, b->kv, c->number, b->rules.trust) != TORAP_PROVENANCE_SIGNED) {
		on_damage(b, s, batch_no);
		return false;
	}
	broker_history_fork(b, s, c->batch, relayed ? c->source.name : s->id.writer);
	if (batch_no >= s->flushed.next_batch)
		broker_stream_fall_back(s);
	if (!relayed)
		broker_writer_forked(s->writer, batch_no);
	return true;
}

static void on_merged(struct broker *b, struct broker_stream *s, const struct broker_commit *c)
{
	s->full_told = false;
	if (c->damaged) /* Its source has what we were not given, and has it damaged. */
		broker_mend_found(b, s, c->batch->manifest->batch_no);
	if (c->mends)
		broker_mend_merged(b, s, c->batch->manifest->batch_no);
	broker_merged(b, s, c->batch, c->mends);
}

static void on_done(struct broker_commit *c, enum broker_commit_result result)
{
	struct broker *b = c->hint;
	struct broker_stream *s = c->stream;
	uint64_t batch_no = c->batch->manifest->batch_no;
	count_waiting(b, s, &c->source, torap_batch_size(c->batch), false);
	if (c->mends && !c->damaged && (result == BROKER_COMMIT_MERGED || result == BROKER_COMMIT_OLD))
		torap_holes_remove(&s->holes, batch_no);
	switch (result) {
	case BROKER_COMMIT_FULL:
		on_full(b, s, batch_no);
		return;
	case BROKER_COMMIT_VOID:
		return;
	case BROKER_COMMIT_OTHER:
		if (on_fork(b, s, c))
			return;
		break;
	case BROKER_COMMIT_DAMAGED:
		on_damage(b, s, batch_no);
		break;
	case BROKER_COMMIT_FLUSHED:
		s->full_told = false;
		if (torap_batch_is_damaged(c->batch))
			broker_mend_found(b, s, batch_no);
		broker_flushed(b, s, &c->batch, c->received_at);
		break;
	case BROKER_COMMIT_MERGED:
		on_merged(b, s, c);
		break;
	case BROKER_COMMIT_OLD:
		break;
	}
	if (c->source.kind != BROKER_SOURCE_UPSTREAM)
		broker_writer_owe(s->writer, s);
	broker_upstreams_owe(b->upstreams, s);
}

int broker_arrival(struct broker *b, struct broker_stream *s, struct torap_batch **take,
	const struct broker_source *source)
{
	const struct torap_manifest *m = (*take)->manifest;
	struct torap_position accepted = s->accepted;
	size_t size = torap_batch_size(*take);
	bool next = m->batch_no == accepted.next_batch;
	if (next)
		torap_position_advance(&accepted, m);
	int r = broker_commit_submit(b->committer, s, take, torap_app_wall(), source, on_done, b);
	if (r)
		return r;
	s->accepted = accepted;
	count_waiting(b, s, source, size, true);
	return 0;
}
