#include "agents/follow/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/follow/grants.h"
#include "agents/follow/store.h"
#include "agents/follow/streams.h"
#include "base/error.h"
#include "conf/trust.h"
#include "store/check.h"
#include "wire/open.h"
#include "wire/verify.h"

struct listed {
	struct torap_journal_head head;
	/* By its writer's newest head, as it was stored beside these batches: 0 without one. */
	struct torap_wall said_at;
	bool lags;
};

struct stream_list {
	struct listed *list;
	size_t count, room;
};

struct verifying {
	const struct follow_verify_options *options;
	struct follow_verified *out;
	struct torap_kv *kv;
	struct torap_kv_txn txn;      /* of what stands beside the batches */
	struct torap_kv_txn *reading; /* of the batch that is being looked at */
	struct torap_trust *trust;
	struct stream_list streams;
	/* The rows of the grant that was last used. */
	uint32_t grant;
	struct torap_grant_row *rows;
	size_t rows_count;
	/* The stream that is being walked. */
	const struct torap_journal_head *head;
	struct torap_position at;
	bool has_stored_head;
	struct torap_head stored_head;
	struct torap_wall sealed_at; /* of its last batch */
	struct follow_reach reach;
	bool out_of_memory;
};

/* Reports. */

static struct follow_problem problem(
	const struct torap_stream_id *stream, uint64_t batch_no, const char *what)
{
	struct follow_problem p = { .batch_no = batch_no, .frame = -1, .what = what };
	if (stream) {
		p.has_stream = true;
		p.stream = *stream;
	}
	return p;
}

__attribute__((format(printf, 3, 4))) static void report(
	struct verifying *v, struct follow_problem *p, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(p->text, sizeof p->text, format, args);
	va_end(args);
	v->out->problems++;
	v->options->on_problem(v->options->hint, p);
}

static void sign_by(struct follow_problem *p, const uint8_t key_id[static TORAP_KEY_ID_SIZE])
{
	p->has_signer = true;
	memcpy(p->signer, key_id, sizeof p->signer);
}

/* Trust. */

static int check_trust(struct verifying *v, const char *dir, struct torap_error *err)
{
	struct torap_bytes bytes;
	int r = follow_store_last_trust(&v->txn, &bytes);
	if (r == TORAP_KV_MISSING)
		return torap_errorf(
			err, -ENOENT, "%s: holds no trust file: it has never received anything", dir);
	if (r)
		return torap_errorf(err, -EIO, "%s: the trust file cannot be read", dir);
	/* History is judged by each key's own time; that the file has run out since does not change what was signed. */
	r = torap_trust_decode(&v->trust, bytes, v->options->root, (struct torap_wall){ 0 }, err);
	if (r) {
		torap_error_prefix(err, "%s: nothing can be believed: ", dir);
		return r;
	}
	v->out->trust_version = v->trust->version;
	v->out->trust_until = v->trust->valid_until;
	return 0;
}

/* Grants. */

/* The rows under which a batch came.  False: nobody knows. */
static bool load_grant(struct verifying *v, uint64_t batch_no)
{
	uint32_t grant;
	if (follow_grant_of(v->reading, v->head->number, batch_no, &grant))
		return false;
	if (v->grant == grant)
		return true;
	struct torap_grant_row *rows;
	size_t count;
	if (follow_grant_rows(v->reading, grant, &rows, &count))
		return false;
	torap_grant_rows_destroy(v->rows, v->rows_count);
	v->rows = rows;
	v->rows_count = count;
	v->grant = grant;
	return true;
}

/* Frames. */

static void report_omission(struct verifying *v, const struct torap_batch *b, unsigned frame, unsigned part)
{
	struct follow_omission o = { b->manifest->stream, b->manifest->batch_no, (int)frame,
		torap_part_name(part), b->omissions[frame] };
	v->out->omitted++;
	if (v->options->on_omission)
		v->options->on_omission(v->options->hint, &o);
}

