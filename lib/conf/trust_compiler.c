#include "conf/trust_compiler.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/time.h"
#include "conf/trust.h"
#include "wire/taxonomy.h"

void *torap_compiler_take(struct torap_compiler *c, size_t count, size_t size)
{
	/* One at least, and what a failure leaves unused is zero. */
	void *memory =
		c->failed ? NULL
			  : c->arena.allocator.alloc(c->arena.allocator.allocator_data, (count + 1) * size);
	if (memory)
		memset(memory, 0, (count + 1) * size);
	else if (!c->failed)
		c->failed = torap_errorf(c->err, -ENOMEM, "%s: out of memory", c->path);
	return memory;
}

void torap_compiler_refuse(struct torap_compiler *c, const char *where, const char *reason)
{
	if (!c->failed)
		c->failed = torap_yaml_refuse_text(c->err, c->path, c->text, where, "%s", reason);
}

ProtobufCBinaryData torap_compiler_key(struct torap_compiler *c, const char *where, const char *text)
{
	ProtobufCBinaryData out = { 0 };
	uint8_t *bytes = torap_compiler_take(c, 1, TORAP_SIGN_KEY_SIZE);
	if (!bytes)
		return out;
	if (!torap_unhex(bytes, TORAP_SIGN_KEY_SIZE, text))
		torap_compiler_refuse(c, where, "a key is 64 hexadecimal digits");
	return (ProtobufCBinaryData){ .len = TORAP_SIGN_KEY_SIZE, .data = bytes };
}

int64_t torap_compiler_time(struct torap_compiler *c, const char *where, const char *text)
{
	struct torap_wall t = { 0 };
	struct torap_error why;
	if (torap_wall_parse(&t, text, &why))
		torap_compiler_refuse(c, where, why.text);
	return t.us;
}

uint64_t torap_compiler_duration(struct torap_compiler *c, const char *where, const char *text)
{
	int64_t us = 0;
	struct torap_error why;
	if (text && torap_duration_parse(&us, text, &why))
		torap_compiler_refuse(c, where, why.text);
	else if (text && us < TORAP_US_PER_S)
		torap_compiler_refuse(c, where, "less than a second");
	return (uint64_t)us / TORAP_US_PER_S;
}

uint32_t *torap_compiler_regions(struct torap_compiler *c, const char *where, char **texts, unsigned count)
{
	uint32_t *regions = torap_compiler_take(c, count, sizeof *regions);
	for (unsigned i = 0; regions && i < count; i++) {
		char at[96], why[160];
		snprintf(at, sizeof at, "%s[%u]", where, i);
		snprintf(why, sizeof why, "region \"%s\" is not a KATO code of 9 digits", texts[i]);
		if (!torap_region_parse(&regions[i], texts[i]))
			torap_compiler_refuse(c, at, why);
	}
	return regions;
}

uint32_t *torap_compiler_words(struct torap_compiler *c, const char *where, char **texts, unsigned count,
	int (*number)(const char *), const char *what)
{
	uint32_t *numbers = torap_compiler_take(c, count, sizeof *numbers);
	for (unsigned i = 0; numbers && i < count; i++) {
		char at[96], why[160];
		int n = number(texts[i]);
		snprintf(at, sizeof at, "%s[%u]", where, i);
		snprintf(why, sizeof why, "\"%s\" is not a %s", texts[i], what);
		if (n < 0)
			torap_compiler_refuse(c, at, why);
		numbers[i] = n < 0 ? 0 : (uint32_t)n;
	}
	return numbers;
}
