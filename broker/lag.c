#include "broker/lag.h"

#include "broker/broker.h"
#include "broker/streams.h"
#include "store/journal.h"
#include "store/kv.h"

/* What a batch takes by its manifest, whether or not its frames are held. */
static uint64_t whole_size(const struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	uint64_t size = batch->signed_manifest->size + (uint64_t)m->frames_count * TORAP_DIGEST_SIZE;
	for (unsigned g = 0; g < m->groups_count; g++)
		for (unsigned p = 0; p < m->groups[g].parts_count; p++)
			size += m->groups[g].parts[p].length;
	return size;
}

/* Looks at so many of the batches from `first` to `end` - 1, evenly spread. */
static bool read_begin(struct torap_kv_txn *txn, const struct broker_stream *s, uint64_t first, uint64_t end,
	uint64_t looks, struct broker_lag_begin *out)
{
	uint64_t count = end - first, size = 0, events = 0;
	const struct broker_recent *after = broker_stream_recent(s, end);
	uint64_t end_seq = after ? after->batch->manifest->first_seq : s->flushed.next_seq;
	for (uint64_t i = 0; i < looks; i++) {
		struct torap_batch *batch;
		struct torap_wall received_at;
		if (torap_journal_read(txn, s->number, first + i * count / looks, torap_journal_want_none,
			    NULL, &batch, &received_at, NULL))
			return false; /* Damaged: the log says so. */
		if (i == 0)
			*out = (struct broker_lag_begin){ first, batch->manifest->first_seq, received_at, 0 };
		size += whole_size(batch);
		events += batch->manifest->count;
		torap_batch_destroy(batch);
	}
	uint64_t bytes = looks == count
				 ? size
				 : (uint64_t)((double)size * (double)(end_seq - out->seq) / (double)events);
	out->bytes_before = (int64_t)(after ? after->bytes_before : s->bytes) - (int64_t)bytes;
	return true;
}

/* False: the store cannot be read there. */
static bool find_begin(
	struct broker *b, const struct broker_stream *s, uint64_t first, struct broker_lag_begin *begin)
{
	const struct broker_recent *e = broker_stream_recent(s, first);
	if (begin->batch_no == first)
		return true;
	if (e) {
		*begin = (struct broker_lag_begin){ first, e->batch->manifest->first_seq, e->received_at,
			(int64_t)e->bytes_before };
		return true;
	}
	uint64_t last = broker_stream_last(s), end = s->recent_from <= last ? s->recent_from : last + 1;
	uint64_t looks = b->lag_reads < BROKER_LAG_SAMPLES ? b->lag_reads : BROKER_LAG_SAMPLES;
	if (looks > end - first)
		looks = end - first;
	b->lag_reads -= (unsigned)looks;
	if (looks == 0)
		looks = 1; /* Events and seconds are right all the same. */
	struct torap_kv_txn txn;
	struct broker_lag_begin found;
	torap_kv_begin(&txn, b->kv, false);
	bool ok = read_begin(&txn, s, first, end, looks, &found);
	torap_kv_abort(&txn);
	if (ok)
		*begin = found;
	return ok;
}

static void note_seconds(struct broker_lag *sum, struct torap_wall since, struct torap_wall now)
{
	double seconds = (double)(now.us - since.us) / TORAP_US_PER_S;
	if (seconds > sum->seconds)
		sum->seconds = seconds;
}

void broker_lag_behind(struct broker_lag *sum, struct broker *b, const struct broker_stream *s,
	uint64_t acked, struct broker_lag_begin *begin, struct torap_wall now)
{
	uint64_t first = acked < s->first_batch ? s->first_batch : acked + 1, last = broker_stream_last(s);
	if (first > last)
		return;
	sum->batches += last + 1 - first;
	if (find_begin(b, s, first, begin)) {
		sum->events += s->flushed.next_seq - begin->seq;
		sum->bytes += (uint64_t)((int64_t)s->bytes - begin->bytes_before);
		note_seconds(sum, begin->received_at, now);
		return;
	}
	uint64_t events = s->flushed.next_seq - broker_stream_seq_at(s, first);
	sum->events += events;
	if (s->events)
		sum->bytes += (uint64_t)((double)events * (double)s->bytes / (double)s->events);
	if (begin->batch_no)
		note_seconds(sum, begin->received_at, now);
}

void broker_lag_ahead(struct broker_lag *sum, const struct broker_stream *s, struct torap_wall now)
{
	if (!s->head || s->head_read.last_batch < s->flushed.next_batch)
		return;
	uint64_t events = s->head_read.next_seq - s->flushed.next_seq;
	sum->batches += s->head_read.last_batch - broker_stream_last(s);
	sum->events += events;
	if (s->events)
		sum->bytes += (uint64_t)((double)events * (double)s->bytes / (double)s->events);
	note_seconds(sum, s->whole_at.us ? s->whole_at : s->head_read.at, now);
}
