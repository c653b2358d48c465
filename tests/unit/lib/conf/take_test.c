/* Values of a configuration file: the first that is wrong is named with its line, and nothing after it is looked at. */
#include "conf/take.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "conf/keys.h"
#include "tests/kit/temporary.h"

static char dir[64], path[96];
static struct torap_error err;
static const struct torap_range day = { 100000, 86400000000, "must be between 100ms and 24h" };
static const struct torap_range room = { 64 << 10, 16 << 20, "must be between 64KiB and 16MiB" };

static struct torap_taking begin(void)
{
	temporary_dir(dir, sizeof dir, "take");
	snprintf(path, sizeof path, "%s/a.yaml", dir);
	FILE *f = fopen(path, "w");
	cr_assert(f && fputs("first: 1\nsecond: 2\nthird: 3\n", f) >= 0 && !fclose(f));
	return (struct torap_taking){ path, &err, 0 };
}

static void end(void)
{
	unlink(path);
	rmdir(dir);
}

Test(taking, copies_what_is_there_and_leaves_defaults_where_nothing_is)
{
	static const char *const words[] = { "none", "held", NULL };
	struct torap_taking t = begin();
	char *text = NULL, *none = NULL, *file = NULL, want[128];
	unsigned four = 4, number = 1, same = 7, word = 0;
	int64_t us = 1, kept = 2;
	uint64_t bytes = 1;
	torap_take_text(&t, &text, "a");
	torap_take_text(&t, &none, NULL);
	torap_take_path(&t, &file, "b/c");
	torap_take_duration(&t, &us, "24h", &day, "first");
	torap_take_duration(&t, &kept, NULL, &day, "first");
	torap_take_size(&t, &bytes, "64KiB", &room, "first");
	torap_take_number(&t, &number, &four, 4, "first");
	torap_take_number(&t, &same, NULL, 4, "first");
	torap_take_word(&t, &word, "held", words, "first");
	snprintf(want, sizeof want, "%s/b/c", dir);
	cr_expect_eq(t.failed, 0);
	cr_expect_str_eq(text, "a");
	cr_expect_null(none);
	cr_expect_str_eq(file, want);
	cr_expect(us == 86400000000 && kept == 2 && bytes == 65536);
	cr_expect(number == 4 && same == 7 && word == 1);
	free(text);
	free(file);
	end();
}

/* Each value one beyond what is allowed; *out stays, the line is that of the value. */
Test(taking, refuses_what_is_out_of_its_range_with_the_line)
{
	static const char *const words[] = { "none", "held", "all", NULL };
	unsigned zero = 0, five = 5, number = 1, word = 2;
	int64_t us = 1;
	uint64_t bytes = 1;
	static const char *const complaints[] = { "a.yaml:1: must be between 100ms and 24h",
		"a.yaml:2: must be between 100ms and 24h",
		"a.yaml:2: ", "a.yaml:2: must be between 64KiB and 16MiB",
		"a.yaml:3: must be between 64KiB and 16MiB", "a.yaml:1: first must be 1 to 4",
		"a.yaml:3: third must be 1 to 4", "a.yaml:3: \"some\" is none of none, held, all",
		"nobody.pub" };
	for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++) {
		struct torap_taking t = begin();
		struct torap_keys keys;
		switch (i) {
		case 0:
			torap_take_duration(&t, &us, "99ms", &day, "first");
			break;
		case 1:
			torap_take_duration(&t, &us, "25h", &day, "second");
			break;
		case 2:
			torap_take_duration(&t, &us, "soon", NULL, "second");
			break;
		case 3:
			torap_take_size(&t, &bytes, "65535", &room, "second");
			break;
		case 4:
			torap_take_size(&t, &bytes, "17MiB", &room, "third");
			break;
		case 5:
			torap_take_number(&t, &number, &zero, 4, "first");
			break;
		case 6:
			torap_take_number(&t, &number, &five, 4, "third");
			break;
		case 7:
			torap_take_word(&t, &word, "some", words, "third");
			break;
		default:
			torap_take_public_keys(&t, &keys, "nobody.pub");
		}
		cr_expect_lt(t.failed, 0, "case %zu", i);
		cr_expect(strstr(err.text, complaints[i]), "case %zu: %s", i, err.text);
		cr_expect(us == 1 && bytes == 1 && number == 1 && word == 2, "case %zu", i);
		end();
	}
}

/* A second wrong value, and good ones behind the first. */
Test(taking, remembers_its_first_complaint_and_takes_nothing_more)
{
	static const char *const words[] = { "none", "held", NULL };
	struct torap_taking t = begin();
	struct torap_keys keys;
	char *text = NULL, *file = NULL;
	unsigned number = 1, nine = 9, three = 3, word = 0;
	int64_t us = 1;
	uint64_t bytes = 1;
	torap_take_number(&t, &number, &nine, 4, "second");
	int first = t.failed;
	torap_take_duration(&t, &us, "soon", NULL, "third");
	torap_take_duration(&t, &us, "1s", NULL, "third");
	torap_take_number(&t, &number, &three, 4, "third");
	torap_take_size(&t, &bytes, "1MiB", NULL, "third");
	torap_take_word(&t, &word, "held", words, "third");
	torap_take_text(&t, &text, "a");
	torap_take_path(&t, &file, "a");
	torap_take_public_keys(&t, &keys, "nobody.pub");
	cr_expect_eq(t.failed, first);
	cr_expect(strstr(err.text, "a.yaml:2: second must be 1 to 4"), "%s", err.text);
	cr_expect(us == 1 && number == 1 && bytes == 1 && word == 0);
	cr_expect(!text && !file);
	end();
}
