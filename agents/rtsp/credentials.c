#include "agents/rtsp/credentials.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/file.h"

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct rtsp_credential *)a)->name, ((const struct rtsp_credential *)b)->name);
}

static char *trim(char *text)
{
	text += strspn(text, " \t");
	size_t size = strlen(text);
	while (size && strchr(" \t\r\n", text[size - 1]))
		text[--size] = 0;
	return text;
}

/* Grows by hand, not by realloc(), which would leave secrets behind in freed memory. */
static int add(struct rtsp_credentials *c, const struct rtsp_credential *one)
{
	if (c->count == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct rtsp_credential *list = calloc(room, sizeof *list);
		if (!list)
			return -ENOMEM;
		if (c->count) {
			memcpy(list, c->list, c->count * sizeof *list);
			sodium_memzero(c->list, c->count * sizeof *list);
		}
		free(c->list);
		c->list = list;
		c->room = room;
	}
	c->list[c->count++] = *one;
	return 0;
}

static bool copy(char *out, size_t room, const char *text)
{
	size_t size = strlen(text);
	if (size >= room)
		return false;
	memcpy(out, text, size + 1);
	return true;
}

static int read_line(
	struct rtsp_credentials *c, char *line, const char *path, int number, struct torap_error *err)
{
	char *text = trim(line);
	if (!*text || *text == '#')
		return 0;
	char *colon = strchr(text, ':');
	char *rest = colon ? trim(colon + 1) : NULL, *second = rest ? strchr(rest, ':') : NULL;
	if (!second)
		return torap_errorf(err, -EINVAL, "%s:%d: expected \"name: user:password\"", path, number);
	*colon = *second = 0;
	struct rtsp_credential one = { .name = "" };
	char *name = trim(text);
	if (!*name || !copy(one.name, sizeof one.name, name))
		return torap_errorf(
			err, -EINVAL, "%s:%d: a name has 1 to %d bytes", path, number, RTSP_KEY_NAME_MAX);
	if (!*rest || strpbrk(rest, "\"\\ ") || !copy(one.user, sizeof one.user, rest))
		return torap_errorf(err, -EINVAL,
			"%s:%d: the user of %s has 1 to %d bytes without blanks, quotes and backslashes",
			path, number, one.name, RTSP_USER_MAX);
	if (c->count == RTSP_CREDENTIALS_MAX)
		return torap_errorf(
			err, -EINVAL, "%s:%d: more than %d lines", path, number, RTSP_CREDENTIALS_MAX);
	int r = copy(one.password, sizeof one.password, second + 1) ? add(c, &one) : -E2BIG;
	sodium_memzero(&one, sizeof one);
	if (r == -E2BIG)
		return torap_errorf(err, -EINVAL, "%s:%d: the password has more than %d bytes", path, number,
			RTSP_PASSWORD_MAX);
	return r ? torap_errorf(err, r, "%s: out of memory", path) : 0;
}

static int check_unique(struct rtsp_credentials *c, const char *path, struct torap_error *err)
{
	if (c->count)
		qsort(c->list, c->count, sizeof *c->list, compare);
	for (size_t i = 1; i < c->count; i++)
		if (!strcmp(c->list[i - 1].name, c->list[i].name))
			return torap_errorf(err, -EINVAL, "%s: %s stands there twice", path, c->list[i].name);
	return 0;
}

static int read_lines(
	struct rtsp_credentials *c, struct torap_bytes text, const char *path, struct torap_error *err)
{
	char line[512];
	int r = 0;
	for (int number = 1; !r && text.size; number++) {
		const uint8_t *end = memchr(text.data, '\n', text.size);
		size_t size = end ? (size_t)(end - text.data) : text.size;
		if (size >= sizeof line || memchr(text.data, 0, size)) {
			r = torap_errorf(err, -EINVAL, "%s:%d: the line is too long, or none", path, number);
			break;
		}
		memcpy(line, text.data, size);
		line[size] = '\0';
		r = read_line(c, line, path, number, err);
		size += end != NULL;
		text = torap_bytes(text.data + size, text.size - size);
	}
	sodium_memzero(line, sizeof line);
	return r;
}

int rtsp_credentials_load(struct rtsp_credentials *out, const char *path, struct torap_error *err)
{
	struct torap_buffer *file;
	int r = torap_file_read_secret(&file, path, RTSP_CREDENTIALS_FILE_SIZE_MAX, err);
	if (r)
		return r;
	struct rtsp_credentials c = { 0 };
	r = read_lines(&c, torap_buffer_bytes(file), path, err);
	sodium_memzero(file->data, file->size);
	torap_buffer_unref(file);
	if (!r)
		r = check_unique(&c, path, err);
	if (r) {
		rtsp_credentials_finish(&c);
		return r;
	}
	*out = c;
	return 0;
}

void rtsp_credentials_finish(struct rtsp_credentials *c)
{
	if (c->list)
		sodium_memzero(c->list, c->count * sizeof *c->list);
	free(c->list);
	*c = (struct rtsp_credentials){ 0 };
}

const struct rtsp_credential *rtsp_credentials_find(const struct rtsp_credentials *c, const char *name)
{
	struct rtsp_credential wanted = { .name = "" };
	if (!c->count || !copy(wanted.name, sizeof wanted.name, name))
		return NULL;
	return bsearch(&wanted, c->list, c->count, sizeof *c->list, compare);
}
