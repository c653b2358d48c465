#include "agents/follow/search.h"

#include <errno.h>
#include <stdlib.h>

#include "agents/follow/store.h"
#include "base/error.h"
#include "store/journal.h"

enum { READ_BATCHES = 64, READ_BYTES = 1 << 20 };

struct searching {
	const struct follow_search *search;
	struct torap_journal_head *streams;
	size_t count, room;
	const struct torap_journal_head *at;
	int stop; /* what `each` returned */
};

static bool want(void *hint, const struct torap_batch *batch, size_t group, size_t part)
{
	const struct searching *s = hint;
	const struct torap_group *g = &batch->manifest->groups[group];
	return g->class.kind == s->search->kind && g->parts[part].part == TORAP__PART_KIND__PART_OPEN;
}

static int on_stream(void *hint, const struct torap_journal_head *head)
{
	struct searching *s = hint;
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct torap_journal_head *more = realloc(s->streams, room * sizeof *more);
		if (!more)
			return -ENOMEM;
		s->streams = more;
		s->room = room;
	}
	s->streams[s->count++] = *head;
	return 0;
}

static int on_event(void *hint, const struct torap_opened *event)
{
	struct searching *s = hint;
	if (!event->open || event->group->class.kind != s->search->kind)
		return 0;
	s->stop = s->search->each(s->search->hint, &s->at->stream, event);
	return s->stop;
}

/* The batches of a run.  Returns how many were taken; those after one that made `each` stop are only freed. */
static void take_run(
	struct searching *s, struct torap_journal_entry *entries, size_t count, uint64_t *damaged)
{
	for (size_t i = 0; i < count; i++) {
		if (!s->stop && torap_batch_open(entries[i].batch, on_event, s, NULL) && !s->stop)
			++*damaged;
		torap_batch_destroy(entries[i].batch);
	}
}

static int search_stream(struct searching *s, struct torap_kv *kv, uint64_t *damaged)
{
	struct torap_journal_entry entries[READ_BATCHES];
	struct torap_error err;
	for (uint64_t next = s->at->first_batch; next && next <= s->at->last_batch && !s->stop;) {
		size_t count = 0;
		int r = torap_journal_read_range(
			kv, s->at->number, next, READ_BYTES, READ_BATCHES, want, s, entries, &count, &err);
		if (r == -ENOMEM)
			return r;
		if (r || count == 0) { /* This one cannot be read: the next may. */
			++*damaged;
			count = 0;
			next++;
		}
		take_run(s, entries, count, damaged);
		next += count;
	}
	return s->stop;
}

int follow_search(const struct follow_search *search, uint64_t *damaged, struct torap_error *err)
{
	struct searching s = { .search = search };
	struct torap_kv_txn txn;
	struct torap_kv *kv;
	*damaged = 0;
	int r = follow_store_open(&kv, search->dir, 0, true, err);
	if (r)
		return r;
	torap_kv_begin(&txn, kv, false);
	r = torap_journal_heads(&txn, on_stream, &s);
	torap_kv_abort(&txn);
	if (r)
		torap_errorf(err, r, "%s: its streams cannot be read", search->dir);
	for (size_t i = 0; i < s.count && !r; i++) {
		s.at = &s.streams[i];
		r = search_stream(&s, kv, damaged);
		if (r)
			torap_errorf(err, r, "%s: out of memory", search->dir);
	}
	free(s.streams);
	torap_kv_close(kv);
	return r;
}
