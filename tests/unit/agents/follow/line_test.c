#include "agents/follow/line.h"

#include <jansson.h>

#include "tests/unit/lib/wire/fixture.h"

static Torap__EventOpen open_part;
static Torap__EventPersonal personal;
static struct torap_group group;
static struct torap_opened event;
static struct torap_writer line;
static json_t *j;

static void make(void)
{
	open_part = (Torap__EventOpen)TORAP__EVENT_OPEN__INIT;
	personal = (Torap__EventPersonal)TORAP__EVENT_PERSONAL__INIT;
	open_part.state = TORAP__STATE__STATE_START;
	open_part.site = (char *)"school-7";
	open_part.device = (char *)"panel-7";
	open_part.zone = (char *)"3";
	open_part.code = (char *)"sia-dcs PA";
	open_part.occurred_at_us = sealed_at.us;
	open_part.received_at_us = sealed_at.us + 123000;
	personal.user = (char *)"anna";
	group = (struct torap_group){ .class = fixture_class(31010000, TORAP__KIND__KIND_PANIC), .count = 1 };
	event = (struct torap_opened){ .seq = 4711, .group = &group, .open = &open_part };
}

static void clean(void)
{
	json_decref(j);
	torap_writer_finish(&line);
}

TestSuite(line, .init = make, .fini = clean);

static void render(void)
{
	struct torap_stream_id stream = fixture_stream(TORAP__LANE__LANE_CRITICAL);
	json_error_t err;
	follow_line_json(NULL, &stream, &event, &line);
	cr_assert_eq(line.data[line.size - 1], '\n');
	cr_assert_null(memchr(line.data, '\n', line.size - 1), "one line");
	j = json_loadb((const char *)line.data, line.size, 0, &err);
	cr_assert_not_null(j, "%s: %.*s", err.text, (int)line.size, (const char *)line.data);
}

static void expect(const char *key, const char *value)
{
	const char *got = json_string_value(json_object_get(j, key));
	cr_assert_not_null(got, "%s is missing", key);
	cr_assert_str_eq(got, value, "%s: %s", key, got);
}

Test(line, has_all_that_is_promised)
{
	render();
	expect("stream", "node-kostanay/critical/00f3a9c4d2e1b687");
	cr_assert_eq(json_integer_value(json_object_get(j, "seq")), 4711);
	expect("lane", "critical");
	expect("kind", "panic");
	expect("state", "start");
	expect("severity", "critical");
	expect("region", "031010000");
	expect("facility", "school");
	expect("site", "school-7");
	expect("device", "panel-7");
	expect("occurred_at", "2026-11-18T11:06:40Z");
	expect("received_at", "2026-11-18T11:06:40.123Z");
	json_t *detail = json_object_get(j, "detail");
	cr_assert_str_eq(json_string_value(json_object_get(detail, "zone")), "3");
	cr_assert_str_eq(json_string_value(json_object_get(detail, "code")), "sia-dcs PA");
	cr_assert_null(json_object_get(detail, "area"), "only what is set");
	cr_assert_null(json_object_get(detail, "count"));
	cr_assert_null(json_object_get(j, "personal"));
}

Test(line, has_the_personal_part_when_it_was_given)
{
	event.personal = &personal;
	render();
	json_t *p = json_object_get(j, "personal");
	cr_assert_str_eq(json_string_value(json_object_get(p, "user")), "anna");
}

Test(line, shows_what_it_cannot_name_by_number)
{
	group.class.kind = 777;
	group.class.facility = 99;
	render();
	cr_assert_eq(json_integer_value(json_object_get(j, "kind")), 777);
	cr_assert_eq(json_integer_value(json_object_get(j, "facility")), 99);
}

/* A device's text is hostile: what is no UTF-8 must not spoil the line. */
Test(line, stays_json_whatever_bytes_a_text_holds)
{
	Torap__Field field = TORAP__FIELD__INIT, *fields[] = { &field };
	field.name = (char *)"na\xffme";
	field.value = (char *)"a\xc0\xaf\xed\xa0\x80\xf5z\n\"\\";
	open_part.n_detail = 1;
	open_part.detail = fields;
	open_part.area = (char *)"\xd0\x90\xd0";
	render();
	json_t *detail = json_object_get(j, "detail");
	cr_assert_str_eq(json_string_value(json_object_get(detail, "area")), "\xd0\x90\xef\xbf\xbd");
	const char *value = json_string_value(json_object_get(detail, "na\xef\xbf\xbdme"));
	cr_assert_not_null(value);
	cr_assert_str_eq(value + strlen(value) - 4, "z\n\"\\");
}

Test(line, keeps_control_characters_from_the_terminal)
{
	struct torap_stream_id stream = fixture_stream(TORAP__LANE__LANE_CRITICAL);
	open_part.zone = (char *)"\x1b[2J";
	follow_line_table(NULL, &stream, &event, &line);
	cr_assert_null(memchr(line.data, 0x1b, line.size));
	torap_write_u8(&line, '\0');
	cr_assert_not_null(strstr((const char *)line.data, "panic"));
}

static void put_both(const char *value)
{
	static Torap__Field field[2] = { TORAP__FIELD__INIT, TORAP__FIELD__INIT };
	static Torap__Field *fields[] = { &field[0], &field[1] };
	for (int i = 0; i < 2; i++)
		field[i].name = (char *)"block";
	field[0].value = (char *)"first";
	field[1].value = (char *)value;
	personal.detail = fields;
	personal.n_detail = 2;
	event.personal = &personal;
}

Test(line, shows_two_fields_of_one_name)
{
	put_both("second");
	render();
	json_t *detail = json_object_get(json_object_get(j, "personal"), "detail");
	cr_assert_str_eq(json_string_value(json_object_get(detail, "block")), "first");
	cr_assert_str_eq(json_string_value(json_object_get(detail, "block_2")), "second");
}

/* In which column of the terminal a word stands. */
static int column_of(const char *word)
{
	struct torap_stream_id stream = fixture_stream(TORAP__LANE__LANE_CRITICAL);
	line.size = 0;
	follow_line_table(NULL, &stream, &event, &line);
	torap_write_u8(&line, 0);
	const char *text = (const char *)line.data, *end = strstr(text, word);
	cr_assert_not_null(end, "%s", text);
	int column = 0;
	for (; text < end; text++)
		column += ((unsigned char)*text & 0xc0) != 0x80;
	return column;
}

Test(line, stands_in_columns_in_every_script)
{
	int latin = column_of("zone=3");
	open_part.site = (char *)"школа-7";
	open_part.device = (char *)"қабылдағыш";
	cr_assert_eq(column_of("zone=3"), latin);
	open_part.site = (char *)"ab\xd0"; /* and half a character */
	cr_assert_eq(column_of("zone=3"), latin);
}

Test(line, shows_no_character_that_a_terminal_obeys)
{
	struct torap_stream_id stream = fixture_stream(TORAP__LANE__LANE_CRITICAL);
	open_part.zone = (char *)"\xc2\x9b"
				 "2J\xe2\x80\xae";
	follow_line_table(NULL, &stream, &event, &line);
	cr_assert_null(memmem(line.data, line.size, "\xc2\x9b", 2), "a control character of the second set");
	cr_assert_null(memmem(line.data, line.size, "\xe2\x80\xae", 3), "text from right to left");
}
