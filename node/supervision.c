#include "node/supervision.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/batcher.h"
#include "node/consent.h"
#include "node/registry.h"
#include "node/subjects.h"
#include "node/tables.h"
#include "node/writes.h"
#include "store/kv.h"

enum { RETRY_MS = 5000 }; /* after an event that could not be kept */

enum watch_state {
	HEARD,
	STARTING,
	SILENT,
	ENDING
}; /* the middle two: their row is, or may be, on the disk */

struct watch {
	const struct node_device *device; /* of the registry; the key of the table */
	struct torap_mono last_heard, deadline;
	enum watch_state state;
};

/* A silence whose device is gone from the registry, or never was in this process's: only its row is known. */
struct stray {
	struct stray *next;
	char id[NODE_REGISTRY_ID_MAX + 1], site[NODE_REGISTRY_ID_MAX + 1];
	uint32_t region, period_s;
	uint16_t facility;
	bool ending;
};

struct node_supervision {
	struct node_supervision_options options;
	struct node_registry *registry;
	struct watch *watches;
	size_t count;
	uint32_t *heap;  /* indexes of watches, the earliest deadline first */
	uint32_t *slots; /* open addressing by device, index + 1 */
	size_t slots_count;
	size_t silent;
	struct stray *strays;
};

/* A start or end on its way to the disk. */
struct notice {
	struct node_entry entry;
	struct node_supervision *supervision;
	char id[NODE_REGISTRY_ID_MAX + 1];
	bool start, has_subject;
	uint8_t subject[TORAP_SUBJECT_SIZE];
};

static size_t slot_of(const struct node_supervision *s, const struct node_device *device)
{
	size_t i = ((uintptr_t)device >> 4) * 0x9e3779b97f4a7c15u >> 32 & (s->slots_count - 1);
	while (s->slots[i] && s->watches[s->slots[i] - 1].device != device)
		i = (i + 1) & (s->slots_count - 1);
	return i;
}

static struct watch *find(const struct node_supervision *s, const struct node_device *device)
{
	if (!s->slots_count || !device)
		return NULL;
	uint32_t found = s->slots[slot_of(s, device)];
	return found ? &s->watches[found - 1] : NULL;
}

static struct watch *find_id(const struct node_supervision *s, const char *id)
{
	return s->registry ? find(s, node_registry_device(s->registry, id)) : NULL;
}

static void sink(struct node_supervision *s, size_t at)
{
	for (;;) {
		size_t least = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < s->count; child++)
			if (s->watches[s->heap[child]].deadline.us < s->watches[s->heap[least]].deadline.us)
				least = child;
		if (least == at)
			return;
		uint32_t swap = s->heap[at];
		s->heap[at] = s->heap[least];
		s->heap[least] = swap;
		at = least;
	}
}

/* Recorded with the start, so that the end can be told even when the registry has forgotten the device. */
static void record_silent(const struct node_device *device, struct torap_writer *writes)
{
	struct torap_writer value = { 0 };
	torap_write_u32(&value, device->site->region);
	torap_write_u32(&value, device->site->facility);
	torap_write_u32(&value, device->supervision_s);
	torap_write_bytes(&value, torap_bytes(device->site->id, strlen(device->site->id)));
	node_writes_put(writes, NODE_TABLE_SILENT, torap_bytes(device->id, strlen(device->id)),
		torap_bytes(value.data, value.size));
	writes->failed = writes->failed || value.failed;
	torap_writer_finish(&value);
}

struct silence {
	const char *id, *site;
	uint32_t region, period_s;
	uint16_t facility;
};

