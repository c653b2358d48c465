#include "conf/secrets.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/file.h"

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct torap_secret *)a)->name, ((const struct torap_secret *)b)->name);
}

/* Grows by hand, not by realloc(), which would leave secrets behind in freed memory. */
static int add(struct torap_secrets *s, const struct torap_secret *secret)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct torap_secret *list = calloc(room, sizeof *list);
		if (!list)
			return -ENOMEM;
		if (s->count)
			memcpy(list, s->list, s->count * sizeof *list);
		if (s->list)
			sodium_memzero(s->list, s->count * sizeof *list);
		free(s->list);
		s->list = list;
		s->room = room;
	}
	s->list[s->count++] = *secret;
	return 0;
}

static void trim_end(char *text)
{
	size_t size = strlen(text);
	while (size && strchr(" \t\r\n", text[size - 1]))
		text[--size] = '\0';
}

static char *trim(char *text)
{
	text += strspn(text, " \t");
	trim_end(text);
	return text;
}

/* What stands between quotes; else up to a comment.  NULL: a quote has no end, or something follows it. */
static char *value_of(char *text)
{
	text = trim(text);
	if (*text == '"' || *text == '\'') {
		char *end = strchr(text + 1, *text);
		if (!end)
			return NULL;
		*end = '\0';
		const char *rest = trim(end + 1);
		return *rest == '\0' || *rest == '#' ? text + 1 : NULL;
	}
	for (char *c = text; *c; c++)
		if (*c == '#' && (c == text || c[-1] == ' ' || c[-1] == '\t'))
			*c = '\0';
	trim_end(text);
	return text;
}

static int read_line(
	struct torap_secrets *s, char *line, const char *path, int number, struct torap_error *err)
{
	char *text = trim(line);
	if (!*text || *text == '#' || !strcmp(text, "---") || !strcmp(text, "{}"))
		return 0;
	char *colon = strchr(text, ':');
	if (!colon)
		return torap_errorf(err, -EINVAL, "%s:%d: expected \"name: secret\"", path, number);
	*colon = '\0';
	const char *name = value_of(text), *value = value_of(colon + 1);
	if (!name || !*name || strlen(name) > TORAP_SECRET_NAME_MAX)
		return torap_errorf(err, -EINVAL, "%s:%d: a name has 1 to %d characters", path, number,
			TORAP_SECRET_NAME_MAX);
	if (!value || strlen(value) > TORAP_SECRET_TEXT_MAX)
		return torap_errorf(err, -EINVAL,
			"%s:%d: the secret of %s is too long, or its quote has no end", path, number, name);
	if (s->count == TORAP_SECRETS_MAX)
		return torap_errorf(
			err, -EINVAL, "%s:%d: more than %d secrets", path, number, TORAP_SECRETS_MAX);
	struct torap_secret secret = { .line = number };
	snprintf(secret.name, sizeof secret.name, "%s", name);
	snprintf(secret.text, sizeof secret.text, "%s", value);
	int r = add(s, &secret);
	sodium_memzero(&secret, sizeof secret);
	return r ? torap_errorf(err, r, "%s: out of memory", path) : 0;
}

static int check_unique(struct torap_secrets *s, const char *path, struct torap_error *err)
{
	if (s->count)
		qsort(s->list, s->count, sizeof *s->list, compare);
	for (size_t i = 1; i < s->count; i++) {
		const struct torap_secret *a = &s->list[i - 1], *b = &s->list[i];
		bool in_order = a->line < b->line; /* qsort() leaves equal names in any order */
		if (!strcmp(a->name, b->name))
			return torap_errorf(err, -EINVAL, "%s:%d: the name %s stands already in line %d",
				path, in_order ? b->line : a->line, b->name, in_order ? a->line : b->line);
	}
	return 0;
}

static int read_lines(
	struct torap_secrets *s, struct torap_bytes text, const char *path, struct torap_error *err)
{
	char line[512];
	int r = 0;
	for (int number = 1; !r && text.size; number++) {
		const uint8_t *end = memchr(text.data, '\n', text.size);
		size_t size = end ? (size_t)(end - text.data) : text.size;
		if (size >= sizeof line) {
			r = torap_errorf(err, -EINVAL, "%s:%d: the line is too long", path, number);
			break;
		}
		memcpy(line, text.data, size);
		line[size] = '\0';
		r = read_line(s, line, path, number, err);
		size += end != NULL;
		text = torap_bytes(text.data + size, text.size - size);
	}
	sodium_memzero(line, sizeof line);
	return r;
}

int torap_secrets_load(struct torap_secrets *out, const char *path, struct torap_error *err)
{
	struct torap_buffer *file;
	int r = torap_file_read_secret(&file, path, TORAP_SECRETS_FILE_SIZE_MAX, err);
	if (r)
		return r;
	struct torap_secrets s = { 0 };
	r = read_lines(&s, torap_buffer_bytes(file), path, err);
	sodium_memzero(file->data, file->size);
	torap_buffer_unref(file);
	if (!r)
		r = check_unique(&s, path, err);
	if (r) {
		torap_secrets_finish(&s);
		return r;
	}
	*out = s;
	return 0;
}

void torap_secrets_finish(struct torap_secrets *s)
{
	if (s->list)
		sodium_memzero(s->list, s->count * sizeof *s->list);
	free(s->list);
	*s = (struct torap_secrets){ 0 };
}

const struct torap_secret *torap_secrets_find(const struct torap_secrets *s, const char *name)
{
	struct torap_secret wanted = { .name = "" };
	if (!s->count || strlen(name) > TORAP_SECRET_NAME_MAX)
		return NULL;
	snprintf(wanted.name, sizeof wanted.name, "%s", name);
	return bsearch(&wanted, s->list, s->count, sizeof *s->list, compare);
}
