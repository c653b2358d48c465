/* Libcyaml tells what is wrong only by its log: a line with the reason, then a backtrace, innermost first, in which each frame
 * is a mapping or a list together with the field or entry that was being read:
 *
 *     Load: Unexpected key: lisen
 *     Load: Backtrace:
 *       in mapping (line: 2, column: 3)
 *       in mapping field 'intake' (line: 2, column: 3)
 *
 * The log is caught here and becomes one line.  Values are not repeated where they may be secrets (too long, too short). */
#include "conf/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buffer.h"
#include "base/error.h"
#include "conf/file.h"
#include "conf/yaml_numbers.h"
#include "conf/yaml_where.h"

enum { FRAMES_MAX = 12, PATH_MAX_SIZE = 160 };

struct frame {
	char key[48];   /* of a mapping; empty before its first */
	unsigned entry; /* of a list, counted from 1; 0: a mapping, or before the first */
	unsigned line;
};

struct complaint {
	char reason[192]; /* libcyaml's own words; empty: none yet */
	bool in_backtrace;
	struct frame frames[FRAMES_MAX]; /* innermost first */
	unsigned frames_count;
};

static void catch_frame(struct complaint *c, const char *text)
{
	if (c->frames_count == FRAMES_MAX)
		return;
	struct frame *f = &c->frames[c->frames_count++];
	*f = (struct frame){ 0 };

	const char *line = strstr(text, "(line: ");
	if (line)
		f->line = (unsigned)strtoul(line + strlen("(line: "), NULL, 10);
	const char *from = strchr(text, '\'');
	const char *to = from ? strchr(from + 1, '\'') : NULL;
	if (!to)
		return;
	if (strstr(text, "sequence entry"))
		f->entry = (unsigned)strtoul(from + 1, NULL, 10);
	else
		snprintf(f->key, sizeof f->key, "%.*s", (int)(to - from - 1), from + 1);
}

static void on_log(cyaml_log_t level, void *hint, const char *format, va_list args)
{
	struct complaint *c = hint;
	char text[sizeof c->reason];
	(void)level;

	vsnprintf(text, sizeof text, format, args);
	const char *at = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
	if (strncmp(at, "Backtrace:", 10) == 0) {
		c->in_backtrace = true;
	} else if (c->in_backtrace) {
		catch_frame(c, at);
	} else if (!*c->reason) {
		size_t length = strlen(at);
		memcpy(c->reason, at, length + 1);
		if (length > 0 && at[length - 1] == '\n')
			c->reason[length - 1] = '\0';
	}
}

/* "feeds[3].parts": the frames from `first` outwards, written from the outside in.  Libcyaml and people count entries from 1;
 * `less` is 1 for those who count from 0. */
static void write_path(const struct complaint *c, unsigned first, unsigned less, char *out, size_t size)
{
	size_t used = 0;
	*out = '\0';
	for (unsigned i = c->frames_count; i-- > first && used < size;) {
		const struct frame *f = &c->frames[i];
		if (f->entry)
			used += (size_t)snprintf(out + used, size - used, "[%u]", f->entry - less);
		else
			used += (size_t)snprintf(
				out + used, size - used, "%s%s", used && *f->key ? "." : "", f->key);
	}
}

static unsigned line_of(const struct complaint *c)
{
	return c->frames_count ? c->frames[0].line : 1;
}

static const char *after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

static const char *shape(const char *name)
{
	if (strncmp(name, "MAPPING", 7) == 0)
		return "a mapping (key: value)";
	if (strncmp(name, "SEQUENCE", 8) == 0)
		return "a list";
	if (strncmp(name, "ALIAS", 5) == 0)
		return "an alias";
	return "a plain value";
}

static int refuse_shape(const struct complaint *c, const char *at, const char *value, const char *wanted,
	struct torap_error *err)
{
	const char *got = strstr(wanted, "got event: ");
	const char *is = got ? shape(got + strlen("got event: ")) : "something else";
	if (c->frames_count == 0)
		return torap_errorf(err, -EINVAL, "%s: the file must be %s, not %s", at, shape(wanted), is);
	return torap_errorf(err, -EINVAL, "%s: \"%s\" must be %s, not %s", at, value, shape(wanted), is);
}

