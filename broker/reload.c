#include "broker/reload.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/audience.h"
#include "broker/broker.h"
#include "broker/door.h"
#include "broker/feed.h"
#include "broker/listener.h"
#include "broker/own.h"
#include "broker/retention.h"
#include "broker/routing.h"
#include "broker/session.h"
#include "broker/sessions.h"
#include "broker/upstream.h"
#include "broker/writer.h"
#include "loop/app.h"

/* What the files say, loaded and not in force yet. */
struct reload {
	struct broker_config config;
	struct torap_keys keys;
	struct broker_doors_wish doors;
	struct broker_rules rules;
	struct broker_audience *audience;
};

static void finish(struct reload *n)
{
	broker_audience_destroy(n->audience);
	broker_rules_finish(&n->rules);
	broker_doors_wish_wipe(&n->doors);
	torap_keys_wipe(&n->keys);
	broker_config_finish(&n->config);
}

static int load(struct reload *n, const struct broker *b, struct torap_error *err)
{
	int r = broker_config_load(&n->config, b->config->path, err);
	if (!r)
		r = broker_config_judge_reload(b->config, &n->config, err);
	if (!r)
		r = torap_keys_load(&n->keys, n->config.keys, err);
	if (!r)
		r = broker_doors_wish(&n->doors, &n->config, &n->keys, err);
	if (!r)
		r = broker_rules_load(
			&n->rules, &n->config, b->root, b->state.trust_version, torap_app_wall(), err);
	if (!r && torap_trust_contradicts(n->rules.trust, b->rules.trust))
		r = torap_errorf(err, -EINVAL,
			"%s: version %" PRIu64
			" is in force and says something else; sign it with a higher one",
			n->config.trust, n->rules.trust->version);
	if (!r)
		r = broker_rules_check_own(&n->rules, &n->config, &n->keys, err);
	return r;
}

/* What can still fail, and can be taken back. */
static int prepare(struct reload *n, struct broker *b, struct torap_error *err)
{
	n->audience = broker_audience_create(n->rules.policy->feeds_count);
	if (!n->audience)
		return torap_errorf(err, -ENOMEM, "out of memory");
	int r = broker_listener_prepare(b->listener, &n->doors, err);
	if (r)
		return r;
	r = broker_upstreams_prepare(b->upstreams, &n->config, err);
	if (!r && broker_routing_policy(b->routing, n->rules.policy)) {
		broker_upstreams_settle(b->upstreams, &n->config, false, false);
		r = torap_errorf(err, -ENOMEM, "out of memory");
	}
	if (r)
		broker_listener_settle(b->listener, &n->doors, false);
	return r;
}

struct change {
	struct broker *broker;
	const struct broker_policy *before;
	bool trust_changed;
	struct torap_wall now;
};

/* A subscriber hears of the trust file in its welcome, and could verify nothing of a writer that it does not know: it is to say hello
 * again, on the same connection. */
static void greet_again(struct broker_session *s)
{
	if (s->ended)
		return;
	broker_session_end_alone(s, "the trust file changed", TORAP__REFUSAL__CODE__NO_SESSION,
		"there is a new trust file; say hello again");
}

static void rules_changed(void *hint, struct broker_session *s)
{
	const struct change *c = hint;
	const struct broker_policy *policy = c->broker->rules.policy;
	struct broker_feed *f = s->feed;
	if (s->writer)
		broker_writer_judge(s->writer);
	if (!f)
		return;
	const struct broker_policy_feed *before = &c->before->feeds[f->place];
	int place = broker_policy_find(policy, s->name);
	if (place < 0) {
		f->place = UINT32_MAX;
		c->broker->counts.revoked++;
		broker_session_end(s, "not granted any more", TORAP__REFUSAL__CODE__NOT_ADMITTED,
			"the feed is not in the policy any more");
		return;
	}
	f->place = (uint32_t)place;
	broker_audience_join(c->broker->audience, f);
	broker_feed_rules(f, c->now, !broker_policy_same_rows(before, &policy->feeds[place]));
	if (c->trust_changed)
		greet_again(s);
}

static void trust_not_kept(uint64_t version)
{
	torap_fail("STORE-FULL",
		"that trust file %" PRIu64
		" was in force could not be kept; after a restart an older one could pass",
		version);
}

static void reload_refused(struct broker *b, const char *why)
{
	b->counts.reloads_refused++;
	torap_fail("POLICY-REFUSED", "%s; what was in force stays in force", why);
	broker_own_policy(b->own, b->config->policy, NULL, why);
}

/* Whoever signs or dials reads them where they are. */
static bool take_keys(struct broker *b, const struct reload *n)
{
	bool sign = memcmp(n->keys.sign.public, b->keys.sign.public, sizeof n->keys.sign.public) != 0;
	bool curve = memcmp(n->keys.curve_public, b->keys.curve_public, sizeof n->keys.curve_public) != 0;
	b->keys = n->keys;
	torap_trust_date_key(n->rules.trust, b->config->name, &b->keys.sign);
	if (sign || curve)
		torap_notice("KEYS-CHANGED", "broker %s: %s%s%s", b->config->name,
			sign ? "signs with another key from here on" : "", sign && curve ? "; " : "",
			curve ? "another CURVE key, at its endpoint and where it dials" : "");
	return curve;
}

static void take(struct broker *b, struct reload *n)
{
	struct broker_rules before = b->rules;
	struct broker_audience *audience = b->audience;
	struct change change = { b, before.policy, n->rules.trust->version != before.trust->version,
		torap_app_wall() };
	bool rekeyed = take_keys(b, n);
	broker_listener_settle(b->listener, &n->doors, true);
	broker_upstreams_settle(b->upstreams, &n->config, rekeyed, true);
	broker_config_take(b->config, &n->config);
	b->rules = n->rules;
	n->rules = before;
	b->audience = n->audience;
	n->audience = audience;
	if (broker_state_trust_later(&b->state, b->committer, b->rules.trust->version, trust_not_kept))
		trust_not_kept(b->rules.trust->version);
	broker_retention_rules(b->retention, b->rules.trust);
	broker_sessions_each(b->sessions, rules_changed, &change);
	if (change.trust_changed)
		broker_upstreams_greet_again(b->upstreams);
}

void broker_reload(struct broker *b)
{
	struct torap_error err;
	struct reload n = { 0 };
	if (b->stopping)
		return;
	b->counts.reloads++;
	int r = load(&n, b, &err);
	if (!r)
		r = prepare(&n, b, &err);
	if (r) {
		reload_refused(b, err.text);
	} else {
		take(b, &n);
		torap_notice("POLICY-LOADED", "%s: %zu feeds, %zu writers; trust file version %" PRIu64,
			b->config->policy, b->rules.policy->feeds_count, b->rules.policy->writers_count,
			b->rules.trust->version);
		broker_own_policy(b->own, b->config->policy, b->rules.policy->digest, NULL);
	}
	finish(&n);
	broker_turn(b);
}
