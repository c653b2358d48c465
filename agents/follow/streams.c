#include "agents/follow/streams.h"

#include <stdlib.h>
#include <string.h>

void follow_streams_finish(struct follow_streams *s)
{
	for (size_t i = 0; i < s->count; i++) {
		if (follow_streams_ends_lane(s, i))
			free(s->list[i]->writer);
		torap_buffer_unref(s->list[i]->head_bytes);
		torap_holes_finish(&s->list[i]->holes);
		free(s->list[i]);
	}
	free(s->list);
	*s = (struct follow_streams){ 0 };
}

/* The place of the id in the list: where it is, or where it would stand. */
static size_t place(const struct follow_streams *s, const struct torap_stream_id *id)
{
	size_t low = 0, high = s->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (torap_stream_id_compare(&s->list[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct follow_stream *follow_streams_find(const struct follow_streams *s, const struct torap_stream_id *id)
{
	size_t i = place(s, id);
	return i < s->count && torap_stream_id_equal(&s->list[i]->id, id) ? s->list[i] : NULL;
}

static bool make_room(struct follow_streams *s)
{
	if (s->count < s->room)
		return true;
	size_t room = s->room ? 2 * s->room : 16;
	struct follow_stream **list = realloc(s->list, room * sizeof(struct follow_stream *));
	if (!list)
		return false;
	s->list = list;
	s->room = room;
	return true;
}

static bool is_same_lane(const struct torap_stream_id *a, const struct torap_stream_id *b)
{
	return a->lane == b->lane && strcmp(a->writer, b->writer) == 0;
}

bool follow_streams_ends_lane(const struct follow_streams *s, size_t i)
{
	return i + 1 == s->count || !is_same_lane(&s->list[i]->id, &s->list[i + 1]->id);
}

struct follow_writer *follow_streams_writer(const struct follow_streams *s, const char *writer, uint8_t lane)
{
	struct torap_stream_id first;
	if (!torap_stream_id_make(&first, writer, lane, 0))
		return NULL;
	size_t i = place(s, &first);
	return i < s->count && is_same_lane(&s->list[i]->id, &first) ? s->list[i]->writer : NULL;
}

/* That of its neighbours, or a new one. */
static struct follow_writer *writer_of(
	const struct follow_streams *s, size_t i, const struct torap_stream_id *id)
{
	if (i > 0 && is_same_lane(&s->list[i - 1]->id, id))
		return s->list[i - 1]->writer;
	if (i < s->count && is_same_lane(&s->list[i]->id, id))
		return s->list[i]->writer;
	return calloc(1, sizeof(struct follow_writer));
}

struct follow_stream *follow_streams_add(struct follow_streams *s, const struct torap_stream_id *id)
{
	size_t i = place(s, id);
	if (i < s->count && torap_stream_id_equal(&s->list[i]->id, id))
		return s->list[i];
	if (s->count == TORAP_STREAMS_MAX || !make_room(s))
		return NULL;
	struct follow_stream *new = calloc(1, sizeof *new);
	if (new)
		new->writer = writer_of(s, i, id);
	if (!new || !new->writer) {
		free(new);
		return NULL;
	}
	new->id = *id;
	new->at = new->flushed = new->shown = (struct torap_position){ .next_batch = 1, .next_seq = 1 };
	memmove(s->list + i + 1, s->list + i, (s->count - i) * sizeof(struct follow_stream *));
	s->list[i] = new;
	s->count++;
	return new;
}

void follow_stream_begin(struct follow_stream *s, const struct torap_position *at)
{
	s->at = s->flushed = s->shown = *at;
	s->pinned = true;
}

void follow_stream_greet(struct follow_stream *s)
{
	s->shown = s->flushed;
}

void follow_stream_shown(struct follow_stream *s, const struct torap_manifest *m)
{
	if (m->batch_no >= s->shown.next_batch)
		torap_position_advance(&s->shown, m);
}

const struct torap_position *follow_stream_owed(const struct follow_stream *s)
{
	return s->shown.next_batch < s->flushed.next_batch ? &s->shown : &s->flushed;
}

enum torap_verdict follow_stream_check(
	struct follow_stream *s, struct torap_trust *trust, const struct torap_batch *batch)
{
	enum torap_verdict v = torap_verify_batch(batch, torap_trust_lookup, trust, NULL);
	if (v == TORAP_VERDICT_GOOD)
		v = torap_verify_chain(&s->at, batch->manifest);
	if (v == TORAP_VERDICT_GOOD) {
		torap_position_advance(&s->at, batch->manifest);
		s->pinned = true;
	}
	return v;
}

/* Do two statements about one number disagree? */
static bool differs(
	uint64_t number_a, bool has_a, const uint8_t *a, uint64_t number_b, bool has_b, const uint8_t *b)
{
	return number_a == number_b && has_a && has_b && memcmp(a, b, TORAP_DIGEST_SIZE) != 0;
}

static void note_whole(struct follow_stream *s, struct torap_wall at)
{
	if (at.us > s->whole_at.us)
		s->whole_at = at;
}

static bool is_whole(const struct follow_stream *s)
{
	return s->has_head && s->head.last_batch < s->flushed.next_batch;
}

void follow_stream_flushed(struct follow_stream *s, const struct torap_batch *batch)
{
	const struct torap_manifest *m = batch->manifest;
	torap_position_advance(&s->flushed, m);
	s->events += m->count;
	s->bytes += torap_batch_size(batch);
	note_whole(s, (struct torap_wall){ m->sealed_at_us });
	if (is_whole(s))
		note_whole(s, s->head.at);
}

static void keep_head(struct follow_stream *s, const struct torap_head *head, struct torap_buffer *bytes)
{
	torap_buffer_unref(s->head_bytes);
	s->head_bytes = torap_buffer_ref(bytes);
	s->head = *head;
	s->has_head = true;
	s->head_dirty = true;
	if (is_whole(s))
		note_whole(s, head->at);
}

enum follow_head_verdict follow_stream_head(
	struct follow_stream *s, const struct torap_head *head, struct torap_buffer *bytes)
{
	/* Without a number for the next event nothing was received yet, and the digest is a broker's word. */
	if (s->pinned && s->at.next_seq &&
		differs(s->at.next_batch - 1, s->at.has_digest, s->at.last_digest, head->last_batch,
			head->has_digest, head->last_digest))
		return FOLLOW_HEAD_FORK;
	if (!s->has_head) {
		keep_head(s, head, bytes);
		return FOLLOW_HEAD_NEWER;
	}
	const struct torap_head *old = &s->head;
	if (differs(old->last_batch, old->has_digest, old->last_digest, head->last_batch, head->has_digest,
		    head->last_digest))
		return FOLLOW_HEAD_FORK;
	if (head->at.us > old->at.us && head->last_batch < old->last_batch)
		return FOLLOW_HEAD_ROLLBACK;
	if (head->at.us <= old->at.us && head->last_batch <= old->last_batch)
		return FOLLOW_HEAD_OLDER;
	keep_head(s, head, bytes);
	return FOLLOW_HEAD_NEWER;
}

struct follow_lag follow_stream_lag(const struct follow_stream *s, struct torap_wall now)
{
	struct follow_lag lag = { 0 };
	if (!s->has_head || is_whole(s))
		return lag;
	lag.batches = s->head.last_batch - (s->flushed.next_batch - 1);
	if (s->flushed.next_seq && s->head.next_seq > s->flushed.next_seq)
		lag.events = s->head.next_seq - s->flushed.next_seq;
	if (s->events)
		lag.bytes = (uint64_t)((double)lag.events * (double)s->bytes / (double)s->events);
	int64_t since_us = s->whole_at.us ? s->whole_at.us : s->head.at.us;
	if (now.us > since_us) /* Their clocks may differ. */
		lag.seconds = (double)(now.us - since_us) / TORAP_US_PER_S;
	return lag;
}

bool follow_believed(const struct torap_trust *trust, const struct torap_manifest *m)
{
	const struct torap_trust_writer *writer = torap_trust_writer(trust, m->stream.writer);
	return !writer || torap_trust_believes(writer, &m->stream, m->batch_no);
}

unsigned follow_rights_enforce(struct torap_batch *batch, const struct torap_trust *trust)
{
	const struct torap_manifest *m = batch->manifest;
	const struct torap_trust_writer *writer = torap_trust_writer(trust, m->stream.writer);
	unsigned dropped = 0;
	for (unsigned g = 0; g < m->groups_count; g++) {
		const struct torap_group *group = &m->groups[g];
		if (writer && torap_trust_may_speak(writer, group->class.region))
			continue;
		for (unsigned i = group->first_frame; i < group->first_frame + group->parts_count; i++) {
			if (!batch->frames[i])
				continue;
			batch->frames[i] = torap_buffer_unref(batch->frames[i]);
			batch->omissions[i] = TORAP__OMISSION_REASON__OMISSION_REFUSED;
			dropped++;
		}
	}
	return dropped;
}
