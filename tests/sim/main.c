/* Runs the federation from seeds: each for a while of its own time with faults, then a calm in which everything must come right. */
#include "sim/sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sodium.h>

/* A seed draws its own length, so that its number alone replays it: mostly short, for many seeds find more than long ones, and one in
 * LONG_ONE_IN long enough for what needs a backlog, a give-up and a come-back, one after the other. */
enum {
	STEPS_MIN = 200,
	STEPS_SPREAD = 300,
	LONG_ONE_IN = 12,
	LONG_TIMES = 5,
	CALM_STEPS_MAX = 45000, /* more than an hour: a hole that was often asked for in vain waits so long */
	LOOK_EVERY = 16,
	SETTLED_STEPS = 100, /* with nothing more to do: nothing may change but what retention deletes */
	SEEDS = 1000,
};

struct totals {
	uint64_t seeds, events, refused, harmed, messages, faults[SIM_FAULTS], lost, doubled;
};

static void add(struct totals *t, const struct sim_world *w)
{
	t->seeds++;
	t->events += w->events;
	t->refused += w->refused;
	t->messages += w->messages;
	t->harmed += w->events_harmed;
	t->lost += w->events_lost;
	t->doubled += w->events_doubled;
	for (size_t i = 0; i < SIM_FAULTS; i++)
		t->faults[i] += w->faults[i];
}

static uint64_t draw_steps(struct sim_world *w)
{
	uint64_t steps = STEPS_MIN + sim_random(w, STEPS_SPREAD);
	return sim_random(w, LONG_ONE_IN) == 0 ? steps * LONG_TIMES : steps;
}

static void calm_down(struct sim_world *w)
{
	w->calm = true;
	w->calm_since = w->now;
	sim_note(w, "calm");
	for (int i = 0, settled = 0; i < CALM_STEPS_MAX && settled < SETTLED_STEPS && !*w->failure; i++) {
		sim_step(w);
		settled = settled || (i % LOOK_EVERY == 0 && sim_is_settled(w)) ? settled + 1 : 0;
	}
	if (!*w->failure)
		sim_check_end(w);
}

/* True: everything came right. */
static bool run(uint64_t seed, bool verbose, struct totals *t)
{
	struct sim_world w;
	sim_begin(&w, seed, verbose);
	for (uint64_t left = draw_steps(&w); left > 0 && !*w.failure; left--)
		sim_step(&w);
	calm_down(&w);
	bool good = !*w.failure;
	if (verbose || !good)
		printf("seed %" PRIu64 ", %.0f s: %s\n", seed, (double)w.now.us / TORAP_US_PER_S,
			good ? "good" : w.failure);
	add(t, &w);
	sim_end(&w);
	return good;
}

static void sum_up(const struct totals *t, uint64_t from, uint64_t bad, double seconds)
{
	uint64_t faults = 0;
	for (size_t i = 0; i < SIM_FAULTS; i++)
		faults += t->faults[i];
	printf("%" PRIu64 " seeds from %" PRIu64 " in %.0f s: %" PRIu64 " events, %" PRIu64
	       " messages, %" PRIu64 " faults (",
		t->seeds, from, seconds, t->events, t->messages, faults);
	for (size_t i = 0; i < SIM_FAULTS; i++)
		printf("%s%s %" PRIu64, i ? ", " : "", sim_faults[i].name, t->faults[i]);
	printf("), %" PRIu64 " refused, %" PRIu64 " with every copy damaged or expired, %" PRIu64
	       " lost, %" PRIu64 " doubled, %" PRIu64 " seeds failed\n",
		t->refused, t->harmed, t->lost, t->doubled, bad);
}

static double seconds_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A line that changes, for whoever sits before it. */
static void tell(const struct totals *t, double since, double *next)
{
	double now = seconds_now();
	if (!isatty(STDERR_FILENO) || now < *next)
		return;
	*next = now + 1;
	fprintf(stderr, "\r%" PRIu64 " seeds, %" PRIu64 " events, %.0f s ", t->seeds, t->events, now - since);
}

/* Until `seeds` have run, or for `hours`; a failure ends it.  True: none failed. */
static bool run_many(uint64_t from, uint64_t seeds, double hours)
{
	struct totals t = { 0 };
	double since = seconds_now(), next = since;
	bool good = true;
	for (uint64_t i = 0; good && (hours > 0 ? seconds_now() < since + hours * 3600 : i < seeds); i++) {
		tell(&t, since, &next);
		good = run(from + i, false, &t);
		if (!good)
			printf("again: tests/run sim --seed %" PRIu64 "\n", from + i);
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	sum_up(&t, from, good ? 0 : 1, seconds_now() - since);
	return good;
}

static void help(void)
{
	printf("sim [--seeds N] [--from SEED]    N seeds, one after the other (%d, from 1)\n"
	       "sim --hours H [--from SEED]      seeds that nobody ran before, for so long\n"
	       "sim --seed SEED                  one, with all that happens\n\n"
	       "Runs a federation from seeds, and ends with status 1 at the first that goes wrong.\n",
		SEEDS);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'n' }, { "from", required_argument, NULL, 'f' },
		{ "hours", required_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	uint64_t from = 0, seeds = SEEDS;
	double hours = 0;
	bool one = false;
	if (sodium_init() < 0)
		return 1;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (c) {
		case 's':
			one = true;
			from = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			from = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			seeds = strtoull(optarg, NULL, 10);
			break;
		case 't':
			hours = strtod(optarg, NULL);
			if (hours <= 0) {
				fprintf(stderr, "sim: --hours %s is no time\n", optarg);
				return 2;
			}
			break;
		case 'h':
			help();
			return 0;
		default:
			return 2;
		}
	sim_files_begin();
	atexit(sim_files_end);
	if (one) {
		struct totals t = { 0 };
		return run(from, true, &t) ? 0 : 1;
	}
	if (!from)
		from = hours > 0 ? (uint64_t)randombytes_random() << 16 : 1;
	if (hours > 0) {
		printf("seeds from %" PRIu64 "\n", from);
		fflush(stdout);
	}
	return run_many(from, seeds, hours) ? 0 : 1;
}
