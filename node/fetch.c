#include "node/fetch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "conf/trust.h"
#include "link/message.h"
#include "link/run.h"
#include "node/config.h"
#include "node/uplink.h"
#include "store/committer.h"
#include "store/journal.h"
#include "wire/verify.h"

enum {
	WANTS_MAX = 64,
	AWAY_MS = 3000,   /* a broker that has it may be connecting just now; alarms behind it wait as long */
	ANSWER_MS = 2000, /* when all that have it were asked */
	EVERY_MS = 100,
	FULL_MS = 1000,
	UNPROVEN_MAX = 3,
};

struct want {
	struct torap_stream_id stream;
	uint64_t batch_no;
	struct torap_mono until;
	bool asked[NODE_BROKERS_MAX];
	bool all_asked, failed;
	unsigned unproven; /* times that one came and the chain did not name it */
};

struct node_fetch {
	struct node_fetch_options options;
	struct want wants[WANTS_MAX];
	size_t count;
	struct torap_mono next[NODE_BROKERS_MAX]; /* question to this broker, which answers not more often */
};

/* A manifest on its way to the disk. */
struct mending {
	struct torap_commit_job job;
	struct node_fetch *fetch;
	struct torap_batch *batch;
	struct torap_wall at;
};

static struct want *find(struct node_fetch *f, const struct torap_stream_id *stream, uint64_t batch_no)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->wants[i].batch_no == batch_no && torap_stream_id_equal(&f->wants[i].stream, stream))
			return &f->wants[i];
	return NULL;
}

static void forget(struct node_fetch *f, struct want *w)
{
	*w = f->wants[--f->count];
}

/* The carrier's number of the stream, if its broker has acknowledged the batch; else -1. */
static int place_at(const struct node_uplink *u, const struct want *w)
{
	const struct node_carrier *c = node_uplink_carrier(u, w->stream.lane);
	int place = node_carrier_find(c, &w->stream);
	return place >= 0 && !c->streams[place].skipped && c->streams[place].acked.batch_no >= w->batch_no
		       ? place
		       : -1;
}

static bool has_anybody(const struct node_fetch *f, const struct want *w)
{
	for (size_t i = 0; i < *f->options.uplinks_count; i++)
		if (place_at(f->options.uplinks[i], w) >= 0)
			return true;
	return false;
}

/* Asks whoever has it and flows. */
static void ask(struct node_fetch *f, struct want *w, struct node_now now)
{
	bool waits = false;
	char text[TORAP_STREAM_TEXT_SIZE];
	for (size_t i = 0; i < *f->options.uplinks_count; i++) {
		struct node_uplink *u = f->options.uplinks[i];
		if (w->asked[i] || place_at(u, w) < 0)
			continue;
		w->asked[i] = torap_mono_reached(f->next[i], now.mono) &&
			      node_uplink_ask(u, &w->stream, w->batch_no, now);
		waits = waits || !w->asked[i];
		if (!w->asked[i])
			continue;
		f->next[i] = torap_mono_add_ms(now.mono, EVERY_MS);
		torap_notice("BATCH-ASKED-BACK",
			"%s batch %" PRIu64
			": broker %s is asked for its manifest, which cannot be read here",
			torap_stream_id_format(&w->stream, text), w->batch_no, node_uplink_name(u));
	}
	if (!waits && !w->all_asked)
		w->until = torap_mono_add_ms(now.mono, ANSWER_MS);
	w->all_asked = !waits;
}

bool node_fetch_want(
	struct node_fetch *f, const struct torap_stream_id *stream, uint64_t batch_no, struct node_now now)
{
	struct want *known = find(f, stream, batch_no);
	if (known)
		return !known->failed;
	struct want w = {
		.stream = *stream, .batch_no = batch_no, .until = torap_mono_add_ms(now.mono, AWAY_MS)
	};
	if (f->count == WANTS_MAX || !has_anybody(f, &w))
		return false;
	f->wants[f->count] = w;
	ask(f, &f->wants[f->count++], now);
	return true;
}

void node_fetch_tick(struct node_fetch *f, struct node_now now)
{
	for (size_t i = 0; i < f->count; i++) {
		struct want *w = &f->wants[i];
		if (w->failed)
			continue;
		ask(f, w, now);
		if (!torap_mono_reached(w->until, now.mono))
			continue;
		/* It stays, so that it is not asked for again and again. */
		w->failed = true;
		struct torap_stream_id stream = w->stream;
		f->options.done(f->options.hint, &stream, w->batch_no, false);
	}
}

/* Answers. */

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct mending *m = (struct mending *)job;
	return torap_journal_append(txn, m->batch, m->at);
}

/* What is damaged in a row is proven from its end: the manifest behind names the one before. */
static void want_next(struct node_fetch *f, struct want *w, struct node_now now)
{
	struct torap_stream_id stream = w->stream;
	if (++w->unproven > UNPROVEN_MAX)
		return;
	w->until = torap_mono_add_ms(now.mono, AWAY_MS);
	node_fetch_want(f, &stream, w->batch_no + 1, now);
}

