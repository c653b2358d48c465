#include "agents/dc09/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

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

/* The descriptor is checked, not the name: what is read is what was judged. */
static FILE *open_secret(const char *path, struct torap_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > DC09_KEYS_FILE_SIZE_MAX) {
		torap_errorf(err, -EINVAL, "%s: is no file of keys", path);
	} else if (st.st_mode & 077) {
		torap_errorf(err, -EPERM, "%s: others may read it; chmod 600 %s", path, path);
	} else {
		FILE *f = fdopen(fd, "r");
		if (f)
			return f;
		torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

int dc09_keys_load(struct dc09_keys *out, const char *path, struct torap_error *err)
{
	FILE *f = open_secret(path, err);
	if (!f)
		return -EINVAL;
	struct dc09_keys keys = { 0 };
	char line[512], buffer[4096];
	int r = 0;
	setvbuf(f, buffer, _IOFBF, sizeof buffer);
	for (int number = 1; !r && fgets(line, sizeof line, f); number++) {
		if (!strchr(line, '\n') && !feof(f))
			r = torap_errorf(err, -EINVAL, "%s:%d: the line is too long", path, number);
		else
			r = read_line(&keys, line, path, number, err);
	}
	if (!r && ferror(f))
		r = torap_errorf(err, -EIO, "%s: cannot be read", path);
	fclose(f);
	sodium_memzero(line, sizeof line);
	sodium_memzero(buffer, sizeof buffer);
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
