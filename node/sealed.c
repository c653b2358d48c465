#include "node/sealed.h"

#include <assert.h>
#include <stdlib.h>

struct node_sealed *node_sealed_restore(struct torap_batch **take, const struct node_mark *mark)
{
	struct torap_batch *batch = *take;
	*take = NULL;
	struct node_sealed *s = malloc(sizeof *s);
	if (!s) {
		torap_batch_destroy(batch);
		return NULL;
	}
	*s = (struct node_sealed){
		.refs = 1, .batch = batch, .bytes = torap_batch_size(batch), .mark = *mark
	};
	return s;
}

struct node_sealed *node_sealed_create(struct torap_batch **take, const struct node_mark *before)
{
	const struct torap_manifest *m = (*take)->manifest;
	assert(m->batch_no == before->batch_no + 1 && m->first_seq == before->next_seq);
	struct node_mark mark = {
		.batch_no = m->batch_no,
		.bytes = before->bytes + torap_batch_size(*take),
		.next_seq = m->first_seq + m->count,
		.sealed_at = { m->sealed_at_us },
	};
	return node_sealed_restore(take, &mark);
}

struct node_sealed *node_sealed_ref(struct node_sealed *s)
{
	s->refs++;
	return s;
}

struct node_sealed *node_sealed_unref(struct node_sealed *s)
{
	if (s && --s->refs == 0) {
		torap_batch_destroy(s->batch);
		free(s);
	}
	return NULL;
}

void node_sealed_unref_list(struct node_sealed *first)
{
	while (first) {
		struct node_sealed *s = first;
		first = s->next;
		node_sealed_unref(s);
	}
}

static void drop_oldest(struct node_recent *r)
{
	struct node_sealed *s = r->ring[r->first];
	r->first = (r->first + 1) % NODE_RECENT_BATCHES;
	r->count--;
	r->bytes -= s->bytes;
	node_sealed_unref(s);
}

void node_recent_push(struct node_recent *r, struct node_sealed *s)
{
	while (r->count == NODE_RECENT_BATCHES || (r->count && r->bytes + s->bytes > NODE_RECENT_BYTES))
		drop_oldest(r);
	r->ring[(r->first + r->count++) % NODE_RECENT_BATCHES] = node_sealed_ref(s);
	r->bytes += s->bytes;
}

struct node_sealed *node_recent_find(
	const struct node_recent *r, const struct torap_stream_id *stream, uint64_t batch_no)
{
	if (r->count == 0)
		return NULL;
	/* Consecutive numbers, until a new incarnation begins at 1 again: count back from the newest. */
	const struct node_sealed *newest = r->ring[(r->first + r->count - 1) % NODE_RECENT_BATCHES];
	if (batch_no == 0 || batch_no > newest->mark.batch_no)
		return NULL;
	uint64_t back = newest->mark.batch_no - batch_no;
	if (back >= r->count)
		return NULL;
	struct node_sealed *s = r->ring[(r->first + r->count - 1 - (unsigned)back) % NODE_RECENT_BATCHES];
	const struct torap_manifest *m = s->batch->manifest;
	return m->batch_no == batch_no && torap_stream_id_equal(&m->stream, stream) ? s : NULL;
}

void node_recent_forget(struct node_recent *r, struct torap_wall before)
{
	while (r->count && r->ring[r->first]->mark.sealed_at.us < before.us)
		drop_oldest(r);
}

void node_recent_finish(struct node_recent *r)
{
	while (r->count)
		drop_oldest(r);
}
