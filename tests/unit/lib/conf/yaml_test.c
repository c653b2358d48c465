#include "conf/yaml.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum colour { RED = 1, GREEN };
struct lamp {
	char *name;
	unsigned watts;
	enum colour colour;
};
struct house {
	struct lamp hall;
	char *owner;
	struct lamp *lamps;
	unsigned lamps_count;
};

static const cyaml_strval_t colours[] = { { "red", RED }, { "green", GREEN } };
static const cyaml_schema_field_t lamp_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct lamp, name, 1, 10),
	CYAML_FIELD_UINT("watts", CYAML_FLAG_OPTIONAL, struct lamp, watts),
	CYAML_FIELD_ENUM("colour", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct lamp, colour, colours, 2),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t lamp = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct lamp, lamp_fields) };
static const cyaml_schema_field_t house_fields[] = {
	CYAML_FIELD_MAPPING("hall", CYAML_FLAG_DEFAULT, struct house, hall, lamp_fields),
	CYAML_FIELD_STRING_PTR("owner", CYAML_FLAG_POINTER, struct house, owner, 1, 20),
	CYAML_FIELD_SEQUENCE(
		"lamps", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct house, lamps, &lamp, 1, 2),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t house = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct house, house_fields) };

static void check_refused(const char *text, const char *complaint)
{
	struct torap_error err = { "" };
	void *value = NULL;
	int r = torap_yaml_parse("house.yaml", text, strlen(text), &house, &value, &err);
	cr_expect(r < 0, "taken: %s", text);
	cr_expect_null(value);
	cr_expect_str_eq(err.text, complaint);
}

Test(yaml, fills_a_struct)
{
	static const char text[] = "hall: { name: a, watts: 40, colour: green }\n"
				   "owner: Айгүл\n"
				   "lamps:\n  - name: b\n  - name: c\n    watts: 5\n";
	struct torap_error err;
	void *value;
	cr_assert_eq(
		torap_yaml_parse("house.yaml", text, strlen(text), &house, &value, &err), 0, "%s", err.text);
	struct house *h = value;
	cr_expect_eq(h->hall.watts, 40);
	cr_expect_eq(h->hall.colour, GREEN);
	cr_expect_str_eq(h->owner, "Айгүл");
	cr_expect_eq(h->lamps_count, 2);
	cr_expect_eq(h->lamps[1].watts, 5);
	torap_yaml_free(&house, value);
}

Test(yaml, names_an_unknown_key_and_where_it_stands)
{
	check_refused("hall:\n  nmae: x\nowner: a\n", "house.yaml:2: unknown key \"nmae\" in \"hall\"");
	check_refused("hall: { name: x }\nowner: a\ncolor: red\n", "house.yaml:3: unknown key \"color\"");
	check_refused("hall: { name: x }\nowner: a\nlamps:\n  - name: a\n  - name: b\n    watt: 3\n",
		"house.yaml:6: unknown key \"watt\" in \"lamps[2]\"");
}

Test(yaml, names_a_missing_key)
{
	check_refused("hall:\n  watts: 3\nowner: a\n", "house.yaml:1: key \"name\" is missing in \"hall\"");
	check_refused("hall: { name: x }\n", "house.yaml:1: key \"owner\" is missing");
}

Test(yaml, refuses_what_stands_twice)
{
	check_refused("hall: { name: x }\nowner: a\nowner: b\n", "house.yaml:3: key \"owner\" stands twice");
}

Test(yaml, refuses_a_wrong_type)
{
	check_refused(
		"hall: [x]\nowner: a\n", "house.yaml:1: \"hall\" must be a mapping (key: value), not a list");
	check_refused("hall: { name: x }\nowner: [a]\n",
		"house.yaml:2: \"owner\" must be a plain value, not a list");
	check_refused("- a\n", "house.yaml:1: the file must be a mapping (key: value), not a list");
}

Test(yaml, refuses_values_out_of_range)
{
	check_refused("hall: { name: x, watts: -3 }\nowner: a\n",
		"house.yaml:1: \"hall.watts\": '-3' is not a number, or out of range");
	check_refused("hall: { name: x, watts: many }\nowner: a\n",
		"house.yaml:1: \"hall.watts\": 'many' is not a number, or out of range");
	check_refused("hall:\n  name: x\n  colour: 2\nowner: a\n",
		"house.yaml:3: \"hall.colour\": \"2\" is none of its words");
	check_refused("hall: { name: '' }\nowner: a\n", "house.yaml:1: \"hall.name\" is empty");
	check_refused(
		"hall: { name: x }\nowner: a\nlamps: []\n", "house.yaml:3: \"lamps\" has too few entries: 0");
	check_refused("hall: { name: x }\nowner: a\nlamps: [ { name: a }, { name: a }, { name: a } ]\n",
		"house.yaml:3: \"lamps\" has more than 2 entries");
}