/* What is due and not there.  What is damaged or gone was found by the walk. */
static void check_absent(
	struct verifying *v, const struct torap_batch *b, unsigned frame, bool granted, unsigned part)
{
	const struct torap_manifest *m = b->manifest;
	int reason = b->omissions[frame];
	if (reason == TORAP__OMISSION_REASON__OMISSION_DAMAGED)
		return;
	if (reason != TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED) {
		report_omission(v, b, frame, part);
		return;
	}
	struct follow_problem p =
		problem(&m->stream, m->batch_no, granted ? "withheld-frame" : "ungranted-frame");
	p.frame = (int)frame;
	sign_by(&p, m->key_id);
	report(v, &p,
		granted ? "the %s part is granted and was left out without a reason"
			: "the %s part is expected, and its broker did not grant it",
		torap_part_name(part));
}

static void check_frames(struct verifying *v, const struct torap_batch *b)
{
	const struct torap_manifest *m = b->manifest;
	bool known = load_grant(v, m->batch_no);
	if (!known) {
		struct follow_problem p = problem(&m->stream, m->batch_no, "unknown-grant");
		report(v, &p, "what the feed was granted then is not known");
	}
	for (unsigned g = 0; g < m->groups_count; g++) {
		const struct torap_group *group = &m->groups[g];
		bool granted[4] = { false }, expected[4] = { false };
		if (known)
			torap_grant_parts(v->rows, v->rows_count, &group->class, granted);
		if (v->options->expected_count)
			torap_grant_parts(
				v->options->expected, v->options->expected_count, &group->class, expected);
		for (unsigned i = 0; i < group->parts_count; i++) {
			unsigned frame = group->first_frame + i, part = group->parts[i].part;
			if (!b->frames[frame] && (granted[part] || expected[part]))
				check_absent(v, b, frame, granted[part], part);
		}
	}
}

static int on_event(void *hint, const struct torap_opened *event)
{
	struct verifying *v = hint;
	v->out->events += event->open != NULL;
	return 0;
}

/* Batches. */

static void check_head_digest(struct verifying *v, const struct torap_manifest *m)
{
	const struct torap_head *h = &v->stored_head;
	if (!v->has_stored_head || h->last_batch != m->batch_no ||
		memcmp(h->last_digest, m->digest, TORAP_DIGEST_SIZE) == 0)
		return;
	struct follow_problem p = problem(&m->stream, m->batch_no, "fork");
	sign_by(&p, h->key_id);
	report(v, &p, "the writer's head names another batch under this number");
}

/* What only a subscriber asks of a batch; signature, chain and frames were checked by the walk. */
static void on_batch(void *hint, struct torap_kv_txn *txn, const struct torap_batch *b)
{
	struct verifying *v = hint;
	const struct torap_manifest *m = b->manifest;
	struct torap_error err;
	struct follow_problem p = problem(&v->head->stream, m->batch_no, "beyond-last-good");
	sign_by(&p, m->key_id);
	v->reading = txn;
	if (!follow_believed(v->trust, m))
		report(v, &p, "the trust file believes this stream no longer here");
	check_head_digest(v, m);
	check_frames(v, b);
	if (torap_batch_open(b, on_event, v, &err)) {
		p.what = "malformed";
		report(v, &p, "%s", err.text);
	}
	v->out->batches++;
	v->sealed_at = (struct torap_wall){ m->sealed_at_us };
}

static void on_finding(void *hint, const struct torap_check_finding *f)
{
	struct verifying *v = hint;
	struct follow_problem p = problem(&f->stream, f->batch_no, f->what);
	p.frame = f->frame;
	if (f->has_signer)
		sign_by(&p, f->signer);
	report(v, &p, "%s", f->text);
}

/* Streams. */

