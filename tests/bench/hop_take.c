/* hop_take.c: the lean receiver: a subscriber that verifies everything and stores nothing.
 *
 * Built of the parts of agents/follow: its connections, its streams.  Each signature, each digest and the chain are checked, then
 * the batch is acknowledged and forgotten, so that what is measured ends at the subscriber's door and not on its disk; `hop` runs
 * the real `torap follow` beside it.  Events of the critical lane are decoded, and their age is taken when they are verified;
 * with --open those of all lanes are.
 *
 * Ends when --events of devices have come (the bus's own are not counted) and prints one line of JSON; before that, "flowing" when all
 * lanes have their welcome. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/follow/config.h"
#include "agents/follow/streams.h"
#include "base/error.h"
#include "bench/samples.h"
#include "link/message.h"
#include "link/run.h"
#include "loop/app.h"
#include "loop/zlink.h"
#include "proto/session.pb-c.h"
#include "wire/compress.h"
#include "wire/open.h"
#include "zmtp/turn.h"

enum { QUIET_S = 60 };

struct take {
	struct torap_app app;
	struct follow_config *config;
	uint64_t wanted;
	bool open_all, from_begin;
	struct torap_zmtp_turn *turns;
	struct torap_zlink *links[TORAP_LANES];
	uv_check_t turn;
	uv_timer_t second;
	unsigned quiet_s;
	struct follow_streams streams;
	struct torap_trust *trust;

	uint64_t batches, events, critical, opened, bytes, frame_bytes, plain_bytes, all_events, groups;
	int64_t first_us, last_us;
	struct bench_samples age, critical_age;
};

/* Batches. */

/* The bus's own events; nothing but devices is counted. */
static bool is_own(const struct torap_class *class)
{
	return (class->kind >= TORAP__KIND__KIND_NODE_UP && class->kind <= TORAP__KIND__KIND_CHECKPOINT) ||
	       class->kind == TORAP__KIND__KIND_CANARY_BULK;
}

static int on_event(void *hint, const struct torap_opened *event)
{
	struct take *t = hint;
	if (!event->open)
		bench_fail("an event without its open part");
	t->opened++;
	bool critical = event->group->class.severity == TORAP__SEVERITY__SEVERITY_CRITICAL;
	if (!is_own(&event->group->class))
		bench_samples_add(
			critical ? &t->critical_age : &t->age, t->last_us - event->open->received_at_us);
	return 0;
}

/* What the frames would take without compression. */
static uint64_t plain_size(const struct torap_batch *b)
{
	uint64_t size = torap_batch_size(b) - b->signed_manifest->size;
	for (unsigned g = 0; b->manifest->compressed && g < b->manifest->groups_count; g++) {
		const struct torap_buffer *open = b->frames[b->manifest->groups[g].first_frame];
		if (!open)
			continue;
		size -= open->size - TORAP_SALT_SIZE;
		size += torap_content_size(
			torap_bytes(open->data + TORAP_SALT_SIZE, open->size - TORAP_SALT_SIZE));
	}
	return size;
}

static void count(struct take *t, const struct torap_batch *b)
{
	const struct torap_manifest *m = b->manifest;
	uint64_t events = 0;
	for (unsigned g = 0; g < m->groups_count; g++)
		events += is_own(&m->groups[g].class) ? 0 : m->groups[g].count;
	if (!events)
		return;
	t->last_us = bench_wall_us();
	if (!t->first_us)
		t->first_us = t->last_us;
	t->events += events;
	t->all_events += m->count;
	t->batches++;
	t->groups += m->groups_count;
	t->bytes += torap_batch_size(b);
	t->frame_bytes += torap_batch_size(b) - b->signed_manifest->size;
	t->plain_bytes += plain_size(b);
	struct torap_error err;
	bool critical = m->stream.lane == TORAP__LANE__LANE_CRITICAL;
	t->critical += critical ? events : 0;
	if ((t->open_all || critical) && torap_batch_open(b, on_event, t, &err))
		bench_fail("batch %" PRIu64 " cannot be opened: %s", m->batch_no, err.text);
}

static void take_batch(struct take *t, struct torap_batch *b)
{
	const struct torap_manifest *m = b->manifest;
	struct follow_stream *s = follow_streams_add(&t->streams, &m->stream);
	if (!s)
		bench_fail("out of memory");
	if (!s->pinned && m->batch_no == 1) {
		struct torap_position begin = { .next_batch = 1, .next_seq = 1 };
		follow_stream_begin(s, &begin);
	}
	enum torap_verdict v = follow_stream_check(s, t->trust, b);
	if (v != TORAP_VERDICT_GOOD)
		bench_fail("batch %" PRIu64 ": %s", m->batch_no, torap_verdict_name(v));
	s->ack_due = true;
	count(t, b);
	torap_batch_destroy(b);
	t->quiet_s = 0;
	if (t->events >= t->wanted)
		torap_app_stop(&t->app);
}

