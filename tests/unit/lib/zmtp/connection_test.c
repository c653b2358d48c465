#include <criterion/criterion.h>

#include <string.h>

#include "call.h"
#include "kit/heap.h"

/* However the bytes are cut, one at a time too, the same comes of them. */
Test(connection, takes_bytes_in_parts_of_any_size)
{
	static const size_t parts[] = { 0, 1, 2, 3, 7, 63, 64, 65, 200, 4096 };
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		struct call t;
		begin(&t);
		open_call(&t, parts[i]);
		say(&t, TORAP_CURVE_MORE, "one");
		say(&t, TORAP_CURVE_MORE, "");
		say(&t, 0, "two");
		say(&t, 0, "");
		say_zeros(&t, TORAP_CURVE_MORE, 20000);
		say_zeros(&t, 0, 223);
		cr_assert_null(take(&t, parts[i]));
		cr_assert_eq(t.count, 3u);
		cr_assert_eq(t.frames[0], 3u);
		cr_assert_eq(t.frames[1], 1u);
		cr_assert_eq(t.frames[2], 2u);
		cr_assert_eq(t.sizes[2], 20223u);
		t.text.size = strlen("one||two|\n|\n");
		expect_text(&t, "one||two|\n|\n");
		cr_assert_eq(t.asked, 1u);
		end(&t);
	}
}

/* A frame whose size changes its header, its way in, or its way out. */
Test(connection, takes_frames_of_any_size_up_to_the_largest)
{
	static const size_t sizes[] = { 0, 1, 221, 222, 223, 224, 255, 256, 8158, 8159, 8160, 65536, 1 << 20,
		TORAP_MESSAGE_SIZE_MAX };
	struct call t;
	begin(&t);
	open_call(&t, 0);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		t.text.size = 0;
		say_zeros(&t, 0, sizes[i]);
		cr_assert_null(take(&t, i % 2 ? 0 : 5000));
		cr_assert_eq(t.count, i + 1);
		cr_assert_eq(t.sizes[i], sizes[i]);
	}
	end(&t);
}

Test(connection, says_messages_frame_by_frame_and_in_order)
{
	struct call t;
	struct torap_buffer *big = torap_buffer_create(1 << 20),
			    *word = torap_buffer_copy(torap_bytes("word", 4));
	memset(big->data, 'b', big->size);
	begin(&t);
	open_call(&t, 0);
	struct torap_buffer *first[] = { word, NULL, big }, *second[] = { word };
	cr_assert_eq(torap_zmtp_put(&t.connection, first, 3), 0);
	cr_assert_eq(torap_zmtp_put(&t.connection, second, 1), 0);
	expect_heard(&t, TORAP_CURVE_MORE, torap_bytes("word", 4));
	expect_heard(&t, TORAP_CURVE_MORE, torap_bytes("", 0));
	expect_heard(&t, 0, torap_buffer_bytes(big));
	expect_heard(&t, 0, torap_bytes("word", 4));
	cr_assert_eq(hear(&t).size, 0u);
	torap_buffer_unref(big);
	torap_buffer_unref(word);
	end(&t);
}

/* No more is sealed than was asked for, but for the frame that goes beyond; what was sealed is let go of. */
Test(connection, fills_no_more_than_enough)
{
	struct call t;
	struct torap_writer out = { 0 };
	struct torap_buffer *frame = torap_buffer_create(1000);
	memset(frame->data, 0, frame->size);
	begin(&t);
	open_call(&t, 0);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(torap_zmtp_put(&t.connection, &frame, 1), 0);
	cr_assert_eq(frame->refs, 101u);
	cr_assert_eq(torap_zmtp_fill(&t.connection, &out, 5000), 0);
	cr_assert_geq(out.size, 5000u);
	cr_assert_lt(out.size, 5000u + 1000 + 9 + TORAP_CURVE_MESSAGE_OVERHEAD);
	cr_assert_eq(frame->refs, 96u);
	torap_writer_finish(&out);
	end(&t);
	cr_assert_eq(frame->refs, 1u);
	torap_buffer_unref(frame);
}