static bool same_position(const struct torap_position *a, const struct torap_position *b)
{
	return a->next_batch == b->next_batch && a->next_seq == b->next_seq &&
	       a->has_digest == b->has_digest &&
	       (!a->has_digest || memcmp(a->last_digest, b->last_digest, TORAP_DIGEST_SIZE) == 0);
}

static void load_stored_head(struct verifying *v)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_bytes row;
	torap_stream_id_format(&v->head->stream, text);
	v->has_stored_head =
		torap_kv_get(&v->txn, FOLLOW_HEADS, torap_bytes(text, strlen(text)), &row) == 0 &&
		torap_verify_head(&v->stored_head, row, torap_trust_lookup, v->trust) == TORAP_VERDICT_GOOD &&
		torap_stream_id_equal(&v->stored_head.stream, &v->head->stream);
}

/* A cursor that a subscriber moved on after the streams were listed is no contradiction. */
static void check_cursor(struct verifying *v, const struct follow_cursor *c)
{
	const struct torap_stream_id *stream = &v->head->stream;
	struct follow_problem p = problem(stream, 0, "cursor");
	if (c->at.next_batch < v->at.next_batch) {
		report(v, &p, "the cursor stands at %" PRIu64 ", and batch %" PRIu64 " is here",
			c->at.next_batch, v->at.next_batch - 1);
	} else if (c->at.next_batch == v->at.next_batch && !same_position(&c->at, &v->at)) {
		report(v, &p, "the cursor names another batch %" PRIu64 " than the one that is here",
			v->at.next_batch - 1);
	}
}

static void add_reach(
	struct verifying *v, const struct torap_stream_id *stream, struct torap_wall until, bool lags)
{
	v->out_of_memory |= !follow_reach_add(&v->reach, stream, until, lags);
}

/* A head that names nothing that is not here says that there was nothing else at its moment. */
static void add_walked(struct verifying *v, const struct listed *listed)
{
	bool is_later = !listed->lags && listed->said_at.us > v->sealed_at.us;
	add_reach(v, &listed->head.stream, is_later ? listed->said_at : v->sealed_at, listed->lags);
}

static void check_stream(struct verifying *v, const struct listed *listed)
{
	const struct torap_journal_head *head = &listed->head;
	struct torap_check_options walk = { .lookup = torap_trust_lookup,
		.lookup_hint = v->trust,
		.on_finding = on_finding,
		.on_batch = on_batch,
		.hint = v };
	struct torap_check_counts counts = { 0 };
	v->head = head;
	v->out->streams++;
	struct follow_cursor c;
	int r = follow_store_cursor(&v->txn, &head->stream, &c);
	if (r) {
		struct follow_problem p = problem(&head->stream, 0, "cursor");
		report(v, &p, "the stream has no cursor, or one that cannot be read");
		c.begin = c.at = (struct torap_position){ .next_batch = head->first_batch };
	}
	load_stored_head(v);
	v->at = c.begin;
	v->sealed_at = (struct torap_wall){ 0 };
	/* A long read would keep a subscriber's old pages from being used again: the walk has short ones of its own. */
	torap_kv_abort(&v->txn);
	torap_check_stream(v->kv, head, &v->at, &walk, &counts);
	torap_kv_begin(&v->txn, v->kv, false);
	if (r == 0)
		check_cursor(v, &c);
	add_walked(v, listed);
}

static int on_head_row(void *hint, const struct torap_journal_head *head)
{
	struct stream_list *s = hint;
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct listed *list = realloc(s->list, room * sizeof *list);
		if (!list)
			return -ENOMEM;
		s->list = list;
		s->room = room;
	}
	s->list[s->count++] = (struct listed){ .head = *head };
	return 0;
}

static struct listed *find_stream(const struct verifying *v, const struct torap_stream_id *id)
{
	for (size_t i = 0; i < v->streams.count; i++)
		if (torap_stream_id_equal(&v->streams.list[i].head.stream, id))
			return &v->streams.list[i];
	return NULL;
}