static void on_batch(struct take *t, const struct torap_envelope *envelope, struct torap_buffer **frames,
	size_t frames_count)
{
	struct torap_batch *b;
	struct torap_error err;
	if (torap_batch_from_frames(&b, envelope, frames, frames_count, &err))
		bench_fail("a batch that cannot be read: %s", err.text);
	take_batch(t, b);
}

static void on_run(struct take *t, struct torap_bytes body)
{
	struct torap_run run;
	struct torap_error err;
	if (torap_run_decode(&run, body, &err))
		bench_fail("a run that cannot be read: %s", err.text);
	for (size_t i = 0; i < run.count; i++) {
		struct torap_buffer *copy = torap_buffer_copy(run.manifests[i]);
		struct torap_batch *b;
		if (!copy || torap_batch_create(&b, copy, &err))
			bench_fail("a manifest that cannot be read");
		torap_buffer_unref(copy);
		take_batch(t, b);
	}
	torap_run_finish(&run);
}

/* Sessions. */

static struct torap_buffer *on_hello(void *hint, uint8_t lane)
{
	struct take *t = hint;
	struct torap_hello hello = {
		.version = 1,
		.role = TORAP__ROLE__ROLE_SUBSCRIBER,
		.lane = lane,
		.credit_bytes = t->config->credit_bytes,
		.start = t->from_begin ? TORAP__START__START_BEGINNING : TORAP__START__START_NOW,
	};
	snprintf(hello.name, sizeof hello.name, "%s", t->config->feed);
	snprintf(hello.software, sizeof hello.software, "hop_take");
	return torap_hello_encode(&hello);
}

/* From here on nothing that is sent is missed: who waits for that line may offer. */
static void tell_when_flowing(struct take *t)
{
	for (uint8_t lane = TORAP__LANE__LANE_CRITICAL; lane <= TORAP__LANE__LANE_BULK; lane++)
		if (!t->links[lane] || !torap_zlink_flowing(t->links[lane]))
			return;
	printf("flowing\n");
	fflush(stdout);
}

static void on_welcome(struct take *t, struct torap_zlink *l, struct torap_bytes body)
{
	struct torap_welcome w;
	struct torap_error err;
	if (torap_welcome_decode(&w, body, &err))
		bench_fail("a welcome that cannot be read: %s", err.text);
	if (!t->trust && (!w.trust || torap_trust_decode(&t->trust, torap_buffer_bytes(w.trust),
					      t->config->root, torap_app_wall(), &err)))
		bench_fail("no trust file that can be believed");
	for (size_t i = 0; i < w.positions_count; i++) {
		struct follow_stream *s = follow_streams_add(&t->streams, &w.positions[i].stream);
		if (!s)
			bench_fail("out of memory");
		if (!s->pinned)
			follow_stream_begin(s, &w.positions[i].at);
	}
	torap_welcome_finish(&w);
	torap_zlink_welcomed(l);
	tell_when_flowing(t);
}

static void on_message(void *hint, struct torap_zlink *l, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t frames_count)
{
	struct take *t = hint;
	if (frames_count == 0)
		bench_fail("a message without its body");
	if (envelope->type == TORAP__MESSAGE_TYPE__MESSAGE_WELCOME)
		on_welcome(t, l, torap_buffer_bytes(frames[0]));
	else if (envelope->type == TORAP__MESSAGE_TYPE__MESSAGE_BATCH)
		on_batch(t, envelope, frames, frames_count);
	else if (envelope->type == TORAP__MESSAGE_TYPE__MESSAGE_RUN)
		on_run(t, torap_buffer_bytes(frames[0]));
}

/* Once a turn of the loop: all that was verified in it. */
static void on_turn(uv_check_t *turn)
{
	struct take *t = turn->data;
	for (size_t i = 0; i < t->streams.count; i++) {
		struct follow_stream *s = t->streams.list[i];
		struct torap_zlink *l = t->links[s->id.lane];
		if (!s->ack_due || !l || !torap_zlink_flowing(l))
			continue;
		struct torap_stream_position position = { .stream = s->id, .at = s->at };
		struct torap_buffer *body = torap_ack_encode(&position, 1);
		if (!body)
			bench_fail("out of memory");
		s->ack_due = false;
		torap_zlink_send(l, TORAP__MESSAGE_TYPE__MESSAGE_ACK, body);
		torap_buffer_unref(body);
	}
}

