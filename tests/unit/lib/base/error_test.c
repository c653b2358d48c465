#include "base/error.h"

#include <criterion/criterion.h>
#include <string.h>

Test(error, gives_back_its_code)
{
	struct torap_error err;
	cr_expect_eq(torap_errorf(&err, -5, "%s: %d", "a.yaml", 7), -5);
	cr_expect_str_eq(err.text, "a.yaml: 7");
	cr_expect_eq(torap_errorf(NULL, -5, "nobody listens"), -5);
}

Test(error, takes_a_prefix)
{
	struct torap_error err;
	torap_errorf(&err, -5, "no such site");
	torap_error_prefix(&err, "%s:%d: ", "devices.csv", 7);
	cr_expect_str_eq(err.text, "devices.csv:7: no such site");
	torap_error_prefix(NULL, "nobody listens");
}

/* A line end in a name from a file would let the file write log lines of its own. */
Test(error, stays_on_one_line)
{
	struct torap_error err;
	torap_errorf(&err, -5, "no site \"%s\"", "a\nb\tc\x1b[31m");
	torap_error_prefix(&err, "%s: ", "x\ny");
	cr_expect_str_eq(err.text, "x?y: no site \"a?b?c?[31m\"");
}

Test(error, cuts_what_is_too_long)
{
	struct torap_error err;
	char text[2 * TORAP_ERROR_TEXT_MAX];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	torap_errorf(&err, -5, "%s", text);
	cr_expect_eq(strlen(err.text), TORAP_ERROR_TEXT_MAX - 1);
	torap_error_prefix(&err, "%s", text);
	cr_expect_eq(strlen(err.text), TORAP_ERROR_TEXT_MAX - 1);
}
