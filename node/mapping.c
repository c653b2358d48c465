/* The rows of all tables stand in one array; names.h leads from (vocabulary, code) to a row.  Native codes are compared without
 * regard to case: no field standard gives two meanings to "ba" and "BA". */
#include "node/mapping.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "conf/file.h"
#include "conf/yaml.h"
#include "node/names.h"
#include "wire/taxonomy.h"

/* As in a file. */
struct row_text {
	char *code, *kind, *state, *severity;
};
struct table_text {
	char *vocabulary;
	struct row_text *rows;
	unsigned rows_count;
};

static const cyaml_schema_field_t row_fields[] = {
	CYAML_FIELD_STRING_PTR("code", CYAML_FLAG_POINTER, struct row_text, code, 1, NODE_MAPPING_CODE_MAX),
	CYAML_FIELD_STRING_PTR("kind", CYAML_FLAG_POINTER, struct row_text, kind, 1, 64),
	CYAML_FIELD_STRING_PTR(
		"state", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct row_text, state, 1, 64),
	CYAML_FIELD_STRING_PTR(
		"severity", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct row_text, severity, 1, 64),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t row_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct row_text, row_fields) };
static const cyaml_schema_field_t table_fields[] = {
	CYAML_FIELD_STRING_PTR("vocabulary", CYAML_FLAG_POINTER, struct table_text, vocabulary, 1, 32),
	CYAML_FIELD_SEQUENCE(
		"rows", CYAML_FLAG_POINTER, struct table_text, rows, &row_schema, 1, NODE_MAPPING_ROWS_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t table_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct table_text, table_fields) };

/* A loaded file: its texts, to which the names point. */
struct table {
	char *name;
	struct table_text *text;
	size_t first_row; /* its first in the array of all */
};

struct node_mapping {
	_Atomic unsigned refs;
	struct table tables[NODE_MAPPING_FILES_MAX];
	unsigned tables_count;
	struct node_meaning *rows;
	size_t rows_count;
	struct node_names codes, vocabularies;
};

/* One file on its way in. */
struct loading {
	struct node_mapping *mapping;
	struct table *table;
	struct torap_bytes bytes;
	struct torap_error *err;
};

#define REFUSE(l, where, ...)                                                                                \
	torap_yaml_refuse_text((l)->err, (l)->table->name, (l)->bytes, where, __VA_ARGS__)

/* Kinds that a device's word must not bring about: the bus and oversight speak of themselves, and a plate read must never be
 * numbered in a stream. */
static bool is_for_the_bus(int kind)
{
	return (kind >= TORAP__KIND__KIND_NODE_UP && kind < TORAP_KIND_BULK_FIRST) ||
	       kind == TORAP__KIND__KIND_PLATE_READ || torap_kind_is_canary((uint32_t)kind);
}

static int read_severity(
	struct loading *l, const struct row_text *in, unsigned index, struct node_meaning *out)
{
	char where[48];
	out->severity = (uint8_t)torap_kind_severity(out->kind);
	if (!in->severity)
		return 0;
	int severity = torap_severity_number(in->severity);
	snprintf(where, sizeof where, "rows[%u].severity", index);
	if (severity <= TORAP__SEVERITY__SEVERITY_UNSPECIFIED)
		return REFUSE(l, where, "code \"%s\": \"%s\" is not a severity", in->code, in->severity);
	out->severity = (uint8_t)severity;
	return 0;
}

static int read_heartbeat(
	struct loading *l, const struct row_text *in, unsigned index, struct node_meaning *out)
{
	char where[48];
	snprintf(where, sizeof where, "rows[%u]", index);
	if (in->state || in->severity)
		return REFUSE(l, where, "code \"%s\": a heartbeat has neither state nor severity", in->code);
	*out = (struct node_meaning){ .alive = true };
	return 0;
}

