/* hop_offer.c: the generator: an agent that offers as fast as it is let, or at a rate, and hears what is durable.
 *
 * Speaks proto/README.md, "Agents", over ipc://.  No more than --outstanding observations wait for their verdict.  With --rate 0 the
 * next go out as soon as there is room, up to 1,024 a message; else those that are due.  Critical ones go out alone, at moments
 * that are not in step with anything.  Every verdict must be DURABLE; a refused observation is offered again, and counted.
 *
 * Prints one line of JSON: times are wall clock, so that a subscriber on the same machine can go on with them. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bench/line.h"
#include "bench/load.h"
#include "bench/samples.h"
#include "loop/low_latency.h"
#include "proto/observation.pb-c.h"
#include "wire/envelope.h"

enum {
	RING = 1 << 20, /* numbers that can be open at once, whatever the order of the verdicts */
	OUTSTANDING_MAX = 1 << 17,
	HEARTBEAT_US = 1000000,
	QUIET_US = 30000000, /* so long without a verdict, and something is wrong */
};

struct options {
	const char *endpoint;
	uint64_t events, rate, outstanding, critical, critical_rate;
	bool low_latency;
	struct bench_load_options load;
};

struct offer {
	struct bench_line line;
	struct options options;
	struct bench_load *load;
	int64_t began_us, began_wall_us, last_sent_us, last_heard_us;
	uint64_t next_number, open; /* open: offered, and no verdict yet */
	uint64_t critical_offered, normal_offered;
	int64_t critical_at_us;
	uint64_t durable, refused;
	char refusal[128];
	int64_t *sent_us; /* RING; 0: not open */
	bool *critical;   /* RING */
	bool has_rows;    /* the registry's are complete */
	struct bench_samples latency, critical_latency;
	struct bench_samples
		critical_late; /* sent so long after it was due; up to 1 ms is this program's step */
};

/* Saying. */

static void send_message(struct offer *o, uint32_t type, struct torap_buffer *body)
{
	struct torap_buffer *frames[2] = { torap_envelope_plain(type), body };
	if (!frames[0])
		bench_fail("out of memory");
	bench_line_say(&o->line, frames, body ? 2 : 1);
	torap_buffer_unref(frames[0]);
	o->last_sent_us = bench_mono_us();
}

/* Takes the writer's memory. */
static void send_body(struct offer *o, uint32_t type, struct torap_writer *take)
{
	struct torap_buffer *body = torap_buffer_wrap(take->data, take->size, free, take->data);
	if (!body)
		bench_fail("out of memory");
	*take = (struct torap_writer){ 0 };
	send_message(o, type, body);
	torap_buffer_unref(body);
}

/* Offering. */

static uint64_t note(struct offer *o, int64_t now_us, bool critical)
{
	uint64_t number = o->next_number++;
	if (o->sent_us[number % RING])
		bench_fail("observation %" PRIu64 " never got a verdict", number - RING);
	o->sent_us[number % RING] = now_us;
	o->critical[number % RING] = critical;
	o->open++;
	return number;
}

