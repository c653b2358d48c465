#include "agents/ctl/trust_before.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "conf/trust.h"

static bool has_key(const struct torap_trust_writer *w, const struct torap_trust_key *key)
{
	for (size_t i = 0; i < w->keys_count; i++)
		if (memcmp(w->keys[i].key, key->key, sizeof key->key) == 0)
			return true;
	return false;
}

static void tell_gone(
	const struct torap_trust *before, const struct torap_trust *next, void (*tell)(const char *sentence))
{
	char sentence[256], id[2 * TORAP_KEY_ID_SIZE + 1];
	for (size_t i = 0; i < before->writers_count; i++) {
		const struct torap_trust_writer *old = &before->writers[i];
		const struct torap_trust_writer *new = torap_trust_writer(next, old->id);
		if (!new) {
			snprintf(sentence, sizeof sentence,
				"writer %s is gone: what it has signed can be verified no more; keep it, and let its "
				"keys end",
				old->id);
			tell(sentence);
		}
		for (size_t k = 0; new &&k < old->keys_count; k++) {
			if (has_key(new, &old->keys[k]))
				continue;
			snprintf(sentence, sizeof sentence,
				"key %s of writer %s is gone: what it has signed can be verified no more; keep it, "
				"and let it end",
				torap_hex(id, torap_bytes(old->keys[k].id, sizeof old->keys[k].id)), old->id);
			tell(sentence);
		}
	}
}

int ctl_trust_judge_before(const char *path, const struct torap_trust *next,
	const uint8_t root[static TORAP_SIGN_KEY_SIZE], void (*tell)(const char *sentence),
	struct torap_error *err)
{
	const struct torap_wall never_too_late = { 0 };
	struct torap_trust *before;
	struct torap_error none;
	int r = 0;
	if (torap_trust_load(&before, path, root, never_too_late, &none))
		return 0;
	if (next->version < before->version)
		r = torap_errorf(err, -EINVAL,
			"version %" PRIu64 " is lower than version %" PRIu64 " in %s: nobody would take it",
			next->version, before->version, path);
	else if (torap_trust_contradicts(next, before))
		r = torap_errorf(err, -EINVAL,
			"version %" PRIu64
			" in %s says something else: who has it would not take this one; sign with "
			"--version %" PRIu64,
			next->version, path, before->version + 1);
	else
		tell_gone(before, next, tell);
	torap_trust_unref(before);
	return r;
}
