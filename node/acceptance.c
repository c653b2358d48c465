#include "node/acceptance.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/batcher.h"
#include "node/consent.h"
#include "node/dedup.h"
#include "node/judge.h"
#include "node/registry.h"
#include "node/requests.h"
#include "node/room.h"
#include "node/subjects.h"
#include "node/supervision.h"
#include "node/unknown.h"
#include "node/writes.h"

/* An observation that waits for the disk, or for another that does. */
struct ticket {
	struct node_entry entry;
	struct node_acceptance *acceptance;
	uint64_t session, id;
	uint32_t lane;
	struct ticket *followers; /* its repeats; of a spare one the next */
	uint32_t key_place;       /* of node_dedup_add() */
	bool has_key, has_subject, unmapped, reported;
	struct node_account *account; /* of an unknown device */
	size_t image_size;
	struct node_wish *wish; /* owned; NULL: nobody is to be asked */
	uint8_t subject[TORAP_SUBJECT_SIZE];
};

enum { SPARE_TICKETS = 16 << 10 }; /* 3 MiB */

struct node_acceptance {
	struct node_acceptance_parts parts;
	node_verdict verdict;
	void *hint;
	const struct node_registry *registry;
	const struct node_mapping *mapping;
	struct node_acceptance_counts counts;
	struct node_judged judged;           /* large; used by one call at a time */
	size_t images_waiting;               /* bytes */
	size_t repeats_waiting[TORAP_LANES]; /* tickets of repeats whose originals are on their way */
	struct ticket *spare;                /* owned; kept for the next ones */
	size_t spare_count;
};

const char *node_refusal_name(enum node_refusal refusal)
{
	static const char *const names[NODE_REFUSALS] = {
		[NODE_REFUSED_LIMIT] = "limit",
		[NODE_REFUSED_CONSENT] = "consent",
		[NODE_REFUSED_PLATE] = "plate",
		[NODE_REFUSED_BUSY] = "busy",
		[NODE_REFUSED_FULL] = "disk_full",
		[NODE_REFUSED_TOO_BIG] = "too_big",
	};
	return names[refusal];
}

int node_acceptance_create(struct node_acceptance **out, const struct node_acceptance_parts *parts,
	node_verdict verdict, void *hint, struct torap_error *err)
{
	struct node_acceptance *a = calloc(1, sizeof *a);
	if (!a)
		return torap_errorf(err, -ENOMEM, "acceptance: out of memory");
	a->parts = *parts;
	a->verdict = verdict;
	a->hint = hint;
	*out = a;
	return 0;
}

struct node_acceptance *node_acceptance_destroy(struct node_acceptance *a)
{
	for (struct ticket *t; a && (t = a->spare);) {
		a->spare = t->followers;
		free(t);
	}
	free(a);
	return NULL;
}

void node_acceptance_rules(
	struct node_acceptance *a, const struct node_registry *registry, const struct node_mapping *mapping)
{
	a->registry = registry;
	a->mapping = mapping;
}

const struct node_acceptance_counts *node_acceptance_counts(const struct node_acceptance *a)
{
	return &a->counts;
}

static void say_durable(struct node_acceptance *a, uint64_t session, uint64_t id)
{
	a->counts.durable++;
	a->verdict(a->hint, session, id, TORAP__VERDICT__WORD__DURABLE, "");
}

static void say_duplicate(struct node_acceptance *a, uint64_t session, uint64_t id)
{
	a->counts.duplicate++;
	a->verdict(a->hint, session, id, TORAP__VERDICT__WORD__DUPLICATE, "");
}

static void refuse(
	struct node_acceptance *a, uint64_t session, uint64_t id, enum node_refusal why, const char *reason)
{
	a->counts.refused[why]++;
	a->verdict(a->hint, session, id, TORAP__VERDICT__WORD__REFUSED, reason);
}

void node_acceptance_refuse_limit(
	struct node_acceptance *a, uint64_t session, uint64_t id, const char *reason)
{
	refuse(a, session, id, NODE_REFUSED_LIMIT, reason);
}

static bool has_no_room(const struct node_acceptance *a, uint32_t lane)
{
	return a->parts.room && a->parts.room->sheds[lane];
}

static void shed(struct node_acceptance *a, uint64_t session, uint64_t id, uint32_t lane,
	enum node_refusal why, const char *reason)
{
	a->counts.shed[lane]++;
	refuse(a, session, id, why, reason);
}

static struct ticket *make_ticket(struct node_acceptance *a, uint64_t session, uint64_t id, uint32_t lane)
{
	struct ticket *t = a->spare;
	if (t) {
		a->spare = t->followers;
		a->spare_count--;
	} else {
		t = malloc(sizeof *t);
	}
	if (t)
		*t = (struct ticket){ .acceptance = a, .session = session, .id = id, .lane = lane };
	return t;
}