static struct node_event *make_event(
	const struct silence *silence, bool start, const uint8_t *subject, struct node_now now)
{
	char period[16];
	struct node_fields detail = { 0 };
	snprintf(period, sizeof period, "%u", silence->period_s);
	node_fields_add(&detail, "cause", "supervision");
	node_fields_add(&detail, "period_s", period);
	struct node_event_spec spec = {
		.class = { .region = silence->region,
			.facility = silence->facility,
			.kind = TORAP__KIND__KIND_COMM_FAULT,
			.severity = TORAP__SEVERITY__SEVERITY_NORMAL },
		.subject = subject,
		.state = start ? TORAP__STATE__STATE_START : TORAP__STATE__STATE_END,
		.site = silence->site,
		.device = silence->id,
		.received_at = now.wall,
		.occurred_at = now.wall,
		.clock_known = now.clock_known,
		.clock_offset_ms = now.clock_offset_ms,
		.detail = &detail,
	};
	return node_event_create(&spec);
}

static struct stray *find_stray(const struct node_supervision *s, const char *id)
{
	struct stray *x = s->strays;
	while (x && strcmp(x->id, id) != 0)
		x = x->next;
	return x;
}

static void drop_stray(struct node_supervision *s, const struct stray *stray)
{
	for (struct stray **at = &s->strays; *at; at = &(*at)->next)
		if (*at == stray) {
			*at = stray->next;
			free((void *)stray);
			return;
		}
}

static void settle_watch(struct node_supervision *s, struct watch *w, bool start, bool durable)
{
	bool silent = start == durable; /* A start that is durable, or an end that is not. */
	if (silent && w->state != SILENT)
		s->silent += w->state == STARTING;
	else if (!silent && w->state == ENDING)
		s->silent--;
	w->state = silent ? SILENT : HEARD;
}

static void on_notice(struct node_entry *entry, enum node_entry_result result)
{
	struct notice *n = (struct notice *)entry;
	struct node_supervision *s = n->supervision;
	bool durable = result == NODE_ENTRY_DURABLE;
	if (durable && n->has_subject)
		node_subjects_saved(s->options.subjects, n->subject);
	struct watch *w = find_id(s, n->id);
	struct stray *stray = find_stray(s, n->id);
	if (stray && !n->start && durable)
		drop_stray(s, stray);
	else if (stray && !n->start)
		stray->ending = false;
	else if (w && (w->state == STARTING || w->state == ENDING))
		settle_watch(s, w, n->start, durable);
	free(n);
}

/* Of a device that the registry has forgotten too: what it once said may leave only as that device's. */
static void take_subject(struct node_supervision *s, struct notice *n, const struct node_device *device)
{
	const uint8_t *subject;
	if (!device) {
		subject = node_subjects_find(s->options.subjects, n->id);
	} else if (node_consent_needed(device)) {
		subject = node_subjects_of(s->options.subjects, device->id, &n->entry.writes);
		n->entry.writes.failed = n->entry.writes.failed || !subject;
	} else {
		subject = NULL;
	}
	if (subject) {
		memcpy(n->subject, subject, sizeof n->subject);
		n->has_subject = true;
	}
}

/* Gives the event to the batcher.  False: not now. */
static bool tell(struct node_supervision *s, const struct silence *silence, const struct node_device *device,
	bool start, struct node_now now)
{
	struct notice *n = calloc(1, sizeof *n);
	if (!n)
		return false;
	n->entry.done = on_notice;
	n->supervision = s;
	n->start = start;
	snprintf(n->id, sizeof n->id, "%s", silence->id);
	take_subject(s, n, device);
	if (start)
		record_silent(device, &n->entry.writes);
	else
		node_writes_delete(
			&n->entry.writes, NODE_TABLE_SILENT, torap_bytes(silence->id, strlen(silence->id)));
	n->entry.event = make_event(silence, start, n->has_subject ? n->subject : NULL, now);
	if (n->entry.event && node_batcher_add(s->options.batcher, &n->entry) == 0)
		return true;
	node_event_destroy(n->entry.event);
	torap_writer_finish(&n->entry.writes);
	free(n);
	return false;
}

