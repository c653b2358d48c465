#include "agents/follow/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agents/follow/inside.h"
#include "agents/follow/verify.h"
#include "loop/app.h"
#include "link/message.h"
#include "link/run.h"
#include "store/journal_rows.h"
#include "store/kv_key.h"
#include "tests/unit/agents/follow/received.h"
#include "zmtp/listener.h"
#include "zmtp/turn.h"

/* A subscriber and a broker of a few lines on one loop, over real sockets.  The broker says on each hello what the test has
 * prepared, and counts. */

enum { MESSAGES_MAX = 64, DEADLINE_MS = 20000 };

struct message {
	uint32_t type; /* BATCH, RUN or HEAD */
	struct torap_batch *batch;
	struct torap_buffer *body;
};

/* The disk has no block left.  Our own definition of the C library's function, for LMDB's file, too. */
static atomic_bool disk_full;

int fallocate(int fd, int mode, off_t offset, off_t size)
{
	if (!disk_full)
		return (int)syscall(SYS_fallocate, fd, mode, offset, size);
	errno = ENOSPC;
	return -1;
}

static struct received t;
static struct follow_config config;
static struct torap_zlink_peer brokers[2];
static struct {
	uv_loop_t loop;
	struct torap_zmtp_turn *turns;
	struct torap_zmtp_listener *listener;
	struct torap_zmtp_counts counts;
	uv_timer_t deadline;
	uv_prepare_t turn;
	struct follow *follow;
	struct torap_keys keys, feed;
	struct torap_buffer *trust; /* that it passes on */
	struct message messages[MESSAGES_MAX];
	size_t messages_count;
	struct torap_stream_position begin; /* told in the welcome when its next_batch is not 0 */
	unsigned hellos;                    /* of the lane under test */
	uint64_t said_next;                 /* the position in the last of them */
	uint64_t acked;                     /* next_batch of the last acknowledgement */
	struct torap_mono full_since;
	bool hang_up; /* the session of the lane under test ends, once */
	bool late;    /* the messages go with the first heartbeat, once */
	const struct torap_zmtp_peer *late_to;
	bool (*enough)(void);
	bool closing;
	struct follow_totals totals;
} w;

static void make(void)
{
	struct torap_error err;
	received_make(&t);
	received_close(&t);
	place_remove(&t.place); /* the subscriber makes its own */
	place_make(&t.place);
	cr_assert_eq(torap_keys_create(&w.keys, "broker", &err), 0);
	cr_assert_eq(torap_keys_create(&w.feed, "feed", &err), 0);
	w.trust = torap_buffer_ref(t.signed_trust);
	config = (struct follow_config){ .feed = (char *)"feed",
		.keys = w.feed,
		.dir = t.place.dir,
		.dir_bytes = RECEIVED_BYTES,
		.brokers = brokers,
		.brokers_count = 1,
		.credit_bytes = 1 << 20 };
	memcpy(config.root, t.root.sign.public, sizeof config.root);
}

static void clean(void)
{
	for (size_t i = 0; i < w.messages_count; i++) {
		torap_batch_destroy(w.messages[i].batch);
		torap_buffer_unref(w.messages[i].body);
	}
	torap_buffer_unref(w.trust);
	received_remove(&t);
}

TestSuite(follow, .init = make, .fini = clean);

static void prepare(uint32_t type, struct torap_batch *batch, struct torap_buffer *body)
{
	cr_assert_lt(w.messages_count, MESSAGES_MAX);
	w.messages[w.messages_count++] = (struct message){ type, batch, body };
}

static void prepare_batch(struct torap_batch *b)
{
	prepare(TORAP__MESSAGE_TYPE__MESSAGE_BATCH, b, NULL);
}

/* The broker. */

static bool admit(void *hint, const uint8_t key[static TORAP_CURVE_KEY_SIZE], const char *address)
{
	(void)hint;
	(void)address;
	return memcmp(key, w.feed.curve_public, 32) == 0;
}

static void send_frames(struct torap_zmtp_peer *to, struct torap_buffer **frames, size_t count)
{
	cr_assert(torap_zmtp_send(to, frames, count));
}