static void drop_ticket(struct node_acceptance *a, struct ticket *t)
{
	if (a->spare_count == SPARE_TICKETS) {
		free(t);
		return;
	}
	t->followers = a->spare;
	a->spare = t;
	a->spare_count++;
}

static void answer_followers(
	struct node_acceptance *a, struct ticket *t, enum node_refusal why, const char *refused_because)
{
	while (t->followers) {
		struct ticket *f = t->followers;
		t->followers = f->followers;
		a->repeats_waiting[t->lane]--;
		if (refused_because && why == NODE_REFUSED_TOO_BIG)
			refuse(a, f->session, f->id, why, refused_because);
		else if (refused_because)
			shed(a, f->session, f->id, t->lane, why, refused_because);
		else
			say_duplicate(a, f->session, f->id);
		drop_ticket(a, f);
	}
}

static void make_wish(struct node_acceptance *a, struct ticket *t)
{
	size_t count;
	const struct node_stream *streams = node_batcher_streams(a->parts.batcher, t->lane, &count);
	node_requests_alarm(a->parts.requests, t->wish, &streams[count - 1].id, t->entry.seq);
	t->wish = NULL;
}

static void on_durable(struct node_acceptance *a, struct ticket *t)
{
	if (t->wish)
		make_wish(a, t);
	if (t->has_subject)
		node_subjects_saved(a->parts.subjects, t->subject);
	a->counts.unmapped += t->unmapped;
	a->counts.unknown += t->account != NULL;
	say_durable(a, t->session, t->id);
	answer_followers(a, t, NODE_REFUSALS, NULL);
}

static void on_refused(struct node_acceptance *a, struct ticket *t, enum node_entry_result result)
{
	if (result == NODE_ENTRY_TOO_BIG) {
		refuse(a, t->session, t->id, NODE_REFUSED_TOO_BIG, "event is too big");
		answer_followers(a, t, NODE_REFUSED_TOO_BIG, "event is too big");
		return;
	}
	/* A lane with a mark waits for room that others give back; only of an alarm that has none the disk is said to be full. */
	bool at_mark = a->parts.room && a->parts.room->percent[t->lane];
	enum node_refusal why = at_mark ? NODE_REFUSED_BUSY : NODE_REFUSED_FULL;
	const char *reason = at_mark ? "busy" : "disk full";
	shed(a, t->session, t->id, t->lane, why, reason);
	answer_followers(a, t, why, reason);
}

static void finish(struct node_acceptance *a, struct ticket *t)
{
	if (t->wish)
		node_requests_no_alarm(a->parts.requests, t->wish);
	drop_ticket(a, t);
}

static void on_done(struct node_entry *entry, enum node_entry_result result)
{
	struct ticket *t = (struct ticket *)entry;
	struct node_acceptance *a = t->acceptance;
	bool durable = result == NODE_ENTRY_DURABLE;
	a->images_waiting -= t->image_size;
	if (t->has_key)
		node_dedup_settle(a->parts.dedup, t->key_place, durable);
	if (t->account)
		node_unknown_settle(t->account, t->reported, durable);
	if (durable) {
		on_durable(a, t);
	} else {
		on_refused(a, t, result);
	}
	finish(a, t);
}

/* Undoes a ticket that the batcher did not take. */
static void cancel(struct node_acceptance *a, struct ticket *t, uint64_t session, uint64_t id, uint32_t lane)
{
	if (t) {
		if (t->has_key)
			node_dedup_settle(a->parts.dedup, t->key_place, false);
		if (t->account)
			node_unknown_settle(t->account, t->reported, false);
		node_event_destroy(t->entry.event);
		torap_writer_finish(&t->entry.writes);
		a->images_waiting -= t->image_size;
		finish(a, t);
	}
	shed(a, session, id, lane, NODE_REFUSED_BUSY, "busy");
}

static void give(struct node_acceptance *a, struct ticket *t)
{
	t->entry.done = on_done;
	if (t->entry.writes.failed || node_batcher_add(a->parts.batcher, &t->entry))
		cancel(a, t, t->session, t->id, t->lane);
}

static void accept_unknown(
	struct node_acceptance *a, uint64_t session, const Torap__Observation *o, struct node_now now)
{
	const uint32_t lane = TORAP__LANE__LANE_NORMAL; /* That of unknown_device. */
	if (has_no_room(a, lane)) {
		shed(a, session, o->id, lane, NODE_REFUSED_BUSY, "busy");
		return;
	}
	struct ticket *t = make_ticket(a, session, o->id, lane);
	if (t)
		t->account = node_unknown_see(a->parts.unknown, o, &t->entry, now);
	if (!t || !t->account) {
		cancel(a, t, session, o->id, lane);
		return;
	}
	t->reported = t->entry.event != NULL;
	give(a, t);
}