static int read_row(struct loading *l, const struct row_text *in, unsigned index, struct node_meaning *out)
{
	char where[48];
	if (strcmp(in->kind, "heartbeat") == 0)
		return read_heartbeat(l, in, index, out);

	int kind = torap_kind_number(in->kind);
	snprintf(where, sizeof where, "rows[%u].kind", index);
	if (kind <= TORAP__KIND__KIND_UNSPECIFIED)
		return REFUSE(l, where, "code \"%s\": \"%s\" is not a kind of event", in->code, in->kind);
	if (is_for_the_bus(kind))
		return REFUSE(l, where, "code \"%s\": \"%s\" is not for devices to say", in->code, in->kind);

	snprintf(where, sizeof where, "rows[%u].state", index);
	if (!in->state)
		return REFUSE(l, where, "code \"%s\": key \"state\" is missing", in->code);
	int state = torap_state_number(in->state);
	if (state <= TORAP__STATE__STATE_UNSPECIFIED)
		return REFUSE(l, where, "code \"%s\": \"%s\" is not a state: start, end and pulse are",
			in->code, in->state);
	*out = (struct node_meaning){ .kind = (uint16_t)kind, .state = (uint8_t)state };
	return read_severity(l, in, index, out);
}

/* The row of the same vocabulary and kind that has a start or an end, if any, must have this row's severity: else an end could
 * travel in another lane than its start. */
static int check_severity(struct loading *l, unsigned index)
{
	const struct node_meaning *rows = l->mapping->rows + l->table->first_row;
	const struct row_text *texts = l->table->text->rows;
	if (rows[index].alive || rows[index].state == TORAP__STATE__STATE_PULSE)
		return 0;
	for (unsigned i = 0; i < index; i++) {
		if (rows[i].kind != rows[index].kind || rows[i].state == TORAP__STATE__STATE_PULSE)
			continue;
		if (rows[i].severity == rows[index].severity)
			return 0; /* and so with all before it */
		char where[48];
		snprintf(where, sizeof where, "rows[%u]", index);
		return REFUSE(l, where,
			"code \"%s\" has severity %s, code \"%s\" of the same kind %s: an end has the "
			"severity of its start",
			texts[index].code, torap_severity_name(rows[index].severity), texts[i].code,
			torap_severity_name(rows[i].severity));
	}
	return 0;
}

static int no_memory(const struct loading *l)
{
	return torap_errorf(l->err, -ENOMEM, "%s: out of memory", l->table->name);
}

static int add_row(struct loading *l, unsigned index)
{
	struct node_mapping *m = l->mapping;
	const struct table_text *t = l->table->text;
	const char *code = t->rows[index].code;
	uint32_t other = node_names_find(&m->codes, t->vocabulary, code);
	if (other != NODE_NAMES_NONE) {
		char where[48];
		snprintf(where, sizeof where, "rows[%u].code", index);
		return REFUSE(l, where, "code \"%s\" stands twice: row %zu has it too", code,
			other - l->table->first_row + 1);
	}
	int r = read_row(l, &t->rows[index], index, &m->rows[l->table->first_row + index]);
	if (!r)
		r = check_severity(l, index);
	if (!r && !node_names_add(&m->codes, t->vocabulary, code, (uint32_t)(l->table->first_row + index)))
		r = no_memory(l);
	return r;
}

static int add_vocabulary(struct loading *l)
{
	struct node_mapping *m = l->mapping;
	const char *vocabulary = l->table->text->vocabulary;
	uint32_t other = node_names_find(&m->vocabularies, vocabulary, "");
	if (other != NODE_NAMES_NONE)
		return REFUSE(l, "vocabulary", "vocabulary \"%s\" is that of %s already", vocabulary,
			m->tables[other].name);
	if (!node_names_add(&m->vocabularies, vocabulary, "", m->tables_count - 1))
		return no_memory(l);
	return 0;
}

static int add_rows(struct loading *l)
{
	struct node_mapping *m = l->mapping;
	unsigned count = l->table->text->rows_count;
	struct node_meaning *rows = reallocarray(m->rows, m->rows_count + count, sizeof *rows);
	if (!rows)
		return no_memory(l);
	m->rows = rows;
	l->table->first_row = m->rows_count;
	m->rows_count += count;
	int r = 0;
	for (unsigned i = 0; !r && i < count; i++)
		r = add_row(l, i);
	return r;
}