/* A stream that was asked for from batch 1 and came from another on, or not at all. */
static void check_begin(struct verifying *v, const struct follow_cursor *c)
{
	bool late = false;
	struct follow_problem p = problem(&c->stream, 1, "missing-batch");
	if (follow_store_late(&v->txn, &c->stream, &late) == 0 && late)
		report(v, &p, "and all up to batch %" PRIu64 " never came: the broker began after it",
			c->begin.next_batch - 1);
}

/* A cursor beyond what the journal says at the same moment: the tail was cut off. */
static int on_cursor_row(void *hint, const struct follow_cursor *c)
{
	struct verifying *v = hint;
	check_begin(v, c);
	const struct listed *listed = find_stream(v, &c->stream);
	uint64_t next = listed ? listed->head.last_batch + 1 : c->begin.next_batch;
	if (next >= c->at.next_batch)
		return 0;
	struct follow_problem p = problem(&c->stream, next, "missing-batch");
	if (next + 1 == c->at.next_batch)
		report(v, &p, "was received, says the cursor, and is gone");
	else
		report(v, &p, "and all up to batch %" PRIu64 " were received, says the cursor, and are gone",
			c->at.next_batch - 1);
	return 0;
}

/* Heads. */

/* What is before a stream's begin was never asked for: a stream without batches lacks nothing before its cursor. */
static uint64_t have_up_to(struct verifying *v, const struct torap_stream_id *stream)
{
	const struct listed *listed = find_stream(v, stream);
	if (listed)
		return listed->head.last_batch;
	struct follow_cursor c;
	bool pinned = follow_store_cursor(&v->txn, stream, &c) == 0 && c.at.next_batch;
	return pinned ? c.at.next_batch - 1 : 0;
}

/* Between a pin and the first batch there is nothing but a broker's word, and what it lets nobody ask for.  What the writer signs later says more. */
#define PIN_HEADS_US (3600 * (int64_t)TORAP_US_PER_S) /* clocks differ */

static void check_pin(struct verifying *v, const struct torap_head *h)
{
	struct follow_cursor c;
	struct torap_wall started;
	char at[TORAP_WALL_TEXT_SIZE];
	if (find_stream(v, &h->stream) || follow_store_cursor(&v->txn, &h->stream, &c) ||
		h->last_batch >= c.begin.next_batch - 1 ||
		follow_store_started(&v->txn, h->stream.lane, &started) ||
		started.us <= FOLLOW_STARTED_ONCE || h->at.us <= started.us + PIN_HEADS_US)
		return;
	struct follow_problem p = problem(&h->stream, 0, "cursor");
	sign_by(&p, h->key_id);
	report(v, &p, "the broker began it at batch %" PRIu64 ", and at %s its writer had sealed %" PRIu64,
		c.begin.next_batch, torap_wall_format(h->at, at), h->last_batch);
}

static int on_stored_head(void *hint, struct torap_bytes key, struct torap_bytes row)
{
	struct verifying *v = hint;
	struct torap_head h;
	enum torap_verdict verdict = torap_verify_head(&h, row, torap_trust_lookup, v->trust);
	if (verdict != TORAP_VERDICT_GOOD) {
		char text[TORAP_STREAM_TEXT_SIZE] = "";
		struct follow_problem p = problem(NULL, 0, "bad-head");
		memcpy(text, key.data, key.size < sizeof text ? key.size : sizeof text - 1);
		p.has_stream = torap_stream_id_parse(&p.stream, text);
		report(v, &p, "the stored head is not what its writer signed: %s",
			torap_verdict_name(verdict));
		return 0;
	}
	uint64_t have = have_up_to(v, &h.stream);
	bool lags = h.last_batch > have;
	check_pin(v, &h);
	struct listed *listed = find_stream(v, &h.stream);
	if (listed) { /* It counts when it is walked. */
		listed->said_at = h.at;
		listed->lags = lags;
	} else {
		add_reach(v, &h.stream, lags ? (struct torap_wall){ 0 } : h.at, lags);
	}
	if (!lags)
		return 0;
	struct follow_lagging lagging = { h.stream, h.last_batch - have, h.at };
	v->out->lagging++;
	v->options->on_lagging(v->options->hint, &lagging);
	return 0;
}