static void send_body(struct torap_zmtp_peer *to, uint32_t type, struct torap_buffer *body)
{
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	struct torap_buffer *frames[2] = { type == TORAP__MESSAGE_TYPE__MESSAGE_WELCOME
						   ? torap_envelope_plain(type)
						   : torap_envelope_stream(type, &stream, 1),
		body };
	send_frames(to, frames, 2);
	torap_buffer_unref(frames[0]);
}

static void say_busy(struct torap_zmtp_peer *to)
{
	struct torap_refusal refusal = { .code = TORAP__REFUSAL__CODE__BUSY, .reason = "later" };
	struct torap_buffer *frames[2] = { torap_envelope_plain(TORAP__MESSAGE_TYPE__MESSAGE_REFUSAL),
		torap_refusal_encode(&refusal) };
	send_frames(to, frames, 2);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(frames[1]);
}

static void send_batch(struct torap_zmtp_peer *to, const struct torap_batch *b)
{
	struct torap_buffer *frames[TORAP_BATCH_MESSAGE_MAX];
	send_frames(to, frames, torap_batch_to_frames(frames, b));
	torap_buffer_unref(frames[0]);
}

static void send_messages(struct torap_zmtp_peer *to)
{
	for (size_t i = 0; i < w.messages_count; i++)
		if (w.messages[i].batch)
			send_batch(to, w.messages[i].batch);
		else
			send_body(to, w.messages[i].type, w.messages[i].body);
}

static void answer_hello(struct torap_zmtp_peer *from, struct torap_bytes body)
{
	struct torap_hello hello;
	struct torap_error err;
	cr_assert_eq(torap_hello_decode(&hello, body, &err), 0, "%s", err.text);
	struct torap_grant_row row = { .parts = { false, true, true, false } };
	struct torap_welcome welcome = { .version = 1,
		.broker = "broker",
		.granted = &row,
		.granted_count = 1,
		.trust = w.trust,
		.heartbeat_ms = 1000,
		.credit_bytes = 1 << 20 };
	if (hello.lane == RECEIVED_LANE && w.begin.at.next_batch) {
		welcome.positions = &w.begin;
		welcome.positions_count = 1;
	}
	struct torap_buffer *out = torap_welcome_encode(&welcome);
	send_body(from, TORAP__MESSAGE_TYPE__MESSAGE_WELCOME, out);
	torap_buffer_unref(out);
	if (hello.lane == RECEIVED_LANE) {
		w.hellos++;
		w.said_next = hello.positions_count ? hello.positions[0].at.next_batch : 0;
		if (w.late)
			w.late_to = from;
		else
			send_messages(from);
		if (w.hang_up)
			say_busy(from);
		w.hang_up = false;
	}
	torap_hello_finish(&hello);
}

static void take_ack(struct torap_bytes body)
{
	struct torap_stream_position *positions;
	size_t count;
	struct torap_error err;
	cr_assert_eq(torap_ack_decode(&positions, &count, body, &err), 0, "%s", err.text);
	for (size_t i = 0; i < count; i++)
		if (positions[i].stream.lane == RECEIVED_LANE)
			w.acked = positions[i].at.next_batch;
	torap_positions_destroy(positions, count);
}

static void on_message(void *hint, struct torap_zmtp_peer *from, struct torap_buffer **frames, size_t count)
{
	static struct torap_envelope e;
	(void)hint;
	cr_assert_eq(torap_envelope_decode(&e, torap_buffer_bytes(frames[0]), NULL), 0);
	if (e.type == TORAP__MESSAGE_TYPE__MESSAGE_HELLO) {
		cr_assert_eq(count, 2u);
		answer_hello(from, torap_buffer_bytes(frames[1]));
	} else if (e.type == TORAP__MESSAGE_TYPE__MESSAGE_ACK) {
		cr_assert_eq(count, 2u);
		take_ack(torap_buffer_bytes(frames[1]));
	} else if (w.late && w.late_to == from) {
		w.late = false;
		send_messages(from);
	}
}

static void on_gone(void *hint, struct torap_zmtp_peer *peer)
{
	(void)hint;
	if (w.late_to == peer)
		w.late_to = NULL;
}

