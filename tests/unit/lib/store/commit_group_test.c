#include "store/commit_group.h"

#include "base/error.h"
#include "store/committer.h"
#include "tests/unit/lib/store/place.h"

static const char *const tables[] = { "first", NULL };
static struct place place;
static struct torap_kv *kv;

static void make(void)
{
	struct torap_error err;
	struct torap_kv_options options = { .tables = tables, .map_size = 16 << 20, .redo = true };
	place_make(&place);
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), 0, "%s", err.text);
}

static void clean(void)
{
	kv = torap_kv_close(kv);
	place_remove(&place);
}

TestSuite(commit_group, .init = make, .fini = clean);

static int put(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	return torap_kv_put(txn, 0, torap_bytes("job", 3), torap_bytes(&job->urgent, sizeof job->urgent));
}

static int fill_up(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	(void)job, (void)txn;
	return TORAP_KV_FULL;
}

/* Jobs that never end must not keep the others away for longer than one round. */
Test(commit_group, others_have_a_group_after_all_that_was_urgent_and_then_what_came_is_taken)
{
	struct torap_commit_turns turns;
	struct torap_commit_job first = { .urgent = true }, other = { 0 };
	torap_commit_turns_clear(&turns);
	cr_assert_null(torap_commit_turn(&turns));
	torap_commit_jobs_push(&turns.others, &other);
	torap_commit_jobs_push(&turns.urgent, &first);
	cr_assert_eq(torap_commit_turn(&turns), &turns.urgent);
	torap_commit_jobs_clear(&turns.urgent);
	cr_assert_eq(torap_commit_turn(&turns), &turns.others);
	cr_assert_null(
		torap_commit_turn(&turns), "what is urgent and came meanwhile goes before more of them");
	torap_commit_jobs_push(&turns.urgent, &first);
	cr_assert_eq(torap_commit_turn(&turns), &turns.urgent);
	torap_commit_jobs_clear(&turns.urgent);
	cr_assert_eq(torap_commit_turn(&turns), &turns.others);
}

static bool is_told(struct torap_commit_job *job)
{
	struct torap_commit_jobs list;
	struct torap_commit_group group;
	struct torap_error err;
	torap_commit_jobs_clear(&list);
	torap_commit_jobs_push(&list, job);
	cr_assert_eq(torap_commit_group_begin(&group, kv, &list, &err), 0);
	cr_assert(!list.first && group.jobs.first == job);
	bool told = group.told;
	cr_assert_eq(torap_commit_group_end(&group, &err), 0);
	return told;
}

Test(commit_group, only_what_is_urgent_and_fits_is_told_before_its_commit)
{
	struct torap_commit_job urgent = { .apply = put, .urgent = true }, other = { .apply = put },
				full = { .apply = fill_up, .urgent = true };
	cr_assert(is_told(&urgent));
	cr_assert_eq(urgent.result, 0);
	cr_assert_not(is_told(&other));
	cr_assert_not(is_told(&full));
	cr_assert_eq(full.result, TORAP_KV_FULL);
}

static int break_down(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	(void)job, (void)txn;
	return -5;
}

Test(commit_group, a_job_that_fails_fails_its_group)
{
	struct torap_commit_jobs list;
	struct torap_commit_group group;
	struct torap_error err;
	struct torap_commit_job good = { .apply = put, .urgent = true },
				bad = { .apply = break_down, .urgent = true };
	torap_commit_jobs_clear(&list);
	torap_commit_jobs_push(&list, &good);
	torap_commit_jobs_push(&list, &bad);
	cr_assert_eq(torap_commit_group_begin(&group, kv, &list, &err), -5);
	cr_assert_not(group.told);
}