static bool tell_watch(struct node_supervision *s, const struct watch *w, bool start, struct node_now now)
{
	struct silence silence = {
		.id = w->device->id,
		.site = w->device->site->id,
		.region = w->device->site->region,
		.period_s = w->device->supervision_s,
		.facility = w->device->site->facility,
	};
	return tell(s, &silence, w->device, start, now);
}

void node_supervision_heard(struct node_supervision *s, const struct node_device *device, struct node_now now)
{
	struct watch *w = find(s, device);
	if (!w)
		return;
	w->last_heard = now.mono;
	if (w->state == SILENT && tell_watch(s, w, false, now))
		w->state = ENDING;
}

static struct torap_mono after_period(const struct watch *w, struct torap_mono from)
{
	return torap_mono_add_ms(from, (int64_t)w->device->supervision_s * 1000);
}

/* The earliest deadline has come.  Sets the next one. */
static void judge(struct node_supervision *s, struct watch *w, struct node_now now)
{
	struct torap_mono due = after_period(w, w->last_heard);
	if (!torap_mono_reached(due, now.mono)) {
		w->deadline = due;
		/* It spoke while its start was on the way to the disk. */
		if (w->state == SILENT && tell_watch(s, w, false, now))
			w->state = ENDING;
		return;
	}
	w->deadline = after_period(w, now.mono);
	if (w->state != HEARD || !node_consent_allows(node_consent_at(w->device, now.wall)))
		return;
	if (tell_watch(s, w, true, now))
		w->state = STARTING;
	else
		w->deadline = torap_mono_add_ms(now.mono, RETRY_MS);
}

static void end_strays(struct node_supervision *s, struct node_now now)
{
	for (struct stray *x = s->strays; x; x = x->next) {
		struct silence silence = { x->id, x->site, x->region, x->period_s, x->facility };
		if (!x->ending)
			x->ending = tell(s, &silence, NULL, false, now);
	}
}

void node_supervision_tick(struct node_supervision *s, struct node_now now)
{
	end_strays(s, now);
	/* Each turn moves a deadline into the future, so this ends. */
	while (s->count && torap_mono_reached(s->watches[s->heap[0]].deadline, now.mono)) {
		judge(s, &s->watches[s->heap[0]], now);
		sink(s, 0);
	}
}

static struct stray *add_stray(struct node_supervision *s, const struct silence *silence)
{
	struct stray *x = calloc(1, sizeof *x);
	if (!x)
		return NULL;
	snprintf(x->id, sizeof x->id, "%s", silence->id);
	snprintf(x->site, sizeof x->site, "%s", silence->site);
	x->region = silence->region;
	x->period_s = silence->period_s;
	x->facility = silence->facility;
	x->next = s->strays;
	s->strays = x;
	return x;
}

/* The new table beside the old one, until nothing can fail any more. */
struct table {
	struct watch *watches;
	size_t count;
	uint32_t *heap, *slots;
	size_t slots_count;
};

static int build(struct table *t, const struct node_registry *registry, struct node_now now)
{
	size_t room = node_registry_devices(registry);
	for (t->slots_count = 16; t->slots_count < 2 * room; t->slots_count *= 2)
		;
	t->watches = calloc(room ? room : 1, sizeof *t->watches);
	t->heap = calloc(room ? room : 1, sizeof *t->heap);
	t->slots = calloc(t->slots_count, sizeof *t->slots);
	if (!t->watches || !t->heap || !t->slots)
		return -ENOMEM;
	for (const struct node_device *d = NULL; (d = node_registry_next(registry, NULL, d));)
		if (d->supervision_s)
			t->watches[t->count++] = (struct watch){ .device = d, .last_heard = now.mono };
	return 0;
}

