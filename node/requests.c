/* An alarm of a site with cameras goes to the disk with a row, and waits at the place of its site.  When its time comes a request is made: its
 * event takes the rows of its alarms away and brings that of the request, then it is sent, and again after each hello.  It is over when an
 * agent has done it, or when the event that says that nobody has is durable; its row goes, and then its slot is free.  Alarms that wait too
 * long go with an event that says so.  What finds no room on the disk stays what it was, and is tried again. */
#include "node/requests_inside.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "node/registry.h"
#include "node/request_pack.h"

enum { SHED_EVERY_MS = 60 * 1000, SWEEP_MS = 1000 };

int node_requests_create(
	struct node_requests **out, const struct node_requests_options *options, struct torap_error *err)
{
	struct node_requests *r = calloc(1, sizeof *r);
	if (!r)
		return torap_errorf(err, -ENOMEM, "requests: out of memory");
	r->options = *options;
	r->tokens = NODE_REQUESTS_BURST;
	r->next_row = 1;
	/* An agent that outlives us knows our former numbers. */
	randombytes_buf(&r->next_id, sizeof r->next_id);
	*out = r;
	return 0;
}

struct node_requests *node_requests_destroy(struct node_requests *r)
{
	if (!r)
		return NULL;
	node_places_finish(&r->places);
	for (size_t i = 0; i < NODE_REQUESTS_MAX; i++)
		torap_buffer_unref(r->list[i].body);
	free(r);
	return NULL;
}

void node_requests_registry(struct node_requests *r, const struct node_registry *registry)
{
	r->registry = registry;
}

/* Alarms. */

bool node_requests_want(const struct node_requests *r, const struct node_site *site,
	const struct torap_class *class, uint32_t state)
{
	return site->cameras_count &&
	       node_pictures_want(r->options.pictures, class->kind, class->severity, state);
}

static bool has_room_for_row(struct node_requests *r, const char *site)
{
	const struct node_place *p = node_places_find(&r->places, site);
	bool here = p ? p->unasked.rows < NODE_REQUESTS_SITE_ROWS : r->places.count < NODE_REQUESTS_SITES;
	return here && r->places.rows < NODE_REQUESTS_ROWS;
}

struct node_wish *node_requests_wish(struct node_requests *r, const char *site, uint32_t kind,
	struct torap_wall at, struct node_entry *entry)
{
	struct node_wish *wish = calloc(1, sizeof *wish);
	if (!wish)
		return NULL;
	snprintf(wish->site, sizeof wish->site, "%s", site);
	wish->alarm.kind = kind;
	wish->alarm.at = at;
	if (has_room_for_row(r, site)) {
		wish->row = r->next_row++;
		r->places.rows++;
		node_request_rows_wish(entry, wish);
	}
	return wish;
}

void node_requests_alarm(
	struct node_requests *r, struct node_wish *take, const struct torap_stream_id *stream, uint64_t seq)
{
	struct node_place *p = node_places_make(&r->places, take->site);
	take->alarm.stream = *stream;
	take->alarm.seq = seq;
	r->counts.alarms++;
	if (p) {
		node_places_add(&r->places, p, take);
		return;
	}
	r->counts.shed++; /* Its row stays: the next start tells of it. */
	node_places_forget(&r->places, take);
}

void node_requests_no_alarm(struct node_requests *r, struct node_wish *take)
{
	node_places_forget(&r->places, take);
}

/* Requests. */

static struct node_request request_of(
	const struct node_place *p, const struct node_site *site, struct node_now now)
{
	struct node_request q = { .alarm = p->unasked.last, .alarms = p->unasked.count, .made = now.wall };
	memcpy(q.site, p->site, sizeof q.site);
	q.class = (struct torap_class){ .region = site->region, .facility = site->facility };
	q.cameras = site->cameras_count;
	return q;
}

/* Nobody is there to be asked, or to be told of.  False: there is no room now. */
static bool drop(struct node_requests *r, struct node_place *p)
{
	struct node_saying *s = node_saying_begin(r, 0);
	if (!s)
		return false;
	node_saying_add_alarms(s, p);
	if (!node_saying_rows(s))
		return false;
	s->unasked = node_place_take(p);
	return true;
}

/* False: there is no room now. */
static bool ask(struct node_requests *r, struct node_place *p, struct node_now now)
{
	const struct node_site *site = node_registry_site(r->registry, p->site);
	if (!site || !site->cameras_count)
		return drop(r, p); /* a reload took them away */
	if (++r->next_id == 0)
		r->next_id = 1;
	struct node_request_slot *q = &r->list[r->next_id % NODE_REQUESTS_MAX];
	if (q->asked.id)
		return false;
	struct node_request_slot made = { .asked = request_of(p, site, now), .made = now.mono };
	made.asked.id = r->next_id;
	made.body = node_request_pack(&made.asked, site, now);
	if (made.body && !made.asked.cameras) { /* none that may be looked at now */
		torap_buffer_unref(made.body);
		return drop(r, p);
	}
	struct node_saying *s = made.body ? node_saying_begin(r, made.asked.id) : NULL;
	if (s) {
		node_request_rows_put(&s->entry.writes, &made.asked);
		node_saying_add_alarms(s, p);
	}
	if (!s || !node_saying_tell(s, node_request_access(&made.asked, now))) {
		torap_buffer_unref(made.body);
		return false;
	}
	s->unasked = node_place_take(p);
	*q = made;
	r->counts.waiting++;
	return true;
}

