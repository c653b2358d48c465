/* yaml.h: a configuration file into a struct, by libcyaml, with complaints that name file, line and reason.
 *
 * An unknown key, a missing required key, a wrong type, a number out of range or not in decimal digits, a second document or an alias refuses the whole
 * file.  The schema judges shapes; what it cannot judge (a date, a name, a duplicate) the caller refuses by
 * torap_yaml_refuse(), which finds the line.  Write enums with CYAML_FLAG_STRICT: without it any
 * number passes; and no booleans: libcyaml takes "flase" for true. */
#pragma once

#include <cyaml/cyaml.h>
#include <stdbool.h>

#include "base/bytes.h"

struct torap_error;

enum { TORAP_YAML_SIZE_MAX = 16 << 20 }; /* a policy of 16,384 feeds with a kilobyte each */

/* Fields of a schema: a text of 1 to `most` bytes as `char *member` of `type`; a number as `unsigned *member`.  NULL: left out. */
#define TORAP_YAML_TEXT(key, type, member, most)                                                             \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 1, most)
#define TORAP_YAML_MAY(key, type, member, most)                                                              \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 1, most)
#define TORAP_YAML_MAY_NUMBER(key, type, member)                                                             \
	CYAML_FIELD_UINT_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member)

/* *out is allocated; free it with torap_yaml_free() and the same schema.  err: "node.yaml:12: unknown key "lisen" in "intake"". */
int torap_yaml_load(
	const char *path, const cyaml_schema_value_t *schema, void **out, struct torap_error *err);
/* The same for text in memory (fuzzing, tests); `name` stands for the path in errors. */
int torap_yaml_parse(const char *name, const char *text, size_t size, const cyaml_schema_value_t *schema,
	void **out, struct torap_error *err);
void torap_yaml_free(const cyaml_schema_value_t *schema, void *value);

/* Refuses a value that has the right shape and is wrong all the same: fills err with "FILE:LINE: REASON" and returns -EINVAL.
 * `where` leads to the value, entries counted from 0: "feeds[3].valid_until"; when the last step is missing in the file, the
 * line is that of what should hold it.  The file is read again to find the line. */
int torap_yaml_refuse(struct torap_error *err, const char *path, const char *where, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same for text in memory. */
int torap_yaml_refuse_text(struct torap_error *err, const char *name, struct torap_bytes text,
	const char *where, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* `where` of a key of an entry: "outages[3].until"; use `.text` at once. */
struct torap_yaml_step {
	char text[96];
};
struct torap_yaml_step torap_yaml_at(const char *list, size_t entry, const char *key);

/* Where a part of a file stands, for complaints about what is in it. */
struct torap_yaml_place {
	const char *name;        /* of the file */
	struct torap_bytes text; /* of the file; NULL: `name` is a path, and is read again */
	const char *where;       /* "feeds[3].rows[0]" */
};
/* The same about `step` below the place, or about its entry from 0; entry -1: about the step itself. */
int torap_yaml_refuse_step(const struct torap_yaml_place *at, const char *step, int entry,
	struct torap_error *err, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Names in a configuration file are relative to the folder of the file.  Allocated; NULL when memory ran out. */
char *torap_yaml_path(const char *config_path, const char *name);

/* Likewise the name in an "ipc://…" endpoint (not "ipc://@…"); another endpoint comes as it is.  Allocated; NULL when memory ran out. */
char *torap_yaml_endpoint(const char *config_path, const char *endpoint);

/* What a running process does not take over from a file that is read again: the first that is not the same refuses it. */
struct torap_yaml_fixed {
	const char *key; /* as `where` above */
	bool same;
};
/* 0, or -EINVAL with the reason; `path` is the new file's. */
int torap_yaml_judge_fixed(
	const struct torap_yaml_fixed *fixed, size_t count, const char *path, struct torap_error *err);
/* Of two values that may be left out (NULL). */
bool torap_yaml_same(const char *a, const char *b);
