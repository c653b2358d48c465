/* torap panel: a simulator of alarm panels that speaks real DC-09, for demonstrations, drills and load. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "agents/ctl/command.h"
#include "agents/ctl/panel_fleet.h"

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static double percentile_ms(const struct ctl_panel_result *r, double part)
{
	size_t count = r->acknowledged < r->took_room ? r->acknowledged : r->took_room;
	return count ? r->took_us[(size_t)(part * (double)(count - 1))] / 1000.0 : 0;
}

static void print_json(const struct ctl_panel_result *r)
{
	printf("{\"sent\":%llu,\"acknowledged\":%llu,\"supervision\":%llu,\"repeated\":%llu,\"unanswered\":%llu,\"refused\":%llu,"
	       "\"seconds\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
		(unsigned long long)r->sent, (unsigned long long)r->acknowledged,
		(unsigned long long)r->nulls, (unsigned long long)r->repeated,
		(unsigned long long)r->unanswered, (unsigned long long)r->refused, (double)r->lasted_us / 1e6,
		percentile_ms(r, 0.5), percentile_ms(r, 0.99), percentile_ms(r, 1));
}

static void print_load(const struct ctl_panel_result *r)
{
	printf("%llu sent, %llu acknowledged (%llu of them supervision), %llu repeated, %llu unanswered, %llu refused in %.1f s; "
	       "acknowledged in p50 %.2f ms, p99 %.2f ms, at most %.2f ms\n",
		(unsigned long long)r->sent, (unsigned long long)r->acknowledged,
		(unsigned long long)r->nulls, (unsigned long long)r->repeated,
		(unsigned long long)r->unanswered, (unsigned long long)r->refused, (double)r->lasted_us / 1e6,
		percentile_ms(r, 0.5), percentile_ms(r, 0.99), percentile_ms(r, 1));
}

static int complain(const struct ctl_panel_options *o, const struct ctl_panel_result *r)
{
	if (r->refused)
		return ctl_fail("%s cannot process it", o->connect);
	return ctl_fail("%s did not acknowledge in %u tries%s%s", o->connect, o->tries,
		r->trouble ? ": " : "", r->trouble ? r->trouble : "");
}

static int report(const struct ctl_panel_options *o, struct ctl_panel_result *r)
{
	size_t count = r->acknowledged < r->took_room ? r->acknowledged : r->took_room;
	if (count)
		qsort(r->took_us, count, sizeof *r->took_us, compare);
	if (o->json)
		print_json(r);
	else if (o->load)
		print_load(r);
	else if (r->acknowledged)
		printf("acknowledged in %.0f ms\n", percentile_ms(r, 1));
	if (fflush(stdout) != 0)
		return ctl_fail("cannot write to standard output");
	if (r->unanswered || r->refused)
		return o->load ? 1 : complain(o, r);
	return 0;
}

int ctl_panel(int argc, char **argv)
{
	struct sockaddr_storage to = { 0 };
	struct ctl_panel_options options = { .to = &to };
	int status = ctl_panel_options_read(&options, argc, argv);
	if (!status) {
		signal(SIGPIPE, SIG_IGN);
		struct rlimit limit;
		/* A descriptor a panel; too few show as panels without an answer. */
		if (!getrlimit(RLIMIT_NOFILE, &limit)) {
			limit.rlim_cur = limit.rlim_max;
			setrlimit(RLIMIT_NOFILE, &limit);
		}
		struct ctl_panel_fleet fleet;
		status = ctl_panel_fleet_run(&fleet, &options);
		if (!status)
			status = report(&options, &fleet.result);
		ctl_panel_fleet_finish(&fleet);
	}
	ctl_panel_options_finish(&options);
	return status;
}