/* Answers a repeat, or lets it wait for its original.  False: it is none. */
static bool answer_repeat(struct node_acceptance *a, uint64_t session, const Torap__Observation *o,
	const struct node_dedup_key *key, struct node_now now)
{
	void *original;
	switch (node_dedup_find(a->parts.dedup, key, now.wall, &original)) {
	case NODE_DEDUP_NEW:
		return false;
	case NODE_DEDUP_DURABLE:
		say_duplicate(a, session, o->id);
		return true;
	case NODE_DEDUP_PENDING:
		break;
	}
	struct ticket *t = original;
	bool many = a->repeats_waiting[t->lane] >= node_batcher_waiting_max[t->lane];
	struct ticket *f = many ? NULL : make_ticket(a, session, o->id, t->lane);
	if (!f) {
		shed(a, session, o->id, t->lane, NODE_REFUSED_BUSY, "busy");
		return true;
	}
	f->followers = t->followers;
	t->followers = f;
	a->repeats_waiting[t->lane]++;
	return true;
}

static bool make_event(struct node_acceptance *a, struct ticket *t)
{
	struct node_judged *j = &a->judged;
	if (node_consent_needed(j->device)) {
		const uint8_t *subject = node_subjects_of(a->parts.subjects, j->device->id, &t->entry.writes);
		if (!subject)
			return false;
		memcpy(t->subject, subject, sizeof t->subject);
		t->has_subject = true;
		j->spec.subject = t->subject;
	}
	t->unmapped = j->unmapped;
	t->image_size = j->spec.image.size;
	a->images_waiting += t->image_size;
	t->entry.event = node_event_create(&j->spec);
	return t->entry.event != NULL;
}

/* False: memory ran out.  A test of a panel is no alarm, whatever its severity: its kind says so. */
static bool note_wish(struct node_acceptance *a, struct ticket *t)
{
	const struct node_judged *j = &a->judged;
	if (!a->parts.requests ||
		!node_requests_want(a->parts.requests, j->device->site, &j->spec.class, j->spec.state))
		return true;
	t->wish = node_requests_wish(
		a->parts.requests, j->device->site->id, j->spec.class.kind, j->spec.received_at, &t->entry);
	return t->wish != NULL;
}

static void accept_event(
	struct node_acceptance *a, uint64_t session, const Torap__Observation *o, struct node_now now)
{
	struct node_dedup_key key;
	bool has_key = o->repeat_key.len > 0;
	uint32_t lane = torap_class_lane(&a->judged.spec.class);
	if (has_key) {
		/* The registry's way of writing the address: one device, one key. */
		node_dedup_key_make(&key, o->protocol, a->judged.device->address,
			torap_bytes(o->repeat_key.data, o->repeat_key.len));
		if (answer_repeat(a, session, o, &key, now))
			return;
	}
	if (has_no_room(a, lane) ||
		(a->judged.spec.image.size && a->images_waiting >= NODE_IMAGES_WAITING_MAX)) {
		shed(a, session, o->id, lane, NODE_REFUSED_BUSY, "busy");
		return;
	}
	struct ticket *t = make_ticket(a, session, o->id, lane);
	if (!t || !note_wish(a, t) || !make_event(a, t)) {
		cancel(a, t, session, o->id, lane);
		return;
	}
	if (has_key) {
		if (node_dedup_add(
			    a->parts.dedup, &key, o->dated, now.wall, t, &t->entry.writes, &t->key_place)) {
			cancel(a, t, session, o->id, lane);
			return;
		}
		t->has_key = true;
	}
	give(a, t);
}

void node_acceptance_offer(
	struct node_acceptance *a, uint64_t session, const Torap__Observation *o, struct node_now now)
{
	assert(a->registry && a->mapping);
	struct node_judged *j = &a->judged;
	node_judge(j, a->registry, a->mapping, o, now);
	/* A device that speaks is not silent, whatever becomes of its words: consent is of these, not of its line. */
	if (j->device)
		node_supervision_heard(a->parts.supervision, j->device, now);
	switch (j->judgement) {
	case NODE_JUDGED_UNKNOWN:
		accept_unknown(a, session, o, now);
		return;
	case NODE_JUDGED_REFUSED:
		refuse(a, session, o->id, j->lacks_consent ? NODE_REFUSED_CONSENT : NODE_REFUSED_PLATE,
			j->refusal);
		return;
	case NODE_JUDGED_ALIVE:
		a->counts.alive++;
		say_durable(a, session, o->id);
		return;
	case NODE_JUDGED_EVENT:
		accept_event(a, session, o, now);
		return;
	}
}
