#include "conf/take.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/time.h"
#include "conf/keys.h"
#include "conf/yaml.h"
#include "loop/http.h"

static void take_copy(struct torap_taking *t, char **out, char *copy)
{
	if (copy)
		*out = copy;
	else
		t->failed = torap_errorf(t->err, -ENOMEM, "%s: out of memory", t->path);
}

void torap_take_text(struct torap_taking *t, char **out, const char *text)
{
	if (!t->failed && text)
		take_copy(t, out, strdup(text));
}

void torap_take_path(struct torap_taking *t, char **out, const char *name)
{
	if (!t->failed && name)
		take_copy(t, out, torap_yaml_path(t->path, name));
}

void torap_take_duration(struct torap_taking *t, int64_t *out_us, const char *text,
	const struct torap_range *range, const char *where)
{
	struct torap_error why;
	int64_t us;
	if (t->failed || !text)
		return;
	if (torap_duration_parse(&us, text, &why))
		t->failed = torap_yaml_refuse(t->err, t->path, where, "%s", why.text);
	else if (range && (us < range->least || us > range->most))
		t->failed = torap_yaml_refuse(t->err, t->path, where, "%s", range->complaint);
	else
		*out_us = us;
}

void torap_take_size(struct torap_taking *t, uint64_t *out_bytes, const char *text,
	const struct torap_range *range, const char *where)
{
	struct torap_error why;
	uint64_t bytes;
	if (t->failed || !text)
		return;
	if (torap_size_parse(&bytes, text, &why))
		t->failed = torap_yaml_refuse(t->err, t->path, where, "%s", why.text);
	else if (range && (bytes < (uint64_t)range->least || bytes > (uint64_t)range->most))
		t->failed = torap_yaml_refuse(t->err, t->path, where, "%s", range->complaint);
	else
		*out_bytes = bytes;
}

void torap_take_number(
	struct torap_taking *t, unsigned *out, const unsigned *number, unsigned most, const char *where)
{
	if (t->failed || !number)
		return;
	if (!*number || *number > most)
		t->failed = torap_yaml_refuse(t->err, t->path, where, "%s must be 1 to %u", where, most);
	else
		*out = *number;
}

void torap_take_word(
	struct torap_taking *t, unsigned *out, const char *text, const char *const *words, const char *where)
{
	char list[128] = "";
	if (t->failed || !text)
		return;
	for (unsigned i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0) {
			*out = i;
			return;
		}
		size_t used = strlen(list);
		snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", words[i]);
	}
	t->failed = torap_yaml_refuse(t->err, t->path, where, "\"%s\" is none of %s", text, list);
}

void torap_take_metrics(struct torap_taking *t, char **out, const char *listen)
{
	struct torap_error why;
	if (!t->failed && listen && torap_http_check(listen, &why))
		t->failed = torap_yaml_refuse(t->err, t->path, "metrics", "%s", why.text);
	torap_take_text(t, out, listen);
}

void torap_take_public_keys(struct torap_taking *t, struct torap_keys *out, const char *name)
{
	char *path = NULL;
	torap_take_path(t, &path, name);
	if (path)
		t->failed = torap_keys_load_public(out, path, t->err);
	free(path);
}
