#include "hall.h"
#include "kit/heap.h"
#include "raw.h"
#include "zmtp/connection.h"

static struct torap_buffer *pattern(size_t size, unsigned seed)
{
	struct torap_buffer *b = torap_buffer_create(size);
	for (size_t i = 0; i < size; i++)
		b->data[i] = (uint8_t)(i * 31 + (i >> 8) + (i >> 16) * 7 + seed);
	return b;
}

Test(peers, admits_a_known_key_and_tells_whose_it_is)
{
	struct hall h;
	uint8_t public[TORAP_CURVE_KEY_SIZE], secret[TORAP_CURVE_KEY_SIZE];
	int mark;
	hall_init(&h, "tcp://127.0.0.1:*");
	void *d = dial(&h);
	say(d, "hello");
	hear(&h, d, "hello");
	zmtp_keys(KNOWN, public, secret);
	cr_assert_arr_eq(torap_zmtp_key(h.peer), public, sizeof public);
	cr_assert_str_eq(h.address, "127.0.0.1");
	cr_assert_eq(torap_zmtp_mark(h.peer), (void *)&h);
	torap_zmtp_set_mark(h.peer, &mark);
	struct torap_zmtp_peer *peer = h.peer;
	say(d, "again");
	hear(&h, d, "again");
	cr_assert_eq(h.peer, peer);
	cr_assert_eq(torap_zmtp_mark(h.peer), (void *)&mark);
	struct sockaddr_storage name;
	socklen_t size = sizeof name;
	cr_assert_eq(getpeername(torap_zmtp_fd(peer), (struct sockaddr *)&name, &size), 0);
	cr_assert_eq(h.asked, 1u);
	cr_assert_eq(h.turns, 2u);
	cr_assert_eq(h.counts.connections, 1u);
	cr_assert_eq(h.counts.accepted, 1u);
	cr_assert_eq(h.counts.refused, 0u);
	cr_assert_eq(h.counts.broken, 0u);
	zmq_peer_close(d);
	hall_finish(&h);
}

/* Where the frame's header, the way in or the way out changes. */
Test(peers, carries_frames_of_any_size_both_ways)
{
	static const size_t sizes[] = { 0, 1, 221, 222, 223, 255, 256, 8158, 8160, 65500, 65536, 262100,
		262144, 1 << 20, 8 << 20 };
	struct hall h;
	hall_init(&h, "tcp://127.0.0.1:*");
	void *d = dial(&h);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct torap_buffer *word = torap_buffer_copy(torap_bytes("word", 4)),
				    *b = pattern(sizes[i], 1);
		struct torap_buffer *alone[] = { b }, *among[] = { word, NULL, b, NULL, b };
		exchange(&h, d, alone, 1);
		exchange(&h, d, among, sizes[i] > 1 << 20 ? 3 : 5);
		torap_buffer_unref(b);
		torap_buffer_unref(word);
	}
	cr_assert_eq(h.counts.broken, 0u);
	zmq_peer_close(d);
	hall_finish(&h);
}

Test(peers, carries_every_frame_of_the_largest_batch)
{
	enum { MOST = 770 };
	struct hall h;
	struct torap_buffer *frames[MOST];
	hall_init(&h, "tcp://127.0.0.1:*");
	void *d = dial(&h);
	for (size_t i = 0; i < MOST; i++)
		frames[i] = i % 10 ? pattern(i * 20, (unsigned)i) : NULL;
	say(d, "hello");
	hear(&h, d, "hello");
	exchange(&h, d, frames, MOST);
	exchange(&h, d, frames, MOST);
	for (size_t i = 0; i < MOST; i++)
		torap_buffer_unref(frames[i]);
	zmq_peer_close(d);
	hall_finish(&h);
}

/* More than a turn of the loop takes, from several at once, and all of it comes back. */
Test(peers, keeps_thousands_of_messages_in_order)
{
	enum { PEERS = 4, EACH = 3000 };
	struct hall h;
	void *all[PEERS];
	unsigned came[PEERS] = { 0 }, sum = 0;
	hall_init(&h, "tcp://127.0.0.1:*");
	for (int i = 0; i < PEERS; i++)
		all[i] = dial(&h);
	for (int i = 0; i < PEERS; i++)
		for (unsigned n = 0; n < EACH; n++) {
			char text[32];
			snprintf(text, sizeof text, "%d %u", i, n);
			say(all[i], text);
		}
	for (uint64_t began_ms = now_ms(); sum < PEERS * EACH;) {
		cr_assert_lt(now_ms() - began_ms, WAIT_MS, "%u came", sum);
		turn(&h);
		for (int i = 0; i < PEERS; i++)
			for (struct zmq_peer_message m; hears(all[i], &m); zmq_peer_finish(&m), sum++) {
				char text[32];
				int size = snprintf(text, sizeof text, "%d %u", i, came[i]++);
				cr_assert(torap_bytes_equal(torap_buffer_bytes(m.frames[0]),
						  torap_bytes(text, (size_t)size)),
					"%s", text);
			}
	}
	cr_assert_eq(h.messages, (unsigned)PEERS * EACH);
	cr_assert_eq(h.counts.connections, (uint64_t)PEERS);
	for (int i = 0; i < PEERS; i++)
		zmq_peer_close(all[i]);
	hall_finish(&h);
}