static void offer_some(struct offer *o, uint64_t count, bool critical)
{
	struct torap_writer body = { 0 };
	int64_t now_us = bench_mono_us(), wall_us = bench_wall_us();
	/* An agent hears its devices one after the other, so no two events of a message have quite the same time. */
	for (uint64_t i = 0; i < count; i++)
		bench_load_write(o->load, &body, note(o, now_us, critical),
			wall_us - random() % (2 * (int64_t)count), critical);
	send_body(o, TORAP__MESSAGE_TYPE__MESSAGE_OFFER, &body);
	*(critical ? &o->critical_offered : &o->normal_offered) += count;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How many of the ordinary ones may go out now. */
static uint64_t due(const struct offer *o, int64_t now_us)
{
	uint64_t due = o->options.events - o->normal_offered;
	if (o->options.rate) {
		uint64_t until_now = (uint64_t)(now_us - o->began_us) * o->options.rate / 1000000;
		due = least(due, until_now - least(until_now, o->normal_offered));
	}
	uint64_t room = o->options.outstanding - least(o->options.outstanding, o->open);
	/* At full speed whole messages, so that a verdict does not beget an offer of one. */
	if (!o->options.rate && room < TORAP_OFFER_OBSERVATIONS_MAX && due > room)
		return 0;
	return least(due, room);
}

static bool critical_is_due(const struct offer *o, int64_t now_us)
{
	return o->critical_offered < o->options.critical && now_us >= o->critical_at_us;
}

static void offer_what_is_due(struct offer *o)
{
	int64_t now_us = bench_mono_us();
	if (critical_is_due(o, now_us)) {
		bench_samples_add(&o->critical_late, now_us - o->critical_at_us);
		offer_some(o, 1, true);
		int64_t pause_us = 1000000 / (int64_t)o->options.critical_rate;
		o->critical_at_us = now_us + pause_us / 2 + random() % (pause_us + 1);
	}
	for (uint64_t count; (count = least(due(o, now_us), TORAP_OFFER_OBSERVATIONS_MAX));)
		offer_some(o, count, false);
	if (now_us - o->last_sent_us > HEARTBEAT_US)
		send_message(o, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT, NULL);
}

/* Verdicts. */

static void take_verdict(
	struct offer *o, uint64_t number, uint64_t word, struct torap_bytes reason, int64_t now_us)
{
	if (number < BENCH_NUMBER_FIRST || number >= o->next_number || !o->sent_us[number % RING])
		bench_fail("a verdict for %" PRIu64 ", which is not open", number);
	int64_t latency_us = now_us - o->sent_us[number % RING];
	bool critical = o->critical[number % RING];
	o->sent_us[number % RING] = 0;
	o->open--;
	if (word == TORAP__VERDICT__WORD__DURABLE) {
		bench_samples_add(critical ? &o->critical_latency : &o->latency, latency_us);
		o->durable++;
	} else if (word == TORAP__VERDICT__WORD__REFUSED) {
		snprintf(o->refusal, sizeof o->refusal, "%.*s", (int)reason.size, (const char *)reason.data);
		o->refused++;
		--*(critical ? &o->critical_offered : &o->normal_offered); /* Offered again. */
	} else {
		bench_fail("verdict %" PRIu64 " for an observation that was offered once", word);
	}
}

/* By hand: a thousand small allocations of an unpacked Answer would be the generator's largest cost. */
static void take_answer(struct offer *o, struct torap_bytes body, int64_t now_us)
{
	struct torap_reader r = torap_reader(body);
	while (r.at < r.end && !r.failed) {
		if (torap_read_varint(&r) != (1 << 3 | 2))
			bench_fail("an answer with an unknown field");
		struct torap_reader v = torap_reader(torap_read_bytes(&r, torap_read_varint(&r)));
		uint64_t number = 0, word = 0;
		struct torap_bytes reason = { 0 };
		while (v.at < v.end && !v.failed) {
			uint64_t tag = torap_read_varint(&v);
			if (tag == (1 << 3 | 0))
				number = torap_read_varint(&v);
			else if (tag == (2 << 3 | 0))
				word = torap_read_varint(&v);
			else if (tag == (3 << 3 | 2))
				reason = torap_read_bytes(&v, torap_read_varint(&v));
			else
				bench_fail("a verdict with an unknown field");
		}
		if (v.failed)
			bench_fail("a verdict that is cut off");
		take_verdict(o, number, word, reason, now_us);
	}
	if (r.failed)
		bench_fail("an answer that is cut off");
}

/* The session. */

static void greet(struct offer *o)
{
	Torap__AgentHello hello = TORAP__AGENT_HELLO__INIT;
	hello.agent = (char *)"hop_offer";
	hello.version = (char *)TORAP_VERSION;
	hello.protocol = (char *)"dc09";
	hello.protocol_version = 1;
	struct torap_buffer *body = torap_buffer_create(torap__agent_hello__get_packed_size(&hello));
	if (!body)
		bench_fail("out of memory");
	torap__agent_hello__pack(&hello, body->data);
	send_message(o, TORAP__MESSAGE_TYPE__MESSAGE_AGENT_HELLO, body);
	torap_buffer_unref(body);
}

static void take_rows(struct offer *o, struct torap_buffer *body)
{
	Torap__AgentRows *rows = torap__agent_rows__unpack(NULL, body->size, body->data);
	if (!rows)
		bench_fail("rows that cannot be read");
	o->has_rows = !rows->more;
	torap__agent_rows__free_unpacked(rows, NULL);
}

static void on_message(void *hint, struct torap_buffer **frames, size_t count)
{
	struct offer *o = hint;
	struct torap_envelope envelope;
	struct torap_error err;
	if (torap_envelope_decode(&envelope, torap_buffer_bytes(frames[0]), &err))
		bench_fail("the node sent what cannot be read");
	o->last_heard_us = bench_mono_us();
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL)
		bench_fail("the node refuses us");
	if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_ANSWER && count == 2)
		take_answer(o, torap_buffer_bytes(frames[1]), o->last_heard_us);
	else if (envelope.type == TORAP__MESSAGE_TYPE__MESSAGE_AGENT_ROWS && count == 2)
		take_rows(o, frames[1]);
}

static void wait_for_rows(struct offer *o)
{
	int64_t since_us = bench_mono_us();
	while (!o->has_rows) {
		if (bench_mono_us() - since_us > QUIET_US)
			bench_fail("the node does not answer the hello");
		bench_line_wait(&o->line, 100);
	}
}

