#include "node/reload.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "conf/trust.h"
#include "node/acceptance.h"
#include "node/consents.h"
#include "node/intake.h"
#include "node/mapping.h"
#include "node/node.h"
#include "node/node_parts.h"
#include "node/registry.h"
#include "node/requests.h"
#include "node/retention.h"
#include "node/supervision.h"
#include "node/uplink.h"

/* What the files say, loaded and not in force yet. */
struct reload {
	struct node_config config;
	struct torap_keys keys;
	uint8_t broker_keys[NODE_BROKERS_MAX][TORAP_CURVE_KEY_SIZE];
	struct node_rules rules;
};

static void finish(struct reload *next)
{
	node_rules_finish(&next->rules);
	torap_keys_wipe(&next->keys);
	node_config_finish(&next->config);
}

static int load(struct reload *next, const struct node *n, struct node_now now, struct torap_error *err)
{
	int r = node_config_load(&next->config, n->config->path, err);
	if (r == 0)
		r = node_config_judge_reload(n->config, &next->config, err);
	if (r == 0)
		r = torap_keys_load(&next->keys, next->config.keys, err);
	if (r == 0)
		r = node_load_broker_keys(next->broker_keys, &next->config, err);
	if (r == 0)
		r = node_rules_load(
			&next->rules, &next->config, &next->keys, &n->root, &n->rules, now.wall, err);
	if (r == 0 && node_supervision_registry(n->supervision, next->rules.registry, now))
		r = torap_errorf(err, -ENOMEM, "out of memory");
	return r;
}

/* Whoever signs or dials reads them where they are. */
static bool take_keys(struct node *n, const struct torap_keys *keys)
{
	bool sign = memcmp(keys->sign.public, n->keys.sign.public, sizeof keys->sign.public) != 0;
	bool curve = memcmp(keys->curve_public, n->keys.curve_public, sizeof keys->curve_public) != 0;
	n->keys = *keys;
	if (sign || curve)
		torap_notice("KEYS-CHANGED", "node %s: %s%s%s", n->config->name,
			sign ? "signs with another key from here on" : "", sign && curve ? "; " : "",
			curve ? "its links begin anew with another CURVE key, within some seconds" : "");
	return curve;
}

static void take_brokers(struct node *n, struct reload *next, bool rekeyed, struct node_now now)
{
	bool moved[NODE_BROKERS_MAX];
	for (size_t i = 0; i < n->uplinks_count; i++)
		moved[i] = strcmp(n->config->brokers[i].endpoint, next->config.brokers[i].endpoint) != 0 ||
			   memcmp(n->broker_keys[i], next->broker_keys[i], TORAP_CURVE_KEY_SIZE) != 0;
	node_config_take(n->config, &next->config);
	memcpy(n->broker_keys, next->broker_keys, sizeof n->broker_keys);
	for (size_t i = 0; i < n->uplinks_count; i++) {
		node_uplink_redirect(n->uplinks[i], n->config->brokers[i].endpoint);
		if (moved[i] || rekeyed)
			node_uplink_rekey(n->uplinks[i], now);
		if (moved[i])
			torap_notice("BROKER-MOVED",
				"broker %s: at %s, or with another key; its links begin anew "
				"within some seconds",
				n->config->brokers[i].name, n->config->brokers[i].endpoint);
	}
}

static void take(struct node *n, struct reload *next, struct node_now now)
{
	struct node_rules old = n->rules;
	take_brokers(n, next, take_keys(n, &next->keys), now);
	n->rules = next->rules;
	next->rules = old;
	torap_trust_date_key(n->rules.trust, n->config->name, &n->keys.sign);
	node_acceptance_rules(n->acceptance, n->rules.registry, n->rules.mapping);
	node_requests_registry(n->requests, n->rules.registry);
	node_intake_registry(n->intake, n->rules.registry);
	node_retention_rules(n->retention, n->rules.trust);
	node_consents_tick(n->consents, n->rules.registry, now);
}

void node_reload(struct node *n)
{
	struct torap_error err;
	struct reload next = { 0 };
	if (n->stage != NODE_RUNNING)
		return;
	struct node_now now = node_now(n);
	int r = load(&next, n, now, &err);
	if (r) {
		n->reloads_refused++;
		torap_fail("RELOAD-REFUSED", "%s; what was in force stays in force", err.text);
	} else {
		take(n, &next, now);
		n->reloads++;
		torap_notice("RELOADED",
			"node %s: %zu devices at %zu sites, %zu codes, trust file version %llu",
			n->config->name, node_registry_devices(n->rules.registry),
			node_registry_sites(n->rules.registry), node_mapping_size(n->rules.mapping),
			(unsigned long long)n->rules.trust->version);
	}
	finish(&next);
}