Test(connection, puts_no_more_than_its_queue_holds)
{
	struct call t;
	struct torap_buffer *none = NULL;
	begin(&t);
	open_call(&t, 0);
	for (int i = 0; i < TORAP_ZMTP_QUEUE_MAX; i++)
		cr_assert_eq(torap_zmtp_put(&t.connection, &none, 1), 0);
	cr_assert_lt(torap_zmtp_put(&t.connection, &none, 1), 0);
	expect_heard(&t, 0, torap_bytes("", 0));
	cr_assert_eq(torap_zmtp_put(&t.connection, &none, 1), 0, "there is room again");
	end(&t);
}

/* Two bytes of a time to live, and a context that comes back. */
Test(connection, answers_a_ping_with_its_context)
{
	static const char context[] = "0123456789abcdef";
	for (size_t size = 0; size <= 16; size++) {
		struct call t;
		char ping[7 + 16] = "\4PING\0\144", pong[5 + 16] = "\4PONG";
		memcpy(ping + 7, context, size);
		memcpy(pong + 5, context, size);
		begin(&t);
		open_call(&t, 0);
		zmtp_client_message(&t.client, &t.said, TORAP_CURVE_COMMAND, torap_bytes(ping, 7 + size));
		cr_assert_null(take(&t, 0));
		expect_heard(&t, TORAP_CURVE_COMMAND, torap_bytes(pong, 5 + size));
		cr_assert_eq(t.count, 0u, "a PING is no message");
		end(&t);
	}
}

/* A command between two frames of a message is no part of it. */
Test(connection, answers_a_ping_in_the_middle_of_a_message)
{
	struct call t;
	begin(&t);
	open_call(&t, 0);
	say(&t, TORAP_CURVE_MORE, "one");
	zmtp_client_message(&t.client, &t.said, TORAP_CURVE_COMMAND, torap_bytes("\4PING\0\144", 7));
	say(&t, 0, "two");
	cr_assert_null(take(&t, 0));
	expect_text(&t, "one|two|\n");
	expect_heard(&t, TORAP_CURVE_COMMAND, torap_bytes("\4PONG", 5));
	end(&t);
}

Test(connection, passes_over_commands_that_it_does_not_know)
{
	static const char *const commands[] = { "", "\4PONG", "\4PING", "\4PING1", "\11SUBSCRIBE",
		"\5ERROR" };
	struct call t;
	begin(&t);
	open_call(&t, 0);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		say(&t, TORAP_CURVE_COMMAND, commands[i]);
	say(&t, 0, "hello");
	cr_assert_null(take(&t, 0));
	cr_assert_eq(hear(&t).size, 0u);
	expect_text(&t, "hello|\n");
	end(&t);
}

Test(connection, takes_no_ping_that_is_too_long)
{
	struct call t;
	begin(&t);
	open_call(&t, 0);
	say(&t, TORAP_CURVE_COMMAND, "\4PINGtt0123456789abcdefg");
	expect_why(take(&t, 0), "a PING that is too long");
	end(&t);
}

/* Nobody reads the answers: they must not grow without end. */
Test(connection, answers_no_more_pings_than_its_queue_holds)
{
	struct call t;
	const char *why = NULL;
	int pings = 0;
	begin(&t);
	open_call(&t, 0);
	for (; !why && pings <= TORAP_ZMTP_QUEUE_MAX; pings++) {
		zmtp_client_message(&t.client, &t.said, TORAP_CURVE_COMMAND, torap_bytes("\4PING\0\144", 7));
		why = take(&t, 0);
	}
	cr_assert_eq(pings, TORAP_ZMTP_QUEUE_MAX + 1);
	expect_why(why, "PINGs whose answers nobody takes");
	end(&t);
}

static void spoil_greeting(size_t at, uint8_t byte, const char *expected)
{
	for (size_t part = 0; part < 2; part++) {
		struct call t;
		begin(&t);
		say_greeting(&t);
		t.said.data[at] = byte;
		expect_why(take(&t, part), expected);
		end(&t);
	}
}