static void on_second(uv_timer_t *timer)
{
	struct take *t = timer->data;
	if (++t->quiet_s > QUIET_S)
		bench_fail("nothing came for %d s; %" PRIu64 " of %" PRIu64 " events are here", QUIET_S,
			t->events, t->wanted);
}

static void on_stop(void *hint)
{
	struct take *t = hint;
	for (uint8_t lane = 0; lane < TORAP_LANES; lane++) {
		if (t->links[lane])
			torap_zlink_close(t->links[lane], NULL, NULL);
		t->links[lane] = NULL;
	}
	torap_zmtp_turn_close(t->turns);
	uv_close((uv_handle_t *)&t->turn, NULL);
	uv_close((uv_handle_t *)&t->second, NULL);
}

static void start(struct take *t)
{
	struct torap_error err;
	t->app.hint = t;
	t->app.on_stop = on_stop;
	if (torap_app_init(&t->app, &err) || torap_zmtp_turn_create(&t->turns, &t->app.loop, &err))
		bench_fail("%s", err.text);
	uv_check_init(&t->app.loop, &t->turn);
	uv_timer_init(&t->app.loop, &t->second);
	t->turn.data = t->second.data = t;
	uv_check_start(&t->turn, on_turn);
	uv_timer_start(&t->second, on_second, 1000, 1000);
	struct torap_zlink_options options = {
		.loop = &t->app.loop,
		.turn = t->turns,
		.secret_key = t->config->keys.curve_secret,
		.public_key = t->config->keys.curve_public,
		.peers = t->config->brokers,
		.peers_count = t->config->brokers_count,
		.hello = on_hello,
		.on_message = on_message,
		.hint = t,
	};
	for (uint8_t lane = TORAP__LANE__LANE_CRITICAL; lane <= TORAP__LANE__LANE_BULK; lane++) {
		options.lane = lane;
		if (torap_zlink_open(&t->links[lane], &options, &err))
			bench_fail("%s", err.text);
	}
}

static void print_age(const char *name, struct bench_samples *s)
{
	printf(",\"%s\":{\"count\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f}",
		name, s->count, bench_samples_percentile_ms(s, 0.5), bench_samples_percentile_ms(s, 0.99),
		bench_samples_percentile_ms(s, 0.999), bench_samples_percentile_ms(s, 1));
}

static void print(struct take *t)
{
	printf("{\"events\":%" PRIu64 ",\"critical\":%" PRIu64 ",\"batches\":%" PRIu64 ",\"groups\":%" PRIu64
	       ",\"opened\":%" PRIu64 ",\"first_us\":%" PRId64 ",\"last_us\":%" PRId64
	       ",\"bytes_per_event\":%.1f,\"frame_bytes_per_event\":%.1f,\"plain_bytes_per_event\":%.1f",
		t->events, t->critical, t->batches, t->groups, t->opened, t->first_us, t->last_us,
		(double)t->bytes / (double)t->all_events, (double)t->frame_bytes / (double)t->all_events,
		(double)t->plain_bytes / (double)t->all_events);
	print_age("age", &t->age);
	print_age("critical_age", &t->critical_age);
	printf("}\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		{ "events", required_argument, NULL, 'e' }, { "open", no_argument, NULL, 'o' },
		{ "from-begin", no_argument, NULL, 'b' }, { "low-latency", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	struct take *t = calloc(1, sizeof *t);
	struct torap_error err;
	const char *config = NULL;
	if (!t)
		bench_fail("out of memory");
	for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (o == 'c')
			config = optarg;
		else if (o == 'e')
			t->wanted = bench_number("events", optarg, 1ULL << 40);
		else if (o == 'o')
			t->open_all = true;
		else if (o == 'b')
			t->from_begin = true;
		else if (o == 'l')
			t->app.low_latency = true;
		else {
			printf("usage: hop_take --config FOLLOW.yaml --events N [--open] [--from-begin] [--low-latency]\n"
			       "Receives and verifies a feed from now on, or all that its broker holds, until N events of devices have come; with "
			       "--open decodes all.\n"
			       "Says \"flowing\", then one line of JSON.\n");
			return o == 'h' ? 0 : 2;
		}
	}
	if (!config || !t->wanted)
		bench_fail("--config and --events are needed");
	if (follow_config_load(&t->config, config, &err))
		bench_fail("%s", err.text);
	start(t);
	int status = torap_app_run(&t->app);
	if (t->events >= t->wanted)
		print(t);
	else
		status = 1;
	torap_app_finish(&t->app);
	follow_streams_finish(&t->streams);
	torap_trust_unref(t->trust);
	follow_config_destroy(t->config);
	bench_samples_finish(&t->age);
	bench_samples_finish(&t->critical_age);
	free(t);
	return status;
}
