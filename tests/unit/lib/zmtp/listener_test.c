#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hall.h"
#include "kit/temporary.h"

enum { CROWD = 16000 };

Test(listener, admits_who_asks_again_and_tells_nobody_else_anything)
{
	struct hall h;
	hall_init(&h, "tcp://127.0.0.1:*");
	h.admitted = STRANGE;
	void *d = dial(&h);
	say(d, "hello");
	run_until(&h, h.counts.refused == 1);
	cr_assert_eq(h.messages, 0u);
	h.admitted = KNOWN; /* It asks again when its handshake has taken too long, after 5 s. */
	hear(&h, d, "hello");
	cr_assert_eq(h.counts.refused, 1u);
	cr_assert_eq(h.gone, 0u, "who was never admitted cannot go");
	zmq_peer_close(d);
	hall_finish(&h);
}

Test(listener, ends_who_looks_for_another_server)
{
	struct hall h;
	uint8_t other[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	zmtp_keys(9, other, secret);
	hall_init(&h, "tcp://127.0.0.1:*");
	void *d = dial_as(&h, KNOWN, other);
	run_until(&h, h.counts.broken > 0);
	cr_assert_eq(h.asked, 0u);
	zmq_peer_close(d);
	hall_finish(&h);
}

Test(listener, tells_once_that_a_peer_has_gone_and_nothing_of_one_that_was_cut)
{
	struct hall h;
	hall_init(&h, "tcp://127.0.0.1:*");
	void *d = dial(&h);
	say(d, "one");
	hear(&h, d, "one");
	cr_assert_eq(torap_zmtp_mark(h.peer), &h);
	zmq_peer_close(d);
	run_until(&h, h.gone == 1 && h.counts.connections == 0);
	cr_assert_eq(h.gone_peer, h.peer);

	d = dial(&h);
	say(d, "two");
	hear(&h, d, "two");
	uint64_t accepted = h.counts.accepted;
	torap_zmtp_cut(h.peer, 0);
	run_until(&h, h.counts.accepted > accepted); /* libzmq dials again. */
	cr_assert_eq(h.gone, 1u);
	zmq_peer_close(d);
	hall_finish(&h);
}

Test(listener, lets_the_last_word_through_before_it_cuts)
{
	struct hall h;
	hall_init(&h, "tcp://127.0.0.1:*");
	h.manner = SAY_LAST_AND_CUT;
	void *d = dial(&h);
	say(d, "one");
	hear(&h, d, "last");
	uint64_t accepted = h.counts.accepted;
	say(d, "two"); /* is not heard any more */
	run_until(&h, h.counts.accepted > accepted);
	cr_assert_eq(h.messages, 1u);
	cr_assert_eq(h.gone, 0u);
	zmq_peer_close(d);
	hall_finish(&h);
}

Test(listener, cuts_also_who_is_marked_once_more)
{
	struct hall h;
	hall_init(&h, "tcp://127.0.0.1:*");
	void *d = dial(&h);
	say(d, "hello");
	hear(&h, d, "hello");
	uint64_t accepted = h.counts.accepted;
	torap_zmtp_cut(h.peer, CUT_LATER_MS);
	torap_zmtp_set_mark(h.peer, &h);
	run_until(&h, h.counts.accepted > accepted);
	zmq_peer_close(d);
	hall_finish(&h);
}

Test(listener, cuts_who_is_not_known_after_ten_seconds)
{
	struct hall h;
	hall_init(&h, "tcp://127.0.0.1:*");
	h.manner = ANSWER_A_STRANGER;
	void *d = dial(&h);
	say(d, "hello");
	hear(&h, d, "hello");
	cr_assert_eq(h.counts.broken, 0u);
	run_until(&h, h.counts.broken == 1);
	cr_assert_eq(h.gone, 1u);
	zmq_peer_close(d);
	hall_finish(&h);
}

Test(listener, answers_libzmqs_heartbeats)
{
	struct hall h;
	int interval = 20, timeout = 60;
	uint8_t key[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	hall_init(&h, "tcp://127.0.0.1:*");
	zmtp_keys(KNOWN, key, secret);
	void *dialler = zmq_socket(h.context, ZMQ_DEALER);
	zmq_setsockopt(dialler, ZMQ_CURVE_SERVERKEY, h.public, sizeof h.public);
	zmq_setsockopt(dialler, ZMQ_CURVE_PUBLICKEY, key, sizeof key);
	zmq_setsockopt(dialler, ZMQ_CURVE_SECRETKEY, secret, sizeof secret);
	zmq_setsockopt(dialler, ZMQ_HEARTBEAT_IVL, &interval, sizeof interval);
	zmq_setsockopt(dialler, ZMQ_HEARTBEAT_TIMEOUT, &timeout, sizeof timeout);
	cr_assert_eq(zmq_connect(dialler, h.endpoint), 0);
	cr_assert_eq(zmq_send(dialler, "hello", 5, 0), 5);
	run_until(&h, h.messages == 1);
	run_for(&h, 10 * timeout); /* Unanswered it would hang up and dial again, ten times. */
	cr_assert_eq(h.counts.accepted, 1u);
	cr_assert_eq(h.gone, 0u);
	zmq_peer_close(dialler);
	hall_finish(&h);
}

Test(listener, listens_where_it_is_told)
{
	static const char *const endpoints[] = { "tcp://127.0.0.1:*", "tcp://lo:*", "tcp://lo:0" };
	for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
		struct hall h;
		hall_init(&h, endpoints[i]);
		cr_assert_eq(strncmp(h.endpoint, "tcp://127.0.0.1:", 16), 0, "%s", h.endpoint);
		void *d = dial(&h);
		say(d, "hello");
		hear(&h, d, "hello");
		zmq_peer_close(d);
		hall_finish(&h);
	}
	struct hall all;
	hall_init(&all, "tcp://*:*");
	cr_assert_eq(strncmp(all.endpoint, "tcp://0.0.0.0:", 14), 0, "%s", all.endpoint);
	hall_finish(&all);
}

Test(listener, says_why_it_cannot_listen)
{
	struct hall h, other = { 0 };
	struct torap_error err;
	hall_init(&h, "tcp://127.0.0.1:*");
	uv_loop_init(&other.loop);
	cr_assert_eq(torap_zmtp_turn_create(&other.turn, &other.loop, &err), 0);
	cr_assert_eq(listen_at(&other, h.endpoint, &err), -EADDRINUSE);
	cr_assert(strstr(err.text, h.endpoint) && strstr(err.text, "in use"), "%s", err.text);
	cr_assert_lt(listen_at(&other, "tcp://192.0.2.1:9", &err), 0);
	cr_assert_lt(listen_at(&other, "tcp://nowhere:9", &err), 0);
	cr_assert_null(other.listener);
	torap_zmtp_turn_close(other.turn);
	uv_run(&other.loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&other.loop), 0);
	hall_finish(&h);
}

