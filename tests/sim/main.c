/* Runs the federation from seeds: each for a while of its own time with faults, then a calm in which everything must come right. */
#include "sim/many.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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
	JOBS_MAX = 64,
};

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

bool sim_run(uint64_t seed, bool verbose, struct sim_totals *t)
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
	sim_totals_add(t, &w);
	sim_end(&w);
	return good;
}

static void help(void)
{
	printf("sim [--seeds N] [--from SEED]    N seeds (%d, from 1)\n"
	       "sim --hours H [--from SEED]      seeds that nobody ran before, for so long\n"
	       "    --jobs J                     J processes at once; else as many as there are processors\n"
	       "sim --seed SEED                  one, with all that happens\n\n"
	       "Runs a federation from seeds, and ends with status 1 at the first that goes wrong.\n",
		SEEDS);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'n' }, { "from", required_argument, NULL, 'f' },
		{ "hours", required_argument, NULL, 't' }, { "jobs", required_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	uint64_t from = 0, seeds = SEEDS;
	double hours = 0;
	long jobs = sysconf(_SC_NPROCESSORS_ONLN);
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
		case 'j':
			jobs = strtol(optarg, NULL, 10);
			break;
		case 'h':
			help();
			return 0;
		default:
			return 2;
		}
	if (!from && !one)
		from = hours > 0 ? (uint64_t)randombytes_random() << 16 : 1;
	sim_files_begin(); /* From here on all luck is the seed's. */
	atexit(sim_files_end);
	if (one) {
		struct sim_totals t = { 0 };
		return sim_run(from, true, &t) ? 0 : 1;
	}
	if (hours > 0) {
		printf("seeds from %" PRIu64 "\n", from);
		fflush(stdout);
	}
	jobs = jobs < 1 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : jobs;
	return sim_many(from, seeds, hours, (unsigned)jobs) ? 0 : 1;
}
