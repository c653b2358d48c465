#include "wire/stream.h"

#include <criterion/criterion.h>
#include <string.h>

Test(stream, takes_writers_of_the_allowed_form_only)
{
	static const char *const bad[] = { "", "Node", "node kostanay", "node_1", "node.1", "узел",
		"abcdefghijklmnopqrstuvwxyz012345", "a/b" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_not(torap_writer_id_valid(bad[i]), "\"%s\"", bad[i]);
	cr_expect(torap_writer_id_valid("a"));
	cr_expect(torap_writer_id_valid("node-kostanay-7"));
	cr_expect(torap_writer_id_valid("abcdefghijklmnopqrstuvwxyz01234"));
}

Test(stream, leaves_the_output_alone_when_it_refuses)
{
	struct torap_stream_id id, before;
	memset(&id, 0x55, sizeof id);
	before = id;
	cr_expect_not(torap_stream_id_make(&id, "Node", 1, 1));
	cr_expect_not(torap_stream_id_make(&id, "node", 0, 1));
	cr_expect_not(torap_stream_id_make(&id, "node", 4, 1));
	cr_expect_not(torap_stream_id_decode(&id, NULL));
	cr_expect_arr_eq(&id, &before, sizeof id);
}

Test(stream, comes_back_from_its_text_and_its_message)
{
	struct torap_stream_id id, back;
	Torap__StreamId message;
	char text[TORAP_STREAM_TEXT_SIZE];
	cr_assert(torap_stream_id_make(&id, "abcdefghijklmnopqrstuvwxyz01234", 1, 0x00f3a9c4d2e1b687));
	cr_expect_str_eq(torap_stream_id_format(&id, text),
		"abcdefghijklmnopqrstuvwxyz01234/critical/00f3a9c4d2e1b687");
	cr_assert(torap_stream_id_parse(&back, text));
	cr_expect(torap_stream_id_equal(&id, &back));
	torap_stream_id_encode(&message, &id);
	cr_assert(torap_stream_id_decode(&back, &message));
	cr_expect(torap_stream_id_equal(&id, &back));
}

Test(stream, refuses_texts_that_name_no_stream)
{
	static const char *const bad[] = { "", "node", "node/bulk", "node/bulk/", "node/bulk/12",
		"/bulk/0000000000000001", "node//0000000000000001", "node/fast/0000000000000001",
		"node/bulk/0000000000000001/", "node/bulk/000000000000000g", "node/bulk/00000000000000011",
		"abcdefghijklmnopqrstuvwxyz012345/critical/00f3a9c4d2e1b687000000000000000000" };
	struct torap_stream_id id;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_not(torap_stream_id_parse(&id, bad[i]), "\"%s\"", bad[i]);
}

Test(stream, orders_by_writer_then_lane_then_incarnation)
{
	static const struct torap_stream_id in_order[] = { { "a", 3, 9 }, { "a-b", 1, 1 }, { "b", 1, 2 },
		{ "b", 1, UINT64_MAX }, { "b", 2, 0 } };
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 5; j++) {
			int order = torap_stream_id_compare(&in_order[i], &in_order[j]);
			cr_expect_eq((order > 0) - (order < 0), (i > j) - (i < j), "%d %d", i, j);
		}
}