/* 64 MiB that wait for one are no reason for another to wait until they are gone. */
Test(peers, lets_nobody_wait_for_one_that_takes_much)
{
	enum { MUCH = 64 };
	struct hall h;
	struct zmq_peer_message m;
	hall_init(&h, "tcp://127.0.0.1:*");
	void *greedy = dial(&h), *modest = dial(&h);
	say(greedy, "hello");
	hear(&h, greedy, "hello");
	struct torap_zmtp_peer *peer = h.peer;
	say(modest, "hello");
	hear(&h, modest, "hello");
	torap_zmtp_set_urgent(h.peer, true);
	struct torap_buffer *b = pattern(1 << 20, 3);
	for (int i = 0; i < MUCH; i++)
		cr_assert(torap_zmtp_send(peer, &b, 1));
	say(modest, "quick");
	hear(&h, modest, "quick");
	cr_assert_gt(b->refs, 1u, "the other had all of it before");
	for (int i = 0; i < MUCH; i++) {
		run_until(&h, hears(greedy, &m));
		cr_assert(torap_bytes_equal(torap_buffer_bytes(m.frames[0]), torap_buffer_bytes(b)));
		zmq_peer_finish(&m);
	}
	cr_assert_eq(b->refs, 1u);
	torap_buffer_unref(b);
	zmq_peer_close(greedy);
	zmq_peer_close(modest);
	hall_finish(&h);
}

Test(peers, lets_nothing_through_from_a_socket_without_keys)
{
	struct hall h;
	hall_init(&h, "tcp://127.0.0.1:*");
	void *plain = zmq_peer_dial(h.context, h.endpoint, NULL, NULL, NULL);
	say(plain, "plain");
	run_until(&h, h.counts.accepted >= 1 && h.counts.connections == 0);
	void *d = dial(&h);
	say(d, "known");
	hear(&h, d, "known");
	cr_assert_eq(h.messages, 1u);
	zmq_peer_close(plain);
	zmq_peer_close(d);
	hall_finish(&h);
}

/* A header of nine bytes that comes in two parts, at each place where it can be cut: the loop goes on. */
Test(peers, takes_a_large_frame_whose_header_comes_in_parts)
{
	struct hall h;
	struct zmtp_client c;
	struct torap_writer out = { 0 };
	struct torap_buffer *b = pattern(1000, 1);
	hall_init(&h, "tcp://127.0.0.1:*");
	h.manner = KEEP_QUIET;
	int fd = dial_raw(&h, &c);
	for (unsigned at = 1; at < 10; at++) {
		zmtp_client_message(&c, &out, 0, torap_buffer_bytes(b));
		cr_assert_eq(write(fd, out.data, at), (ssize_t)at);
		run_for(&h, 30);
		cr_assert_eq(write(fd, out.data + at, out.size - at), (ssize_t)(out.size - at));
		out.size = 0;
		run_until(&h, h.messages == at);
	}
	torap_writer_finish(&out);
	torap_buffer_unref(b);
	close(fd);
	run_until(&h, h.gone == 1);
	hall_finish(&h);
}

/* Garbage after a good handshake. */
Test(peers, tells_once_of_a_peer_that_breaks_the_rules)
{
	struct hall h;
	struct zmtp_client c;
	hall_init(&h, "tcp://127.0.0.1:*");
	int fd = dial_raw(&h, &c);
	cr_assert_eq(write(fd, "\0\5bad!!", 7), 7);
	run_until(&h, h.gone == 1);
	run_until(&h, has_ended(fd));
	cr_assert_eq(h.counts.broken, 1u);
	cr_assert_eq(h.messages, 0u);
	close(fd);
	run_for(&h, 100);
	cr_assert_eq(h.gone, 1u);
	hall_finish(&h);
}

/* It goes by itself before its time is over. */
Test(peers, tells_nothing_of_a_peer_that_goes_while_it_is_cut)
{
	struct hall h;
	struct zmtp_client c;
	struct torap_writer out = { 0 };
	hall_init(&h, "tcp://127.0.0.1:*");
	h.manner = SAY_LAST_AND_CUT;
	int fd = dial_raw(&h, &c);
	zmtp_client_message(&c, &out, 0, torap_bytes("one", 3));
	write_raw(fd, &out);
	run_until(&h, h.messages == 1);
	close(fd);
	run_until(&h, h.counts.connections == 0);
	run_for(&h, 2 * CUT_LATER_MS);
	cr_assert_eq(h.gone, 0u);
	torap_writer_finish(&out);
	hall_finish(&h);
}

