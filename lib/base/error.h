/* error.h: a text for people, beside the number for the program.
 *
 * A function that can fail takes `struct torap_error *err` (NULL is allowed) and fills it where most is known: who, what, and
 * for files the name and line.  Its return value is 0, a positive answer that its header names, or a negative errno. */
#pragma once

#include <stdbool.h>

enum { TORAP_ERROR_TEXT_MAX = 512 };

struct torap_error {
	char text[TORAP_ERROR_TEXT_MAX]; /* one line, no newline; longer texts are cut */
};

/* Fills err and returns code, so that `return torap_errorf(err, -EINVAL, …)` reads as one thought. */
int torap_errorf(struct torap_error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Is this positive errno the operating system's word for "no room": of the disk, of a quota, of what a file may hold? */
bool torap_error_is_room(int code);

/* Puts a prefix ("kostanay.yaml: ") before the text that is there. */
void torap_error_prefix(struct torap_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
