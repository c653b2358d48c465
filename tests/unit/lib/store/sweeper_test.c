#include "store/sweeper.h"

#include <stdint.h>

#include "store/committer.h"
#include "tests/unit/lib/store/stage.h"

enum { BATCHES = 2000 };

static struct torap_committer *committer;
static struct torap_sweeper *sweeper;
static struct torap_mono mono;
static struct torap_wall wall;

/* What `tell` was shown. */
static struct torap_sweep_account shown[8];
static unsigned shown_count, released;
static bool takes, told_durable;

static void wake(void *hint)
{
	(void)hint; /* The tests ask by themselves. */
}

static bool tell(void *hint, const struct torap_sweep_account *account)
{
	(void)hint;
	shown[shown_count++ % 8] = *account;
	if (takes && told_durable)
		torap_sweeper_told(sweeper, account->number, account->reason, true);
	return takes;
}

static void judge(const void *hint, const struct torap_class *class, unsigned part,
	int64_t after_us[static TORAP_SWEEP_REASONS])
{
	(void)hint, (void)class, (void)part;
	for (unsigned i = 0; i < TORAP_SWEEP_REASONS; i++)
		after_us[i] = i == TORAP_SWEEP_EXPIRED ? 1000 : INT64_MAX;
}

static void release(void *owner)
{
	(void)owner;
	released++;
}

static void give_rules(uint64_t fingerprint)
{
	struct torap_sweep_rules rules = { .fingerprint = fingerprint, .judge = judge };
	torap_sweep_rules_add(&rules, TORAP_SWEEP_EXPIRED, 1000);
	torap_sweeper_rules(sweeper, &rules, NULL, release);
}

static void start(void)
{
	struct torap_error err;
	cr_assert_eq(torap_committer_start(&committer, kv, wake, NULL, &err), 0, "%s", err.text);
	struct torap_sweeper_options o = { .kv = kv, .committer = committer, .tell = tell };
	cr_assert_eq(torap_sweeper_create(&sweeper, &o, mono, wall, &err), 0, "%s", err.text);
	give_rules(1);
}

static void stop(void)
{
	committer = torap_committer_stop(committer);
	sweeper = torap_sweeper_destroy(sweeper);
}

static void make(void)
{
	stage_make();
	mono.us = 1000 * (int64_t)TORAP_US_PER_S;
	wall = sealed_at;
	start();
}

static void clean(void)
{
	stop();
	stage_remove();
}

TestSuite(sweeper, .init = make, .fini = clean);

struct append_job {
	struct torap_commit_job base;
	struct torap_batch *batch;
};

static int apply(struct torap_commit_job *base, struct torap_kv_txn *txn)
{
	return torap_journal_append(txn, ((struct append_job *)base)->batch, wall);
}

static void done(struct torap_commit_job *base, int result)
{
	struct append_job *job = (struct append_job *)base;
	cr_assert_eq(result, 0);
	torap_batch_destroy(job->batch);
	free(job);
}

static void append(void)
{
	struct append_job *job = calloc(1, sizeof *job);
	cr_assert_eq(fixture_add(sealer, fixture_class(391010000, PANIC), "z1", NULL, NULL), 0);
	job->base.apply = apply;
	job->base.done = done;
	job->batch = fixture_seal(sealer);
	torap_committer_submit(committer, &job->base);
}

static void settle(void)
{
	while (torap_committer_waiting(committer)) {
		torap_committer_collect(committer);
		usleep(200);
	}
}

static void pass(int64_t ms)
{
	mono.us += ms * TORAP_US_PER_MS;
	wall.us += ms * TORAP_US_PER_MS;
	if (torap_sweeper_tick(sweeper, mono, wall))
		torap_sweeper_go(sweeper, NULL, 0);
	settle();
}

static uint64_t deleted(void)
{
	return torap_sweeper_counts(sweeper).deleted[TORAP_SWEEP_EXPIRED].frames;
}

Test(sweeper, deletes_in_pieces_and_tells_of_it_once_a_minute)
{
	takes = told_durable = true;
	for (int i = 0; i < BATCHES; i++)
		append();
	settle();
	while (deleted() < BATCHES)
		pass(100);
	cr_assert_gt(torap_sweeper_counts(sweeper).pieces, 2);
	pass(100);
	cr_assert_eq(shown_count, 1);
	cr_assert_eq(shown[0].reason, TORAP_SWEEP_EXPIRED);
	uint64_t told = shown[0].tally.frames;
	append();
	settle();
	for (int i = 0; i < 50; i++)
		pass(1000);
	cr_assert_eq(deleted(), BATCHES + 1);
	cr_assert_eq(shown_count, 1, "not yet a minute");
	for (int i = 0; i < 20; i++)
		pass(1000);
	cr_assert_eq(shown_count, 2);
	cr_assert_eq(told + shown[1].tally.frames, BATCHES + 1);
}

/* Its event was never durable, and then the process was killed: the next one shows the same account. */
Test(sweeper, tells_again_what_no_event_has_told_even_after_a_crash)
{
	append();
	settle();
	for (int i = 0; i < 4; i++)
		pass(1000);
	cr_assert_eq(deleted(), 1);
	cr_assert_gt(shown_count, 1, "said no, and was asked again");
	takes = true; /* It is on its way… */
	pass(1000);
	unsigned before = shown_count;
	pass(60000);
	cr_assert_eq(shown_count, before, "nobody asks twice for what is on its way");
	stop();
	stage_close();
	stage_open();
	start();
	takes = told_durable = true;
	pass(1000);
	cr_assert_eq(shown_count, before + 1);
	cr_assert(shown[before % 8].tally.frames == 1 && shown[before % 8].number == shown[0].number);
	pass(5000);
	cr_assert_eq(shown_count, before + 1);
}

Test(sweeper, waits_while_the_clock_cannot_be_believed)
{
	append();
	settle();
	wall.us += 7200 * (int64_t)TORAP_US_PER_S;
	for (int minute = 0; minute < 10; minute++) {
		pass(minute ? 60000 : 0);
		cr_assert_eq(deleted(), 0, "minute %d", minute);
		cr_assert(torap_sweeper_counts(sweeper).waiting);
	}
	pass(60000);
	cr_assert_eq(deleted(), 1);
}

Test(sweeper, takes_new_rules_between_two_pieces_and_lets_go_of_the_old)
{
	for (int i = 0; i < BATCHES; i++)
		append();
	settle();
	mono.us += 10000;
	wall.us += 10000;
	cr_assert(torap_sweeper_tick(sweeper, mono, wall));
	torap_sweeper_go(sweeper, NULL, 0);
	give_rules(2);
	cr_assert_eq(released, 0, "a piece may still read them");
	settle();
	cr_assert_eq(released, 1);
	while (deleted() < BATCHES)
		pass(1000);
	cr_assert_eq(deleted(), BATCHES);
}