static void on_peers_turn(void *hint)
{
	(void)hint;
}

/* The run. */

static void close_all(void)
{
	if (w.closing)
		return;
	w.closing = true;
	w.totals = follow_totals(w.follow);
	follow_close(w.follow, NULL, NULL);
	torap_zmtp_close(w.listener, NULL, NULL);
	torap_zmtp_turn_close(w.turns);
	uv_close((uv_handle_t *)&w.deadline, NULL);
	uv_close((uv_handle_t *)&w.turn, NULL);
}

static void on_deadline(uv_timer_t *timer)
{
	(void)timer;
	cr_assert(false, "waited in vain; %u hellos, acknowledged to %" PRIu64, w.hellos, w.acked);
}

static void on_turn(uv_prepare_t *turn)
{
	(void)turn;
	if (w.enough())
		close_all();
}

static void on_end(void *hint, const char *why)
{
	(void)hint;
	cr_assert(false, "it ended: %s", why ? why : "");
}

static void run_until(bool (*enough)(void))
{
	struct torap_error err = { "" };
	struct torap_zmtp_options server = { .secret_key = w.keys.curve_secret,
		.public_key = w.keys.curve_public,
		.counts = &w.counts,
		.admit = admit,
		.on_message = on_message,
		.on_gone = on_gone,
		.on_turn = on_peers_turn };
	char endpoint[128];
	w.enough = enough;
	w.closing = false;
	w.hellos = 0;
	w.acked = 0;
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&w.loop);
	cr_assert_eq(torap_zmtp_turn_create(&w.turns, &w.loop, &err), 0, "%s", err.text);
	server.turn = w.turns;
	cr_assert_eq(torap_zmtp_listen(&w.listener, "tcp://127.0.0.1:0", &server, &err), 0, "%s", err.text);
	torap_zmtp_endpoint(w.listener, endpoint, sizeof endpoint);
	struct torap_zlink_peer good = { .name = (char *)"good", .endpoint = endpoint };
	memcpy(good.key, w.keys.curve_public, sizeof good.key);
	brokers[config.brokers_count - 1] = good;

	uv_timer_init(&w.loop, &w.deadline);
	uv_timer_start(&w.deadline, on_deadline, DEADLINE_MS, 0);
	uv_prepare_init(&w.loop, &w.turn);
	uv_prepare_start(&w.turn, on_turn);
	struct follow_options options = { .config = &config, .on_end = on_end };
	cr_assert_eq(follow_open(&w.follow, &w.loop, &options, &err), 0, "%s", err.text);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&w.loop), 0);
}

static unsigned problems;
static uint64_t batches, events;

static void on_problem(void *hint, const struct follow_problem *p)
{
	(void)hint;
	(void)p;
	problems++;
}

static void on_lagging(void *hint, const struct follow_lagging *l)
{
	(void)hint;
	(void)l;
}

static void verify(void)
{
	struct follow_verify_options options = {
		.root = config.root, .on_problem = on_problem, .on_lagging = on_lagging
	};
	struct follow_verified v;
	struct torap_error err;
	problems = 0;
	cr_assert_eq(follow_verify(&v, t.place.dir, &options, &err), 0, "%s", err.text);
	batches = v.batches;
	events = v.events;
}

static bool acked_3(void)
{
	return w.acked == 4;
}

/* The first of them is acknowledged with all that is flushed, perhaps before the others are here. */
static bool three_again(void)
{
	return w.acked == 4 && w.follow && follow_totals(w.follow).duplicates == 3;
}

static bool one_stored_and_one_refused(void)
{
	return w.follow && follow_totals(w.follow).refused >= 1 && follow_totals(w.follow).batches >= 1;
}

static bool trust_refused(void)
{
	return w.follow && follow_totals(w.follow).refused >= 1;
}

