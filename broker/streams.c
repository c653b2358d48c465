#include "broker/streams.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/routing.h"

/* A head is later than a batch that it does not know when it is so by more than a clock that was set right. */
enum { ROLLBACK_MARGIN_US = 60 * TORAP_US_PER_S };

static size_t bucket_of(const struct torap_stream_id *id)
{
	uint64_t h = id->incarnation ^ ((uint64_t)id->lane << 56);
	for (const char *c = id->writer; *c; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3u;
	return (h * 0x9e3779b97f4a7c15u) >> 54;
}

struct broker_streams *broker_streams_create(void)
{
	return calloc(1, sizeof(struct broker_streams));
}

/* Only ever the oldest of its stream: what is in memory of a stream has no holes. */
static void forget(struct broker_streams *streams, struct broker_recent *e)
{
	struct broker_stream *s = e->stream;
	uint64_t batch_no = e->batch->manifest->batch_no;
	assert(s->recent[batch_no % BROKER_RECENT_MAX] == e && s->recent_from == batch_no);
	s->recent[batch_no % BROKER_RECENT_MAX] = NULL;
	s->recent_from = batch_no + 1;
	*(e->older ? &e->older->newer : &streams->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &streams->newest) = e->older;
	streams->recent_bytes -= e->size;
	torap_batch_destroy(e->batch);
	free(e->matched);
	free(e);
}

struct broker_streams *broker_streams_destroy(struct broker_streams *streams)
{
	if (!streams)
		return NULL;
	while (streams->oldest)
		forget(streams, streams->oldest);
	for (size_t i = 0; i < streams->count; i++) {
		torap_buffer_unref(streams->all[i]->head);
		torap_buffer_unref(streams->all[i]->run);
		torap_holes_finish(&streams->all[i]->holes);
		free(streams->all[i]);
	}
	free(streams);
	return NULL;
}

struct broker_stream *broker_streams_find(struct broker_streams *streams, const struct torap_stream_id *id)
{
	for (struct broker_stream *s = streams->buckets[bucket_of(id)]; s; s = s->next)
		if (torap_stream_id_equal(&s->id, id))
			return s;
	return NULL;
}

struct broker_stream *broker_streams_add(struct broker_streams *streams, const struct torap_stream_id *id)
{
	if (streams->count == TORAP_STREAMS_MAX)
		return NULL;
	struct broker_stream *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	size_t bucket = bucket_of(id);
	s->id = *id;
	s->first_batch = s->begins = 1;
	s->recent_from = 1;
	s->flushed = s->accepted = (struct torap_position){ .next_batch = 1, .next_seq = 1 };
	s->index = (uint32_t)streams->count;
	s->place = (uint32_t)streams->lane_count[id->lane];
	s->next = streams->buckets[bucket];
	streams->buckets[bucket] = s;
	streams->all[streams->count++] = s;
	streams->lanes[id->lane][streams->lane_count[id->lane]++] = s;
	return s;
}

bool broker_streams_have_room(const struct broker_streams *streams, const struct torap_stream_id *id)
{
	size_t count = 0;
	for (size_t i = 0; i < streams->lane_count[id->lane]; i++)
		count += strcmp(streams->lanes[id->lane][i]->id.writer, id->writer) == 0;
	return count < BROKER_STREAMS_OF_WRITER_MAX && streams->count < TORAP_STREAMS_MAX;
}

uint64_t broker_stream_last(const struct broker_stream *s)
{
	return s->flushed.next_batch - 1;
}

/* Those before a batch that could not be kept may not stay behind the hole. */
static void forget_stream(struct broker_streams *streams, struct broker_stream *s)
{
	while (s->recent[s->recent_from % BROKER_RECENT_MAX])
		forget(streams, s->recent[s->recent_from % BROKER_RECENT_MAX]);
	s->recent_from = s->flushed.next_batch;
}

struct broker_recent *broker_stream_flushed(struct broker_streams *streams, struct broker_stream *s,
	struct torap_batch **take, struct torap_wall received_at)
{
	struct torap_batch *batch = *take;
	const struct torap_manifest *m = batch->manifest;
	struct broker_recent **place = &s->recent[m->batch_no % BROKER_RECENT_MAX];
	size_t size = torap_batch_size(batch);
	if (s->flushed.next_batch == s->first_batch) /* The first: here it begins. */
		s->first_batch = s->flushed.next_batch = s->recent_from = m->batch_no;
	assert(m->batch_no == s->flushed.next_batch);
	*take = NULL;
	torap_position_advance(&s->flushed, m);
	if (s->accepted.next_batch < s->flushed.next_batch)
		s->accepted = s->flushed; /* It fell back, and another source brought the batch. */
	s->batches++;
	s->events += m->count;
	s->bytes += size;
	if (m->sealed_at_us > s->whole_at.us)
		s->whole_at.us = m->sealed_at_us;

	if (*place)
		forget(streams, *place);
	while (streams->oldest && streams->recent_bytes + size > BROKER_RECENT_BYTES_MAX)
		forget(streams, streams->oldest);
	struct broker_recent *e = calloc(1, sizeof *e);
	if (!e) {
		forget_stream(streams, s);
		torap_batch_destroy(batch);
		return NULL;
	}
	*e = (struct broker_recent){ .stream = s, .batch = batch, .size = size, .received_at = received_at };
	e->bytes_before = s->bytes - size;
	e->older = streams->newest;
	*(e->older ? &e->older->newer : &streams->oldest) = e;
	streams->newest = e;
	*place = e;
	streams->recent_bytes += size;
	return e;
}

void broker_stream_merged(
	struct broker_streams *streams, struct broker_stream *s, const struct torap_batch *batch)
{
	struct broker_recent *e = broker_stream_recent(s, batch->manifest->batch_no);
	if (e && batch->digests && !e->batch->digests) {
		e->batch->digests = torap_buffer_ref(batch->digests);
		e->size += batch->digests->size;
		streams->recent_bytes += batch->digests->size;
	}
	for (unsigned i = 0; e && i < batch->manifest->frames_count; i++) {
		if (!batch->frames[i] || e->batch->frames[i])
			continue;
		e->batch->frames[i] = torap_buffer_ref(batch->frames[i]);
		e->size += batch->frames[i]->size;
		streams->recent_bytes += batch->frames[i]->size;
	}
	while (streams->oldest && streams->recent_bytes > BROKER_RECENT_BYTES_MAX)
		forget(streams, streams->oldest);
}

void broker_streams_forget(struct broker_streams *streams, struct torap_wall before)
{
	while (streams->oldest && streams->oldest->received_at.us < before.us)
		forget(streams, streams->oldest);
}

void broker_stream_fall_back(struct broker_stream *s)
{
	s->accepted = s->flushed;
	s->begins = s->flushed.next_batch;
}

uint64_t broker_stream_due(const struct broker_stream *s)
{
	return s->flushed.next_batch == s->first_batch ? s->begins : s->flushed.next_batch;
}

bool broker_stream_empty(const struct broker_stream *s)
{
	return !s->stored && !s->waiting;
}

void broker_stream_begin(struct broker_stream *s, uint64_t batch_no)
{
	assert(broker_stream_empty(s));
	s->begins = batch_no;
	s->accepted = (struct torap_position){ .next_batch = batch_no, .next_seq = batch_no == 1 };
}

struct broker_recent *broker_stream_recent(const struct broker_stream *s, uint64_t batch_no)
{
	if (batch_no < s->recent_from || batch_no >= s->flushed.next_batch)
		return NULL;
	return s->recent[batch_no % BROKER_RECENT_MAX];
}

bool broker_stream_differs(const struct broker_stream *s, const struct torap_manifest *m)
{
	const struct broker_recent *e = broker_stream_recent(s, m->batch_no);
	return e && memcmp(e->batch->manifest->digest, m->digest, sizeof m->digest) != 0;
}

bool broker_stream_holds(const struct broker_stream *s, const struct torap_batch *batch)
{
	const struct broker_recent *e = broker_stream_recent(s, batch->manifest->batch_no);
	if (!e || memcmp(e->batch->manifest->digest, batch->manifest->digest, TORAP_DIGEST_SIZE) != 0)
		return false;
	for (unsigned i = 0; i < batch->manifest->frames_count; i++)
		if (batch->frames[i] && !e->batch->frames[i])
			return false;
	return true;
}

int broker_recent_route(struct broker_recent *e, struct broker_routing *routing)
{
	uint32_t *list = NULL, count = 0;
	if (e->version == broker_routing_version(routing))
		return 0;
	int r = broker_routing_batch(routing, e->batch->manifest, &list, &count);
	if (r)
		return r;
	free(e->matched);
	e->matched = list;
	e->matched_count = count;
	e->version = broker_routing_version(routing);
	return 0;
}

bool broker_recent_matches(struct broker_recent *e, struct broker_routing *routing, uint32_t feed)
{
	if (broker_recent_route(e, routing))
		return true; /* Without memory: it is sent, and cut.h decides about its frames. */
	size_t low = 0, high = e->matched_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (e->matched[middle] < feed)
			low = middle + 1;
		else
			high = middle;
	}
	return low < e->matched_count && e->matched[low] == feed;
}