static int on_proof(void *hint, struct torap_bytes key, struct torap_bytes row)
{
	struct verifying *v = hint;
	char text[TORAP_STREAM_TEXT_SIZE] = "";
	const uint8_t *space = memchr(key.data, ' ', key.size);
	size_t n = space ? (size_t)(space - key.data) : 0;
	(void)row;
	memcpy(text, key.data, n < sizeof text ? n : 0);
	struct follow_problem p = problem(NULL, 0, "fork");
	p.has_stream = torap_stream_id_parse(&p.stream, text);
	report(v, &p,
		"a document that contradicts this history, signed by the writer, was received and kept");
	return 0;
}

/* What is known to be whole, and of whom nothing is known. */

static struct torap_wall last_key_until(const struct torap_trust_writer *w)
{
	struct torap_wall until = { 0 };
	for (size_t i = 0; i < w->keys_count; i++)
		if (w->keys[i].until.us > until.us)
			until = w->keys[i].until;
	return until;
}

static bool must_be_heard(const struct follow_verify_options *o, const char *writer)
{
	for (size_t i = 0; i < o->writers_count; i++)
		if (strcmp(o->writers[i], writer) == 0)
			return true;
	return false;
}

/* What the feed was granted last, or should be. */
struct due {
	struct torap_grant_row *rows;
	size_t count;
};

/* May anything of it be due here at that moment?  Who was taken off the trust file or the grant, or whose keys have all ended, says nothing
 * any more. */
static bool is_due(const struct verifying *v, const struct due *due, const char *writer, struct torap_wall at)
{
	const struct follow_verify_options *o = v->options;
	const struct torap_trust_writer *w = torap_trust_writer(v->trust, writer);
	return w && last_key_until(w).us > at.us &&
	       (torap_grant_touches(due->rows, due->count, w->regions, w->regions_count) ||
		       torap_grant_touches(o->expected, o->expected_count, w->regions, w->regions_count));
}

static void check_lane(struct verifying *v, const struct due *due, const struct follow_reach_lane *lane,
	struct torap_wall now)
{
	char until[TORAP_WALL_TEXT_SIZE];
	struct torap_wall as_of = v->options->as_of;
	struct follow_reach_lane *least = &v->out->least;
	if (is_due(v, due, lane->writer, now) && (!least->writer[0] || lane->until.us < least->until.us))
		*least = *lane;
	if (lane->until.us >= as_of.us ||
		!(is_due(v, due, lane->writer, as_of) || must_be_heard(v->options, lane->writer)))
		return;
	struct follow_problem p = problem(NULL, 0, "not-known");
	report(v, &p, "%s, lane %s: known to be whole up to %s only", lane->writer,
		torap_lane_name(lane->lane),
		lane->until.us ? torap_wall_format(lane->until, until) : "no time");
}

static struct torap_wall newest(const struct follow_reach *r)
{
	struct torap_wall newest = { 0 };
	for (size_t i = 0; i < r->count; i++)
		if (r->list[i].until.us > newest.us)
			newest = r->list[i].until;
	return newest;
}

/* The trust file names brokers, too, of which most never come here: only who is named by the subscriber must have come. */
static void tell_unheard(struct verifying *v, const char *writer, uint8_t lane)
{
	struct follow_problem p = problem(NULL, 0, "unheard");
	v->out->unheard++;
	if (must_be_heard(v->options, writer))
		report(v, &p, "%s, %s: nothing of it ever came", writer,
			lane ? torap_lane_name(lane) : "in no lane");
	else if (v->options->on_unheard)
		v->options->on_unheard(v->options->hint, writer, lane);
}