Test(follow, stores_and_acknowledges_batches_and_goes_on_there_after_a_restart)
{
	for (int i = 0; i < 2; i++)
		prepare_batch(received_seal(&t, 2));
	prepare_batch(received_seal(&t, 1));
	run_until(acked_3);
	cr_assert_eq(w.said_next, 0, "nothing is known at first");
	verify();
	cr_assert_eq(problems, 0);
	cr_assert_eq(batches, 3);
	cr_assert_eq(events, 5);

	run_until(
		three_again); /* The broker sends all of it again: a duplicate is acknowledged, not stored. */
	cr_assert_eq(w.said_next, 4, "the cursor is in the hello");
	cr_assert_eq(w.totals.duplicates, 3);
	cr_assert_eq(w.totals.batches, 0);
	verify();
	cr_assert_eq(problems, 0);
	cr_assert_eq(batches, 3);
}

Test(follow, never_stores_what_is_not_what_was_signed)
{
	struct torap_batch *good = received_seal(&t, 2), *bad = received_seal(&t, 2);
	bad->frames[0]->data[20] ^= 1;
	prepare_batch(good);
	prepare_batch(bad);
	run_until(one_stored_and_one_refused);
	verify();
	cr_assert_eq(problems, 0);
	cr_assert_eq(batches, 1);
}

Test(follow, never_stores_a_batch_that_leaves_a_gap)
{
	prepare_batch(received_seal(&t, 2));
	torap_batch_destroy(received_seal(&t, 2));
	prepare_batch(received_seal(&t, 2));
	run_until(one_stored_and_one_refused);
	verify();
	cr_assert_eq(problems, 0);
	cr_assert_eq(batches, 1);
}

Test(follow, keeps_the_proof_of_a_fork)
{
	prepare_batch(received_seal(&t, 2));
	struct torap_sealer *other = fixture_sealer(RECEIVED_LANE, &t.key);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(fixture_add(other, fixture_class(RECEIVED_REGION, PANIC), "1", NULL, NULL), 0);
		cr_assert_eq(fixture_add(other, fixture_class(RECEIVED_REGION, PANIC), "2", NULL, NULL), 0);
		struct torap_batch *b = fixture_seal(other);
		if (i == 1)
			prepare_batch(b);
		else
			torap_batch_destroy(b);
	}
	torap_sealer_destroy(other);
	run_until(one_stored_and_one_refused);
	verify();
	cr_assert_gt(problems, 0, "verify must tell of it");
	cr_assert_eq(batches, 1);
}

enum { HEADS = 3 * FOLLOW_PROOFS_MAX };

static bool proved_by_each_head(void)
{
	return w.follow && follow_totals(w.follow).proofs >= HEADS;
}

static uint64_t stored_proofs(void)
{
	struct torap_kv_txn txn;
	uint64_t count = 0;
	received_open(&t);
	torap_kv_begin(&txn, t.kv, false);
	cr_assert_eq(torap_kv_count(&txn, FOLLOW_PROOFS, &count), 0);
	torap_kv_abort(&txn);
	received_close(&t);
	return count;
}

/* A writer gone mad: it said batch 5, and then batch 1 without an end. */
Test(follow, keeps_so_many_proofs_of_a_stream_and_no_more)
{
	struct torap_sealer *mad = fixture_sealer(RECEIVED_LANE, &t.key);
	cr_assert_eq(fixture_add(mad, fixture_class(RECEIVED_REGION, PANIC), "1", NULL, NULL), 0);
	torap_batch_destroy(fixture_seal(mad));
	for (int i = 0; i < 5; i++)
		torap_batch_destroy(received_seal(&t, 1));
	prepare(TORAP__MESSAGE_TYPE__MESSAGE_HEAD, NULL, torap_sealer_head(t.sealer, sealed_at));
	for (int i = 1; i <= HEADS; i++)
		prepare(TORAP__MESSAGE_TYPE__MESSAGE_HEAD, NULL,
			torap_sealer_head(mad, (struct torap_wall){ sealed_at.us + i * TORAP_US_PER_S }));
	torap_sealer_destroy(mad);
	run_until(proved_by_each_head);
	uint64_t stored = stored_proofs();
	cr_expect(stored > 1 && stored <= FOLLOW_PROOFS_MAX, "%" PRIu64 " are stored", stored);
}

static bool acked_two(void)
{
	return w.acked == 3;
}

