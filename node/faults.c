#include "node/faults.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "node/batcher.h"
#include "node/own.h"
#include "wire/stream.h"

enum { KNOWN_MAX = 1024, EVERY_MS = 1000 };

struct known {
	enum node_fault what;
	uint32_t lane;
	uint64_t incarnation, batch_no; /* 0: an empty place */
};

/* What an event is due for. */
struct fault {
	struct node_entry entry;
	struct node_faults *faults;
	struct fault *next;
	enum node_fault what;
	struct torap_stream_id stream;
	uint64_t batch_no, batches; /* the last one; how many */
};

struct node_faults {
	struct node_faults_options options;
	struct known known[KNOWN_MAX]; /* a ring */
	size_t known_next;
	struct fault *first; /* due */
	bool saying;         /* one is on its way to the disk */
	struct torap_mono next;
	uint64_t counts[NODE_FAULTS];
};

static const char *const names[NODE_FAULTS] = {
	[NODE_FAULT_DAMAGED] = "damaged",
	[NODE_FAULT_UNREADABLE] = "unreadable",
	[NODE_FAULT_MENDED] = "mended",
};

const char *node_fault_name(enum node_fault what)
{
	return names[what];
}

static bool is_known(const struct node_faults *f, const struct known *k)
{
	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (f->known[i].batch_no == k->batch_no && f->known[i].what == k->what &&
			f->known[i].lane == k->lane && f->known[i].incarnation == k->incarnation)
			return true;
	return false;
}

bool node_faults_add(
	struct node_faults *f, enum node_fault what, const struct torap_stream_id *stream, uint64_t batch_no)
{
	struct known k = { what, stream->lane, stream->incarnation, batch_no };
	struct fault **at = &f->first;
	if (is_known(f, &k))
		return false;
	while (*at && ((*at)->what != what || !torap_stream_id_equal(&(*at)->stream, stream)))
		at = &(*at)->next;
	if (!*at) {
		*at = calloc(1, sizeof **at);
		if (!*at)
			return false; /* Whoever reads it again finds it again. */
		**at = (struct fault){ .faults = f, .what = what, .stream = *stream };
	}
	(*at)->batch_no = batch_no;
	(*at)->batches++;
	f->known[f->known_next++ % KNOWN_MAX] = k;
	f->counts[what]++;
	return true;
}

static void on_said(struct node_entry *entry, enum node_entry_result result)
{
	struct fault *due = (struct fault *)entry;
	struct node_faults *f = due->faults;
	f->saying = false;
	if (result == NODE_ENTRY_DURABLE) {
		free(due);
		return;
	}
	due->next = f->first; /* No room: in a second again. */
	f->first = due;
}

static struct node_event *make_event(
	const struct node_faults *f, const struct fault *due, struct node_now now)
{
	char stream[TORAP_STREAM_TEXT_SIZE], batch[24], batches[24];
	struct node_own own = { .kind = TORAP__KIND__KIND_STORAGE_FAULT };
	snprintf(batch, sizeof batch, "%" PRIu64, due->batch_no);
	snprintf(batches, sizeof batches, "%" PRIu64, due->batches);
	node_fields_add(&own.detail, "what", names[due->what]);
	node_fields_add(&own.detail, "stream", torap_stream_id_format(&due->stream, stream));
	node_fields_add(&own.detail, "batch", batch);
	node_fields_add(&own.detail, "batches", batches);
	return node_own_event(f->options.region, &own, now);
}

void node_faults_tick(struct node_faults *f, struct node_now now)
{
	struct fault *due = f->first;
	if (!due || f->saying || !torap_mono_reached(f->next, now.mono))
		return;
	f->next = torap_mono_add_ms(now.mono, EVERY_MS);
	due->entry = (struct node_entry){ .done = on_said, .event = make_event(f, due, now) };
	if (!due->entry.event || node_batcher_add(f->options.batcher, &due->entry)) {
		due->entry.event = node_event_destroy(due->entry.event);
		return;
	}
	f->first = due->next;
	f->saying = true;
}

bool node_faults_idle(const struct node_faults *f)
{
	return !f->first && !f->saying;
}

uint64_t node_faults_count(const struct node_faults *f, enum node_fault what)
{
	return f->counts[what];
}

int node_faults_create(
	struct node_faults **out, const struct node_faults_options *options, struct torap_error *err)
{
	struct node_faults *f = calloc(1, sizeof *f);
	if (!f)
		return torap_errorf(err, -ENOMEM, "faults: out of memory");
	f->options = *options;
	*out = f;
	return 0;
}

struct node_faults *node_faults_destroy(struct node_faults *f)
{
	while (f && f->first) {
		struct fault *due = f->first;
		f->first = due->next;
		free(due);
	}
	free(f);
	return NULL;
}
