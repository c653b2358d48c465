/* A feed gets every batch once, in order, whatever happens between: commits while it reads, memory that is given up, reads that land
 * late or are void, a window that closes.  The carrier here does what the broker's does, with chance for a world. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "broker/course.h"

enum { BATCHES = 3000 };

struct world {
	uint64_t state;
	bool match[BATCHES + 1];
	size_t size[BATCHES + 1];
	uint64_t last, recent_from;     /* committed; from here on in memory */
	uint64_t held_from, held_count; /* read and not yet all sent */
	uint64_t reading_from;          /* 0: no read is under way */
	uint64_t next;
	bool flush;
	uint64_t emitted, runs, reads; /* 1…emitted have been sent */
};

static uint32_t rnd(struct world *w, uint32_t below)
{
	w->state = w->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->state >> 33) % below;
}

static enum broker_look look(void *hint, uint64_t no, size_t *bytes)
{
	const struct world *w = hint;
	bool held = w->held_count && no >= w->held_from && no < w->held_from + w->held_count;
	bool recent = no >= w->recent_from && no <= w->last;
	cr_assert(no <= w->last, "looked beyond what is flushed");
	if (!held && !recent)
		return BROKER_LOOK_ABSENT;
	*bytes = w->size[no];
	return w->match[no] ? BROKER_LOOK_MATCH : BROKER_LOOK_QUIET;
}

static void emit(struct world *w, const struct broker_step *step)
{
	size_t bytes;
	cr_assert_eq(step->from, w->emitted + 1, "a gap or a doubling at %lu", (unsigned long)step->from);
	for (uint64_t no = step->from; no <= step->to; no++) {
		enum broker_look seen = look(w, no, &bytes);
		cr_assert_neq(seen, BROKER_LOOK_ABSENT, "sent what it does not have");
		cr_assert_eq(seen == BROKER_LOOK_MATCH, step->what == BROKER_STEP_BATCH);
	}
	if (step->what == BROKER_STEP_RUN) {
		cr_assert_leq(step->to - step->from + 1, TORAP_RUN_MANIFESTS_MAX);
		cr_assert(step->bytes <= TORAP_RUN_SIZE_MAX || step->from == step->to);
		w->runs++;
	} else {
		cr_assert_eq(step->from, step->to);
	}
	w->emitted = step->to;
	w->next = step->to + 1;
	if (w->held_count && w->next >= w->held_from + w->held_count)
		w->held_count = 0;
}

static void pump(struct world *w)
{
	for (int window = (int)rnd(w, 8); window > 0; window--) {
		struct broker_step step =
			broker_course_step(w->next, w->last, w->flush || w->held_count, look, w);
		if (step.what == BROKER_STEP_NONE) {
			w->flush = false;
			return;
		}
		if (step.what == BROKER_STEP_READ) {
			cr_assert_eq(step.from, w->next);
			cr_assert_eq(w->held_count, 0, "reads again what it holds");
			if (!w->reading_from)
				w->reading_from = step.from;
			return;
		}
		emit(w, &step);
	}
}

static void land(struct world *w)
{
	if (!w->reading_from)
		return;
	uint64_t from = w->reading_from, most = w->last - from + 1;
	w->reading_from = 0;
	w->reads++;
	if (rnd(w, 10) == 0)
		return; /* the policy changed meanwhile: void */
	w->held_from = from;
	w->held_count = 1 + rnd(w, most < 40 ? (uint32_t)most : 40);
}

static void turn(struct world *w)
{
	switch (rnd(w, 6)) {
	case 0:
		for (uint32_t n = rnd(w, 60); n > 0 && w->last < BATCHES; n--)
			w->last++;
		if (w->last - w->recent_from > 100)
			w->recent_from = w->last - rnd(w, 100);
		break;
	case 1:
		if (w->recent_from <= w->last)
			w->recent_from += rnd(w, (uint32_t)(w->last - w->recent_from) + 2);
		break;
	case 2:
		land(w);
		break;
	case 3:
		w->flush = true;
		break;
	case 4:
		if (rnd(w, 20) == 0)
			w->held_count = 0;
		break;
	default:
		pump(w);
	}
}

Test(course, gives_every_batch_once_and_in_order_whatever_happens_between)
{
	uint64_t runs = 0, reads = 0;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct world *w = calloc(1, sizeof *w);
		w->state = seed * 7919;
		uint32_t one_in = 1 + rnd(w, 30);
		for (int i = 1; i <= BATCHES; i++) {
			w->match[i] = rnd(w, one_in) == 0;
			w->size[i] = 200 + rnd(w, rnd(w, 50) ? 2000 : 60000);
		}
		w->next = w->recent_from = 1;
		for (int i = 0; i < 2000; i++)
			turn(w);
		/* At rest everything arrives. */
		w->last = BATCHES;
		for (int i = 0; i < 20000 && w->emitted < BATCHES; i++) {
			w->flush = true;
			pump(w);
			land(w);
		}
		cr_assert_eq(w->emitted, BATCHES, "seed %lu: stuck at %lu", (unsigned long)seed,
			(unsigned long)w->emitted);
		runs += w->runs;
		reads += w->reads;
		free(w);
	}
	cr_expect(runs > 0 && reads > 0, "the worlds were too quiet to prove anything");
}

static struct world quiet(uint64_t last)
{
	struct world w = { .last = last, .recent_from = 1, .next = 1 };
	for (int i = 1; i <= BATCHES; i++)
		w.size[i] = 100;
	return w;
}

Test(course, lets_manifests_wait_until_a_match_or_a_flush)
{
	struct world w = quiet(10);
	struct broker_step step = broker_course_step(1, w.last, false, look, &w);
	cr_expect_eq(step.what, BROKER_STEP_NONE);
	step = broker_course_step(1, w.last, true, look, &w);
	cr_expect_eq(step.what, BROKER_STEP_RUN);
	cr_expect_eq(step.to, 10);
	w.match[7] = true;
	step = broker_course_step(1, w.last, false, look, &w);
	cr_expect_eq(step.what, BROKER_STEP_RUN, "a run comes before the next matching batch");
	cr_expect_eq(step.to, 6);
	step = broker_course_step(7, w.last, false, look, &w);
	cr_expect_eq(step.what, BROKER_STEP_BATCH);
	cr_expect_eq(step.from, 7);
}

Test(course, sends_a_run_that_is_full_without_waiting)
{
	struct world w = quiet(1000);
	struct broker_step step = broker_course_step(1, w.last, false, look, &w);
	cr_expect_eq(step.what, BROKER_STEP_RUN);
	cr_expect_eq(step.to, TORAP_RUN_MANIFESTS_MAX);
	for (int i = 1; i <= BATCHES; i++)
		w.size[i] = 64 << 10;
	step = broker_course_step(1, w.last, false, look, &w);
	cr_expect_eq(step.what, BROKER_STEP_RUN);
	cr_expect_leq(step.bytes, TORAP_RUN_SIZE_MAX);
}

Test(course, has_nothing_to_do_for_a_cursor_that_is_ahead)
{
	struct world w = quiet(10);
	cr_expect_eq(broker_course_step(11, w.last, true, look, &w).what, BROKER_STEP_NONE);
	cr_expect_eq(broker_course_step(500, w.last, true, look, &w).what, BROKER_STEP_NONE);
	cr_expect_eq(broker_course_step(1, 0, true, look, &w).what, BROKER_STEP_NONE);
}
