#include "store/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/journal_rows.h"

enum {
	BATCHES_A_TRANSACTION = 64, /* a long read would keep a writer's old pages from being used again */
	BATCHES_A_PROGRESS = 256,
};

struct walk {
	const struct torap_check_options *options;
	struct torap_check_counts *counts;
	struct torap_kv_txn txn;
	const struct torap_journal_head *head;
	struct torap_position *at;
	uint64_t done, all; /* batches, over all streams */
};

/* Reports. */

static struct torap_check_finding finding(
	const struct torap_stream_id *stream, uint64_t batch_no, const char *what)
{
	struct torap_check_finding f = { .batch_no = batch_no, .frame = -1, .what = what };
	if (stream) {
		f.has_stream = true;
		f.stream = *stream;
	}
	return f;
}

static struct torap_check_finding batch_finding(
	const struct walk *w, const struct torap_manifest *m, const char *what)
{
	struct torap_check_finding f = finding(&w->head->stream, w->at->next_batch, what);
	f.has_signer = true;
	memcpy(f.signer, m->key_id, sizeof f.signer);
	return f;
}

__attribute__((format(printf, 3, 4))) static void report(
	struct walk *w, struct torap_check_finding *f, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(f->text, sizeof f->text, format, args);
	va_end(args);
	w->counts->findings++;
	w->options->on_finding(w->options->hint, f);
}

/* Frames. */

static bool has_row(struct walk *w, unsigned frame)
{
	struct torap_bytes row;
	return torap_rows_frame_get(&w->txn, w->head->number, w->at->next_batch, frame, &row) == 0;
}

static void check_absent(
	struct walk *w, const struct torap_batch *b, unsigned frame, const char *part, uint8_t note)
{
	struct torap_check_finding f = batch_finding(w, b->manifest, "missing-frame");
	bool is_there = has_row(w, frame);
	f.frame = (int)frame;
	if (note == ROWS_NOTE_HELD && is_there && !b->digests) {
		return; /* All are, and that was said. */
	} else if (note == ROWS_NOTE_HELD && is_there) {
		f.what = "bad-digest";
		report(w, &f, "the %s part is not what was signed", part);
	} else if (note == ROWS_NOTE_HELD) {
		report(w, &f, "the %s part was received and is gone", part);
	} else if ((note & ROWS_NOTE_REASON) == TORAP__OMISSION_REASON__OMISSION_DAMAGED) {
		report(w, &f, "the %s part came as damaged", part);
	} else if (is_there) {
		f.what = "stray-frame";
		report(w, &f, "the %s part is noted as left out or deleted, and is there", part);
	} else {
		w->counts->omitted++;
	}
}

static void check_frames(struct walk *w, const struct torap_batch *b, const struct torap_rows_notes *notes)
{
	const struct torap_manifest *m = b->manifest;
	w->counts->frames += m->frames_count;
	if (!b->digests && torap_rows_notes_hold(notes)) {
		struct torap_check_finding f = batch_finding(w, m, "bad-digest");
		report(w, &f,
			"the digests of its frames are not those that were signed: none can be verified");
	}
	for (unsigned i = 0; i < m->frames_count; i++) {
		unsigned group, part;
		if (b->frames[i])
			continue;
		torap_batch_locate(b, i, &group, &part);
		check_absent(w, b, i, torap_part_name(m->groups[group].parts[part].part), notes->of[i]);
	}
}

/* A reason that nobody gives would pass for one. */
static bool are_notes_good(const struct torap_rows_notes *notes)
{
	for (unsigned i = 0; i < notes->count; i++)
		if (notes->of[i] != ROWS_NOTE_HELD &&
			(notes->of[i] & ROWS_NOTE_REASON) > TORAP__OMISSION_REASON__OMISSION_DAMAGED)
			return false;
	return true;
}

/* Batches. */

static void check_chain(struct walk *w, const struct torap_manifest *m)
{
	enum torap_verdict verdict = torap_verify_chain(w->at, m);
	if (verdict == TORAP_VERDICT_GOOD)
		return;
	struct torap_check_finding f = batch_finding(w, m, torap_verdict_name(verdict));
	report(w, &f, "does not continue batch %" PRIu64, w->at->next_batch - 1);
}

static void check_signature(struct walk *w, const struct torap_batch *b)
{
	if (!w->options->lookup)
		return;
	enum torap_verdict verdict = torap_verify_manifest(b, w->options->lookup, w->options->lookup_hint);
	if (verdict == TORAP_VERDICT_GOOD)
		return;
	struct torap_check_finding f = batch_finding(w, b->manifest, torap_verdict_name(verdict));
	report(w, &f, "the manifest is not what its writer signed");
}

/* The chain cannot be followed over a hole; the next batch begins it anew. */
static void go_on_after(struct walk *w, uint64_t batch_no)
{
	*w->at = (struct torap_position){ .next_batch = batch_no + 1 };
}