static void run(struct offer *o)
{
	const struct options *options = &o->options;
	o->began_us = o->last_heard_us = o->critical_at_us = bench_mono_us();
	o->began_wall_us = bench_wall_us();
	while (o->durable < options->events + options->critical) {
		offer_what_is_due(o);
		bool paced = options->rate || options->critical;
		bench_line_wait(&o->line, paced ? 1 : 1000);
		if (o->open && bench_mono_us() - o->last_heard_us > QUIET_US)
			bench_fail("no verdict for %d s; %" PRIu64 " observations are open",
				QUIET_US / 1000000, o->open);
	}
}

static void print_latency(const char *name, struct bench_samples *s)
{
	printf(",\"%s\":{\"count\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f}", name, s->count,
		bench_samples_percentile_ms(s, 0.5), bench_samples_percentile_ms(s, 0.99),
		bench_samples_percentile_ms(s, 0.999));
}

static void print(struct offer *o)
{
	double seconds = (double)(o->last_heard_us - o->began_us) / 1e6;
	printf("{\"durable\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"refusal\":\"%s\",\"began_us\":%" PRId64
	       ",\"seconds\":%.3f,\"per_s\":%.0f,\"observation_bytes\":%zu",
		o->durable, o->refused, o->refusal, o->began_wall_us, seconds, (double)o->durable / seconds,
		bench_load_size(o->load));
	print_latency("verdict", &o->latency);
	print_latency("critical_verdict", &o->critical_latency);
	print_latency("critical_late", &o->critical_late);
	printf("}\n");
}

static void usage(int status)
{
	printf("usage: hop_offer --node ipc://PATH --events N [--rate PER_S] [--outstanding N] [--critical N --critical-rate PER_S]\n"
	       "                 [--devices N] [--text BYTES] [--noise] [--repeat-keys] [--low-latency]\n"
	       "Offers observations to a node until all are durable.  One line of JSON.\n");
	exit(status);
}

static void read_options(struct options *out, int argc, char **argv)
{
	static const struct option options[] = { { "node", required_argument, NULL, 'n' },
		{ "events", required_argument, NULL, 'e' }, { "rate", required_argument, NULL, 'r' },
		{ "outstanding", required_argument, NULL, 'o' }, { "critical", required_argument, NULL, 'c' },
		{ "critical-rate", required_argument, NULL, 'C' },
		{ "devices", required_argument, NULL, 'd' }, { "text", required_argument, NULL, 't' },
		{ "noise", no_argument, NULL, 'N' }, { "repeat-keys", no_argument, NULL, 'k' },
		{ "low-latency", no_argument, NULL, 'l' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	*out = (struct options){
		.outstanding = 32768, .critical_rate = 50, .load = { .devices = 300, .text_bytes = 116 }
	};
	for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		switch (o) {
		case 'n':
			out->endpoint = optarg;
			break;
		case 'e':
			out->events = bench_number("events", optarg, 1ULL << 34);
			break;
		case 'r':
			out->rate = bench_number("rate", optarg, 100000000);
			break;
		case 'o':
			out->outstanding = bench_number("outstanding", optarg, OUTSTANDING_MAX);
			break;
		case 'c':
			out->critical = bench_number("critical", optarg, 1 << 24);
			break;
		case 'C':
			out->critical_rate = bench_number("critical-rate", optarg, 10000);
			break;
		case 'd':
			out->load.devices = (unsigned)bench_number("devices", optarg, 100000);
			break;
		case 't':
			out->load.text_bytes = bench_number("text", optarg, 4096);
			break;
		case 'N':
			out->load.noise = true;
			break;
		case 'k':
			out->load.with_repeat_key = true;
			break;
		case 'l':
			out->low_latency = true;
			break;
		default:
			usage(o == 'h' ? 0 : 2);
		}
	}
	if (!out->endpoint || !out->outstanding || !out->critical_rate || !out->load.devices)
		usage(2);
}

int main(int argc, char **argv)
{
	struct offer o = { .next_number = BENCH_NUMBER_FIRST };
	struct torap_error err;
	read_options(&o.options, argc, argv);
	if (o.options.low_latency && torap_low_latency(TORAP_LOW_LATENCY_DEVICE, &err))
		bench_fail("%s", err.text);
	o.load = bench_load_create(&o.options.load);
	o.sent_us = calloc(RING, sizeof *o.sent_us);
	o.critical = calloc(RING, sizeof *o.critical);
	if (!o.sent_us || !o.critical)
		bench_fail("out of memory");
	bench_line_dial(&o.line, o.options.endpoint, &(struct torap_zmtp_dial_options){ 0 }, on_message, &o);
	greet(&o);
	wait_for_rows(&o);
	run(&o);
	print(&o);
	bench_line_hang_up(&o.line);
	bench_load_destroy(o.load);
	bench_samples_finish(&o.latency);
	bench_samples_finish(&o.critical_latency);
	bench_samples_finish(&o.critical_late);
	free(o.sent_us);
	free(o.critical);
	return 0;
}
