/* A site that had an alarm has a place until its interval is over; a place with alarms that nobody was asked for stands on the list of
 * those that wait.  A request is made of it when its time comes: first as an event, then as a message. */
#include "node/requests.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "node/batcher.h"
#include "node/consent.h"
#include "node/registry.h"
#include "proto/event.pb-c.h"

enum { BUCKETS = 1024, SHED_EVERY_MS = 60 * 1000 };

struct place {
	struct place *next, *next_waiting;
	char site[NODE_REGISTRY_ID_MAX + 1];
	struct node_alarm last;
	uint32_t alarms;   /* that nobody was asked for yet; 0: it does not wait */
	bool asked, fresh; /* fresh: `since` is not told yet */
	struct torap_mono asked_at, since;
};

struct request {
	uint64_t id; /* 0: free */
	struct torap_mono made;
	bool durable, sent;
	struct torap_buffer *body;
	struct torap_class class;
	char site[NODE_REGISTRY_ID_MAX + 1];
	struct node_alarm alarm;
	uint32_t alarms, cameras, left_out; /* left_out: beyond what a request holds */
};

struct node_requests {
	struct node_requests_options options;
	const struct node_registry *registry;
	struct place *buckets[BUCKETS];
	size_t places;
	struct place *waiting; /* in no order that matters */
	struct request list[NODE_REQUESTS_MAX];
	uint64_t next_id;
	double tokens;
	struct torap_mono filled_at, next_sweep, next_shed;
	uint64_t shed_told;
	struct node_requests_counts counts;
};

/* An event of ours on its way to the disk. */
struct saying {
	struct node_entry entry;
	struct node_requests *requests;
	uint64_t request; /* 0: nothing is to be sent */
};

int node_requests_create(
	struct node_requests **out, const struct node_requests_options *options, struct torap_error *err)
{
	struct node_requests *r = calloc(1, sizeof *r);
	if (!r)
		return torap_errorf(err, -ENOMEM, "requests: out of memory");
	r->options = *options;
	r->tokens = NODE_REQUESTS_BURST;
	/* An agent that outlives us knows our former numbers. */
	randombytes_buf(&r->next_id, sizeof r->next_id);
	*out = r;
	return 0;
}

static void free_request(struct node_requests *r, struct request *q)
{
	torap_buffer_unref(q->body);
	*q = (struct request){ 0 };
	r->counts.waiting--;
}

struct node_requests *node_requests_destroy(struct node_requests *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct place *p = r->buckets[i], *next; p; p = next) {
			next = p->next;
			free(p);
		}
	}
	for (size_t i = 0; i < NODE_REQUESTS_MAX; i++)
		torap_buffer_unref(r->list[i].body);
	free(r);
	return NULL;
}

void node_requests_registry(struct node_requests *r, const struct node_registry *registry)
{
	r->registry = registry;
}

bool node_requests_want(const struct node_requests *r, const struct node_site *site,
	const struct torap_class *class, uint32_t state)
{
	return site->cameras_count &&
	       node_pictures_want(r->options.pictures, class->kind, class->severity, state);
}

