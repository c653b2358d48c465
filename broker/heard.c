#include "broker/heard.h"

#include <stdlib.h>
#include <string.h>

#include "broker/streams.h"

void broker_heard_clear(struct broker_heard *h)
{
	for (size_t i = 0; i < h->count; i++)
		free(h->list[i]);
	free(h->list);
	*h = (struct broker_heard){ 0 };
}

/* Where it is, or would stand. */
static size_t place(const struct broker_heard *h, const struct torap_stream_id *id)
{
	size_t low = 0, high = h->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (torap_stream_id_compare(&h->list[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct broker_heard_stream *broker_heard_find(const struct broker_heard *h, const struct torap_stream_id *id)
{
	size_t i = place(h, id);
	return i < h->count && torap_stream_id_equal(&h->list[i]->id, id) ? h->list[i] : NULL;
}

static bool make_room(struct broker_heard *h)
{
	if (h->count < h->room)
		return true;
	size_t room = h->room ? 2 * h->room : 16;
	struct broker_heard_stream **list = realloc(h->list, room * sizeof(struct broker_heard_stream *));
	if (!list)
		return false;
	h->list = list;
	h->room = room;
	return true;
}

struct broker_heard_stream *broker_heard_add(struct broker_heard *h, const struct torap_stream_id *id)
{
	struct broker_heard_stream *s = broker_heard_find(h, id);
	if (s || h->count == TORAP_STREAMS_MAX || !make_room(h))
		return s;
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	size_t i = place(h, id);
	s->id = *id;
	memmove(h->list + i + 1, h->list + i, (h->count - i) * sizeof(struct broker_heard_stream *));
	h->list[i] = s;
	h->count++;
	return s;
}

static void list(struct broker_heard *h, struct broker_heard_stream *s)
{
	if (s->due)
		return;
	s->due = true;
	s->next_due = h->due;
	h->due = s;
}

void broker_heard_batch(struct broker_heard *h, struct broker_heard_stream *s, const struct torap_manifest *m,
	bool passed_over)
{
	if (m->batch_no < s->got.next_batch) {
		s->again = true;
	} else {
		torap_position_advance(&s->got, m);
		s->over = passed_over;
	}
	if (!passed_over && m->batch_no >= s->to_flush)
		s->to_flush = m->batch_no + 1;
	if (passed_over && m->batch_no >= s->submitted)
		s->submitted = m->batch_no + 1;
	list(h, s);
}

void broker_heard_owe(struct broker_heard *h, const struct torap_stream_id *id)
{
	struct broker_heard_stream *s = broker_heard_find(h, id);
	if (s)
		list(h, s);
}

/* How far it can be acknowledged; next_batch 0: not at all. */
static struct torap_position reached(const struct broker_heard_stream *s, const struct broker_stream *here)
{
	uint64_t flushed = here ? here->flushed.next_batch : 0;
	if (s->got.next_batch == 0 || (s->over && s->to_flush <= flushed))
		return s->got;
	if (!here || !here->flushed.has_digest)
		return (struct torap_position){ 0 };
	return flushed < s->got.next_batch ? here->flushed : s->got;
}

size_t broker_heard_acks(struct broker_heard *h, struct broker_streams *streams,
	struct torap_stream_position *out, size_t room)
{
	size_t count = 0;
	while (h->due && count < room) {
		struct broker_heard_stream *s = h->due;
		h->due = s->next_due;
		s->due = false;
		struct torap_position at = reached(s, broker_streams_find(streams, &s->id));
		if (at.next_batch == 0 ||
			(at.next_batch <= s->acked && !(s->again && at.next_batch == s->acked)))
			continue;
		s->again = false;
		s->acked = at.next_batch;
		out[count++] = (struct torap_stream_position){ .stream = s->id, .at = at };
	}
	return count;
}