static bool two_came_again(void)
{
	struct follow_totals totals = follow_totals(w.follow);
	return totals.duplicates + totals.mended + totals.proofs >= 2;
}

/* Batch 1 becomes one that no key is known of, batch 2, which names it, cannot be read. */
static void damage_both(void)
{
	static const uint8_t junk[40];
	struct torap_sign_key strange = fixture_key(9);
	struct torap_sealer *other = fixture_sealer(RECEIVED_LANE, &strange);
	cr_assert_eq(fixture_add(other, fixture_class(RECEIVED_REGION, PANIC), "1", "anna", NULL), 0);
	struct torap_batch *b = fixture_seal(other);
	struct torap_kv_key two = torap_rows_batch_key(1, 2);
	struct torap_kv_txn txn;
	received_open(&t);
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(torap_rows_manifest_put(&txn, 1, b, sealed_at), 0);
	torap_kv_put(&txn, ROWS_MANIFESTS, torap_kv_key_bytes(&two), torap_bytes(junk, sizeof junk));
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	received_close(&t);
	torap_batch_destroy(b);
	torap_sealer_destroy(other);
}

Test(follow, calls_nobody_a_liar_for_what_is_damaged_here)
{
	prepare_batch(received_seal(&t, 1));
	prepare_batch(received_seal(&t, 1));
	run_until(acked_two);
	damage_both();
	run_until(two_came_again);
	cr_expect_eq(w.totals.proofs, 0);
	cr_expect_eq(w.totals.mended, 1);
}

Test(follow, believes_no_trust_file_of_another_root)
{
	struct torap_keys other;
	struct torap_error err;
	cr_assert_eq(torap_keys_create(&other, "other", &err), 0);
	memcpy(config.root, other.sign.public, sizeof config.root);
	prepare_batch(received_seal(&t, 2));
	run_until(trust_refused);
	cr_assert_eq(w.totals.batches, 0);
}

Test(follow, counts_granted_frames_that_are_withheld)
{
	struct torap_batch *b = received_seal(&t, 2);
	b->frames[1] = torap_buffer_unref(b->frames[1]);
	b->omissions[1] = NOT_GRANTED;
	prepare_batch(b);
	prepare_batch(received_seal(&t, 1));
	prepare_batch(received_seal(&t, 1));
	run_until(acked_3);
	cr_assert_eq(w.totals.withheld, 1);
	verify();
	cr_assert_eq(problems, 1);
}

Test(follow, takes_the_manifests_of_a_run_for_batches_of_which_nothing_is_granted)
{
	struct torap_buffer *manifests[3];
	for (int i = 0; i < 3; i++) {
		struct torap_batch *b;
		cr_assert_eq(
			fixture_add(t.sealer, fixture_class(RECEIVED_REGION, PANIC), "1", NULL, NULL), 0);
		b = fixture_seal(t.sealer);
		manifests[i] = torap_buffer_ref(b->signed_manifest);
		torap_batch_destroy(b);
	}
	prepare(TORAP__MESSAGE_TYPE__MESSAGE_RUN, NULL, torap_run_encode(manifests, 3));
	for (int i = 0; i < 3; i++)
		torap_buffer_unref(manifests[i]);
	run_until(acked_3);
	cr_assert_eq(w.totals.withheld, 3, "this feed was granted all of it");
	verify();
	cr_assert_eq(batches, 3);
	cr_assert_eq(events, 0);
}

Test(follow, goes_to_the_next_broker_when_one_does_not_answer)
{
	config.brokers_count = 2;
	brokers[0] =
		(struct torap_zlink_peer){ .name = (char *)"gone", .endpoint = (char *)"tcp://127.0.0.1:1" };
	memcpy(brokers[0].key, w.keys.curve_public, 32);
	for (int i = 0; i < 3; i++)
		prepare_batch(received_seal(&t, 1));
	run_until(acked_3);
	cr_assert_eq(w.totals.batches, 3);
}

