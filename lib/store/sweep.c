#include "store/sweep.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/journal_rows.h"
#include "store/sweep_rows.h"

/* A piece is what the committer can do between two groups without anyone noticing: some milliseconds. */
enum {
	PIECE_WORK = 4096,      /* of these units: */
	WORK_TERM = 1,          /* a stream looked at for a term */
	WORK_BATCH = 4,         /* a batch, and each frame that goes one more */
	PIECE_BYTES = 32 << 20, /* that go: their pages are listed one by one */
};

const char *torap_sweep_reason_name(unsigned reason)
{
	static const char *const names[TORAP_SWEEP_REASONS] = {
		[TORAP_SWEEP_AT_MOST] = "at_most",
		[TORAP_SWEEP_EXPIRED] = "expired",
		[TORAP_SWEEP_DELIVERED] = "delivered",
		[TORAP_SWEEP_FORCED] = "forced",
	};
	assert(reason < TORAP_SWEEP_REASONS);
	return names[reason];
}

void torap_sweep_rules_add(struct torap_sweep_rules *rules, unsigned reason, int64_t after_us)
{
	if (after_us == INT64_MAX)
		return;
	for (size_t i = 0; i < rules->terms_count; i++)
		if (rules->terms[i].reason == reason && rules->terms[i].after_us == after_us)
			return;
	assert(rules->terms_count < TORAP_SWEEP_TERMS_MAX);
	rules->terms[rules->terms_count++] =
		(struct torap_sweep_term){ .reason = (uint8_t)reason, .after_us = after_us };
}

struct piece {
	struct torap_sweep *sweep;
	struct torap_kv_txn *txn;
	struct torap_journal_head head;
	const struct torap_sweep_term *term;
	int64_t age_us; /* of the batch at hand */
	uint64_t work, bytes;
};

static bool is_over(const struct piece *p)
{
	return p->work >= PIECE_WORK || p->bytes >= PIECE_BYTES;
}

static int received_at(struct piece *p, uint64_t batch_no, struct torap_wall *out)
{
	struct torap_rows_manifest row;
	int r = torap_rows_manifest_get(p->txn, p->head.number, batch_no, &row);
	if (r)
		return r == TORAP_KV_MISSING ? -EBADMSG : r; /* No manifest is ever deleted. */
	*out = row.received_at;
	return 0;
}

/* A receipt in the future comes from a clock that was wrong, one before all clocks from a row that is damaged. */
static bool can_be_true(const struct piece *p, struct torap_wall at)
{
	return at.us >= 0 && at.us <= p->sweep->now.us;
}

/* When the batch certainly was here.  If its receipt cannot be true, the first later batch with one that can bounds it. */
static int receipt_of(struct piece *p, uint64_t batch_no, struct torap_wall *out)
{
	int r = received_at(p, batch_no, out);
	if (r || can_be_true(p, *out))
		return r;
	struct torap_wall last;
	r = received_at(p, p->head.last_batch, &last);
	if (r || !can_be_true(p, last))
		return r;
	uint64_t wrong = batch_no, right = p->head.last_batch;
	*out = last;
	while (wrong + 1 < right) {
		uint64_t middle = wrong + (right - wrong) / 2;
		struct torap_wall at;
		r = received_at(p, middle, &at);
		if (r)
			return r;
		if (!can_be_true(p, at)) {
			wrong = middle;
		} else {
			right = middle;
			*out = at;
		}
	}
	return 0;
}

static uint64_t gate_of(const struct torap_sweep *s, const struct torap_stream_id *stream, unsigned reason)
{
	if (!s->gates)
		return UINT64_MAX;
	for (size_t i = 0; i < s->gates_count; i++)
		if (torap_stream_id_equal(&s->gates[i].stream, stream))
			return s->gates[i].through[reason];
	return 0;
}

static bool is_due(void *hint, const struct torap_class *class, unsigned part)
{
	const struct piece *p = hint;
	const struct torap_sweep_rules *rules = p->sweep->rules;
	int64_t after_us[TORAP_SWEEP_REASONS];
	rules->judge(rules->hint, class, part, after_us);
	return after_us[p->term->reason] <= p->age_us;
}