/* A key that is wrong, missing or there twice; libcyaml does not say on which line. */
static int refuse_key(
	const char *name, struct torap_bytes text, const struct complaint *c, struct torap_error *err)
{
	static const struct {
		const char *reason, *before, *behind;
	} table[] = {
		{ "Unexpected key: ", "unknown key", "" },
		{ "Missing required mapping field: ", "key", " is missing" },
		{ "Mapping field already seen: ", "key", " stands twice" },
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const char *key = after(c->reason, table[i].reason);
		if (!key)
			continue;
		char in[PATH_MAX_SIZE], where[PATH_MAX_SIZE];
		write_path(c, 1, 0, in, sizeof in);
		write_path(c, 1, 1, where, sizeof where);
		return torap_errorf(err, -EINVAL, "%s:%zu: %s \"%s\"%s%s%s%s", name,
			torap_yaml_line(text, where, key), table[i].before, key, table[i].behind,
			*in ? " in \"" : "", in, *in ? "\"" : "");
	}
	return 0;
}

/* The number in libcyaml's own words, behind `prefix`; -1 when they are others. */
static long number_after(const char *reason, const char *prefix)
{
	const char *rest = after(reason, prefix);
	return rest ? strtol(rest, NULL, 10) : -1;
}

static int refuse_list(const struct complaint *c, const char *at, struct torap_error *err)
{
	char in[PATH_MAX_SIZE];
	write_path(c, 1, 0, in, sizeof in);
	long most = number_after(c->reason, "Excessive entries (");
	if (most >= 0)
		return torap_errorf(err, -EINVAL, "%s: \"%s\" has more than %ld entries", at, in, most);
	long have = number_after(c->reason, "Insufficient entries (");
	if (have >= 0)
		return torap_errorf(err, -EINVAL, "%s: \"%s\" has too few entries: %ld", at, in, have);
	return 0;
}

static int refuse_value(const struct complaint *c, const char *at, const char *value, struct torap_error *err)
{
	const char *rest;
	if ((rest = after(c->reason, "Expecting ")))
		return refuse_shape(c, at, value, rest, err);
	long least = number_after(c->reason, "STRING length < ");
	if (least == 1)
		return torap_errorf(err, -EINVAL, "%s: \"%s\" is empty", at, value);
	if (least > 1)
		return torap_errorf(
			err, -EINVAL, "%s: \"%s\" has less than %ld characters", at, value, least);
	long most = number_after(c->reason, "STRING length > ");
	if (most >= 0)
		return torap_errorf(err, -EINVAL, "%s: \"%s\" has more than %ld characters", at, value, most);
	if ((rest = after(c->reason, "Invalid ENUM value: ")))
		return torap_errorf(err, -EINVAL, "%s: \"%s\": \"%s\" is none of its words", at, value, rest);
	if ((rest = after(c->reason, "Invalid UINT value: ")) ||
		(rest = after(c->reason, "Invalid INT value: ")) ||
		(rest = after(c->reason, "Invalid uint64_t value: ")) ||
		(rest = after(c->reason, "Invalid FLOAT value: ")))
		return torap_errorf(
			err, -EINVAL, "%s: \"%s\": %s is not a number, or out of range", at, value, rest);
	return 0;
}

/* Libcyaml knows only where it was when libyaml failed; libyaml itself knows where the fault is. */
static int refuse_syntax(const char *name, const char *text, size_t size, struct torap_error *err)
{
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return torap_errorf(err, -ENOMEM, "%s: out of memory", name);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);

	bool done = false;
	while (!done) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event))
			break;
		done = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	size_t line = parser.problem_mark.line + 1;
	if (parser.error == YAML_READER_ERROR) {
		/* Bytes that are no text: libyaml gives their offset alone. */
		line = 1;
		for (size_t i = 0; i < parser.problem_offset && i < size; i++)
			line += text[i] == '\n';
	}
	int r = torap_errorf(err, -EINVAL, "%s:%zu: not YAML: %s", name, line,
		parser.problem ? parser.problem : "it cannot be read");
	yaml_parser_delete(&parser);
	return r;
}

static int explain(const char *name, struct torap_bytes text, const struct complaint *c, cyaml_err_t code,
	struct torap_error *err)
{
	char at[256], value[PATH_MAX_SIZE];
	snprintf(at, sizeof at, "%s:%u", name, line_of(c));
	write_path(c, 0, 0, value, sizeof value);