static struct place **bucket_of(struct node_requests *r, const char *site)
{
	uint32_t h = 2166136261u;
	for (const char *p = site; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return &r->buckets[h % BUCKETS];
}

static struct place *place_of(struct node_requests *r, const char *site)
{
	struct place **bucket = bucket_of(r, site);
	for (struct place *p = *bucket; p; p = p->next)
		if (strcmp(p->site, site) == 0)
			return p;
	struct place *p = r->places < NODE_REQUESTS_SITES ? calloc(1, sizeof *p) : NULL;
	if (!p)
		return NULL;
	snprintf(p->site, sizeof p->site, "%s", site);
	p->next = *bucket;
	*bucket = p;
	r->places++;
	return p;
}

void node_requests_alarm(struct node_requests *r, const char *site, const struct node_alarm *alarm)
{
	struct place *p = place_of(r, site);
	r->counts.alarms++;
	if (!p) {
		r->counts.shed++;
		return;
	}
	p->last = *alarm;
	if (p->alarms++) {
		r->counts.shared++;
		return;
	}
	p->fresh = true;
	p->next_waiting = r->waiting;
	r->waiting = p;
}

/* Events. */

static void send(struct node_requests *r, struct request *q)
{
	q->durable = true;
	q->sent = r->options.send(r->options.hint, q->body) > 0;
}

static struct request *find(struct node_requests *r, uint64_t id)
{
	struct request *q = &r->list[id % NODE_REQUESTS_MAX];
	return q->id == id && id ? q : NULL;
}

static void on_said(struct node_entry *entry, enum node_entry_result result)
{
	struct saying *s = (struct saying *)entry;
	struct node_requests *r = s->requests;
	struct request *q = find(r, s->request);
	if (q && result == NODE_ENTRY_DURABLE) {
		send(r, q);
	} else if (q) { /* What nobody may know of must not happen. */
		r->counts.shed += q->alarms;
		free_request(r, q);
	}
	free(s);
}

static bool say(struct node_requests *r, uint64_t request, const struct node_event_spec *spec)
{
	struct saying *s = calloc(1, sizeof *s);
	if (!s)
		return false;
	s->entry.done = on_said;
	s->requests = r;
	s->request = request;
	s->entry.event = node_event_create(spec);
	if (s->entry.event && node_batcher_add(r->options.batcher, &s->entry) == 0)
		return true;
	node_event_destroy(s->entry.event);
	free(s);
	return false;
}

static struct node_event_spec spec_of(const struct request *q, uint32_t kind, struct node_now now)
{
	struct node_event_spec spec = { .class = q->class,
		.state = TORAP__STATE__STATE_PULSE,
		.site = q->site,
		.received_at = now.wall,
		.occurred_at = now.wall,
		.clock_known = now.clock_known,
		.clock_offset_ms = now.clock_offset_ms };
	spec.class.kind = (uint16_t)kind;
	spec.class.severity = (uint8_t)torap_kind_severity(kind);
	return spec;
}

struct alarm_text {
	char text[TORAP_STREAM_TEXT_SIZE + 24], cameras[16], left_out[16];
};

static void add_fields(struct node_fields *f, struct alarm_text *t, const struct request *q, const char *what,
	const char *word)
{
	char stream[TORAP_STREAM_TEXT_SIZE];
	snprintf(t->text, sizeof t->text, "%s %" PRIu64, torap_stream_id_format(&q->alarm.stream, stream),
		q->alarm.seq);
	snprintf(t->cameras, sizeof t->cameras, "%" PRIu32, q->cameras);
	node_fields_add(f, what, word);
	node_fields_add(f, "cameras", t->cameras);
	snprintf(t->left_out, sizeof t->left_out, "%" PRIu32, q->left_out);
	if (q->left_out)
		node_fields_add(f, "cameras_left_out", t->left_out);
	node_fields_add(f, "alarm", t->text);
	node_fields_add(f, "alarm_kind", torap_kind_name(q->alarm.kind));
}

static bool tell_access(struct node_requests *r, const struct request *q, struct node_now now)
{
	struct node_event_spec spec = spec_of(q, TORAP__KIND__KIND_ACCESS, now);
	struct node_fields fields = { .count = 0 };
	struct alarm_text text;
	add_fields(&fields, &text, q, "what", "pictures");
	spec.detail = &fields;
	spec.count = q->alarms;
	return say(r, q->id, &spec);
}

static void tell_missing(
	struct node_requests *r, const struct request *q, const char *reason, struct node_now now)
{
	struct node_event_spec spec = spec_of(q, TORAP__KIND__KIND_EVIDENCE_MISSING, now);
	struct node_fields fields = { .count = 0 };
	struct alarm_text text;
	add_fields(&fields, &text, q, "reason", reason);
	spec.detail = &fields;
	spec.count = q->alarms;
	if (!say(r, 0, &spec))
		torap_warn("PICTURES-MISSING",
			"site %s: no pictures of its alarm (%s), and no room for the event that says so",
			q->site, reason);
}

/* Requests. */

static bool may_be_asked(const struct node_device *camera, struct node_now now)
{
	return node_consent_allows(node_consent_at(camera, now.wall)) &&
	       (!camera->camera.term.us || now.wall.us < camera->camera.term.us);
}

static struct torap_buffer *pack(struct request *q, const struct node_site *site, struct node_now now)
{
	char *addresses[NODE_REQUESTS_CAMERAS];
	char stream[TORAP_STREAM_TEXT_SIZE];
	Torap__AgentRequest message = TORAP__AGENT_REQUEST__INIT;
	q->left_out = 0;
	for (uint32_t i = 0; i < site->cameras_count; i++) {
		if (!may_be_asked(site->cameras[i], now))
			continue;
		if (message.n_addresses < NODE_REQUESTS_CAMERAS)
			addresses[message.n_addresses++] = (char *)site->cameras[i]->address;
		else
			q->left_out++;
	}
	q->cameras = (uint32_t)message.n_addresses;
	message.id = q->id;
	message.site = (char *)q->site;
	message.alarm_stream = torap_stream_id_format(&q->alarm.stream, stream);
	message.alarm_seq = q->alarm.seq;
	message.alarm_kind = q->alarm.kind;
	message.alarm_at_us = q->alarm.at.us;
	message.alarms = q->alarms;
	message.addresses = addresses;
	struct torap_buffer *body = torap_buffer_create(torap__agent_request__get_packed_size(&message));
	if (body)
		torap__agent_request__pack(&message, body->data);
	return body;
}

static struct request request_of(const struct place *p, const struct node_site *site, struct node_now now)
{
	struct request q = { .made = now.mono, .alarm = p->last, .alarms = p->alarms };
	memcpy(q.site, p->site, sizeof q.site);
	q.class = (struct torap_class){ .region = site->region, .facility = site->facility };
	return q;
}

/* False: there is no room now. */
static bool ask(struct node_requests *r, struct place *p, struct node_now now)
{
	const struct node_site *site = node_registry_site(r->registry, p->site);
	if (!site || !site->cameras_count)
		return true; /* a reload took them away */
	if (++r->next_id == 0)
		r->next_id = 1;
	struct request *q = &r->list[r->next_id % NODE_REQUESTS_MAX];
	if (q->id)
		return false;
	*q = request_of(p, site, now);
	q->id = r->next_id;
	r->counts.waiting++;
	q->body = pack(q, site, now);
	if (!q->body || (q->cameras && !tell_access(r, q, now))) {
		free_request(r, q);
		return false;
	}
	if (!q->cameras) { /* none that may be looked at now */
		free_request(r, q);
		return true;
	}
	r->counts.asked++;
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
static bool serve(struct node_requests *r, struct place *p, struct node_now now)
{
	if (p->fresh) {
		p->since = now.mono;
		p->fresh = false;
	}
	if (p->asked && now.mono.us - p->asked_at.us < r->options.pictures->interval_us)
		return false;
	if (r->tokens >= 1 && ask(r, p, now)) {
		r->tokens--;
		p->asked = true;
		p->asked_at = now.mono;
		p->alarms = 0;
		return true;
	}
	/* Its time may have begun with the interval of the one before. */
	if (now.mono.us - p->since.us <
		r->options.pictures->interval_us + NODE_REQUESTS_YOUNG_MS * (int64_t)TORAP_US_PER_MS)
		return false;
	const struct node_site *site = node_registry_site(r->registry, p->site);
	if (site) {
		struct request q = request_of(p, site, now);
		q.cameras = site->cameras_count;
		tell_missing(r, &q, "too many at once", now);
	}
	r->counts.shed += p->alarms;
	p->alarms = 0;
	return true;
}

static void serve_all(struct node_requests *r, bool fresh_only, struct node_now now)
{
	refill(r, now.mono);
	for (struct place **at = &r->waiting; *at && (!fresh_only || (*at)->fresh);) {
		struct place *p = *at;
		if (serve(r, p, now))
			*at = p->next_waiting;
		else
			at = &p->next_waiting;
	}
}

void node_requests_run(struct node_requests *r, struct node_now now)
{
	if (r->waiting && r->waiting->fresh) /* What has just come stands first. */
		serve_all(r, true, now);
}

void node_requests_agent(struct node_requests *r, uint64_t session, struct node_now now)
{
	for (size_t i = 0; i < NODE_REQUESTS_MAX; i++) {
		struct request *q = &r->list[i];
		if (!q->durable ||
			now.mono.us - q->made.us > NODE_REQUESTS_YOUNG_MS * (int64_t)TORAP_US_PER_MS)
			continue;
		r->options.send_to(r->options.hint, session, q->body);
		q->sent = true;
	}
}

void node_requests_done(struct node_requests *r, uint64_t id)
{
	struct request *q = find(r, id);
	if (!q || !q->durable)
		return;
	r->counts.done++;
	free_request(r, q);
}

/* Time. */

static void give_up_old(struct node_requests *r, struct node_now now)
{
	for (size_t i = 0; i < NODE_REQUESTS_MAX; i++) {
		struct request *q = &r->list[i];
		int64_t most_ms = q->sent ? NODE_REQUESTS_OLD_MS : NODE_REQUESTS_YOUNG_MS;
		if (!q->durable || now.mono.us - q->made.us <= most_ms * TORAP_US_PER_MS)
			continue;
		r->counts.unheard += !q->sent;
		r->counts.unanswered += q->sent;
		tell_missing(r, q, q->sent ? "no answer" : "no agent", now);
		free_request(r, q);
	}
}

static void forget_places(struct node_requests *r, struct node_now now)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct place **at = &r->buckets[i]; *at;) {
			struct place *p = *at;
			if (p->alarms || now.mono.us - p->asked_at.us < r->options.pictures->interval_us) {
				at = &p->next;
				continue;
			}
			*at = p->next;
			free(p);
			r->places--;
		}
	}
}

/* One line a minute at most, however many there are. */
static void tell_shed(struct node_requests *r, struct node_now now)
{
	if (r->counts.shed == r->shed_told || !torap_mono_reached(r->next_shed, now.mono))
		return;
	torap_warn("PICTURES-SHED",
		"%" PRIu64
		" alarms have no pictures: too many sites had alarms at once, or there was no room",
		r->counts.shed - r->shed_told);
	r->shed_told = r->counts.shed;
	r->next_shed = torap_mono_add_ms(now.mono, SHED_EVERY_MS);
}

void node_requests_tick(struct node_requests *r, struct node_now now)
{
	if (r->waiting)
		serve_all(r, false, now);
	if (!torap_mono_reached(r->next_sweep, now.mono))
		return;
	r->next_sweep = torap_mono_add_ms(now.mono, 1000);
	if (r->counts.waiting)
		give_up_old(r, now);
	if (r->places)
		forget_places(r, now);
	tell_shed(r, now);
}

struct node_requests_counts node_requests_counts(const struct node_requests *r)
{
	return r->counts;
}
