#include "broker/rules.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "broker/config.h"
#include "conf/keys.h"
#include "loop/app.h"

/* A writer that the trust file does not know could never be admitted: a slip of the pen, most likely. */
static int agree(const struct broker_rules *rules, const char *path, struct torap_error *err)
{
	for (size_t i = 0; i < rules->policy->writers_count; i++) {
		const char *id = rules->policy->writers[i].id;
		if (!torap_trust_writer(rules->trust, id))
			return torap_errorf(
				err, -EINVAL, "%s: writer %s does not stand in the trust file", path, id);
	}
	return 0;
}

int broker_rules_load(struct broker_rules *out, const struct broker_config *config,
	const uint8_t root[static TORAP_SIGN_KEY_SIZE], uint64_t version_least, struct torap_wall now,
	struct torap_error *err)
{
	struct broker_rules rules = { 0 };
	int r = torap_trust_load(&rules.trust, config->trust, root, now, err);
	if (r)
		return r;
	if (rules.trust->version < version_least) {
		r = torap_errorf(err, -EINVAL,
			"%s: version %" PRIu64 " is lower than version %" PRIu64
			", which was in force before",
			config->trust, rules.trust->version, version_least);
		goto fail;
	}
	r = broker_policy_load(&rules.policy, config->policy, err);
	if (r)
		goto fail;
	r = agree(&rules, config->policy, err);
	if (r)
		goto fail;
	*out = rules;
	return 0;
fail:
	broker_rules_finish(&rules);
	return r;
}

int broker_rules_check_own(const struct broker_rules *rules, const struct broker_config *config,
	const struct torap_keys *keys, struct torap_error *err)
{
	const struct torap_trust_writer *w = torap_trust_writer(rules->trust, config->name);
	if (!w)
		return torap_errorf(err, -EINVAL, "%s: the broker itself, %s, is not among the writers",
			config->trust, config->name);
	const uint8_t *key = torap_trust_lookup(rules->trust, config->name, keys->sign.id, torap_app_wall());
	if (!key || memcmp(key, keys->sign.public, TORAP_SIGN_KEY_SIZE) != 0)
		return torap_errorf(err, -EINVAL, "%s: the signing key of %s is not that of %s, now",
			config->trust, config->name, config->keys);
	if (!torap_trust_may_speak(w, config->region))
		return torap_errorf(err, -EINVAL, "%s: %s may not speak for its own region %09" PRIu32,
			config->trust, config->name, config->region);
	return 0;
}

void broker_rules_finish(struct broker_rules *rules)
{
	rules->trust = torap_trust_unref(rules->trust);
	rules->policy = broker_policy_unref(rules->policy);
}

const struct torap_trust_writer *broker_rules_writer(const struct broker_rules *rules, const char *id)
{
	return broker_policy_writer(rules->policy, id) ? torap_trust_writer(rules->trust, id) : NULL;
}

bool broker_rules_touch(
	const struct broker_rules *rules, const struct broker_policy_feed *feed, const char *writer)
{
	const struct torap_trust_writer *w = torap_trust_writer(rules->trust, writer);
	return w && torap_grant_touches(feed->rows, feed->rows_count, w->regions, w->regions_count);
}

bool broker_rules_admit(const struct broker_rules *rules, const uint8_t key[static TORAP_CURVE_KEY_SIZE],
	struct torap_wall now)
{
	const struct torap_trust_writer *w = torap_trust_writer_by_curve(rules->trust, key);
	return (w && broker_policy_writer(rules->policy, w->id)) ||
	       broker_policy_knows_key(rules->policy, key, now);
}
