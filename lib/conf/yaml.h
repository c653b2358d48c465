/* yaml.h: a configuration file into a struct, by libcyaml, with complaints that name file, line and reason.
 *
 * An unknown key, a missing required key, a wrong type or a number out of range refuses the whole file. */
#pragma once

#include <cyaml/cyaml.h>
#include <stdbool.h>

struct torap_error;

/* *out is allocated; free it with torap_yaml_free() and the same schema.  err: "node.yaml:12: unknown key "lisen" in "intake"". */
int torap_yaml_load(
	const char *path, const cyaml_schema_value_t *schema, void **out, struct torap_error *err);
/* The same for text in memory (fuzzing, tests); `name` stands for the path in errors. */
int torap_yaml_parse(const char *name, const char *text, size_t size, const cyaml_schema_value_t *schema,
	void **out, struct torap_error *err);
void torap_yaml_free(const cyaml_schema_value_t *schema, void *value);

/* Names in a configuration file are relative to the folder of the file.  Allocated; NULL when memory ran out. */
char *torap_yaml_path(const char *config_path, const char *name);