Test(connection, says_why_it_takes_no_other_greeting)
{
	spoil_greeting(0, 0xfe, "not ZMTP");
	spoil_greeting(9, 0x7e, "not ZMTP");
	spoil_greeting(10, 1, "an old version of ZMTP"); /* revision of ZMTP 2.0 */
	spoil_greeting(10, 0, "an old version of ZMTP");
	spoil_greeting(16, '\0', "another mechanism than CURVE");
	spoil_greeting(17, 'X', "another mechanism than CURVE");
	spoil_greeting(31, 'X', "another mechanism than CURVE");
	spoil_greeting(32, 1, "a listener, too");
}

Test(connection, takes_the_greeting_of_a_later_version)
{
	struct call t;
	begin(&t);
	say_greeting(&t);
	t.said.data[10] = 4;
	t.said.data[11] = 9;
	cr_assert_null(take(&t, 0));
	cr_assert_eq(t.connection.state, TORAP_ZMTP_HELLO);
	end(&t);
}

Test(connection, says_why_it_takes_no_other_mechanism)
{
	struct call t;
	begin(&t);
	say_greeting(&t);
	memcpy(t.said.data + 12, "NULL\0", 5);
	expect_why(take(&t, 0), "another mechanism than CURVE");
	end(&t);
	begin(&t);
	say_greeting(&t);
	memcpy(t.said.data + 12, "PLAIN", 5);
	expect_why(take(&t, 0), "another mechanism than CURVE");
	end(&t);
}

Test(connection, says_that_http_is_not_zmtp)
{
	static const char request[] =
		"GET /metrics HTTP/1.1\r\nHost: broker.example:7400\r\nAccept: */*\r\n\r\n";
	for (size_t part = 0; part < 2; part++) {
		struct call t;
		begin(&t);
		torap_write_bytes(&t.said, torap_bytes(request, sizeof request - 1));
		expect_why(take(&t, part), "not ZMTP");
		end(&t);
	}
}

Test(connection, says_why_it_takes_no_hello_for_another_key)
{
	struct call t;
	begin(&t);
	t.client.server[5] ^= 1;
	say_greeting(&t);
	zmtp_client_hello(&t.client, &t.said);
	expect_why(take(&t, 0), "a HELLO that is none, or meant for another key");
	cr_assert_eq(t.asked, 0u);
	end(&t);
}

static void expect_bad_initiate(struct call *t, const char *expected)
{
	zmtp_client_initiate(&t->client, &t->said);
	expect_why(take(t, 0), expected);
	end(t);
}

Test(connection, says_why_it_takes_no_initiate_of_another_handshake)
{
	struct call t, other;
	begin(&t);
	begin(&other);
	greet(&t, 0);
	greet(&other, 0);
	memcpy(t.client.cookie, other.client.cookie, sizeof t.client.cookie);
	end(&other);
	expect_bad_initiate(&t, "an INITIATE that is none, or of another handshake");
	cr_assert_eq(t.asked, 0u);
}

Test(connection, says_why_it_takes_no_vouch_for_another_server)
{
	struct call t;
	begin(&t);
	greet(&t, 0);
	t.client.vouched[0] ^= 1;
	expect_bad_initiate(&t, "an INITIATE that is none, or of another handshake");
	cr_assert_eq(t.asked, 0u);
}

Test(connection, says_why_it_takes_no_other_socket)
{
	static const char *const types[] = { "REQ", "ROUTER", "PUB", "", "DEALERS", "dealer" };
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct call t;
		begin(&t);
		greet(&t, 0);
		t.client.socket_type = types[i];
		expect_bad_initiate(&t, "a socket that is no DEALER");
		cr_assert_eq(t.asked, 0u);
	}
}

/* It hears nothing, not even an ERROR; whatever it says then is not looked at. */
Test(connection, tells_a_stranger_nothing)
{
	struct call t;
	begin_as(&t, STRANGE);
	greet(&t, 0);
	zmtp_client_initiate(&t.client, &t.said);
	say(&t, 0, "hello");
	cr_assert_null(take(&t, 0));
	cr_assert_eq(t.connection.state, TORAP_ZMTP_REFUSED);
	say(&t, 0, "hello");
	torap_write_bytes(&t.said, torap_bytes("nonsense", 8));
	cr_assert_null(take(&t, 1));
	cr_assert_eq(hear(&t).size, 0u);
	cr_assert_eq(t.asked, 1u);
	cr_assert_eq(t.count, 0u);
	end(&t);
}