/* Too late.  False: there is no room now. */
static bool shed(struct node_requests *r, struct node_place *p, struct node_now now)
{
	const struct node_site *site = node_registry_site(r->registry, p->site);
	if (!site || !site->cameras_count)
		return drop(r, p);
	struct node_request q = request_of(p, site, now);
	struct node_saying *s = node_saying_begin(r, 0);
	if (!s)
		return false;
	s->shed = true;
	node_saying_add_alarms(s, p);
	const char *reason = p->unasked.restored ? "too late" : "too many at once";
	if (!node_saying_tell(s, node_request_missing(&q, reason, now)))
		return false;
	s->unasked = node_place_take(p);
	return true;
}

static void refill(struct node_requests *r, struct torap_mono now)
{
	r->tokens += (double)(now.us - r->filled_at.us) * NODE_REQUESTS_RATE / TORAP_US_PER_S;
	if (r->tokens > NODE_REQUESTS_BURST)
		r->tokens = NODE_REQUESTS_BURST;
	r->filled_at = now;
}

/* True: it does not wait any more. */
static bool serve(struct node_requests *r, struct node_place *p, struct node_now now)
{
	int64_t interval_us = r->options.pictures->interval_us;
	if (p->fresh) {
		p->unasked.since = now.mono;
		p->fresh = false;
	}
	if (!torap_mono_reached(p->pause_until, now.mono))
		return false;
	/* Its time may have begun with the interval of the one before. */
	if (now.mono.us - p->unasked.since.us >=
		interval_us + NODE_REQUESTS_YOUNG_MS * (int64_t)TORAP_US_PER_MS)
		return shed(r, p, now);
	if ((p->asked && now.mono.us - p->asked_at.us < interval_us) || r->tokens < 1 || !ask(r, p, now))
		return false;
	r->tokens--;
	p->asked = true;
	p->asked_at = now.mono;
	return true;
}

static void serve_all(struct node_requests *r, bool fresh_only, struct node_now now)
{
	refill(r, now.mono);
	for (struct node_place **at = &r->places.waiting; *at && (!fresh_only || (*at)->fresh);) {
		struct node_place *p = *at;
		if (serve(r, p, now))
			*at = p->next_waiting;
		else
			at = &p->next_waiting;
	}
}

void node_requests_run(struct node_requests *r, struct node_now now)
{
	r->seen = now.mono;
	if (r->places.waiting && r->places.waiting->fresh) /* What has just come stands first. */
		serve_all(r, true, now);
}

static bool is_young(const struct node_request_slot *q, struct node_now now)
{
	return now.mono.us - q->made.us <= NODE_REQUESTS_YOUNG_MS * (int64_t)TORAP_US_PER_MS;
}

void node_requests_agent(struct node_requests *r, uint64_t session, struct node_now now)
{
	for (size_t i = 0; i < NODE_REQUESTS_MAX; i++) {
		struct node_request_slot *q = &r->list[i];
		if (!q->durable || q->over || q->leaving || !q->body || !(q->before || is_young(q, now)))
			continue;
		if (r->options.send_to(r->options.hint, session, q->body))
			node_request_slot_sent(r, q);
	}
}

/* Its row goes.  What finds no room is tried again. */
static void leave(struct node_requests *r, struct node_request_slot *q)
{
	struct node_saying *s = node_saying_begin(r, q->asked.id);
	if (!s)
		return;
	node_request_rows_gone(&s->entry.writes, q->asked.id);
	q->leaving = node_saying_rows(s);
}

/* It goes with the event that says why there are no pictures. */
static void give_up(struct node_requests *r, struct node_request_slot *q, struct node_now now)
{
	const char *reason = q->asked.sent ? "no answer" : "no agent";
	struct node_saying *s = node_saying_begin(r, q->asked.id);
	if (!s)
		return;
	node_request_rows_gone(&s->entry.writes, q->asked.id);
	q->leaving = node_saying_tell(s, node_request_missing(&q->asked, reason, now));
}

void node_requests_done(struct node_requests *r, uint64_t id)
{
	struct node_request_slot *q = node_requests_find(r, id);
	if (!q || !q->durable || q->over)
		return;
	q->over = true;
	if (!q->leaving)
		leave(r, q);
}

/* Time. */

static void end_old(struct node_requests *r, struct node_now now)
{
	for (size_t i = 0; i < NODE_REQUESTS_MAX; i++) {
		struct node_request_slot *q = &r->list[i];
		if (!q->durable || q->leaving)
			continue;
		int64_t most_ms = q->asked.sent ? NODE_REQUESTS_OLD_MS : NODE_REQUESTS_YOUNG_MS;
		if (q->over)
			leave(r, q);
		else if (now.mono.us - q->made.us > most_ms * TORAP_US_PER_MS &&
			 torap_mono_reached(q->kept_until, now.mono))
			give_up(r, q, now);
	}
}

/* One line a minute at most, however many there are. */
static void tell_shed(struct node_requests *r, struct node_now now)
{
	if (r->counts.shed == r->shed_told || !torap_mono_reached(r->next_shed, now.mono))
		return;
	torap_warn("PICTURES-SHED",
		"%" PRIu64
		" alarms have no pictures: too many sites had alarms at once, or the node was away",
		r->counts.shed - r->shed_told);
	r->shed_told = r->counts.shed;
	r->next_shed = torap_mono_add_ms(now.mono, SHED_EVERY_MS);
}

void node_requests_tick(struct node_requests *r, struct node_now now)
{
	r->seen = now.mono;
	if (r->places.waiting)
		serve_all(r, false, now);
	if (!torap_mono_reached(r->next_sweep, now.mono))
		return;
	r->next_sweep = torap_mono_add_ms(now.mono, SWEEP_MS);
	end_old(r, now);
	if (r->places.count)
		node_places_sweep(&r->places, r->options.pictures->interval_us, now.mono);
	tell_shed(r, now);
}

struct node_requests_counts node_requests_counts(const struct node_requests *r)
{
	return r->counts;
}
