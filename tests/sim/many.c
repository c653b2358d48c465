#include "sim/many.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the processes share. */
struct job {
	struct sim_totals totals;
	uint64_t seed; /* that runs */
	pid_t pid;
};
struct board {
	atomic_bool bad; /* one failed: nobody begins another */
	struct job jobs[];
};

void sim_totals_add(struct sim_totals *t, const struct sim_world *w)
{
	t->seeds++;
	t->events += w->events;
	t->refused += w->refused;
	t->messages += w->messages;
	t->told_early += w->told_early;
	t->redone += w->redone;
	t->torn += w->torn;
	t->harmed += w->events_harmed;
	t->lost += w->events_lost;
	t->doubled += w->events_doubled;
	for (size_t i = 0; i < SIM_FAULTS; i++)
		t->faults[i] += w->faults[i];
}

static void add(struct sim_totals *t, const struct sim_totals *of_job)
{
	t->seeds += of_job->seeds;
	t->events += of_job->events;
	t->refused += of_job->refused;
	t->messages += of_job->messages;
	t->told_early += of_job->told_early;
	t->redone += of_job->redone;
	t->torn += of_job->torn;
	t->harmed += of_job->harmed;
	t->lost += of_job->lost;
	t->doubled += of_job->doubled;
	for (size_t i = 0; i < SIM_FAULTS; i++)
		t->faults[i] += of_job->faults[i];
}

static void sum_up(const struct sim_totals *t, uint64_t from, uint64_t bad, double seconds)
{
	uint64_t faults = 0;
	for (size_t i = 0; i < SIM_FAULTS; i++)
		faults += t->faults[i];
	printf("%" PRIu64 " seeds from %" PRIu64 " in %.0f s: %" PRIu64 " events, %" PRIu64
	       " messages, %" PRIu64 " faults (",
		t->seeds, from, seconds, t->events, t->messages, faults);
	for (size_t i = 0; i < SIM_FAULTS; i++)
		printf("%s%s %" PRIu64, i ? ", " : "", sim_faults[i].name, t->faults[i]);
	printf("), %" PRIu64 " groups told before their commit, %" PRIu64 " done again, %" PRIu64
	       " redo records torn, %" PRIu64 " refused, %" PRIu64
	       " with every copy damaged or expired, %" PRIu64 " lost, %" PRIu64 " doubled, %" PRIu64
	       " seeds failed\n",
		t->told_early, t->redone, t->torn, t->refused, t->harmed, t->lost, t->doubled, bad);
}

static double seconds_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A line that changes, for whoever sits before it. */
static void tell(const struct sim_totals *t, unsigned jobs, double since, double *next)
{
	double now = seconds_now();
	if (!isatty(STDERR_FILENO) || now < *next)
		return;
	*next = now + 1;
	fprintf(stderr, "\r%" PRIu64 " seeds, %.0f s ", t->seeds * jobs, now - since);
}

static void again(uint64_t seed)
{
	printf("again: tests/run sim --seed %" PRIu64 "\n", seed);
	fflush(stdout);
}

/* Every `step`th of the seeds, from this one on. */
static bool run_share(
	struct board *board, struct job *job, uint64_t seed, uint64_t end, uint64_t step, double until)
{
	double since = seconds_now(), next = since;
	for (; !board->bad && (until > 0 ? seconds_now() < until : seed < end); seed += step) {
		if (job == board->jobs)
			tell(&job->totals, (unsigned)step, since, &next);
		job->seed = seed;
		if (sim_run(seed, false, &job->totals))
			continue;
		board->bad = true;
		again(seed);
		return false;
	}
	return true;
}

/* How many jobs failed: found something, or died of it. */
static uint64_t wait_for_all(struct board *board, unsigned jobs)
{
	uint64_t bad = 0;
	for (unsigned i = 0; i < jobs; i++) {
		int status;
		if (board->jobs[i].pid < 0 || waitpid(board->jobs[i].pid, &status, 0) < 0) {
			perror("sim: a process");
			bad++;
			continue;
		}
		bad += status != 0;
		if (!WIFSIGNALED(status))
			continue;
		board->bad = true;
		printf("seed %" PRIu64 " died of signal %d\n", board->jobs[i].seed, WTERMSIG(status));
		again(board->jobs[i].seed);
	}
	return bad;
}

bool sim_many(uint64_t from, uint64_t seeds, double hours, unsigned jobs)
{
	double since = seconds_now(), until = hours > 0 ? since + hours * 3600 : 0;
	size_t size = sizeof(struct board) + jobs * sizeof(struct job);
	struct board *board = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sim_totals totals = { 0 };
	if (board == MAP_FAILED) {
		perror("mmap");
		return false;
	}
	fflush(stdout);
	for (unsigned i = 0; i < jobs; i++) {
		struct job *job = &board->jobs[i];
		pid_t pid = fork(); /* The board is shared: the child must not write its 0 there. */
		if (pid == 0) {
			bool good = run_share(board, job, from + i, from + seeds, jobs, until);
			fflush(stdout);
			_exit(good ? 0 : 1); /* The files are the parent's. */
		}
		job->pid = pid;
		board->bad |= pid < 0;
	}
	uint64_t bad = wait_for_all(board, jobs);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	for (unsigned i = 0; i < jobs; i++)
		add(&totals, &board->jobs[i].totals);
	sum_up(&totals, from, bad, seconds_now() - since);
	munmap(board, size);
	return bad == 0;
}
