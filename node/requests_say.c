#include "node/requests_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "node/batcher.h"

enum { PAUSE_MS = 1000 }; /* after the disk had no room */

static void free_request(struct node_requests *r, struct node_request_slot *q)
{
	r->counts.waiting--;
	torap_buffer_unref(q->body);
	*q = (struct node_request_slot){ 0 };
}

void node_request_slot_sent(struct node_requests *r, struct node_request_slot *q)
{
	struct node_saying *s = q->asked.sent ? NULL : node_saying_begin(r, 0);
	q->asked.sent = true;
	if (!s)
		return;
	node_request_rows_put(&s->entry.writes, &q->asked);
	(void)node_saying_rows(s); /* Without it an agent that is killed, too, may look twice. */
}

static void on_access(struct node_requests *r, struct node_request_slot *q, bool durable)
{
	if (!durable) { /* What nobody may know of must not happen. */
		free_request(r, q);
		return;
	}
	r->counts.asked++;
	r->counts.shared += q->asked.alarms - 1;
	q->durable = true;
	if (r->options.send(r->options.hint, q->body) > 0)
		node_request_slot_sent(r, q);
}

static void on_row_gone(struct node_requests *r, struct node_request_slot *q, bool durable)
{
	q->leaving = false;
	if (!durable)
		return;
	if (q->over)
		r->counts.done++;
	else if (q->asked.sent)
		r->counts.unanswered++;
	else
		r->counts.unheard++;
	free_request(r, q);
}

static void on_said(struct node_entry *entry, enum node_entry_result result)
{
	struct node_saying *s = (struct node_saying *)entry;
	struct node_requests *r = s->requests;
	struct node_request_slot *q = node_requests_find(r, s->request);
	bool durable = result == NODE_ENTRY_DURABLE;
	uint32_t alarms = s->unasked.count;
	if (q && q->durable)
		on_row_gone(r, q, durable);
	else if (q)
		on_access(r, q, durable);
	if (durable)
		node_places_forget_all(&r->places, &s->unasked);
	else if (alarms && node_places_give_back(
				   &r->places, s->site, &s->unasked, torap_mono_add_ms(r->seen, PAUSE_MS)))
		alarms = 0;
	if (s->shed || !durable)
		r->counts.shed += alarms;
	free(s);
}

struct node_saying *node_saying_begin(struct node_requests *r, uint64_t request)
{
	struct node_saying *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->entry.done = on_said;
	s->requests = r;
	s->request = request;
	return s;
}

void node_saying_add_alarms(struct node_saying *s, const struct node_place *p)
{
	memcpy(s->site, p->site, sizeof s->site);
	for (const struct node_wish *w = p->unasked.wishes; w; w = w->next)
		node_request_rows_wish_gone(&s->entry.writes, w->row);
}

bool node_saying_tell(struct node_saying *take, struct node_event *event)
{
	take->entry.event = event;
	if (event && node_batcher_add(take->requests->options.batcher, &take->entry) == 0)
		return true;
	node_event_destroy(event);
	torap_writer_finish(&take->entry.writes);
	free(take);
	return false;
}

bool node_saying_rows(struct node_saying *take)
{
	if (node_batcher_add(take->requests->options.batcher, &take->entry) == 0)
		return true;
	torap_writer_finish(&take->entry.writes);
	free(take);
	return false;
}
