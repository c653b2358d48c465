#include "broker/scan.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

#include "broker/broker.h"
#include "broker/damage.h"
#include "broker/mend.h"
#include "broker/streams.h"
#include "loop/app.h"
#include "loop/low_latency.h"
#include "store/journal.h"
#include "store/kv.h"

enum { STEP_BYTES = 1 << 20, STEP_BATCHES = 64, ROUND_EVERY_MS = 3600 * 1000 };

struct broker_scan {
	uv_work_t work;
	struct broker *broker;
	bool busy;
	size_t place;  /* of the stream, among all */
	uint64_t next; /* its batch */
	struct torap_mono again;
	/* A step: what the worker is told, */
	uint32_t number;
	uint64_t from;
	struct torap_trust *trust;
	/* and what it found. */
	uint64_t damaged[STEP_BATCHES];
	size_t damaged_count, count;
};

/* On a worker thread. */
static void on_work(uv_work_t *work)
{
	struct broker_scan *s = work->data;
	struct torap_journal_entry entries[STEP_BATCHES];
	torap_low_latency_behind(true);
	s->damaged_count = 0;
	/* Its text is not needed: a batch that cannot be read is a hole, whatever is wrong with it. */
	if (torap_journal_read_range(s->broker->kv, s->number, s->from, STEP_BYTES, STEP_BATCHES, NULL, NULL,
		    entries, &s->count, NULL))
		s->count = 0;
	for (size_t i = 0; i < s->count; i++) {
		if (torap_batch_is_damaged(entries[i].batch) ||
			broker_provenance_of(entries[i].batch, s->broker->kv, s->number, s->trust) ==
				TORAP_PROVENANCE_DAMAGED)
			s->damaged[s->damaged_count++] = s->from + i;
		torap_batch_destroy(entries[i].batch);
	}
	if (s->count == 0) {
		s->damaged[s->damaged_count++] = s->from;
		s->count = 1;
	}
	torap_low_latency_behind(false);
}

static void on_done(uv_work_t *work, int status)
{
	struct broker_scan *s = work->data;
	struct broker *b = s->broker;
	(void)status; /* Nobody cancels it. */
	s->busy = false;
	s->trust = torap_trust_unref(s->trust);
	for (size_t i = 0; i < s->damaged_count && !b->stopping; i++)
		broker_mend_found(b, b->streams->all[s->place], s->damaged[i]);
	s->next = s->from + s->count;
	b->counts.scanned += s->count;
}

/* The next stream of which something is left to read; NULL: the round is over. */
static const struct broker_stream *next_stream(struct broker_scan *s)
{
	const struct broker_streams *streams = s->broker->streams;
	for (; s->place < streams->count; s->place++, s->next = 0) {
		const struct broker_stream *stream = streams->all[s->place];
		if (s->next < stream->first_batch)
			s->next = stream->first_batch;
		if (stream->stored && s->next <= broker_stream_last(stream))
			return stream;
	}
	return NULL;
}

void broker_scan_tick(struct broker_scan *s, struct torap_mono now)
{
	if (s->busy || !torap_mono_reached(s->again, now))
		return;
	const struct broker_stream *stream = next_stream(s);
	if (!stream) {
		s->place = 0;
		s->next = 0;
		s->again = torap_mono_add_ms(now, ROUND_EVERY_MS);
		return;
	}
	s->busy = true;
	s->number = stream->number;
	s->from = s->next;
	s->trust = torap_trust_ref(s->broker->rules.trust);
	int r = uv_queue_work(&s->broker->app->loop, &s->work, on_work, on_done);
	assert(r == 0); /* It only fails without a callback. */
	(void)r;
}

struct broker_scan *broker_scan_create(struct broker *b)
{
	struct broker_scan *s = calloc(1, sizeof *s);
	if (s) {
		s->broker = b;
		s->work.data = s;
	}
	return s;
}

struct broker_scan *broker_scan_destroy(struct broker_scan *s)
{
	free(s);
	return NULL;
}