static void ask_anew(struct want *w, struct node_now now)
{
	memset(w->asked, 0, sizeof w->asked);
	w->all_asked = false;
	w->until = torap_mono_add_ms(now.mono, AWAY_MS);
}

static void ask_later(struct node_fetch *f, struct want *w, struct node_now now)
{
	ask_anew(w, now);
	for (size_t i = 0; i < *f->options.uplinks_count; i++)
		f->next[i] = torap_mono_add_ms(now.mono, FULL_MS);
}

static void on_mended(struct mending *m, struct node_now now)
{
	struct node_fetch *f = m->fetch;
	const struct torap_stream_id *stream = &m->batch->manifest->stream;
	uint64_t batch_no = m->batch->manifest->batch_no;
	struct want *w = find(f, stream, batch_no);
	char text[TORAP_STREAM_TEXT_SIZE];
	torap_notice("BATCH-MENDED", "%s batch %" PRIu64 ": its manifest came back from a broker",
		torap_stream_id_format(stream, text), batch_no);
	if (w)
		forget(f, w);
	w = find(f, stream, batch_no - 1);
	if (w && w->unproven && !w->failed)
		ask_anew(w, now);
	f->options.done(f->options.hint, stream, batch_no, true);
}

static void on_done(struct torap_commit_job *job, int result)
{
	struct mending *m = (struct mending *)job;
	const struct torap_manifest *manifest = m->batch->manifest;
	struct want *w = find(m->fetch, &manifest->stream, manifest->batch_no);
	struct node_now now;
	char text[TORAP_STREAM_TEXT_SIZE];
	m->fetch->options.now(m->fetch->options.hint, &now);
	if (result == TORAP_JOURNAL_MERGED || result == TORAP_JOURNAL_OLD) {
		on_mended(m, now);
	} else {
		bool full = result == TORAP_KV_FULL;
		torap_warn("BATCH-UNPROVEN", "%s batch %" PRIu64 ": its manifest came from a broker, and %s",
			torap_stream_id_format(&manifest->stream, text), manifest->batch_no,
			full ? "there is no room for it" : "nothing behind it proves yet that it is the one");
		if (w && !w->failed && full)
			ask_later(m->fetch, w, now);
		else if (w && !w->failed)
			want_next(m->fetch, w, now);
	}
	torap_batch_destroy(m->batch);
	free(m);
}

/* A copy; NULL: not one, or out of memory. */
static struct torap_buffer *only_manifest(struct torap_bytes body)
{
	struct torap_run run;
	if (torap_run_decode(&run, body, NULL))
		return NULL;
	struct torap_buffer *copy = run.count == 1 ? torap_buffer_copy(run.manifests[0]) : NULL;
	torap_run_finish(&run);
	return copy;
}

/* The one manifest of the run, if it can be what was asked for. */
static struct torap_batch *read_run(const struct node_fetch *f, const struct torap_stream_id *stream,
	uint64_t batch_no, struct torap_bytes run)
{
	struct torap_batch *batch = NULL;
	struct torap_buffer *copy = only_manifest(run);
	if (!copy || torap_batch_create(&batch, copy, NULL)) {
		torap_buffer_unref(copy);
		return NULL;
	}
	torap_buffer_unref(copy);
	memset(batch->omissions, TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED, batch->manifest->frames_count);
	/* By a key that nobody knows any more: the chain decides (torap_journal_append()). */
	enum torap_verdict v = torap_verify_manifest(batch, torap_trust_lookup, *f->options.trust);
	if ((v == TORAP_VERDICT_GOOD || v == TORAP_VERDICT_UNKNOWN_KEY) &&
		batch->manifest->batch_no == batch_no &&
		torap_stream_id_equal(&batch->manifest->stream, stream))
		return batch;
	return torap_batch_destroy(batch);
}

bool node_fetch_take(struct node_fetch *f, const struct torap_stream_id *stream, uint64_t batch_no,
	struct torap_bytes run, struct node_now now)
{
	struct want *w = find(f, stream, batch_no);
	struct torap_batch *batch = w && !w->failed ? read_run(f, stream, batch_no, run) : NULL;
	struct mending *m = batch ? calloc(1, sizeof *m) : NULL;
	if (!m) {
		torap_batch_destroy(batch);
		return false;
	}
	*m = (struct mending){
		.job = { .apply = apply, .done = on_done }, .fetch = f, .batch = batch, .at = now.wall
	};
	torap_committer_submit(f->options.committer, &m->job);
	return true;
}

int node_fetch_create(
	struct node_fetch **out, const struct node_fetch_options *options, struct torap_error *err)
{
	struct node_fetch *f = calloc(1, sizeof *f);
	if (!f)
		return torap_errorf(err, -ENOMEM, "fetch: out of memory");
	f->options = *options;
	*out = f;
	return 0;
}

struct node_fetch *node_fetch_destroy(struct node_fetch *f)
{
	free(f);
	return NULL;
}