	int r = refuse_key(name, text, c, err);
	if (!r)
		r = refuse_list(c, at, err);
	if (!r)
		r = refuse_value(c, at, value, err);
	if (!r)
		r = torap_errorf(err, -EINVAL, "%s: \"%s\": %s", at, value,
			*c->reason ? c->reason : cyaml_strerror(code));
	return r;
}

static cyaml_config_t config(struct complaint *c)
{
	return (cyaml_config_t){
		.log_fn = c ? on_log : NULL,
		.log_ctx = c,
		.log_level = CYAML_LOG_WARNING,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_NO_ALIAS, /* a few of them make a small file a huge value */
	};
}

int torap_yaml_parse(const char *name, const char *text, size_t size, const cyaml_schema_value_t *schema,
	void **out, struct torap_error *err)
{
	if (size > TORAP_YAML_SIZE_MAX)
		return torap_errorf(
			err, -EFBIG, "%s: %zu bytes; the limit is %d", name, size, TORAP_YAML_SIZE_MAX);

	struct complaint c = { 0 };
	cyaml_config_t with = config(&c);
	void *value = NULL;
	cyaml_err_t code = cyaml_load_data((const uint8_t *)text, size, &with, schema, &value, NULL);
	if (code == CYAML_OK && value && !*c.reason) {
		int r = torap_yaml_judge_numbers(name, torap_bytes(text, size), schema, err);
		if (r)
			torap_yaml_free(schema, value);
		else
			*out = value;
		return r;
	}
	torap_yaml_free(schema, value);
	if (code == CYAML_ERR_OOM)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", name);
	if (code == CYAML_ERR_LIBYAML_PARSER)
		return refuse_syntax(name, text, size, err);
	if (code == CYAML_ERR_ALIAS)
		return torap_errorf(err, -EINVAL, "%s:%u: aliases (*name) are not taken", name, line_of(&c));
	if (code == CYAML_OK && !value)
		return torap_errorf(err, -EINVAL, "%s:1: is empty", name);
	if (code == CYAML_OK) /* its only warning */
		return torap_errorf(err, -EINVAL, "%s: has a second document (after \"---\")", name);
	return explain(name, torap_bytes(text, size), &c, code, err);
}

int torap_yaml_load(const char *path, const cyaml_schema_value_t *schema, void **out, struct torap_error *err)
{
	struct torap_buffer *b = NULL;
	int r = torap_file_read(&b, path, TORAP_YAML_SIZE_MAX, err);
	if (r)
		return r;
	r = torap_yaml_parse(path, (const char *)b->data, b->size, schema, out, err);
	torap_buffer_unref(b);
	return r;
}

void torap_yaml_free(const cyaml_schema_value_t *schema, void *value)
{
	cyaml_config_t with = config(NULL);
	/* Fails only for arguments that are wrong by themselves. */
	if (value)
		cyaml_free(&with, schema, value, 0);
}

char *torap_yaml_path(const char *config_path, const char *name)
{
	const char *slash = strrchr(config_path, '/');
	if (*name == '/' || !slash)
		return strdup(name);
	char *path;
	return asprintf(&path, "%.*s%s", (int)(slash + 1 - config_path), config_path, name) < 0 ? NULL : path;
}

char *torap_yaml_endpoint(const char *config_path, const char *endpoint)
{
	static const char scheme[] = "ipc://";
	if (strncmp(endpoint, scheme, strlen(scheme)) != 0 || endpoint[strlen(scheme)] == '@')
		return strdup(endpoint);
	char *path = torap_yaml_path(config_path, endpoint + strlen(scheme)), *out = NULL;
	if (path && asprintf(&out, "%s%s", scheme, path) < 0)
		out = NULL;
	free(path);
	return out;
}

int torap_yaml_judge_fixed(
	const struct torap_yaml_fixed *fixed, size_t count, const char *path, struct torap_error *err)
{
	for (size_t i = 0; i < count; i++)
		if (!fixed[i].same)
			return torap_yaml_refuse(
				err, path, fixed[i].key, "%s changes with a restart only", fixed[i].key);
	return 0;
}

bool torap_yaml_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}