/* In each state of the handshake, as a plain frame and as a command. */
Test(connection, takes_no_message_before_it_is_open)
{
	struct call t;
	for (int command = 0; command < 2; command++) {
		for (int welcomed = 0; welcomed < 2; welcomed++) {
			begin(&t);
			if (welcomed)
				greet(&t, 0);
			else
				say_greeting(&t);
			if (!welcomed)
				memcpy(t.client.server_short, t.client.server, sizeof t.client.server);
			size_t at = t.said.size;
			say(&t, 0, "hello");
			t.said.data[at] |= command ? ZMTP_COMMAND : 0;
			expect_why(take(&t, 0), !command ? "a frame that is none"
						: welcomed
							? "an INITIATE that is none, or of another handshake"
							: "a HELLO that is none, or meant for another key");
			cr_assert_eq(t.count, 0u);
			end(&t);
		}
	}
}

Test(connection, takes_no_flipped_bit)
{
	struct call t;
	size_t size = 1;
	for (size_t bit = 0; bit < 8 * size; bit++) {
		begin(&t);
		open_call(&t, 0);
		say(&t, 0, "hello");
		size = t.said.size;
		t.said.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		const char *why = take(&t, 0);
		if (bit / 8 ==
			0) /* RFC 37's flags, which CURVE does not guard: none of them lets a message in that was not said. */
			cr_assert(why || t.count <= 1);
		else
			cr_assert(t.count == 0, "bit %zu", bit);
		cr_assert(
			why || bit / 8 <= 1, "bit %zu", bit); /* in its size: it waits for more, or says so */
		end(&t);
	}
}

static void expect_bad_message(struct call *t)
{
	expect_why(take(t, 0), "a MESSAGE that is none, or out of order");
	cr_assert_eq(t->count, 1u);
	end(t);
}

Test(connection, takes_no_nonce_twice_and_none_that_is_lower)
{
	struct call t;
	for (uint64_t back = 1; back <= 4; back++) {
		begin(&t);
		open_call(&t, 0);
		t.client.sent += 10;
		say(&t, 0, "one");
		t.client.sent -= back;
		say(&t, 0, "two");
		expect_bad_message(&t);
	}
	begin(&t);
	open_call(&t, 0);
	say(&t, 0, "one");
	size_t size = t.said.size;
	uint8_t copy[256];
	memcpy(copy, t.said.data, size);
	torap_write_bytes(&t.said, torap_bytes(copy, size)); /* byte for byte */
	expect_bad_message(&t);
}

static void write_header(struct call *t, uint8_t flags, uint64_t size)
{
	torap_write_u8(&t->said, flags | 2);
	torap_write_u64(&t->said, size);
}

/* Before it is announced whole, and without room for it. */
Test(connection, takes_no_frame_that_is_too_large)
{
	static const uint64_t sizes[] = { TORAP_MESSAGE_SIZE_MAX + TORAP_CURVE_MESSAGE_OVERHEAD + 1,
		1ULL << 32, INT64_MAX, 1ULL << 63, UINT64_MAX };
	struct call t;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		begin(&t);
		open_call(&t, 0);
		size_t before = heap_now;
		heap_peak = heap_now;
		write_header(&t, 0, sizes[i]);
		expect_why(take(&t, 1), "a frame that is too large");
		cr_assert_lt(heap_peak - before, 1024u);
		end(&t);
	}
	for (int welcomed = 0; welcomed < 2; welcomed++) {
		begin(&t);
		if (welcomed)
			greet(&t, 0);
		else
			say_greeting(&t);
		write_header(&t, ZMTP_COMMAND, TORAP_CURVE_INITIATE_MAX + 1);
		expect_why(take(&t, 0), "a frame that is too large");
		end(&t);
	}
}