/* --- within the machine --- */

static void local_endpoint(char dir[static 64], char *endpoint, size_t size)
{
	temporary_dir(dir, 64, "zmtp");
	snprintf(endpoint, size, "ipc://%s/node.intake", dir);
}

Test(listener, talks_to_libzmq_within_the_machine)
{
	char dir[64], endpoint[128];
	struct hall h;
	local_endpoint(dir, endpoint, sizeof endpoint);
	hall_init(&h, endpoint);
	void *d = zmq_peer_dial(h.context, h.endpoint, NULL, NULL, NULL);
	say(d, "hello");
	hear(&h, d, "hello");
	cr_assert_eq(h.asked, 0u);
	zmq_peer_close(d);
	run_until(&h, h.gone == 1);
	hall_finish(&h);
	cr_assert_eq(rmdir(dir), 0, "the socket's file has stayed");
}

Test(listener, replaces_an_old_socket_file_and_gives_it_mode_0660)
{
	char dir[64], endpoint[128];
	struct hall h;
	struct stat st;
	local_endpoint(dir, endpoint, sizeof endpoint);
	cr_assert_eq(mknod(endpoint + 6, S_IFSOCK | 0777, 0), 0);
	hall_init(&h, endpoint);
	cr_assert_eq(stat(endpoint + 6, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0660);
	hall_finish(&h);
	rmdir(dir);
}

/* A mistyped path must not cost a file, nor a second process the first one's agents. */
Test(listener, takes_no_path_that_is_somebody_elses)
{
	char dir[64], endpoint[128], file[128];
	struct hall h;
	struct torap_zmtp_listener *first;
	struct torap_error err;
	local_endpoint(dir, endpoint, sizeof endpoint);
	hall_init(&h, endpoint);
	first = h.listener;
	cr_assert_eq(listen_at(&h, endpoint, &err), -EADDRINUSE);
	cr_assert(strstr(err.text, "another process listens there"), "%s", err.text);
	void *d = zmq_peer_dial(h.context, h.endpoint, NULL, NULL, NULL);
	say(d, "still there");
	hear(&h, d, "still there");
	snprintf(file, sizeof file, "ipc://%s/registry.csv", dir);
	close(open(file + 6, O_CREAT | O_WRONLY, 0600));
	cr_assert_eq(listen_at(&h, file, &err), -EEXIST);
	cr_assert(strstr(err.text, "registry.csv") && strstr(err.text, "no socket"), "%s", err.text);
	cr_assert_eq(access(file + 6, F_OK), 0);
	cr_assert_eq(h.listener, first);
	zmq_peer_close(d);
	hall_finish(&h);
	unlink(file + 6);
	rmdir(dir);
}

/* By hand, byte for byte from RFC 37: greeting, READY, frames. */
static int dial_by_hand(const char *endpoint)
{
	static const char greeting[ZMTP_GREETING_SIZE] = "\xff\0\0\0\0\0\0\0\0\x7f\3\1NULL";
	static const char ready[] = "\4\34\5READY\13Socket-Type\0\0\0\6DEALER";
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(at.sun_path, sizeof at.sun_path, "%.107s", endpoint + 6);
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	cr_assert_eq(write(fd, greeting, sizeof greeting), (ssize_t)sizeof greeting);
	cr_assert_eq(write(fd, ready, sizeof ready - 1), (ssize_t)sizeof ready - 1);
	return fd;
}

/* An agent's last offer, which it does not wait to have answered. */
Test(listener, hears_what_was_said_before_the_other_side_went)
{
	char dir[64], endpoint[128];
	struct hall h;
	local_endpoint(dir, endpoint, sizeof endpoint);
	hall_init(&h, endpoint);
	int fd = dial_by_hand(endpoint);
	cr_assert_eq(write(fd, "\0\5first", 7), 7);
	run_until(&h, h.messages == 1);
	/* The answer is to be written now, to nobody. */
	cr_assert_eq(write(fd, "\0\4last", 6), 6);
	close(fd);
	run_until(&h, h.gone == 1);
	cr_assert_eq(h.messages, 2u);
	hall_finish(&h);
	rmdir(dir);
}

/* Empty messages by the ten thousand are one read, and much to do. */
static int say_crowd(struct hall *h, const char *endpoint, unsigned count)
{
	uint8_t empty[2 * CROWD] = { 0 };
	int fd = dial_by_hand(endpoint);
	cr_assert_eq(write(fd, empty, 2 * count), (ssize_t)(2 * count));
	run_until(h, h->messages > 0);
	return fd;
}

Test(listener, takes_of_a_crowd_of_messages_a_share_a_turn_and_all_in_the_end)
{
	char dir[64], endpoint[128];
	struct hall h;
	unsigned before = 0, most = 0;
	local_endpoint(dir, endpoint, sizeof endpoint);
	hall_init(&h, endpoint);
	h.manner = KEEP_QUIET;
	int other = dial_by_hand(endpoint);
	run_until(&h, h.counts.accepted == 1);
	int fd = say_crowd(&h, endpoint, CROWD);
	cr_expect_lt(h.messages, CROWD / 4u, "all of them, and who else speaks waits");
	const struct torap_zmtp_peer *crowd = h.peer;
	cr_assert_eq(write(other, "\0\5alarm", 7), 7);
	close(fd); /* What it has said before counts. */
	for (before = h.messages; h.peer == crowd; before = h.messages) {
		turn(&h);
		most = h.messages - before > most ? h.messages - before : most;
	}
	cr_expect_lt(h.messages, CROWD / 2u, "an alarm came after the crowd");
	run_until(&h, h.gone == 1);
	cr_expect_eq(h.messages, CROWD + 1u);
	cr_expect_lt(most, CROWD / 4u);
	cr_expect_eq(h.counts.broken, 0u);
	/* And when all is taken the loop sleeps again. */
	uv_timer_stop(&h.step);
	uv_timer_start(&h.step, on_step, 50, 50);
	unsigned turns = 0;
	for (uint64_t end_ms = now_ms() + 300; now_ms() < end_ms; turns++)
		turn(&h);
	cr_expect_lt(turns, 40u, "it turns and turns");
	close(other);
	run_until(&h, h.gone == 2);
	hall_finish(&h);
	rmdir(dir);
}

/* In the middle of what waits: its owner cuts it, or the listener ends. */
Test(listener, forgets_what_waits_of_who_is_cut)
{
	char dir[64], endpoint[128];
	struct hall h;
	local_endpoint(dir, endpoint, sizeof endpoint);
	hall_init(&h, endpoint);
	h.manner = KEEP_QUIET;
	int fd = say_crowd(&h, endpoint, CROWD), again = say_crowd(&h, endpoint, CROWD);
	run_until(&h, h.messages >= 2u * CROWD);
	close(fd);
	close(again);
	run_until(&h, h.gone == 2);

	h.messages = 0;
	fd = say_crowd(&h, endpoint, CROWD);
	unsigned taken = h.messages;
	cr_expect_lt(taken, (unsigned)CROWD);
	h.manner = CUT_AT_ONCE;
	run_until(&h, h.counts.connections == 0);
	cr_expect_eq(h.messages, taken + 1);

	h.messages = 0;
	h.manner = KEEP_QUIET;
	again = say_crowd(&h, endpoint, CROWD);
	torap_zmtp_cut(h.peer, 0);
	run_until(&h, h.counts.connections == 0);
	cr_expect_lt(h.messages, (unsigned)CROWD);

	h.messages = 0;
	int last = say_crowd(&h, endpoint, CROWD);
	hall_finish(&h);
	cr_expect_lt(h.messages, (unsigned)CROWD);
	close(fd);
	close(again);
	close(last);
	rmdir(dir);
}
