#include "agents/dc09/keys.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/secrets.h"

static int parse_all(struct dc09_keys *keys, const struct torap_secrets *secrets, const char *path,
	struct torap_error *err)
{
	keys->list = calloc(secrets->count + 1, sizeof *keys->list);
	if (!keys->list)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	for (; keys->count < secrets->count; keys->count++) {
		const struct torap_secret *s = &secrets->list[keys->count];
		struct dc09_named_key *key = &keys->list[keys->count];
		memcpy(key->name, s->name, sizeof key->name);
		if (!dc09_key_parse(&key->key, s->text))
			return torap_errorf(err, -EINVAL,
				"%s:%d: the key of %s must have 32, 48 or 64 hexadecimal digits", path,
				s->line, s->name);
	}
	return 0;
}

int dc09_keys_load(struct dc09_keys *out, const char *path, struct torap_error *err)
{
	struct torap_secrets secrets;
	struct dc09_keys keys = { 0 };
	int r = torap_secrets_load(&secrets, path, err);
	if (r)
		return r;
	r = parse_all(&keys, &secrets, path, err);
	torap_secrets_finish(&secrets);
	if (r)
		dc09_keys_finish(&keys);
	else
		*out = keys;
	return r;
}

void dc09_keys_finish(struct dc09_keys *keys)
{
	if (keys->list)
		sodium_memzero(keys->list, keys->count * sizeof *keys->list);
	free(keys->list);
	*keys = (struct dc09_keys){ 0 };
}

static int compare(const void *name, const void *key)
{
	return strcmp(name, ((const struct dc09_named_key *)key)->name);
}

const struct dc09_key *dc09_keys_find(const struct dc09_keys *keys, const char *name)
{
	const struct dc09_named_key *found =
		keys->count ? bsearch(name, keys->list, keys->count, sizeof *keys->list, compare) : NULL;
	return found ? &found->key : NULL;
}