/* What the old table knew of a device; a device that is no longer supervised leaves its silence behind. */
static void carry_over(struct node_supervision *s, const struct table *old)
{
	for (size_t i = 0; i < old->count; i++) {
		const struct watch *was = &old->watches[i];
		struct watch *w = find_id(s, was->device->id);
		if (w) {
			w->last_heard = was->last_heard;
			w->state = was->state;
		} else if (was->state != HEARD) {
			struct silence silence = { was->device->id, was->device->site->id,
				was->device->site->region, was->device->supervision_s,
				was->device->site->facility };
			struct stray *x = add_stray(s, &silence);
			if (x)
				x->ending = was->state == ENDING;
		}
	}
}

/* Silences that were strays, of devices that are supervised (again). */
static void adopt_strays(struct node_supervision *s)
{
	for (struct stray *x = s->strays, *next; x; x = next) {
		next = x->next;
		struct watch *w = find_id(s, x->id);
		if (!w)
			continue;
		w->state = x->ending ? ENDING : SILENT;
		drop_stray(s, x);
	}
}

static void order(struct node_supervision *s)
{
	s->silent = 0;
	for (size_t i = 0; i < s->count; i++) {
		s->heap[i] = (uint32_t)i;
		s->watches[i].deadline = after_period(&s->watches[i], s->watches[i].last_heard);
		s->silent += s->watches[i].state == SILENT || s->watches[i].state == ENDING;
	}
	for (size_t i = s->count / 2; i-- > 0;)
		sink(s, i);
}

int node_supervision_registry(struct node_supervision *s, struct node_registry *registry, struct node_now now)
{
	struct table t = { 0 };
	if (build(&t, registry, now)) {
		free(t.watches);
		free(t.heap);
		free(t.slots);
		return -ENOMEM;
	}
	struct table old = { s->watches, s->count, s->heap, s->slots, s->slots_count };
	struct node_registry *old_registry = s->registry;
	s->watches = t.watches;
	s->count = t.count;
	s->heap = t.heap;
	s->slots = t.slots;
	s->slots_count = t.slots_count;
	s->registry = node_registry_ref(registry);
	for (size_t i = 0; i < s->count; i++)
		s->slots[slot_of(s, s->watches[i].device)] = (uint32_t)i + 1;
	carry_over(s, &old);
	adopt_strays(s);
	order(s);
	free(old.watches);
	free(old.heap);
	free(old.slots);
	node_registry_unref(old_registry);
	return 0;
}

size_t node_supervision_devices(const struct node_supervision *s)
{
	return s->count;
}

size_t node_supervision_silent(const struct node_supervision *s)
{
	return s->silent;
}

static int on_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	char id[NODE_REGISTRY_ID_MAX + 1] = "", site[NODE_REGISTRY_ID_MAX + 1] = "";
	struct torap_reader reader = torap_reader(value);
	struct silence silence = { .id = id, .site = site };
	silence.region = torap_read_u32(&reader);
	silence.facility = (uint16_t)torap_read_u32(&reader);
	silence.period_s = torap_read_u32(&reader);
	size_t site_size = (size_t)(reader.end - reader.at);
	if (reader.failed || key.size >= sizeof id || site_size >= sizeof site)
		return -EBADMSG;
	memcpy(id, key.data, key.size);
	memcpy(site, reader.at, site_size);
	return add_stray(hint, &silence) ? 0 : -ENOMEM;
}

int node_supervision_create(struct node_supervision **out, const struct node_supervision_options *options,
	struct torap_kv *kv, struct torap_error *err)
{
	struct node_supervision *s = calloc(1, sizeof *s);
	if (!s)
		return torap_errorf(err, -ENOMEM, "supervision: out of memory");
	s->options = *options;
	int r = node_table_read(kv, NODE_TABLE_SILENT, on_row, s, err);
	if (r) {
		node_supervision_destroy(s);
		return r;
	}
	*out = s;
	return 0;
}

struct node_supervision *node_supervision_destroy(struct node_supervision *s)
{
	if (s) {
		while (s->strays)
			drop_stray(s, s->strays);
		node_registry_unref(s->registry);
		free(s->watches);
		free(s->heap);
		free(s->slots);
		free(s);
	}
	return NULL;
}