Test(connection, takes_no_frame_with_unknown_flags)
{
	struct call t;
	for (uint8_t flag = 8; flag; flag = (uint8_t)(flag << 1)) {
		begin(&t);
		open_call(&t, 0);
		say(&t, 0, "one");
		t.said.data[0] |= flag;
		expect_why(take(&t, 0), "a frame that is none");
		end(&t);
	}
}

Test(connection, takes_no_more_frames_than_a_batch_can_have)
{
	struct call t;
	begin(&t);
	open_call(&t, 0);
	for (int i = 1; i < TORAP_ZMTP_FRAMES_MAX; i++)
		say(&t, TORAP_CURVE_MORE, "x");
	say(&t, 0, "x");
	cr_assert_null(take(&t, 0));
	cr_assert_eq(t.frames[0], (size_t)TORAP_ZMTP_FRAMES_MAX);
	for (int i = 0; i < TORAP_ZMTP_FRAMES_MAX; i++)
		say(&t, TORAP_CURVE_MORE, "x");
	say(&t, 0, "x");
	expect_why(take(&t, 0), "a message that is too large");
	cr_assert_eq(t.count, 1u);
	end(&t);
}

Test(connection, takes_no_message_above_the_largest_batch)
{
	struct call t;
	begin(&t);
	open_call(&t, 0);
	for (size_t sum = 0; sum + TORAP_IMAGE_FRAME_SIZE_MAX <= TORAP_BATCH_SIZE_MAX;
		sum += TORAP_IMAGE_FRAME_SIZE_MAX)
		say_zeros(&t, TORAP_CURVE_MORE, TORAP_IMAGE_FRAME_SIZE_MAX);
	say_zeros(&t, TORAP_CURVE_MORE, TORAP_MESSAGE_SIZE_MAX);
	cr_assert_null(take(&t, 0));
	say(&t, 0, "x");
	expect_why(take(&t, 0), "a message that is too large");
	cr_assert_eq(t.count, 0u);
	end(&t);
}

/* A hello is all that is heard of somebody whose owner does not know it yet. */
Test(connection, takes_no_more_than_a_megabyte_of_who_is_not_known)
{
	enum { MIB = 1 << 20 };
	struct call t;
	for (int whole = 0; whole < 2; whole++) {
		begin(&t);
		open_call(&t, 0);
		t.connection.known = false;
		say_zeros(&t, 0, MIB);
		cr_assert_null(take(&t, 0));
		cr_assert_eq(t.sizes[0], (size_t)MIB);
		if (whole)
			say_zeros(&t, 0, MIB + 1);
		else
			say_zeros(&t, TORAP_CURVE_MORE, MIB);
		say(&t, 0, "x");
		expect_why(take(&t, 0), whole ? "a frame that is too large" : "a message that is too large");
		cr_assert_eq(t.count, 1u);
		end(&t);
	}
}

/* Who has shown no key that is admitted costs a kilobyte, whatever it says, and in parts of whatever size; after that, what has come. */
Test(connection, spends_a_kilobyte_on_a_stranger)
{
	for (size_t part = 0; part < 2; part++) {
		struct call t;
		t.said = (struct torap_writer){ 0 };
		size_t before = heap_now;
		begin_as(&t, STRANGE);
		/* Its own memory is the owner's; what is sealed for it is, too. */
		uint8_t out[4096];
		size_t heard = 0;
		struct torap_bytes in = { 0 }, body;
		uint8_t flags;
		for (int step = 0; step < 3; step++) {
			struct torap_writer w = { 0 };
			if (step == 0)
				say_greeting(&t);
			else if (step == 1)
				zmtp_client_hello(&t.client, &t.said);
			else
				zmtp_client_initiate(&t.client, &t.said);
			size_t test_own = malloc_usable_size(t.said.data);
			heap_peak = heap_now;
			cr_assert_null(take(&t, part));
			cr_assert_leq(heap_peak - before - test_own, (size_t)STRANGER_BYTES_MAX,
				"step %d: %zu", step, heap_peak - before - test_own);
			torap_writer_finish(&t.said);
			while (torap_zmtp_waiting(&t.connection))
				cr_assert_eq(torap_zmtp_fill(&t.connection, &w, w.size + 1), 0);
			cr_assert_leq(heard + w.size, sizeof out);
			if (w.size)
				memcpy(out + heard, w.data, w.size);
			heard += w.size;
			torap_writer_finish(&w);
			if (step == 1) {
				in = torap_bytes(out + ZMTP_GREETING_SIZE, heard - ZMTP_GREETING_SIZE);
				cr_assert(zmtp_client_next(&in, &flags, &body));
				cr_assert(zmtp_client_welcome(&t.client, body));
			}
		}
		cr_assert_eq(t.connection.state, TORAP_ZMTP_REFUSED);
		end(&t);
		cr_assert_eq(heap_now, before, "it keeps something");
	}
}

