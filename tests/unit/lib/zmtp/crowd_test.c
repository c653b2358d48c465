/* Many at once: what one turn of the loop takes, who goes when there is no room, who goes first. */
#include <criterion/criterion.h>
#include <sys/resource.h>

#include "hall.h"
#include "raw.h"

enum { CROWD = 300 };

static void connect_crowd(const struct hall *h, int fds[static CROWD])
{
	for (int i = 0; i < CROWD; i++)
		fds[i] = connect_raw(h);
}

static void close_crowd(const int fds[static CROWD])
{
	for (int i = 0; i < CROWD; i++)
		close(fds[i]);
}

Test(crowd, is_taken_in_many_turns)
{
	struct hall h;
	int fds[CROWD];
	uint64_t before = 0, most = 0;
	hall_init(&h, "tcp://127.0.0.1:*");
	connect_crowd(&h, fds);
	for (uint64_t began_ms = now_ms(); h.counts.accepted < CROWD; before = h.counts.accepted) {
		cr_assert_lt(now_ms() - began_ms, WAIT_MS);
		turn(&h);
		most = h.counts.accepted - before > most ? h.counts.accepted - before : most;
	}
	cr_expect_lt(most, CROWD / 2u, "alarms wait meanwhile");
	cr_expect_gt(most, 1u, "and a crowd shall not wait for long");
	close_crowd(fds);
	run_until(&h, h.counts.connections == 0);
	hall_finish(&h);
}

/* As many strangers as there may be connections, and more: who comes later comes in at once, not when their time is over. */
Test(crowd, of_strangers_makes_room_for_who_comes)
{
	enum { MOST = 128, SOON_MS = 3000 };
	struct hall h;
	struct rlimit limit;
	int fds[CROWD];
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 2 * MOST, limit.rlim_max }), 0);
	hall_init(&h, "tcp://127.0.0.1:*");
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0); /* for the crowd's own */
	connect_crowd(&h, fds);
	run_until(&h, h.counts.accepted == CROWD);
	cr_assert_eq(h.counts.connections, (uint64_t)MOST);
	cr_assert_eq(h.counts.broken, (uint64_t)CROWD - MOST);
	uint64_t began_ms = now_ms();
	void *d = dial(&h);
	say(d, "hello");
	hear(&h, d, "hello");
	cr_expect_lt(now_ms() - began_ms, SOON_MS);
	char greeting[ZMTP_GREETING_SIZE];
	while (read(fds[0], greeting, sizeof greeting) > 0)
		continue;
	cr_expect(has_ended(fds[0]), "the oldest went");
	cr_expect_eq(read(fds[CROWD - 1], greeting, sizeof greeting), ZMTP_GREETING_SIZE);
	cr_expect_not(has_ended(fds[CROWD - 1]), "the newest did not");
	close_crowd(fds);
	zmq_peer_close(d);
	hall_finish(&h);
}

/* Who is admitted and never says who it is: of its key so many stay, the newest, and those that have a session. */
Test(crowd, of_one_key_without_a_session_is_small)
{
	enum { MOST = 8, MORE = 3 };
	struct hall h;
	struct zmtp_client clients[MOST + MORE], known;
	int fds[MOST + MORE];
	hall_init(&h, "tcp://127.0.0.1:*");
	h.manner = KEEP_QUIET;
	int with_session = arrive_raw(&h, &known);
	for (int i = 0; i < MOST + MORE; i++) {
		fds[i] = dial_raw(&h, &clients[i]);
		cr_expect_eq(h.counts.broken, i < MOST ? 0u : i - MOST + 1u);
	}
	run_until(&h, h.counts.connections == MOST + 1);
	cr_expect_eq(h.gone, (unsigned)MORE);
	for (int i = 0; i < MOST + MORE; i++)
		cr_expect_eq(has_ended(fds[i]), i < MORE, "connection %d", i);
	cr_expect_not(has_ended(with_session));
	for (int i = 0; i < MORE; i++)
		close(fds[i]);

	/* One that says hello makes room for another, and a cut one does. */
	struct torap_writer out = { 0 };
	zmtp_client_message(&clients[MORE], &out, 0, torap_bytes("hello", 5));
	write_raw(fds[MORE], &out);
	run_until(&h, h.messages == 2);
	close(dial_raw(&h, &known));
	run_until(&h, h.gone == MORE + 1);
	h.manner = SAY_LAST_AND_CUT;
	zmtp_client_message(&clients[MORE + 1], &out, 0, torap_bytes("hello", 5));
	write_raw(fds[MORE + 1], &out);
	run_until(&h, h.messages == 3);
	fds[0] = dial_raw(&h, &known);
	fds[1] = dial_raw(&h, &known);
	cr_expect_eq(h.counts.broken, (uint64_t)MORE);
	fds[2] = dial_raw(&h, &known);
	cr_expect_eq(h.counts.broken, MORE + 1u);
	torap_writer_finish(&out);
	for (int i = 0; i < MOST + MORE; i++)
		close(fds[i]);
	close(with_session);
	run_until(&h, h.counts.connections == 0);
	hall_finish(&h);
}

/* Who was refused and goes on talking is not listened to. */
Test(crowd, is_not_held_up_by_who_was_refused)
{
	enum { PIECE = 64 << 10, PIECES = 1000, KERNELS = 32 << 20 };
	static uint8_t piece[PIECE];
	struct hall h;
	struct zmtp_client c;
	size_t said = 0;
	hall_init(&h, "tcp://127.0.0.1:*");
	int fd = knock_raw(&h, &c, STRANGE);
	run_until(&h, h.counts.refused == 1);
	for (int i = 0; i < PIECES; i++) {
		ssize_t n = send(fd, piece, sizeof piece, MSG_NOSIGNAL);
		said += n > 0 ? (size_t)n : 0;
		turn(&h);
	}
	cr_expect_lt(said, (size_t)KERNELS, "what the kernel has not taken nobody has read");
	run_until(&h, h.counts.connections == 0);
	cr_expect_eq(h.counts.broken, 0u);
	close(fd);
	hall_finish(&h);
}

/* More waits for others than one turn sends. */
Test(crowd, lets_who_is_urgent_go_first)
{
	enum { OTHERS = 4 };
	struct hall h;
	void *all[OTHERS + 1];
	struct torap_zmtp_peer *peers[OTHERS + 1];
	struct torap_buffer *large[OTHERS], *quick = torap_buffer_copy(torap_bytes("quick", 5));
	hall_init(&h, "tcp://127.0.0.1:*");
	for (int i = 0; i <= OTHERS; i++) {
		all[i] = dial(&h);
		say(all[i], "hello");
		hear(&h, all[i], "hello");
		peers[i] = h.peer;
	}
	torap_zmtp_set_urgent(peers[OTHERS], true);
	for (int i = 0; i < OTHERS; i++) {
		large[i] = torap_buffer_create(1 << 20);
		memset(large[i]->data, 1, large[i]->size);
		cr_assert(torap_zmtp_send(peers[i], &large[i], 1));
	}
	cr_assert(torap_zmtp_send(peers[OTHERS], &quick, 1));
	turn(&h);
	cr_expect_eq(quick->refs, 1u, "it was not sent");
	cr_expect_gt(large[OTHERS - 1]->refs, 1u, "all were sent in one turn: this tells nothing");
	for (int i = 0; i < OTHERS; i++) {
		run_until(&h, large[i]->refs == 1);
		torap_buffer_unref(large[i]);
	}
	torap_buffer_unref(quick);
	for (int i = 0; i <= OTHERS; i++)
		zmq_peer_close(all[i]);
	hall_finish(&h);
}
