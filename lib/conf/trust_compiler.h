/* trust_compiler.h: what reads the text form of the trust file into protobuf (private to lib/conf). */
#pragma once

#include "base/bytes.h"
#include "conf/yaml.h"
#include "proto/session.pb-c.h"
#include "wire/arena.h"

struct torap_error;

/* One compiling.  Remembers the first failure: after it nothing more is read, and the caller looks once. */
struct torap_compiler {
	const char *path;
	struct torap_bytes text;
	struct torap_arena arena;
	struct torap_error *err;
	int failed; /* 0 or a negative error */
};

/* Zeros, which live as long as the compiler.  NULL after a failure. */
void *torap_compiler_take(struct torap_compiler *c, size_t count, size_t size);
/* `where` as in "writers[3].keys[0].from". */
void torap_compiler_refuse(struct torap_compiler *c, const char *where, const char *reason);

ProtobufCBinaryData torap_compiler_key(struct torap_compiler *c, const char *where, const char *text);
int64_t torap_compiler_time(struct torap_compiler *c, const char *where, const char *text);
/* In seconds; 0 when there is no text. */
uint64_t torap_compiler_duration(struct torap_compiler *c, const char *where, const char *text);
uint32_t *torap_compiler_regions(struct torap_compiler *c, const char *where, char **texts, unsigned count);
/* Names as numbers. */
uint32_t *torap_compiler_words(struct torap_compiler *c, const char *where, char **texts, unsigned count,
	int (*number)(const char *), const char *what);

/* A retention rule as people write it, and its reading. */
struct torap_rule_text {
	char **regions, **facilities, **kinds, **parts;
	unsigned regions_count, facilities_count, kinds_count, parts_count;
	char *severity_min, *lane, *keep, *at_most;
};
extern const cyaml_schema_value_t torap_rule_text_schema;
void torap_compiler_rule(struct torap_compiler *c, Torap__RetentionRule *out,
	const struct torap_rule_text *in, unsigned index);
