#include "conf/yaml_where.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buffer.h"
#include "base/error.h"
#include "conf/file.h"
#include "conf/yaml.h"

struct place {
	yaml_document_t *doc;
	yaml_node_t *node; /* NULL: a step led nowhere */
	size_t line;       /* of the last step that is there */
};

static void step_to_entry(struct place *at, size_t index)
{
	yaml_node_t *list = at->node;
	at->node = NULL;
	if (list->type != YAML_SEQUENCE_NODE)
		return;
	size_t count = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
	if (index >= count)
		return;
	at->node = yaml_document_get_node(at->doc, list->data.sequence.items.start[index]);
	at->line = at->node->start_mark.line + 1;
}

static void step_to_key(struct place *at, const char *key, size_t length)
{
	yaml_node_t *mapping = at->node;
	at->node = NULL;
	if (mapping->type != YAML_MAPPING_NODE)
		return;
	for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < mapping->data.mapping.pairs.top;
		p++) {
		yaml_node_t *k = yaml_document_get_node(at->doc, p->key);
		if (k->type != YAML_SCALAR_NODE || k->data.scalar.length != length ||
			memcmp(k->data.scalar.value, key, length) != 0)
			continue;
		at->node = yaml_document_get_node(at->doc, p->value);
		at->line = k->start_mark.line + 1;
	}
}

static void walk(struct place *at, const char *where, const char *key)
{
	while (at->node && *where) {
		if (*where == '[') {
			char *end;
			step_to_entry(at, strtoul(where + 1, &end, 10));
			where = *end == ']' ? end + 1 : end;
		} else {
			size_t length = strcspn(where, ".[");
			step_to_key(at, where, length);
			where += length;
		}
		where += *where == '.';
	}
	if (at->node && key)
		step_to_key(at, key, strlen(key));
}

size_t torap_yaml_line(struct torap_bytes text, const char *where, const char *key)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	struct place at = { .doc = &doc, .line = 1 };

	if (!yaml_parser_initialize(&parser))
		return at.line;
	yaml_parser_set_input_string(&parser, text.data, text.size);
	if (yaml_parser_load(&parser, &doc)) {
		at.node = yaml_document_get_root_node(&doc);
		walk(&at, where, key);
		yaml_document_delete(&doc);
	}
	yaml_parser_delete(&parser);
	return at.line;
}

static int refuse(struct torap_error *err, const char *name, struct torap_bytes text, const char *where,
	const char *format, va_list args)
{
	char reason[TORAP_ERROR_TEXT_MAX];
	vsnprintf(reason, sizeof reason, format, args);
	return torap_errorf(err, -EINVAL, "%s:%zu: %s", name, torap_yaml_line(text, where, NULL), reason);
}

int torap_yaml_refuse_text(struct torap_error *err, const char *name, struct torap_bytes text,
	const char *where, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int r = refuse(err, name, text, where, format, args);
	va_end(args);
	return r;
}

int torap_yaml_refuse(struct torap_error *err, const char *path, const char *where, const char *format, ...)
{
	/* A file that is gone by now costs the line, not the reason. */
	struct torap_buffer *b = NULL;
	torap_file_read(&b, path, TORAP_YAML_SIZE_MAX, NULL);

	va_list args;
	va_start(args, format);
	int r = refuse(err, path, b ? torap_buffer_bytes(b) : torap_bytes("", 0), where, format, args);
	va_end(args);
	torap_buffer_unref(b);
	return r;
}

struct torap_yaml_step torap_yaml_at(const char *list, size_t entry, const char *key)
{
	struct torap_yaml_step s;
	snprintf(s.text, sizeof s.text, "%s[%zu].%s", list, entry, key);
	return s;
}

int torap_yaml_refuse_step(const struct torap_yaml_place *at, const char *step, int entry,
	struct torap_error *err, const char *format, ...)
{
	char reason[384], where[192];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	if (entry < 0)
		snprintf(where, sizeof where, "%s.%s", at->where, step);
	else
		snprintf(where, sizeof where, "%s.%s[%d]", at->where, step, entry);
	if (!at->text.data)
		return torap_yaml_refuse(err, at->name, where, "%s", reason);
	return torap_yaml_refuse_text(err, at->name, at->text, where, "%s", reason);
}
