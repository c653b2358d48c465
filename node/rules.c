#include "node/rules.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "conf/keys.h"
#include "conf/trust.h"
#include "node/config.h"
#include "node/mapping.h"
#include "node/registry.h"

static int check_writer(const struct node_config *config, const struct torap_trust *trust,
	const struct torap_keys *keys, struct torap_wall now, struct torap_error *err)
{
	char region[TORAP_REGION_TEXT_SIZE];
	const struct torap_trust_writer *w = torap_trust_writer(trust, config->name);
	if (!w)
		return torap_errorf(err, -EPERM, "%s: no writer \"%s\" in it", config->trust, config->name);
	if (!torap_trust_has_curve(w, keys->curve_public))
		return torap_errorf(err, -EPERM, "%s: \"%s\" has not the CURVE key of %s", config->trust,
			config->name, config->keys);
	if (!torap_trust_lookup((void *)trust, config->name, keys->sign.id, now))
		return torap_errorf(err, -EPERM, "%s: \"%s\" may not sign now with the key of %s",
			config->trust, config->name, config->keys);
	if (!torap_trust_may_speak(w, config->region))
		return torap_errorf(err, -EPERM, "%s: \"%s\" may not speak for its region %s", config->trust,
			config->name, torap_region_format(config->region, region));
	return 0;
}

int node_rules_load(struct node_rules *out, const struct node_config *config, const struct torap_keys *keys,
	const struct torap_keys *root, const struct node_rules *before, struct torap_wall now,
	struct torap_error *err)
{
	struct node_rules rules = { 0 };
	int r = torap_trust_load(&rules.trust, config->trust, root->sign.public, now, err);
	if (r == 0 && before && rules.trust->version < before->trust->version)
		r = torap_errorf(err, -EPERM, "%s: version %llu is older than %llu, which is in force",
			config->trust, (unsigned long long)rules.trust->version,
			(unsigned long long)before->trust->version);
	if (r == 0 && before && torap_trust_contradicts(rules.trust, before->trust))
		r = torap_errorf(err, -EPERM,
			"%s: version %llu is in force and says something else; sign it with a higher one",
			config->trust, (unsigned long long)rules.trust->version);
	if (r == 0)
		r = check_writer(config, rules.trust, keys, now, err);
	if (r == 0) {
		const struct torap_trust_writer *w = torap_trust_writer(rules.trust, config->name);
		struct node_registry_rules regions = { w->regions, w->regions_count };
		r = node_registry_load(&rules.registry, config->sites, config->devices, &regions, err);
	}
	if (r == 0)
		r = node_mapping_load(&rules.mapping, config->mapping, err);
	if (r)
		node_rules_finish(&rules);
	else
		*out = rules;
	return r;
}

void node_rules_finish(struct node_rules *rules)
{
	torap_trust_unref(rules->trust);
	node_registry_unref(rules->registry);
	node_mapping_unref(rules->mapping);
	*rules = (struct node_rules){ 0 };
}