/* The largest command that a handshake may have, all of it but the last byte. */
Test(connection, spends_a_kilobyte_on_who_announces_the_most)
{
	for (int welcomed = 0; welcomed < 2; welcomed++) {
		struct call t;
		size_t before = heap_now;
		begin_as(&t, STRANGE);
		if (welcomed)
			greet(&t, 0);
		else {
			say_greeting(&t);
			cr_assert_null(take(&t, 0));
			hear(&t);
		}
		torap_writer_finish(&t.said);
		torap_writer_finish(&t.heard);
		write_header(&t, ZMTP_COMMAND, TORAP_CURVE_INITIATE_MAX);
		for (int i = 1; i < TORAP_CURVE_INITIATE_MAX; i++)
			torap_write_u8(&t.said, 0);
		size_t test_own = malloc_usable_size(t.said.data);
		cr_assert_null(take(&t, 0));
		cr_assert_leq(heap_now - before - test_own, (size_t)STRANGER_BYTES_MAX, "%zu",
			heap_now - before - test_own);
		end(&t);
	}
}

Test(connection, keeps_nothing_of_a_message_that_was_told)
{
	struct call t;
	begin(&t);
	open_call(&t, 0);
	torap_writer_finish(&t.said);
	torap_writer_finish(&t.heard);
	size_t before = heap_now;
	for (int i = 0; i < 700; i++)
		say_zeros(&t, TORAP_CURVE_MORE, 1000);
	say_zeros(&t, 0, 1 << 20);
	cr_assert_null(take(&t, 5000));
	cr_assert_eq(t.frames[0], 701u);
	torap_writer_finish(&t.said);
	torap_writer_finish(&t.text);
	cr_assert_leq(heap_now - before, 16 * sizeof(void *) + 16);
	end(&t);
}

/* The owner ends it while a message is told: nothing of the bytes behind it is looked at. */
Test(connection, looks_at_nothing_once_it_was_ended)
{
	struct call t;
	begin(&t);
	open_call(&t, 0);
	t.end_it = true;
	say(&t, 0, "one");
	say(&t, 0, "two");
	torap_write_bytes(&t.said, torap_bytes("nonsense", 8));
	cr_assert_null(take(&t, 0));
	expect_text(&t, "one|\n");
	cr_assert_eq(t.connection.state, TORAP_ZMTP_ENDED);
	end(&t);
}

/* Half of everything that can be half. */
Test(connection, finishes_in_the_middle_of_anything)
{
	struct call whole;
	begin(&whole);
	open_call(&whole, 0);
	say(&whole, TORAP_CURVE_MORE, "one");
	say_zeros(&whole, 0, 300);
	for (size_t size = 0; size < whole.said.size; size++) {
		struct call t;
		size_t before = heap_now;
		begin(&t);
		open_call(&t, 0);
		struct torap_buffer *word = torap_buffer_copy(torap_bytes("word", 4));
		cr_assert_eq(torap_zmtp_put(&t.connection, &word, 1), 0);
		torap_buffer_unref(word);
		say(&t, TORAP_CURVE_MORE, "one");
		say_zeros(&t, 0, 300);
		t.said.size = size;
		cr_assert_null(take(&t, 0));
		cr_assert_eq(t.count, 0u);
		end(&t);
		cr_assert_eq(heap_now, before, "%zu bytes", size);
	}
	end(&whole);
}