static void find_unheard(struct verifying *v, const char *writer)
{
	bool heard[TORAP_LANES], any = false;
	for (unsigned lane = 1; lane < TORAP_LANES; lane++) {
		heard[lane] = follow_reach_find(&v->reach, writer, lane);
		any |= heard[lane];
	}
	if (!any)
		tell_unheard(v, writer, 0);
	for (unsigned lane = 1; any && lane < TORAP_LANES; lane++)
		if (!heard[lane])
			tell_unheard(v, writer, lane);
}

static void check_reach(struct verifying *v)
{
	const struct follow_verify_options *o = v->options;
	struct follow_grant grant = { 0 };
	struct due due = { 0 };
	follow_reach_sum(&v->reach);
	if (follow_grant_last(&v->txn, &grant) == 0 && grant.body)
		follow_grant_rows(&v->txn, grant.number, &due.rows, &due.count);
	struct torap_wall now = newest(&v->reach);
	for (size_t i = 0; i < v->reach.count; i++)
		check_lane(v, &due, &v->reach.list[i], now);
	for (size_t i = 0; i < v->trust->writers_count; i++) {
		const char *writer = v->trust->writers[i].id;
		if (!must_be_heard(o, writer) && is_due(v, &due, writer, now))
			find_unheard(v, writer);
	}
	for (size_t i = 0; i < o->writers_count; i++)
		find_unheard(v, o->writers[i]);
	torap_grant_rows_destroy(due.rows, due.count);
	torap_buffer_unref(grant.body);
	if (v->trust->valid_until.us >= o->as_of.us)
		return;
	char until[TORAP_WALL_TEXT_SIZE];
	struct follow_problem p = problem(NULL, 0, "trust-ended");
	report(v, &p, "the newest trust file that came ended at %s: what was withdrawn since is not known",
		torap_wall_format(v->trust->valid_until, until));
}

static int check_all(struct verifying *v, const char *dir, struct torap_error *err)
{
	int r = torap_journal_heads(&v->txn, on_head_row, &v->streams);
	if (r)
		return torap_errorf(err, r < 0 ? r : -EIO, "%s: the streams cannot be read", dir);
	r = follow_store_cursors(&v->txn, on_cursor_row, v);
	if (r) {
		struct follow_problem p = problem(NULL, 0, "cursor");
		report(v, &p, "a row of the cursor cannot be read");
	}
	r = torap_kv_walk(&v->txn, FOLLOW_HEADS, torap_bytes(NULL, 0), on_stored_head, v);
	if (!r)
		r = torap_kv_walk(&v->txn, FOLLOW_PROOFS, torap_bytes(NULL, 0), on_proof, v);
	if (r)
		return torap_errorf(err, -EIO, "%s: heads and proofs cannot be read", dir);
	for (size_t i = 0; i < v->streams.count; i++)
		check_stream(v, &v->streams.list[i]);
	check_reach(v);
	return v->out_of_memory ? torap_errorf(err, -ENOMEM, "%s: out of memory", dir) : 0;
}

int follow_verify(struct follow_verified *out, const char *dir, const struct follow_verify_options *options,
	struct torap_error *err)
{
	*out = (struct follow_verified){ 0 };
	struct verifying v = { .options = options, .out = out };
	int r = follow_store_open(&v.kv, dir, 0, true, err);
	if (r)
		return r;
	torap_kv_begin(&v.txn, v.kv, false);
	r = check_trust(&v, dir, err);
	if (!r)
		r = check_all(&v, dir, err);
	torap_kv_abort(&v.txn);
	torap_grant_rows_destroy(v.rows, v.rows_count);
	follow_reach_finish(&v.reach);
	torap_trust_unref(v.trust);
	free(v.streams.list);
	torap_kv_close(v.kv);
	return r;
}
