/* batches.h: batches on their way into the journal of stage.h and out of it, and what happens to their rows.  For one .c file. */
#pragma once

#include "store/journal_rows.h"
#include "tests/unit/lib/store/stage.h"

/* Two groups, the first with a personal part: frames 0 open, 1 personal, 2 open. */
static inline struct torap_batch *seal_with(struct torap_sealer *s)
{
	cr_assert_eq(fixture_add(s, fixture_class(391010000, PANIC), "z1", "anna", NULL), 0);
	cr_assert_eq(fixture_add(s, fixture_class(392410000, PANIC), "z2", NULL, NULL), 0);
	struct torap_batch *b = fixture_seal(s);
	cr_assert_eq(b->manifest->frames_count, 3);
	return b;
}

static inline struct torap_batch *seal(void)
{
	return seal_with(sealer);
}

static inline int append_at(const struct torap_batch *b, int64_t us)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	int answer = torap_journal_append(&txn, b, (struct torap_wall){ us });
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	return answer;
}

static inline int append(const struct torap_batch *b)
{
	return append_at(b, 1000);
}

static inline struct torap_batch *read_batch(uint64_t batch_no, torap_journal_want want)
{
	struct torap_kv_txn txn;
	struct torap_batch *b = NULL;
	struct torap_wall at;
	struct torap_error err = { "" };
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(torap_journal_read(&txn, 1, batch_no, want, NULL, &b, NULL, &err), 0, "%s", err.text);
	b = torap_batch_destroy(b); /* Not everyone asks for the time. */
	cr_assert_eq(torap_journal_read(&txn, 1, batch_no, want, NULL, &b, &at, &err), 0, "%s", err.text);
	torap_kv_abort(&txn);
	return b;
}

static inline bool same_buffer(const struct torap_buffer *a, const struct torap_buffer *b)
{
	return a && b && torap_bytes_equal(torap_buffer_bytes(a), torap_buffer_bytes(b));
}

static inline void check_same(const struct torap_batch *a, const struct torap_batch *b)
{
	cr_assert(same_buffer(a->signed_manifest, b->signed_manifest));
	cr_assert(same_buffer(a->digests, b->digests));
	cr_assert_eq(a->manifest->frames_count, b->manifest->frames_count);
	for (unsigned i = 0; i < a->manifest->frames_count; i++)
		cr_assert(same_buffer(a->frames[i], b->frames[i]), "frame %u", i);
}

static inline void leave_out(struct torap_batch *b, unsigned frame, uint8_t reason)
{
	b->frames[frame] = torap_buffer_unref(b->frames[frame]);
	b->omissions[frame] = reason;
}

static inline bool is_frame(void *hint, const struct torap_class *class, unsigned part)
{
	const unsigned open = class->region == 391010000 ? 0 : 2;
	return (part == TORAP__PART_KIND__PART_PERSONAL ? 1 : open) == *(const unsigned *)hint;
}

/* A frame of seal() expires. */
static inline int drop(uint64_t batch_no, unsigned frame)
{
	struct torap_kv_txn txn;
	struct torap_journal_dropped dropped;
	torap_kv_begin(&txn, kv, true);
	int r = torap_journal_drop_due(&txn, 1, batch_no, is_frame, &frame, &dropped);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	return r;
}

static inline void change_row(unsigned table, struct torap_kv_key row_key, bool gone)
{
	struct torap_kv_txn txn;
	struct torap_bytes value;
	struct torap_bytes k = torap_kv_key_bytes(&row_key);
	torap_kv_begin(&txn, kv, true);
	if (gone) {
		cr_assert_eq(torap_kv_delete(&txn, table, k), 0);
	} else {
		cr_assert_eq(torap_kv_get(&txn, table, k, &value), 0);
		uint8_t *copy = malloc(value.size);
		memcpy(copy, value.data, value.size);
		copy[value.size / 2] ^= 1;
		cr_assert_eq(torap_kv_put(&txn, table, k, torap_bytes(copy, value.size)), 0);
		free(copy);
	}
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}