/* On failure the mapping is good for nothing but unref. */
static int add_table(
	struct node_mapping *m, const char *name, struct torap_bytes bytes, struct torap_error *err)
{
	if (m->tables_count == NODE_MAPPING_FILES_MAX)
		return torap_errorf(err, -EINVAL, "%s: more than %d tables", name, NODE_MAPPING_FILES_MAX);
	struct loading l = { m, &m->tables[m->tables_count], bytes, err };
	void *text = NULL;
	char *copy = strdup(name);
	if (!copy)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", name);
	int r = torap_yaml_parse(name, (const char *)bytes.data, bytes.size, &table_schema, &text, err);
	if (r) {
		free(copy);
		return r;
	}
	*l.table = (struct table){ .name = copy, .text = text };
	m->tables_count++;
	r = add_vocabulary(&l);
	return r ? r : add_rows(&l);
}

static int create(struct node_mapping **out, const char *name, struct torap_error *err)
{
	struct node_mapping *m = calloc(1, sizeof *m);
	if (!m)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", name);
	atomic_init(&m->refs, 1);
	*out = m;
	return 0;
}

int node_mapping_parse(
	struct node_mapping **out, const char *name, struct torap_bytes text, struct torap_error *err)
{
	struct node_mapping *m = NULL;
	int r = create(&m, name, err);
	if (!r)
		r = add_table(m, name, text, err);
	if (r) {
		node_mapping_unref(m);
		return r;
	}
	*out = m;
	return 0;
}

static int is_table(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".yaml") == 0;
}

static int load_table(struct node_mapping *m, const char *dir, const char *file, struct torap_error *err)
{
	struct torap_buffer *b = NULL;
	char *path;
	if (asprintf(&path, "%s/%s", dir, file) < 0)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", dir);
	int r = torap_file_read(&b, path, TORAP_YAML_SIZE_MAX, err);
	if (!r)
		r = add_table(m, path, torap_buffer_bytes(b), err);
	torap_buffer_unref(b);
	free(path);
	return r;
}

int node_mapping_load(struct node_mapping **out, const char *dir, struct torap_error *err)
{
	/* Sorted, so that of two files with one vocabulary it is always the same one that is refused. */
	struct dirent **files = NULL;
	int count = scandir(dir, &files, is_table, alphasort);
	if (count < 0)
		return torap_errorf(err, -errno, "%s: %s", dir, strerror(errno));

	struct node_mapping *m = NULL;
	int r = count ? create(&m, dir, err)
		      : torap_errorf(err, -ENOENT, "%s: holds no mapping table (*.yaml)", dir);
	for (int i = 0; !r && i < count; i++)
		r = load_table(m, dir, files[i]->d_name, err);
	for (int i = 0; i < count; i++)
		free(files[i]);
	free(files);
	if (r) {
		node_mapping_unref(m);
		return r;
	}
	*out = m;
	return 0;
}

struct node_mapping *node_mapping_ref(struct node_mapping *m)
{
	unsigned before = atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	assert(before > 0);
	(void)before;
	return m;
}

struct node_mapping *node_mapping_unref(struct node_mapping *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	for (unsigned i = 0; i < m->tables_count; i++) {
		torap_yaml_free(&table_schema, m->tables[i].text);
		free(m->tables[i].name);
	}
	node_names_finish(&m->codes);
	node_names_finish(&m->vocabularies);
	free(m->rows);
	free(m);
	return NULL;
}

const struct node_meaning *node_mapping_find(
	const struct node_mapping *m, const char *vocabulary, const char *code)
{
	uint32_t row = node_names_find(&m->codes, vocabulary, code);
	return row == NODE_NAMES_NONE ? NULL : &m->rows[row];
}

size_t node_mapping_size(const struct node_mapping *m)
{
	return m->rows_count;
}