static void check_batch(struct walk *w, const struct torap_batch *b)
{
	const struct torap_manifest *m = b->manifest;
	struct torap_rows_notes notes;
	uint64_t batch_no = w->at->next_batch;
	if (!torap_stream_id_equal(&m->stream, &w->head->stream)) {
		struct torap_check_finding f = batch_finding(w, m, "malformed");
		report(w, &f, "is a batch of another stream");
		go_on_after(w, batch_no);
		return;
	}
	check_signature(w, b);
	check_chain(w, m);
	if (torap_rows_notes_get(&w->txn, w->head->number, batch_no, m->frames_count, &notes) ||
		!are_notes_good(&notes)) {
		struct torap_check_finding f = batch_finding(w, m, "bad-notes");
		report(w, &f, "what is noted of its frames cannot be read");
	} else {
		check_frames(w, b, &notes);
	}
	if (w->options->on_batch)
		w->options->on_batch(w->options->hint, &w->txn, b);
	torap_position_advance(w->at, m);
	w->at->next_batch = batch_no + 1;
	w->counts->batches++;
}

struct next_row {
	uint32_t stream_number;
	uint64_t batch_no; /* 0: the stream has no further one */
};

static int on_row(void *hint, struct torap_bytes key, struct torap_bytes row)
{
	struct next_row *found = hint;
	struct torap_reader r = torap_reader(key);
	(void)row;
	if (torap_read_u32(&r) == found->stream_number)
		found->batch_no = torap_read_u64(&r);
	return 1;
}

/* The first batch from `from` on that has a row; 0: none has. */
static uint64_t next_row(struct walk *w, uint64_t from)
{
	struct next_row found = { .stream_number = w->head->number };
	struct torap_kv_key key = torap_rows_batch_key(w->head->number, from);
	torap_kv_walk(&w->txn, ROWS_MANIFESTS, torap_kv_key_bytes(&key), on_row, &found);
	return found.batch_no;
}

/* Up to the next batch that is there: a damaged number must not make us look for each of 2^64 batches. */
static void miss_batches(struct walk *w)
{
	uint64_t from = w->at->next_batch, last = w->head->last_batch, next = next_row(w, from);
	struct torap_check_finding f = finding(&w->head->stream, from, "missing-batch");
	if (next > from && next <= last)
		last = next - 1;
	if (last == from)
		report(w, &f, "was received, and is gone");
	else
		report(w, &f, "and all up to batch %" PRIu64 " were received, and are gone", last);
	go_on_after(w, last);
}

/* A batch that is there and cannot be read.  The chain begins anew behind it; behind a fault of the store itself nothing can be read. */
static void report_unreadable(struct walk *w, int failure, const struct torap_error *err)
{
	uint64_t batch_no = w->at->next_batch;
	struct torap_check_finding f = finding(&w->head->stream, batch_no, "malformed");
	struct torap_rows_manifest row;
	struct torap_rows_notes notes;
	if (failure != -EBADMSG || w->txn.failure) {
		f.what = "unreadable";
		report(w, &f, "the store cannot be read on here: %s", err->text);
		go_on_after(w, w->head->last_batch);
		return;
	}
	if (torap_rows_manifest_get(&w->txn, w->head->number, batch_no, &row) == 0 &&
		torap_rows_notes_get(&w->txn, w->head->number, batch_no, row.frames_count, &notes)) {
		f.what = "bad-notes";
		report(w, &f, "what is noted of its frames cannot be read");
	} else {
		report(w, &f, "%s", err->text);
	}
	go_on_after(w, batch_no);
}

/* Leaves w->at behind the batch, or behind the hole that is there in its place. */
static void check_next(struct walk *w)
{
	struct torap_batch *b;
	struct torap_error err = { "" };
	int r = torap_journal_read(&w->txn, w->head->number, w->at->next_batch, NULL, NULL, &b, NULL, &err);
	if (r == TORAP_KV_MISSING) {
		miss_batches(w);
	} else if (r) {
		report_unreadable(w, r, &err);
	} else {
		check_batch(w, b);
		torap_batch_destroy(b);
	}
}

static void walk_stream(struct walk *w)
{
	uint64_t last = w->head->last_batch;
	torap_kv_begin(&w->txn, w->txn.kv, false);
	for (unsigned looked = 1; w->at->next_batch <= last && w->at->next_batch; looked++) {
		uint64_t from = w->at->next_batch;
		if (looked % BATCHES_A_TRANSACTION == 0) {
			torap_kv_abort(&w->txn);
			torap_kv_begin(&w->txn, w->txn.kv, false);
		}
		check_next(w);
		w->done += w->at->next_batch - from;
		if (w->options->on_progress && looked % BATCHES_A_PROGRESS == 0)
			w->options->on_progress(w->options->hint, w->done, w->all);
	}
	torap_kv_abort(&w->txn);
}