/* Read from a store, what waits may be all its own: it is counted as if it were. */
Test(peers, keeps_so_many_bytes_for_a_peer_that_does_not_read_and_no_more)
{
	enum { ONE = 1 << 20, MOST = TORAP_ZMTP_QUEUED_BYTES_MAX / ONE };
	struct hall h;
	struct zmtp_client c;
	hall_init(&h, "tcp://127.0.0.1:*");
	h.manner = KEEP_QUIET;
	int fd = arrive_raw(&h, &c);
	struct torap_buffer *b = pattern(ONE, 5);
	unsigned sent = 0;
	while (torap_zmtp_send(h.peer, &b, 1))
		cr_assert_leq(++sent, MOST, "there is no end to it");
	cr_assert_eq(sent, MOST);
	torap_zmtp_cut(h.peer, 0);
	turn(&h);
	cr_assert_eq(b->refs, 1u);
	run_until(&h, h.counts.connections == 0);
	torap_buffer_unref(b);
	close(fd);
	hall_finish(&h);
}

/* 32 MiB wait for it, and are half a kilobyte. */
Test(peers, keeps_references_for_a_peer_that_does_not_read)
{
	enum { WAITING_MAX = 16 << 20 };
	struct hall h;
	struct zmtp_client c;
	hall_init(&h, "tcp://127.0.0.1:*");
	h.manner = KEEP_QUIET;
	int fd = arrive_raw(&h, &c);
	struct torap_buffer *b = pattern(512, 5);
	size_t before = heap_now;
	unsigned sent = 0;
	heap_peak = heap_now;
	while (torap_zmtp_send(h.peer, &b, 1)) {
		cr_assert_leq(++sent, 2u * TORAP_ZMTP_QUEUE_MAX, "there is no end to it");
		if (sent % 1000 == 0)
			turn(&h);
	}
	cr_assert_geq(sent, (unsigned)TORAP_ZMTP_QUEUE_MAX);
	run_for(&h, 100);
	cr_assert_lt(heap_peak - before, (size_t)WAITING_MAX);
	cr_assert_gt(b->refs, TORAP_ZMTP_QUEUE_MAX - 100u);
	torap_zmtp_cut(h.peer, 0);
	turn(&h);
	cr_assert_eq(b->refs, 1u);
	run_until(&h, h.counts.connections == 0);
	cr_assert_eq(h.gone, 0u);
	torap_buffer_unref(b);
	close(fd);
	hall_finish(&h);
}

/* A peer that stops to read, and goes: it is told of although nothing is read of it that moment. */
Test(peers, tells_of_a_peer_that_goes_while_much_waits_for_it)
{
	struct hall h;
	struct zmtp_client c;
	hall_init(&h, "tcp://127.0.0.1:*");
	h.manner = KEEP_QUIET;
	int fd = arrive_raw(&h, &c);
	struct torap_buffer *b = pattern(1 << 20, 5);
	for (int i = 0; i < 50; i++)
		cr_assert(torap_zmtp_send(h.peer, &b, 1));
	run_for(&h, 100);
	cr_assert_gt(b->refs, 1u, "the kernel has taken all of it");
	close(fd);
	run_until(&h, h.gone == 1);
	run_for(&h, 50);
	cr_assert_eq(h.gone, 1u);
	cr_assert_eq(b->refs, 1u);
	torap_buffer_unref(b);
	hall_finish(&h);
}

/* Peers in every state that there is: what was said to the one that reads arrives, and nothing is left of any. */
Test(peers, closes_with_everybody_there)
{
	struct hall h;
	struct zmtp_client c;
	struct torap_writer out = { 0 };
	hall_init(&h, "tcp://127.0.0.1:*");
	h.manner = KEEP_QUIET;
	int silent = connect_raw(&h);
	void *refused = dial_as(&h, STRANGE, h.public);
	run_until(&h, h.counts.refused == 1);
	int full = dial_raw(&h, &c);
	zmtp_client_message(&c, &out, 0, torap_bytes("hello", 5));
	zmtp_client_message(&c, &out, 1, torap_bytes("half", 4));
	write_raw(full, &out);
	run_until(&h, h.messages == 1);
	struct torap_buffer *b = pattern(1 << 20, 5), *word = torap_buffer_copy(torap_bytes("bye", 3));
	for (int i = 0; i < 50; i++)
		cr_assert(torap_zmtp_send(h.peer, &b, 1));
	run_for(&h, 50);
	void *d = dial(&h);
	say(d, "hello");
	run_until(&h, h.messages == 2);
	cr_assert(torap_zmtp_send(h.peer, &word, 1));
	hall_close(&h);
	cr_assert_eq(b->refs, 1u);
	zmq_pollitem_t item = { d, 0, ZMQ_POLLIN, 0 };
	struct zmq_peer_message m;
	cr_assert_eq(zmq_poll(&item, 1, WAIT_MS), 1, "what was sent last has not come");
	cr_assert(hears(d, &m));
	cr_assert(torap_bytes_equal(torap_buffer_bytes(m.frames[0]), torap_bytes("bye", 3)));
	zmq_peer_finish(&m);
	torap_buffer_unref(b);
	torap_buffer_unref(word);
	torap_writer_finish(&out);
	zmq_peer_close(refused);
	zmq_peer_close(d);
	close(silent);
	close(full);
	zmq_ctx_term(h.context);
}
