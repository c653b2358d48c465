#include <criterion/criterion.h>

#include "agents/archive/spans.h"

static struct torap_wall at(int64_t us)
{
	return (struct torap_wall){ us };
}

static void expect(const struct archive_spans *s, size_t count, const int64_t (*spans)[2])
{
	cr_assert_eq(s->count, count, "%zu stretches, not %zu", s->count, count);
	for (size_t i = 0; i < count; i++) {
		cr_expect_eq(s->items[i].from.us, spans[i][0]);
		cr_expect_eq(s->items[i].until.us, spans[i][1]);
	}
}

Test(spans, what_touches_or_overlaps_becomes_one)
{
	struct archive_spans s = { 0 };
	archive_spans_add(&s, at(10), at(20));
	archive_spans_add(&s, at(40), at(50));
	archive_spans_add(&s, at(20), at(25));
	archive_spans_add(&s, at(30), at(30));
	archive_spans_add(&s, at(5), at(1));
	expect(&s, 2, (const int64_t[][2]){ { 10, 25 }, { 40, 50 } });
	archive_spans_add(&s, at(0), at(100));
	expect(&s, 1, (const int64_t[][2]){ { 0, 100 } });
	archive_spans_finish(&s);
}

Test(spans, a_removal_splits_cuts_and_swallows)
{
	struct archive_spans s = { 0 };
	archive_spans_add(&s, at(0), at(100));
	archive_spans_remove(&s, at(40), at(50));
	expect(&s, 2, (const int64_t[][2]){ { 0, 40 }, { 50, 100 } });
	archive_spans_remove(&s, at(30), at(60));
	expect(&s, 2, (const int64_t[][2]){ { 0, 30 }, { 60, 100 } });
	archive_spans_remove(&s, at(-5), at(200));
	expect(&s, 0, NULL);
	archive_spans_finish(&s);
}

/* Against a plain array of moments, with thousands of random steps. */
Test(spans, agree_with_a_bitmap)
{
	enum { SIZE = 64 };
	unsigned seed = 5;
	for (int round = 0; round < 200; round++) {
		struct archive_spans s = { 0 };
		bool covered[SIZE] = { false };
		for (int step = 0; step < 40; step++) {
			int a = rand_r(&seed) % SIZE, b = rand_r(&seed) % SIZE, add = rand_r(&seed) % 2;
			(add ? archive_spans_add : archive_spans_remove)(&s, at(a), at(b));
			for (int i = a; i < b; i++)
				covered[i] = add;
			int64_t sum = 0;
			for (int i = a; i < b; i++)
				sum += covered[i];
			cr_assert_eq(archive_spans_within(&s, at(a), at(b)), sum);
		}
		int64_t all = 0;
		for (int i = 0; i < SIZE; i++)
			all += covered[i];
		cr_assert_eq(archive_spans_within(&s, at(-1), at(SIZE + 1)), all);
		for (size_t i = 1; i < s.count; i++)
			cr_assert_lt(s.items[i - 1].until.us, s.items[i].from.us);
		archive_spans_finish(&s);
	}
}

Test(spans, short_pauses_are_closed)
{
	struct archive_spans s = { 0 };
	archive_spans_add(&s, at(0), at(10));
	archive_spans_add(&s, at(12), at(20));
	archive_spans_add(&s, at(25), at(30));
	archive_spans_join(&s, 5);
	expect(&s, 2, (const int64_t[][2]){ { 0, 20 }, { 25, 30 } });
	archive_spans_finish(&s);
}

Test(spans, a_recorder_cannot_make_them_grow_without_a_bound)
{
	struct archive_spans s = { 0 };
	for (int64_t i = 0; i <= ARCHIVE_SPANS_MAX; i++)
		archive_spans_add(&s, at(2 * i), at(2 * i + 1));
	cr_expect(s.failed);
	cr_expect_eq(s.count, ARCHIVE_SPANS_MAX);
	archive_spans_finish(&s);
}
