#include "agents/rtsp/credentials.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool copy(char *out, size_t room, const char *text, size_t size)
{
	if (size >= room)
		return false;
	memcpy(out, text, size);
	out[size] = '\0';
	return true;
}

static int parse(
	struct rtsp_credential *out, const struct torap_secret *s, const char *path, struct torap_error *err)
{
	const char *colon = strchr(s->text, ':');
	if (!colon)
		return torap_errorf(err, -EINVAL, "%s:%d: expected \"name: user:password\"", path, s->line);
	memcpy(out->name, s->name, sizeof out->name);
	if (colon == s->text || !copy(out->user, sizeof out->user, s->text, (size_t)(colon - s->text)) ||
		strpbrk(out->user, "\"\\ "))
		return torap_errorf(err, -EINVAL,
			"%s:%d: the user of %s has 1 to %d bytes without blanks, quotes and backslashes",
			path, s->line, s->name, RTSP_USER_MAX);
	if (!copy(out->password, sizeof out->password, colon + 1, strlen(colon + 1)))
		return torap_errorf(err, -EINVAL, "%s:%d: the password of %s has more than %d bytes", path,
			s->line, s->name, RTSP_PASSWORD_MAX);
	return 0;
}

int rtsp_credentials_load(struct rtsp_credentials *out, const char *path, struct torap_error *err)
{
	struct torap_secrets secrets;
	struct rtsp_credentials c = { 0 };
	int r = torap_secrets_load(&secrets, path, err);
	if (r)
		return r;
	c.list = calloc(secrets.count + 1, sizeof *c.list);
	if (!c.list)
		r = torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	while (!r && c.count < secrets.count) {
		r = parse(&c.list[c.count], &secrets.list[c.count], path, err);
		c.count++;
	}
	torap_secrets_finish(&secrets);
	if (r)
		rtsp_credentials_finish(&c);
	else
		*out = c;
	return r;
}

void rtsp_credentials_finish(struct rtsp_credentials *c)
{
	if (c->list)
		sodium_memzero(c->list, c->count * sizeof *c->list);
	free(c->list);
	*c = (struct rtsp_credentials){ 0 };
}

static int compare(const void *name, const void *credential)
{
	return strcmp(name, ((const struct rtsp_credential *)credential)->name);
}

const struct rtsp_credential *rtsp_credentials_find(const struct rtsp_credentials *c, const char *name)
{
	return c->count ? bsearch(name, c->list, c->count, sizeof *c->list, compare) : NULL;
}