uint64_t broker_stream_seq_at(const struct broker_stream *s, uint64_t batch_no)
{
	if (batch_no <= 1)
		return 1;
	if (batch_no >= s->flushed.next_batch)
		return s->flushed.next_seq;
	const struct broker_recent *e = broker_stream_recent(s, batch_no);
	if (e)
		return e->batch->manifest->first_seq;
	return 1 + (uint64_t)((double)(s->flushed.next_seq - 1) * (double)(batch_no - 1) /
			      (double)(s->flushed.next_batch - 1));
}

/* Two statements of the writer about one batch. */
static bool contradicts(const struct broker_stream *s, const struct torap_head *head)
{
	const struct broker_recent *e = broker_stream_recent(s, head->last_batch);
	const uint8_t *known = NULL;
	if (!head->has_digest)
		return false;
	if (e)
		known = e->batch->manifest->digest;
	else if (s->flushed.has_digest && head->last_batch == broker_stream_last(s))
		known = s->flushed.last_digest;
	else if (s->head && s->head_read.has_digest && head->last_batch == s->head_read.last_batch)
		known = s->head_read.last_digest;
	return known && memcmp(known, head->last_digest, TORAP_DIGEST_SIZE) != 0;
}

/* A batch that the writer sealed long before the head, and that the head does not know. */
static bool forgets(const struct broker_stream *s, const struct torap_head *head)
{
	const struct broker_recent *e = broker_stream_recent(s, head->last_batch + 1);
	return e && e->batch->manifest->sealed_at_us + ROLLBACK_MARGIN_US < head->at.us;
}

enum broker_head_answer broker_stream_head(
	struct broker_stream *s, const struct torap_head *head, struct torap_buffer *signed_head)
{
	if (contradicts(s, head))
		return BROKER_HEAD_FORK;
	if (s->head && head->at.us <= s->head_read.at.us)
		return BROKER_HEAD_OLD;
	bool rollback = (s->head && head->last_batch < s->head_read.last_batch) || forgets(s, head);
	torap_buffer_unref(s->head);
	s->head = torap_buffer_ref(signed_head);
	s->head_read = *head;
	s->heads++;
	if (head->last_batch < s->flushed.next_batch && head->at.us > s->whole_at.us)
		s->whole_at = head->at;
	return rollback ? BROKER_HEAD_ROLLBACK : BROKER_HEAD_NEW;
}