static void begin_at(uint64_t next_batch, const struct torap_batch *before)
{
	w.begin = (struct torap_stream_position){ .stream = fixture_stream(RECEIVED_LANE),
		.at = { .next_batch = next_batch, .has_digest = true } };
	memcpy(w.begin.at.last_digest, before->manifest->digest, TORAP_DIGEST_SIZE);
}

/* A broker that keeps the beginning back must not make a complete directory of it. */
Test(follow, tells_of_a_broker_that_begins_after_the_beginning)
{
	struct torap_batch *first = received_seal(&t, 2);
	begin_at(2, first);
	prepare_batch(received_seal(&t, 2));
	prepare_batch(received_seal(&t, 1));
	run_until(acked_3);
	torap_batch_destroy(first);
	verify();
	cr_assert_eq(batches, 2);
	cr_assert_eq(problems, 1, "batch 1 was asked for and never came");
}

/* A broker's lie about where a stream stands is no proof against the stream's writer, and holds nothing up. */
Test(follow, proves_nothing_by_what_a_broker_says)
{
	struct torap_batch *first = received_seal(&t, 2), *second = received_seal(&t, 2);
	begin_at(2, second);
	prepare_batch(second);
	run_until(acked_two);
	torap_batch_destroy(first);
	cr_assert_eq(w.totals.proofs, 0);
	verify();
	cr_assert_eq(batches, 1);
	cr_assert_eq(problems, 1, "batch 1 never came");
}

Test(follow, takes_no_digest_of_what_is_before_batch_1)
{
	struct torap_batch *first = received_seal(&t, 2), *second = received_seal(&t, 2);
	begin_at(1, second);
	prepare_batch(first);
	prepare_batch(second);
	run_until(acked_two);
	cr_assert_eq(w.totals.proofs, 0);
	verify();
	cr_assert_eq(batches, 2);
	cr_assert_eq(problems, 0);
}

/* No room.  The broker of these tests sends all that it has at each hello, whatever the position and the credit. */

/* Nothing is acknowledged for some seconds, and that is said; then there is room. */
static bool acked_3_after_some_seconds(void)
{
	if (!w.follow || !follow_shelf_waits(&w.follow->shelf))
		return w.full_since.us && w.acked == 4;
	struct torap_mono now = torap_app_mono();
	if (!w.full_since.us)
		w.full_since = now;
	if (!torap_mono_reached(torap_mono_add_ms(w.full_since, 2500), now))
		return false;
	if (disk_full) {
		unsigned waiting = 0;
		for (const struct follow_job *j = follow_shelf_first(&w.follow->shelf); j; j = j->next)
			waiting++;
		cr_assert_leq(waiting, 3 + 3, "more than a welcome of each lane and the batches waits: %u",
			waiting);
		cr_assert(w.follow->full.store);
		cr_assert_eq(w.acked, 0);
		cr_assert(torap_zlink_flowing(w.follow->lanes[RECEIVED_LANE].link));
	}
	disk_full = false;
	return false;
}

static void check_all_are_there_once(void)
{
	cr_assert_eq(w.totals.batches, 3);
	verify();
	cr_assert_eq(problems, 0);
	cr_assert_eq(batches, 3);
}

static void receive_3_on_a_full_disk(void)
{
	for (int i = 0; i < 3; i++)
		prepare_batch(received_seal(&t, 1));
	disk_full = true;
	run_until(acked_3_after_some_seconds);
	check_all_are_there_once();
}

Test(follow, waits_for_room_and_goes_on_in_the_same_session)
{
	receive_3_on_a_full_disk();
	cr_assert_eq(w.hellos, 1);
	cr_assert_eq(w.totals.duplicates, 0);
}

/* What comes again in the next session is put aside already. */
Test(follow, keeps_nothing_twice_when_the_session_ends_while_there_is_no_room)
{
	w.hang_up = true;
	receive_3_on_a_full_disk();
	cr_assert_eq(w.hellos, 2);
	cr_assert_eq(w.totals.duplicates, 0);
}

Test(follow, puts_no_more_aside_than_its_credit_and_asks_again)
{
	config.credit_bytes = 1;
	w.late = true; /* By then it is known that there is no room. */
	receive_3_on_a_full_disk();
	cr_assert_geq(w.hellos, 2);
}
