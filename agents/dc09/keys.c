#include "agents/dc09/keys.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/file.h"

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct dc09_named_key *)a)->name, ((const struct dc09_named_key *)b)->name);
}

static char *trim(char *text)
{
	text += strspn(text, " \t");
	size_t size = strlen(text);
	while (size && strchr(" \t\r\n", text[size - 1]))
		text[--size] = 0;
	if (size >= 2 && (*text == '"' || *text == '\'') && text[size - 1] == *text) {
		text[size - 1] = 0;
		text++;
	}
	return text;
}

/* Grows by hand, not by realloc(), which would leave secrets behind in freed memory. */
static int add(struct dc09_keys *keys, const struct dc09_named_key *key)
{
	if (keys->count == keys->room) {
		size_t room = keys->room ? 2 * keys->room : 64;
		struct dc09_named_key *list = calloc(room, sizeof *list);
		if (!list)
			return -ENOMEM;
		if (keys->count)
			memcpy(list, keys->list, keys->count * sizeof *list);
		if (keys->list)
			sodium_memzero(keys->list, keys->count * sizeof *list);
		free(keys->list);
		keys->list = list;
		keys->room = room;
	}
	keys->list[keys->count++] = *key;
	return 0;
}

static int read_line(
	struct dc09_keys *keys, char *line, const char *path, int number, struct torap_error *err)
{
	char *comment = strchr(line, '#');
	if (comment)
		*comment = 0;
	char *text = trim(line);
	if (!*text || !strcmp(text, "---") || !strcmp(text, "{}"))
		return 0;
	char *colon = strchr(text, ':');
	if (!colon)
		return torap_errorf(err, -EINVAL, "%s:%d: expected \"name: key\"", path, number);
	*colon = 0;
	char *name = trim(text), *digits = trim(colon + 1);
	if (!*name || strlen(name) > DC09_KEY_NAME_MAX)
		return torap_errorf(err, -EINVAL, "%s:%d: a name has 1 to %d characters", path, number,
			DC09_KEY_NAME_MAX);
	if (keys->count == DC09_KEYS_MAX)
		return torap_errorf(err, -EINVAL, "%s:%d: more than %d keys", path, number, DC09_KEYS_MAX);
	struct dc09_named_key key = { .name = "" };
	snprintf(key.name, sizeof key.name, "%s", name);
	if (!dc09_key_parse(&key.key, digits))
		return torap_errorf(err, -EINVAL,
			"%s:%d: the key of %s must have 32, 48 or 64 hexadecimal digits", path, number,
			key.name);
	int r = add(keys, &key);
	sodium_memzero(&key, sizeof key);
	return r ? torap_errorf(err, r, "%s: out of memory", path) : 0;
}

static int check_unique(struct dc09_keys *keys, const char *path, struct torap_error *err)
{
	if (keys->count)
		qsort(keys->list, keys->count, sizeof *keys->list, compare);
	for (size_t i = 1; i < keys->count; i++)
		if (!strcmp(keys->list[i - 1].name, keys->list[i].name))
			return torap_errorf(
				err, -EINVAL, "%s: the key %s stands there twice", path, keys->list[i].name);
	return 0;
}

static int read_lines(
	struct dc09_keys *keys, struct torap_bytes text, const char *path, struct torap_error *err)
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
		r = read_line(keys, line, path, number, err);
		size += end != NULL;
		text = torap_bytes(text.data + size, text.size - size);
	}
	sodium_memzero(line, sizeof line);
	return r;
}

int dc09_keys_load(struct dc09_keys *out, const char *path, struct torap_error *err)
{
	struct torap_buffer *file;
	int r = torap_file_read_secret(&file, path, DC09_KEYS_FILE_SIZE_MAX, err);
	if (r)
		return r;
	struct dc09_keys keys = { 0 };
	r = read_lines(&keys, torap_buffer_bytes(file), path, err);
	sodium_memzero(file->data, file->size);
	torap_buffer_unref(file);
	if (!r)
		r = check_unique(&keys, path, err);
	if (r) {
		dc09_keys_finish(&keys);
		return r;
	}
	*out = keys;
	return 0;
}

void dc09_keys_finish(struct dc09_keys *keys)
{
	if (keys->list)
		sodium_memzero(keys->list, keys->count * sizeof *keys->list);
	free(keys->list);
	*keys = (struct dc09_keys){ 0 };
}

const struct dc09_key *dc09_keys_find(const struct dc09_keys *keys, const char *name)
{
	if (!keys->count || strlen(name) > DC09_KEY_NAME_MAX)
		return NULL;
	struct dc09_named_key wanted = { .name = "" };
	snprintf(wanted.name, sizeof wanted.name, "%s", name);
	const struct dc09_named_key *found =
		bsearch(&wanted, keys->list, keys->count, sizeof *keys->list, compare);
	return found ? &found->key : NULL;
}
