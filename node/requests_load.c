/* What a former process left: the rows of alarms that nobody was asked for, and of requests that nobody has done. */
#include "node/requests_inside.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "node/batcher.h"
#include "node/registry.h"
#include "node/request_pack.h"
#include "node/writes.h"

struct loading {
	struct node_requests *requests;
	struct node_now now;
	struct torap_writer writes; /* rows that nothing can be done with go */
	size_t strange;
};

/* When it was, by the clock of this process.  What lies in the future is of now. */
static struct torap_mono mono_of(struct node_now now, struct torap_wall at)
{
	int64_t age_us = now.wall.us - at.us;
	return (struct torap_mono){ now.mono.us - (age_us > 0 ? age_us : 0) };
}

static void on_strange(void *hint, struct torap_bytes key)
{
	struct loading *l = hint;
	l->strange++;
	node_writes_delete(&l->writes, NODE_TABLE_REQUESTS, key);
}

static void on_wish(void *hint, const struct node_wish *wish)
{
	struct loading *l = hint;
	struct node_requests *r = l->requests;
	struct node_place *p = node_places_make(&r->places, wish->site);
	struct node_wish *copy = p ? malloc(sizeof *copy) : NULL;
	if (wish->row >= r->next_row)
		r->next_row = wish->row + 1;
	if (!copy)
		return; /* Its row is read once more at the next start. */
	*copy = *wish;
	struct torap_mono since = mono_of(l->now, wish->alarm.at);
	if (p->unasked.count && p->unasked.since.us < since.us)
		since = p->unasked.since;
	r->places.rows++;
	r->counts.alarms++;
	r->counts.restored++;
	node_places_add(&r->places, p, copy);
	p->fresh = false;
	p->unasked.since = since;
	p->unasked.restored = true;
}

/* Two with one slot cannot be: it is free when the row of the one before is gone. */
static void on_request(void *hint, const struct node_request *request)
{
	struct loading *l = hint;
	struct node_requests *r = l->requests;
	struct node_request_slot *q = &r->list[request->id % NODE_REQUESTS_MAX];
	const struct node_site *site = node_registry_site(r->registry, request->site);
	if (q->asked.id) {
		l->strange++;
		node_request_rows_gone(&l->writes, request->id);
		return;
	}
	*q = (struct node_request_slot){ .asked = *request, .durable = true, .before = request->sent };
	q->made = mono_of(l->now, request->made);
	struct node_request today = *request; /* Consent may have ended since. */
	if (q->before)
		q->kept_until = torap_mono_add_ms(l->now.mono, NODE_REQUESTS_YOUNG_MS);
	if (q->before || site)
		q->body = node_request_pack(&today, q->before ? NULL : site, l->now);
	if (!q->before && !today.cameras)
		q->body = (torap_buffer_unref(q->body), NULL);
	r->counts.waiting++;
	r->counts.restored++;
	struct node_place *p = node_places_make(&r->places, request->site);
	if (p && (!p->asked || p->asked_at.us < q->made.us)) {
		p->asked = true;
		p->asked_at = q->made;
	}
}

static void on_cleaned(struct node_entry *entry, enum node_entry_result result)
{
	(void)result; /* What stays is found again. */
	free(entry);
}

static void clean(struct node_requests *r, struct torap_writer *take)
{
	struct node_entry *entry = calloc(1, sizeof *entry);
	if (!entry) {
		torap_writer_finish(take);
		return;
	}
	*entry = (struct node_entry){ .writes = *take, .done = on_cleaned };
	*take = (struct torap_writer){ 0 };
	if (node_batcher_add(r->options.batcher, entry) == 0)
		return;
	torap_writer_finish(&entry->writes);
	free(entry);
}

int node_requests_load(
	struct node_requests *r, struct torap_kv *kv, struct node_now now, struct torap_error *err)
{
	struct loading l = { .requests = r, .now = now };
	struct node_request_rows_reader reader = { r->options.writer, on_wish, on_request, on_strange, &l };
	int result = node_request_rows_read(kv, &reader, err);
	if (l.strange)
		torap_warn("PICTURES-STRANGE",
			"%zu rows of the table requests cannot be read; what they asked for is forgotten",
			l.strange);
	if (r->counts.restored)
		torap_notice("PICTURES-RESUMED",
			"requests for pictures from before the start: %zu, and alarms that nobody was asked for: %zu",
			r->counts.waiting, r->counts.restored - r->counts.waiting);
	if (l.writes.size)
		clean(r, &l.writes);
	torap_writer_finish(&l.writes);
	return result;
}