void torap_check_stream(struct torap_kv *kv, const struct torap_journal_head *head, struct torap_position *at,
	const struct torap_check_options *options, struct torap_check_counts *counts)
{
	struct walk w = { .options = options,
		.counts = counts,
		.txn = { .kv = kv },
		.head = head,
		.at = at,
		.all = head->last_batch };
	walk_stream(&w);
}

/* Streams. */

struct heads {
	struct walk *walk;
	struct torap_journal_head *list;
	size_t count, room;
	size_t ids; /* rows by which a stream is found by its id */
};

static int keep_head(struct heads *h, const struct torap_journal_head *head)
{
	if (h->count == h->room) {
		size_t room = h->room ? 2 * h->room : 16;
		struct torap_journal_head *list = realloc(h->list, room * sizeof *list);
		if (!list)
			return -ENOMEM;
		h->list = list;
		h->room = room;
	}
	h->list[h->count++] = *head;
	return 0;
}

static int on_stream_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	struct heads *h = hint;
	struct torap_journal_head head;
	if (!torap_rows_is_head(key)) {
		h->ids += torap_rows_is_id(key); /* Others are the sweep's. */
		return 0;
	}
	if (torap_rows_head_decode(&head, key, value) == 0)
		return keep_head(h, &head);
	struct torap_check_finding f = finding(NULL, 0, "bad-head");
	struct torap_reader r = torap_reader(key);
	report(h->walk, &f,
		"the row of stream number %" PRIu32 " cannot be read; its batches are not checked",
		torap_read_u32(&r));
	return 0;
}

/* What the head says must be what the last batch says. */
static void check_head(struct walk *w)
{
	const struct torap_journal_head *head = w->head;
	const struct torap_position *at = w->at;
	struct torap_check_finding f = finding(&head->stream, 0, "bad-head");
	if (at->next_batch != head->last_batch + 1 || !at->has_digest)
		return; /* The end is missing, and that was said. */
	if (at->next_seq != head->next_seq ||
		memcmp(at->last_digest, head->last_digest, TORAP_DIGEST_SIZE) != 0)
		report(w, &f, "the stream's row names another batch %" PRIu64 " than the one that is here",
			head->last_batch);
}

static void check_beyond(struct walk *w)
{
	torap_kv_begin(&w->txn, w->txn.kv, false);
	/* A process that writes may have moved the head on since it was listed. */
	struct torap_journal_head now;
	int r = torap_rows_head_get(&w->txn, w->head->number, &now);
	uint64_t beyond = r ? 0 : next_row(w, now.last_batch + 1);
	torap_kv_abort(&w->txn);
	struct torap_check_finding f = finding(&w->head->stream, beyond, "beyond-head");
	if (beyond)
		report(w, &f, "is here, and the stream's row ends before it");
}

static bool is_found_by_id(struct walk *w, const struct torap_journal_head *head)
{
	struct torap_journal_head found;
	torap_kv_begin(&w->txn, w->txn.kv, false);
	int r = torap_rows_head_find(&w->txn, &head->stream, &found);
	torap_kv_abort(&w->txn);
	return r == 0 && found.number == head->number;
}

static void check_whole_stream(struct walk *w, const struct torap_journal_head *head)
{
	/* Where a stream begins in the middle, what was before is not known. */
	struct torap_position at = { .next_batch = head->first_batch ? head->first_batch : 1,
		.next_seq = head->first_batch <= 1 };
	w->head = head;
	w->at = &at;
	w->counts->streams++;
	if (!is_found_by_id(w, head)) {
		struct torap_check_finding f = finding(&head->stream, 0, "bad-head");
		report(w, &f, "the stream is not found by its id");
	}
	walk_stream(w);
	check_head(w);
	check_beyond(w);
}

int torap_check_journal(struct torap_kv *kv, const struct torap_check_options *options,
	struct torap_check_counts *counts, struct torap_error *err)
{
	struct walk w = { .options = options, .counts = counts, .txn = { .kv = kv } };
	struct heads heads = { .walk = &w };
	*counts = (struct torap_check_counts){ 0 };
	torap_kv_begin(&w.txn, kv, false);
	int r = torap_kv_walk(&w.txn, ROWS_STREAMS, torap_bytes(NULL, 0), on_stream_row, &heads);
	torap_kv_abort(&w.txn);
	if (!r && heads.ids > heads.count + counts->findings) {
		struct torap_check_finding f = finding(NULL, 0, "bad-head");
		report(&w, &f, "%zu streams are known by their ids and %zu have a row", heads.ids,
			heads.count);
	}
	for (size_t i = 0; i < heads.count; i++)
		w.all += heads.list[i].last_batch;
	for (size_t i = 0; !r && i < heads.count; i++)
		check_whole_stream(&w, &heads.list[i]);
	free(heads.list);
	return r ? torap_errorf(err, r < 0 ? r : -EIO, "the table of streams cannot be read") : 0;
}
