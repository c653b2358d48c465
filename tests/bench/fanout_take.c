/* fanout_take.c: many subscribers in one process, each with keys and sessions of its own, and as light as can be: nothing is verified,
 * opened or stored, for what is measured is their broker.
 *
 * Subscriber I is the feed "feed-I", granted what fan.h says.  Its keys are made of its number, so that `--policy` can write what a
 * broker's policy must say of it.
 * Says "flowing" when all have their welcome; each line on standard input asks for a line of JSON with what came since the start. */
#include <getopt.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "bench/fan.h"
#include "bench/samples.h"
#include "conf/keys.h"
#include "link/message.h"
#include "link/run.h"
#include "loop/app.h"
#include "loop/zlink.h"
#include "proto/session.pb-c.h"
#include "wire/batch.h"
#include "wire/envelope.h"
#include "wire/taxonomy.h"
#include "zmtp/turn.h"

enum {
	CREDIT = 4 << 20,
	DIALS = 10, /* a turn of the timer: a listener's backlog is short, and a handshake costs a millisecond */
	DIAL_MS = 20,
	STREAMS = 4, /* of a lane: the writer's, and the broker's own */
};

struct subscriber {
	struct take *take;
	unsigned number;
	uint8_t secret[TORAP_CURVE_KEY_SIZE], public[TORAP_CURVE_KEY_SIZE];
};

struct link {
	struct subscriber *subscriber;
	struct torap_zlink *zlink;
	struct torap_stream_position due[STREAMS]; /* to be acknowledged */
	unsigned due_count;
	struct link *next_due;
};

struct take {
	struct torap_app app;
	struct torap_zmtp_turn *turns;
	struct torap_zlink_peer broker;
	struct subscriber *subscribers;
	struct link *links, *due;
	unsigned count, lanes, links_count, opened, flowing;
	bool said;
	uv_timer_t dialling;
	uv_check_t turn;
	uv_pipe_t input;
	char room[256];
	uint64_t batches, runs, manifests, heads, bytes, lost;
};

static void make_keys(uint8_t *public, uint8_t *secret, unsigned number)
{
	uint8_t seed[crypto_box_SEEDBYTES] = { (uint8_t)number, (uint8_t)(number >> 8),
		(uint8_t)(number >> 16), 'b' };
	crypto_box_seed_keypair(public, secret, seed);
}

/* The policy. */

