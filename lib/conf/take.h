/* take.h: what stands in a configuration file, taken value by value into our own struct: judged and copied.
 *
 *     struct torap_taking t = { path, err, 0 };
 *     torap_take_text(&t, &c->feed, raw->feed);
 *     torap_take_duration(&t, &c->canary_us, raw->canary, &canary_range, "canary");
 *     return t.failed;
 *
 * It remembers its first complaint and then does nothing more, so that a configuration is a straight list, checked once.  A value that was
 * left out (NULL) leaves *out as it is: defaults stand there before.  `where` is as in torap_yaml_refuse(), `range` NULL: any.  Copies
 * are the caller's. */
#pragma once

#include <stdint.h>

struct torap_error;
struct torap_keys;

struct torap_taking {
	const char *path; /* of the file */
	struct torap_error *err;
	int failed; /* 0, or the negative error that err tells of; the caller may set it to a complaint of its own */
};

struct torap_range {
	int64_t least, most;   /* microseconds of a duration, bytes of a size */
	const char *complaint; /* "must be between 100ms and 24h" */
};

void torap_take_text(struct torap_taking *t, char **out, const char *text);
/* The name of a file, which is relative to the folder of the configuration. */
void torap_take_path(struct torap_taking *t, char **out, const char *name);
void torap_take_duration(struct torap_taking *t, int64_t *out_us, const char *text,
	const struct torap_range *range, const char *where);
void torap_take_size(struct torap_taking *t, uint64_t *out_bytes, const char *text,
	const struct torap_range *range, const char *where);
/* 1 to `most`. */
void torap_take_number(
	struct torap_taking *t, unsigned *out, const unsigned *number, unsigned most, const char *where);
/* Which of the words it is; `words` ends with NULL. */
void torap_take_word(
	struct torap_taking *t, unsigned *out, const char *text, const char *const *words, const char *where);
/* Where a process shows its metrics: an address and a port of this machine itself (loop/http.h). */
void torap_take_metrics(struct torap_taking *t, char **out, const char *listen);
/* The public half of a key file. */
void torap_take_public_keys(struct torap_taking *t, struct torap_keys *out, const char *name);
