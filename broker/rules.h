/* rules.h: the trust file and the policy that are in force, loaded together or not at all.
 *
 * Both are immutable and counted by references.  The highest version of the trust file that was ever in force is kept in the
 * store (state.h), so that neither a reload nor a restart goes back to a lower one. */
#pragma once

#include <stdint.h>

#include "base/time.h"
#include "broker/policy.h"
#include "conf/trust.h"

struct torap_error;
struct broker_config;
struct torap_keys;

struct broker_rules {
	struct torap_trust *trust;
	struct broker_policy *policy;
};

/* Reads both files.  `version_least`: the highest version of the trust file seen so far.  On failure *out is untouched. */
int broker_rules_load(struct broker_rules *out, const struct broker_config *config,
	const uint8_t root[static TORAP_SIGN_KEY_SIZE], uint64_t version_least, struct torap_wall now,
	struct torap_error *err);
void broker_rules_finish(struct broker_rules *rules);

/* The broker is a writer too, and nobody could verify its own stream if the trust file did not know it, with this signing key. */
int broker_rules_check_own(const struct broker_rules *rules, const struct broker_config *config,
	const struct torap_keys *keys, struct torap_error *err);

/* The writer as both know it, or NULL: this broker takes nothing from it. */
const struct torap_trust_writer *broker_rules_writer(const struct broker_rules *rules, const char *id);
/* May a stream of this writer hold anything for the feed?  By the writer's regions: one that the trust file does not know any more cannot
 * be verified by anyone. */
bool broker_rules_touch(
	const struct broker_rules *rules, const struct broker_policy_feed *feed, const char *writer);
/* May a peer with this CURVE key finish its handshake?  A writer that the policy names, or a feed that is valid now. */
bool broker_rules_admit(const struct broker_rules *rules, const uint8_t key[static TORAP_CURVE_KEY_SIZE],
	struct torap_wall now);