static void print_feed(unsigned number, enum fan_share share)
{
	uint8_t public[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	char text[2 * TORAP_CURVE_KEY_SIZE + 1];
	struct fan_grant grant = fan_grant(number, share);
	make_keys(public, secret, number);
	torap_hex(text, torap_bytes(public, sizeof public));
	printf("  - name: feed-%u\n    keys: [\"%s\"]\n    legal_basis: bench\n    from: 2020-01-01\n    until: 2099-01-01\n"
	       "    rows:\n      - { regions: [\"%u\"], parts: [open]",
		number, text, FAN_REGION);
	if (grant.facility)
		printf(", facilities: [%s]", torap_facility_name(grant.facility));
	if (grant.kind)
		printf(", kinds: [%s]", torap_kind_name(grant.kind));
	printf(" }\n");
}

/* What comes. */

static void due(struct link *l, const struct torap_stream_id *stream, const struct torap_batch *last)
{
	struct take *t = l->subscriber->take;
	unsigned i = 0;
	while (i < l->due_count && !torap_stream_id_equal(&l->due[i].stream, stream))
		i++;
	if (i == STREAMS)
		bench_fail("more streams than there are");
	if (l->due_count == 0) {
		l->next_due = t->due;
		t->due = l;
	}
	if (i == l->due_count)
		l->due_count++;
	l->due[i].stream = *stream;
	torap_position_advance(&l->due[i].at, last->manifest);
}

static void on_batch(
	struct link *l, const struct torap_envelope *envelope, struct torap_buffer **frames, size_t count)
{
	struct torap_batch *b;
	struct torap_error err;
	if (torap_batch_from_frames(&b, envelope, frames, count, &err))
		bench_fail("a batch that cannot be read: %s", err.text);
	due(l, &envelope->stream, b);
	l->subscriber->take->batches++;
	torap_batch_destroy(b);
}

/* Only the last is looked at: it says where the stream stands. */
static void on_run(struct link *l, const struct torap_envelope *envelope, struct torap_bytes body)
{
	struct torap_run run;
	struct torap_batch *b;
	struct torap_error err;
	if (torap_run_decode(&run, body, &err))
		bench_fail("a run that cannot be read: %s", err.text);
	struct torap_buffer *copy = torap_buffer_copy(run.manifests[run.count - 1]);
	if (!copy || torap_batch_create(&b, copy, &err))
		bench_fail("a manifest that cannot be read");
	due(l, &envelope->stream, b);
	l->subscriber->take->runs++;
	l->subscriber->take->manifests += run.count;
	torap_batch_destroy(b);
	torap_buffer_unref(copy);
	torap_run_finish(&run);
}

static void on_message(void *hint, struct torap_zlink *zlink, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count)
{
	struct link *l = hint;
	struct take *t = l->subscriber->take;
	for (size_t i = 0; i < count; i++)
		t->bytes += frames[i] ? frames[i]->size : 0;
	if (envelope->type == TORAP__MESSAGE_TYPE__MESSAGE_WELCOME)
		torap_zlink_welcomed(zlink);
	else if (envelope->type == TORAP__MESSAGE_TYPE__MESSAGE_BATCH)
		on_batch(l, envelope, frames, count);
	else if (envelope->type == TORAP__MESSAGE_TYPE__MESSAGE_RUN && count == 1)
		on_run(l, envelope, torap_buffer_bytes(frames[0]));
	else if (envelope->type == TORAP__MESSAGE_TYPE__MESSAGE_HEAD)
		t->heads++;
}

static void on_change(void *hint, struct torap_zlink *zlink, enum torap_dial_state before)
{
	struct take *t = ((struct link *)hint)->subscriber->take;
	t->flowing += torap_zlink_flowing(zlink);
	t->flowing -= before == TORAP_DIAL_FLOWING;
	t->lost += before == TORAP_DIAL_FLOWING && !t->app.stopping;
	if (t->flowing == t->links_count && !t->said) {
		t->said = true;
		printf("flowing\n");
		fflush(stdout);
	}
}

/* Once a turn of the loop: all that came in it. */
static void on_turn(uv_check_t *turn)
{
	struct take *t = turn->data;
	while (t->due) {
		struct link *l = t->due;
		t->due = l->next_due;
		struct torap_buffer *body = torap_ack_encode(l->due, l->due_count);
		l->due_count = 0;
		if (!body)
			bench_fail("out of memory");
		torap_zlink_send(l->zlink, TORAP__MESSAGE_TYPE__MESSAGE_ACK, body);
		torap_buffer_unref(body);
	}
}

/* Sessions. */

static struct torap_buffer *on_hello(void *hint, uint8_t lane)
{
	const struct link *l = hint;
	struct torap_hello hello = { .version = 1,
		.role = TORAP__ROLE__ROLE_SUBSCRIBER,
		.lane = lane,
		.credit_bytes = CREDIT,
		.start = TORAP__START__START_NOW,
		.software = "fanout_take" };
	snprintf(hello.name, sizeof hello.name, "feed-%u", l->subscriber->number);
	return torap_hello_encode(&hello);
}

static void on_dialling(uv_timer_t *timer)
{
	struct take *t = timer->data;
	struct torap_error err;
	for (unsigned i = 0; i < DIALS && t->opened < t->links_count; i++) {
		struct link *l = &t->links[t->opened];
		struct torap_zlink_options options = { .loop = &t->app.loop,
			.turn = t->turns,
			/* The lane of the batches alone, that of alarms as well, or all three. */
			.lane = (uint8_t)(t->lanes == 1 ? TORAP__LANE__LANE_NORMAL
							: TORAP__LANE__LANE_CRITICAL + t->opened % t->lanes),
			.secret_key = l->subscriber->secret,
			.public_key = l->subscriber->public,
			.peers = &t->broker,
			.peers_count = 1,
			.hello = on_hello,
			.on_message = on_message,
			.on_change = on_change,
			.hint = l };
		if (torap_zlink_open(&l->zlink, &options, &err))
			bench_fail("%s", err.text);
		t->opened++;
	}
	if (t->opened == t->links_count)
		uv_timer_stop(timer);
}

static void on_stop(void *hint)
{
	struct take *t = hint;
	for (unsigned i = 0; i < t->opened; i++)
		torap_zlink_close(t->links[i].zlink, NULL, NULL);
	torap_zmtp_turn_close(t->turns);
	uv_close((uv_handle_t *)&t->turn, NULL);
	uv_close((uv_handle_t *)&t->dialling, NULL);
	uv_close((uv_handle_t *)&t->input, NULL);
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
	struct take *t = handle->data;
	(void)size;
	*out = uv_buf_init(t->room, sizeof t->room);
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *bytes)
{
	struct take *t = stream->data;
	if (size < 0)
		torap_app_stop(&t->app);
	for (ssize_t i = 0; i < size; i++)
		if (bytes->base[i] == '\n')
			printf("{\"links\":%u,\"flowing\":%u,\"lost\":%" PRIu64 ",\"batches\":%" PRIu64
			       ",\"runs\":%" PRIu64 ",\"manifests\":%" PRIu64 ",\"heads\":%" PRIu64
			       ",\"bytes\":%" PRIu64 "}\n",
				t->links_count, t->flowing, t->lost, t->batches, t->runs, t->manifests,
				t->heads, t->bytes);
	fflush(stdout);
}

static void start(struct take *t)
{
	struct torap_error err;
	t->app.hint = t;
	t->app.on_stop = on_stop;
	if (torap_app_init(&t->app, &err) || torap_zmtp_turn_create(&t->turns, &t->app.loop, &err))
		bench_fail("%s", err.text);
	uv_check_init(&t->app.loop, &t->turn);
	uv_timer_init(&t->app.loop, &t->dialling);
	if (uv_pipe_init(&t->app.loop, &t->input, 0) || uv_pipe_open(&t->input, 0))
		bench_fail("standard input is no pipe");
	t->turn.data = t->dialling.data = t->input.data = t;
	uv_check_start(&t->turn, on_turn);
	uv_timer_start(&t->dialling, on_dialling, 0, DIAL_MS);
	uv_read_start((uv_stream_t *)&t->input, on_room, on_input);
}

static void make_subscribers(struct take *t, unsigned first)
{
	t->links_count = t->count * t->lanes;
	t->subscribers = calloc(t->count, sizeof *t->subscribers);
	t->links = calloc(t->links_count, sizeof *t->links);
	if (!t->subscribers || !t->links)
		bench_fail("out of memory");
	for (unsigned i = 0; i < t->count; i++) {
		t->subscribers[i].take = t;
		t->subscribers[i].number = first + i;
		make_keys(t->subscribers[i].public, t->subscribers[i].secret, first + i);
	}
	for (unsigned i = 0; i < t->links_count; i++)
		t->links[i].subscriber = &t->subscribers[i / t->lanes];
}

static void usage(int status)
{
	printf("usage: fanout_take --policy SHARE --feeds N              writes the feeds of a policy; SHARE is 0.1, 1 or 100 (percent)\n"
	       "       fanout_take --broker tcp://HOST:PORT --broker-key BROKER.pub --feeds N [--first I] [--lanes 1|2|3]\n"
	       "Subscribes to N feeds at once; each line of input asks for a line of JSON.\n");
	exit(status);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "policy", required_argument, NULL, 'p' },
		{ "feeds", required_argument, NULL, 'f' }, { "first", required_argument, NULL, 'i' },
		{ "lanes", required_argument, NULL, 'l' }, { "broker", required_argument, NULL, 'b' },
		{ "broker-key", required_argument, NULL, 'B' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	struct take t = { .lanes = 3 };
	const char *share = NULL, *key = NULL;
	unsigned first = 0;
	struct torap_error err;
	struct torap_keys broker;
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'p')
			share = optarg;
		else if (c == 'f')
			t.count = (unsigned)bench_number("feeds", optarg, 1 << 16);
		else if (c == 'i')
			first = (unsigned)bench_number("first", optarg, 1 << 16);
		else if (c == 'l')
			t.lanes = (unsigned)bench_number("lanes", optarg, 3);
		else if (c == 'b')
			t.broker.endpoint = optarg;
		else if (c == 'B')
			key = optarg;
		else
			usage(c == 'h' ? 0 : 2);
	}
	if (sodium_init() < 0 || t.count == 0 || t.lanes == 0)
		usage(2);
	if (share) {
		enum fan_share read;
		if (!fan_share_read(&read, share))
			usage(2);
		printf("feeds:\n");
		for (unsigned i = 0; i < t.count; i++)
			print_feed(i, read);
		return 0;
	}
	if (!t.broker.endpoint || !key)
		usage(2);
	if (torap_keys_load_public(&broker, key, &err))
		bench_fail("%s", err.text);
	t.broker.name = broker.name;
	memcpy(t.broker.key, broker.curve_public, sizeof t.broker.key);
	torap_log_level(TORAP_LOG_WARNING); /* Not a line for each of thousands. */
	make_subscribers(&t, first);
	start(&t);
	int status = torap_app_run(&t.app);
	torap_app_finish(&t.app);
	free(t.subscribers);
	free(t.links);
	return status;
}
