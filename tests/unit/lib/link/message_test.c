#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "link/message.h"
#include "proto/session.pb-c.h"

static struct torap_stream_position position(const char *writer, uint64_t next)
{
	struct torap_stream_position p = { .at = { .next_batch = next, .has_digest = next > 1 } };
	cr_assert(torap_stream_id_make(&p.stream, writer, TORAP__LANE__LANE_NORMAL, 0x1122334455667788));
	memset(p.at.last_digest, 7, sizeof p.at.last_digest);
	return p;
}

Test(message, carries_a_hello_over_unchanged)
{
	uint32_t regions[] = { 391010000 };
	uint16_t kinds[] = { 1, 1003 };
	struct torap_grant_row row = { .regions = regions,
		.regions_count = 1,
		.kinds = kinds,
		.kinds_count = 2,
		.severity_min = 2,
		.parts = { [1] = true, [3] = true } };
	struct torap_stream_position positions[] = { position("node-a", 1), position("node-b", 4711) };
	struct torap_hello in = { .version = 1,
		.role = TORAP__ROLE__ROLE_SUBSCRIBER,
		.lane = TORAP__LANE__LANE_NORMAL,
		.name = "prosecutor",
		.software = "test 1",
		.positions = positions,
		.positions_count = 2,
		.credit_bytes = 1 << 20,
		.start = TORAP__START__START_TIME,
		.start_at = { 123456789 },
		.expected = &row,
		.expected_count = 1 };
	struct torap_buffer *b = torap_hello_encode(&in);
	struct torap_hello out;
	struct torap_error err;
	cr_assert_eq(torap_hello_decode(&out, torap_buffer_bytes(b), &err), 0, "%s", err.text);
	cr_assert_str_eq(out.name, "prosecutor");
	cr_assert_eq(out.positions_count, 2);
	cr_assert(torap_stream_id_equal(&out.positions[1].stream, &positions[1].stream));
	cr_assert(!out.positions[0].at.has_digest && out.positions[1].at.has_digest);
	cr_assert_arr_eq(out.positions[1].at.last_digest, positions[1].at.last_digest, TORAP_DIGEST_SIZE);
	cr_assert_eq(out.start_at.us, 123456789);
	cr_assert_eq(out.expected_count, 1);
	cr_assert_eq(out.expected[0].kinds[1], 1003);
	cr_assert(out.expected[0].parts[3] && !out.expected[0].parts[2]);
	torap_hello_finish(&out);
	torap_buffer_unref(b);
}

static void check_peeked(struct torap_bytes body, uint8_t role, uint8_t lane)
{
	uint8_t its_role = 9, its_lane = 9;
	torap_hello_peek(&its_role, &its_lane, body);
	cr_expect_eq(its_role, role);
	cr_expect_eq(its_lane, lane);
}

/* Before it is decoded; what is wrong behind the first fields does not matter, and nobody reads beyond the end. */
Test(message, tells_role_and_lane_of_a_hello_that_is_not_decoded)
{
	static const char *const whole[] = { "\x08\1\x10\2\x18\3", "\x18\3\x10\2", "\x22\4name\x10\2\x18\3",
		"\x08\1\x10\2\x18\3\x32\x99\xff", "\x10\1\x10\2\x18\3" };
	static const char *const none[] = { "", "\x10", "\x10\2", "\x18\3", "\x10\3\x18\3", "\x10\2\x18\4",
		"\x10\x82\2\x18\3", "\x22\x7fxx\x10\2\x18\3", "\x15\2\x18\3\x10\2\x18\3", "\xff\xff\xff\xff",
		"\x32\1x\x32\1x\x32\1x\x32\1x\x32\1x\x32\1x\x32\1x\x32\1x\x10\2\x18\3" };
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
		size_t size = strlen(whole[i]);
		check_peeked(torap_bytes(whole[i], size), 2, 3);
	}
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		size_t size = strlen(none[i]);
		check_peeked(torap_bytes(none[i], size), 0, 0);
	}
	struct torap_hello in = { .version = 1, .role = 1, .lane = 2, .name = "node-a" };
	struct torap_buffer *b = torap_hello_encode(&in);
	check_peeked(torap_buffer_bytes(b), 1, 2);
	torap_buffer_unref(b);
}