static int sweep_batch(struct piece *p, uint64_t batch_no)
{
	struct torap_sweep *s = p->sweep;
	struct torap_journal_dropped dropped;
	int r = torap_journal_drop_due(p->txn, p->head.number, batch_no, is_due, p, &dropped);
	p->work += WORK_BATCH + dropped.frames;
	if (p->txn->failure)
		return p->txn->failure;
	if (r == -EBADMSG) {
		s->unreadable++;
		return 0;
	}
	if (r)
		return r;
	p->bytes += dropped.bytes;
	struct torap_sweep_tally one = { dropped.frames > 0, dropped.frames, dropped.bytes, { 0 } };
	one.lanes[p->head.stream.lane] = dropped.frames;
	torap_sweep_tally_add(&s->tally[p->term->reason], &one);
	return 0;
}

static int look_up(struct piece *p, uint64_t *out_next)
{
	const struct torap_sweep *s = p->sweep;
	int r = 0;
	*out_next = 0;
	if (!s->passing)
		r = torap_swept_get(p->txn, p->head.number, s->term, s->rules->fingerprint, out_next);
	uint64_t first = p->head.first_batch ? p->head.first_batch : 1;
	if (*out_next < first)
		*out_next = first;
	return r;
}

/* The batches of a stream for one term, as far as time, gate and the piece allow. */
static int sweep_term(struct piece *p)
{
	struct torap_sweep *s = p->sweep;
	p->work += WORK_TERM;
	uint64_t next = s->next;
	if (next == 0 || !s->passing) { /* A batch before it may have been mended meanwhile. */
		int r = look_up(p, &next);
		if (r)
			return r;
	}
	if (s->next == 0 || next < s->next)
		s->next = next;
	uint64_t began = s->next, through = gate_of(s, &p->head.stream, p->term->reason);
	bool more = true;
	if (through > p->head.last_batch)
		through = p->head.last_batch;
	while ((more = s->next <= through) && !is_over(p)) {
		struct torap_wall at;
		int r = receipt_of(p, s->next, &at);
		if (r == -EBADMSG && !p->txn->failure) {
			s->unreadable++;
			s->next++;
			p->work += WORK_BATCH;
			continue;
		}
		if (r)
			return r;
		more = !__builtin_sub_overflow(s->now.us, at.us, &p->age_us) &&
		       p->age_us >= p->term->after_us;
		if (!more)
			break;
		r = sweep_batch(p, s->next);
		if (r)
			return r;
		s->next++;
	}
	if (s->next != began && !s->passing) {
		int r = torap_swept_put(p->txn, p->head.number, s->term, s->rules->fingerprint, s->next);
		if (r)
			return r;
	}
	if (!more) {
		s->term++;
		s->next = 0;
	}
	return 0;
}

static int sweep_some(struct piece *p)
{
	struct torap_sweep *s = p->sweep;
	while (!s->done && !is_over(p)) {
		if (s->stream == 0 || s->term == s->rules->terms_count) {
			s->stream++;
			s->term = 0;
			s->next = 0;
		}
		int r = torap_rows_head_get(p->txn, s->stream, &p->head);
		s->done = r == TORAP_KV_MISSING || s->rules->terms_count == 0;
		if (s->done)
			break;
		if (r)
			return r;
		p->term = &s->rules->terms[s->term];
		r = sweep_term(p);
		if (r)
			return r;
	}
	return 0;
}

int torap_sweep_piece(struct torap_sweep *s, struct torap_kv_txn *txn)
{
	struct torap_sweep work = *s;
	struct piece p = { .sweep = &work, .txn = txn };
	memset(work.tally, 0, sizeof work.tally);
	work.unreadable = 0;
	torap_kv_frees(txn);
	int r = sweep_some(&p);
	for (unsigned reason = 0; reason < TORAP_SWEEP_REASONS && r == 0; reason++)
		if (work.tally[reason].frames)
			r = torap_account_add(txn, work.account, reason, &work.tally[reason]);
	if (r == 0)
		*s = work;
	return r;
}
