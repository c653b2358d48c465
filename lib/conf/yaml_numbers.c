#include "conf/yaml_numbers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"

enum { WHERE_SIZE = 160 };

/* On the way through a document, beside its schema. */
struct judge {
	yaml_document_t doc;
	const char *name;
	struct torap_error *err;
	char where[WHERE_SIZE]; /* "feeds[3].parts" */
};

static bool is_list(const cyaml_schema_value_t *schema)
{
	return schema->type == CYAML_SEQUENCE || schema->type == CYAML_SEQUENCE_FIXED;
}

/* A large file without any is not read a second time. */
static bool has_numbers(const cyaml_schema_value_t *schema)
{
	if (is_list(schema))
		return has_numbers(schema->sequence.entry);
	if (schema->type == CYAML_MAPPING)
		for (const cyaml_schema_field_t *f = schema->mapping.fields; f->key; f++)
			if (has_numbers(&f->value))
				return true;
	return schema->type == CYAML_INT || schema->type == CYAML_UINT;
}

static int judge_number(const struct judge *j, const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;
	size_t size = node->data.scalar.length, digits = strspn(text, "0123456789");
	if (size > 0 && digits == size && (text[0] != '0' || size == 1))
		return 0;
	return torap_errorf(j->err, -EINVAL, "%s:%zu: \"%s\": '%.40s' is not a number in decimal digits",
		j->name, node->start_mark.line + 1, j->where, text);
}

static int judge(struct judge *j, const cyaml_schema_value_t *schema, const yaml_node_t *node);

static int judge_list(struct judge *j, const cyaml_schema_value_t *schema, const yaml_node_t *node)
{
	size_t used = strlen(j->where), i = 0;
	int r = 0;
	for (yaml_node_item_t *item = node->data.sequence.items.start;
		item < node->data.sequence.items.top && r == 0; item++) {
		snprintf(j->where + used, sizeof j->where - used, "[%zu]", ++i);
		r = judge(j, schema->sequence.entry, yaml_document_get_node(&j->doc, *item));
		j->where[used] = '\0';
	}
	return r;
}

static const cyaml_schema_field_t *field_of(const cyaml_schema_value_t *schema, const yaml_node_t *key)
{
	const cyaml_schema_field_t *f = schema->mapping.fields;
	while (f->key && strcmp(f->key, (const char *)key->data.scalar.value) != 0)
		f++;
	return f->key ? f : NULL;
}

static int judge_mapping(struct judge *j, const cyaml_schema_value_t *schema, const yaml_node_t *node)
{
	size_t used = strlen(j->where);
	int r = 0;
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top && r == 0;
		p++) {
		const cyaml_schema_field_t *f = field_of(schema, yaml_document_get_node(&j->doc, p->key));
		if (!f)
			continue;
		snprintf(j->where + used, sizeof j->where - used, "%s%s", used ? "." : "", f->key);
		r = judge(j, &f->value, yaml_document_get_node(&j->doc, p->value));
		j->where[used] = '\0';
	}
	return r;
}

/* As deep as the schema goes.  That shapes fit libcyaml has seen to. */
static int judge(struct judge *j, const cyaml_schema_value_t *schema, const yaml_node_t *node)
{
	if (node->type == YAML_SEQUENCE_NODE && is_list(schema))
		return judge_list(j, schema, node);
	if (node->type == YAML_MAPPING_NODE && schema->type == CYAML_MAPPING)
		return judge_mapping(j, schema, node);
	if (node->type == YAML_SCALAR_NODE && (schema->type == CYAML_INT || schema->type == CYAML_UINT))
		return judge_number(j, node);
	return 0;
}

int torap_yaml_judge_numbers(const char *name, struct torap_bytes text, const cyaml_schema_value_t *schema,
	struct torap_error *err)
{
	struct judge j = { .name = name, .err = err };
	yaml_parser_t parser;
	if (!has_numbers(schema))
		return 0;
	if (!yaml_parser_initialize(&parser))
		return torap_errorf(err, -ENOMEM, "%s: out of memory", name);
	yaml_parser_set_input_string(&parser, text.data, text.size);
	int r = yaml_parser_load(&parser, &j.doc) ? 0 : torap_errorf(err, -ENOMEM, "%s: out of memory", name);
	if (!r) {
		const yaml_node_t *root = yaml_document_get_root_node(&j.doc);
		r = root ? judge(&j, schema, root) : 0;
		yaml_document_delete(&j.doc);
	}
	yaml_parser_delete(&parser);
	return r;
}