Test(message, refuses_a_hello_that_names_streams_of_another_lane)
{
	struct torap_stream_position p = position("node-a", 1);
	struct torap_hello in = { .version = 1,
		.role = TORAP__ROLE__ROLE_WRITER,
		.lane = TORAP__LANE__LANE_BULK,
		.name = "node-a",
		.positions = &p,
		.positions_count = 1 };
	struct torap_buffer *b = torap_hello_encode(&in);
	struct torap_hello out;
	struct torap_error err;
	cr_assert_lt(torap_hello_decode(&out, torap_buffer_bytes(b), &err), 0);
	torap_buffer_unref(b);
}

/* Every prefix of a good message, and every single flipped bit, is decoded or refused, and leaks nothing. */
Test(message, survives_cut_and_flipped_welcomes)
{
	struct torap_stream_position p = position("node-a", 9);
	struct torap_welcome in = {
		.version = 1, .broker = "almaty", .positions = &p, .positions_count = 1, .credit_bytes = 1
	};
	struct torap_buffer *b = torap_welcome_encode(&in);
	for (size_t n = 0; n < b->size; n++) {
		struct torap_welcome out;
		if (torap_welcome_decode(&out, torap_bytes(b->data, n), NULL) == 0)
			torap_welcome_finish(&out);
		for (int bit = 0; bit < 8; bit++) {
			b->data[n] ^= (uint8_t)(1 << bit);
			if (torap_welcome_decode(&out, torap_buffer_bytes(b), NULL) == 0)
				torap_welcome_finish(&out);
			b->data[n] ^= (uint8_t)(1 << bit);
		}
	}
	torap_buffer_unref(b);
}

/* The receiver works for each: once for a stream is enough. */
Test(message, refuses_a_stream_that_stands_twice)
{
	struct torap_stream_position positions[3] = { { .at.next_batch = 1 }, { .at.next_batch = 2 },
		{ .at.next_batch = 3 } };
	struct torap_stream_position *out;
	struct torap_error err;
	size_t count;
	for (uint64_t i = 0; i < 3; i++)
		cr_assert(torap_stream_id_make(
			&positions[i].stream, "node-a", TORAP__LANE__LANE_NORMAL, 9 - 3 * i));
	struct torap_buffer *body = torap_ack_encode(positions, 3);
	cr_assert_eq(torap_ack_decode(&out, &count, torap_buffer_bytes(body), &err), 0);
	cr_expect_eq(count, 3);
	torap_positions_destroy(out, count);
	torap_buffer_unref(body);
	positions[2].stream = positions[0].stream;
	body = torap_ack_encode(positions, 3);
	cr_expect_eq(torap_ack_decode(&out, &count, torap_buffer_bytes(body), &err), -EBADMSG);
	torap_buffer_unref(body);
}

Test(message, refuses_to_resume_nowhere)
{
	struct torap_refusal in = { .code = TORAP__REFUSAL__CODE__RESUME, .reason = "gap" };
	struct torap_buffer *b = torap_refusal_encode(&in);
	struct torap_refusal out;
	cr_assert_lt(torap_refusal_decode(&out, torap_buffer_bytes(b), NULL), 0);
	torap_buffer_unref(b);
	in.has_resume = true;
	in.resume = position("node-a", 12);
	b = torap_refusal_encode(&in);
	cr_assert_eq(torap_refusal_decode(&out, torap_buffer_bytes(b), NULL), 0);
	cr_assert(out.has_resume);
	cr_assert_eq(out.resume.at.next_batch, 12);
	torap_refusal_finish(&out);
	torap_buffer_unref(b);
}

/* Two bytes are an empty position: 9 MiB of them were half a gigabyte of memory before anyone counted. */
Test(message, spends_no_memory_on_positions_by_the_million)
{
	size_t size = 8 << 20;
	uint8_t *body = malloc(size);
	for (size_t i = 0; i < size; i += 2) {
		body[i] = 1 << 3 | 2; /* Ack.positions */
		body[i + 1] = 0;
	}
	struct rusage before, after;
	struct torap_stream_position *positions = NULL;
	size_t count = 0;
	struct torap_error err;
	getrusage(RUSAGE_SELF, &before);
	cr_expect_lt(torap_ack_decode(&positions, &count, torap_bytes(body, size), &err), 0);
	getrusage(RUSAGE_SELF, &after);
	cr_expect_lt(after.ru_maxrss - before.ru_maxrss, 64 << 10, "it took %ld KiB",
		after.ru_maxrss - before.ru_maxrss);
	free(body);
}