/* What strtoull() makes something of. */
Test(yaml, takes_numbers_in_decimal_digits_only)
{
	static const char *const bad[] = { "10k", "10_000", "0100", "00", "0x10", "+5", "2026-12-05", "1e3",
		"1.5", "' 5'", "'5 '", "-1", "-0", "0b1", "1,000" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char text[128], complaint[128];
		snprintf(text, sizeof text,
			"hall: { name: x }\nowner: a\nlamps:\n  - name: a\n  - name: b\n    watts: %s\n",
			bad[i]);
		bool quoted = bad[i][0] == '\'';
		snprintf(complaint, sizeof complaint,
			"house.yaml:6: \"lamps[2].watts\": '%.*s' is not a number",
			(int)strlen(bad[i]) - 2 * quoted, bad[i] + quoted);
		struct torap_error err = { "" };
		void *value = NULL;
		cr_expect_eq(torap_yaml_parse("house.yaml", text, strlen(text), &house, &value, &err),
			-EINVAL, "taken: %s", bad[i]);
		cr_expect_null(value);
		cr_expect(strstr(err.text, complaint) == err.text, "%s", err.text);
	}
	static const char good[] =
		"hall: { name: '0100', watts: 0 }\nowner: 10k\nlamps: [ { name: b, watts: 4294967295 } ]\n";
	struct torap_error err = { "" };
	void *value;
	cr_assert_eq(
		torap_yaml_parse("house.yaml", good, strlen(good), &house, &value, &err), 0, "%s", err.text);
	cr_expect_eq(((struct house *)value)->lamps[0].watts, UINT32_MAX);
	torap_yaml_free(&house, value);
	check_refused("hall: { name: x, watts: 4294967296 }\nowner: a\n",
		"house.yaml:1: \"hall.watts\": '4294967296' is not a number, or out of range");
}

Test(yaml, never_repeats_a_value_that_is_too_long)
{
	check_refused("hall: { name: this-may-be-a-secret }\nowner: a\n",
		"house.yaml:1: \"hall.name\" has more than 10 characters");
}

Test(yaml, finds_the_line_of_bad_syntax)
{
	check_refused("hall: { name: x }\nowner: a\n\t- b\n",
		"house.yaml:3: not YAML: found a tab character that violates indentation");
	check_refused(
		"hall: { name: x }\nowner: \xff\n", "house.yaml:2: not YAML: invalid leading UTF-8 octet");
}

Test(yaml, refuses_an_empty_file_a_second_document_and_aliases)
{
	check_refused("", "house.yaml:1: is empty");
	check_refused("# nothing\n", "house.yaml:1: is empty");
	check_refused("hall: { name: x }\nowner: a\n---\nb: c\n",
		"house.yaml: has a second document (after \"---\")");
	check_refused("hall: { name: &n x }\nowner: *n\n", "house.yaml:2: aliases (*name) are not taken");
}

Test(yaml, keeps_a_complaint_on_one_line)
{
	struct torap_error err = { "" };
	void *value;
	static const char text[] = "\"two\\nlines\": 1\n";
	cr_assert_lt(torap_yaml_parse("house.yaml", text, strlen(text), &house, &value, &err), 0);
	cr_expect_null(strchr(err.text, '\n'), "%s", err.text);
}

Test(yaml, says_which_file_is_not_there)
{
	struct torap_error err = { "" };
	void *value;
	cr_assert_lt(torap_yaml_load("/nowhere/house.yaml", &house, &value, &err), 0);
	cr_expect_str_eq(err.text, "/nowhere/house.yaml: No such file or directory");
}

Test(yaml, refuses_a_file_beyond_the_limit)
{
	size_t size = TORAP_YAML_SIZE_MAX + 1;
	char *text = calloc(1, size);
	struct torap_error err = { "" };
	void *value;
	memset(text, '#', size);
	cr_expect_lt(torap_yaml_parse("house.yaml", text, size, &house, &value, &err), 0);
	cr_expect_str_eq(err.text, "house.yaml: 16777217 bytes; the limit is 16777216");
	free(text);
}

static void check_line(const char *where, const char *complaint)
{
	static const char text[] = "hall:\n  name: x\nlamps:\n  - name: a\n  -\n    name: b\n    watts: 5\n";
	struct torap_error err = { "" };
	cr_expect_lt(torap_yaml_refuse_text(
			     &err, "house.yaml", torap_bytes(text, strlen(text)), where, "too %s", "dark"),
		0);
	cr_expect_str_eq(err.text, complaint);
}

Test(yaml, finds_the_line_of_a_value_by_its_path)
{
	check_line("hall.name", "house.yaml:2: too dark");
	check_line("lamps[0]", "house.yaml:4: too dark");
	check_line("lamps[1].watts", "house.yaml:7: too dark");
	check_line("lamps[1].colour", "house.yaml:6: too dark"); /* not there: what should hold it */
	check_line("lamps[7].watts", "house.yaml:3: too dark");
	check_line("", "house.yaml:1: too dark");
}

Test(yaml, names_are_relative_to_the_file)
{
	char *path = torap_yaml_path("/etc/torap/node.yaml", "sites.csv");
	cr_expect_str_eq(path, "/etc/torap/sites.csv");
	free(path);
	path = torap_yaml_path("node.yaml", "sites.csv");
	cr_expect_str_eq(path, "sites.csv");
	free(path);
	path = torap_yaml_path("/etc/torap/node.yaml", "/srv/sites.csv");
	cr_expect_str_eq(path, "/srv/sites.csv");
	free(path);
}
