/* The trust files of the run, one after the other, as an operator brings them into force: a second key for each node, rules of retention, a
 * region that is taken away and given back.  A root that exists for this run signs them. */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "base/error.h"
#include "conf/keys.h"
#include "proto/session.pb-c.h"

enum { NEW_KEY_S = 3, OLD_KEY_S = 12, WRITERS = SIM_NODES + SIM_BROKERS };

struct torap_trust *sim_trusts[SIM_TRUSTS];
static struct torap_sign_key root;
static const uint32_t nowhere = 230000000;

const uint8_t *sim_trust_root(void)
{
	return root.public;
}

uint32_t sim_node_region(size_t n)
{
	static const uint32_t regions[SIM_NODES] = { 751310000, 391010000, 392410000 };
	return regions[n];
}

/* The old key ends while nodes still use it, the new one begins before it: whatever is signed must be dated within its key's time. */
void sim_node_key(struct torap_sign_key *key, size_t n, size_t k)
{
	static const struct sim_world begin;
	uint8_t seed[32] = { (uint8_t)n, 77, (uint8_t)k };
	torap_sign_key_make(key, seed);
	if (k == 0)
		key->until.us = sim_wall(&begin).us + OLD_KEY_S * TORAP_US_PER_S;
	else
		key->from.us = sim_wall(&begin).us + NEW_KEY_S * TORAP_US_PER_S;
}

bool sim_trust_takes_region(size_t t, size_t n)
{
	return t == SIM_TRUST_REGION && n == SIM_NODES - 1;
}

/* Protobuf structs of one trust file, which point into each other. */
struct form {
	Torap__TrustedWriter writers[WRITERS], *list[WRITERS];
	Torap__TrustedKey keys[WRITERS][SIM_KEYS], *key_list[WRITERS][SIM_KEYS];
	struct torap_sign_key signers[WRITERS][SIM_KEYS];
	uint32_t regions[WRITERS];
	uint8_t curves[WRITERS][TORAP_CURVE_KEY_SIZE];
	char names[WRITERS][16];
	Torap__RetentionRule rules[2], *rule_list[2];
	Torap__GrantRow match;
	uint32_t facility;
	Torap__PartKind part;
};

static void fill_writer(struct form *f, size_t i, size_t t)
{
	bool is_node = i < SIM_NODES;
	size_t n = is_node ? i : i - SIM_NODES, keys = is_node && t >= SIM_TRUST_KEYS ? SIM_KEYS : 1;
	snprintf(f->names[i], sizeof f->names[i], "%s-%zu", is_node ? "node" : "broker", n);
	if (is_node)
		sim_writer_key(n, f->curves[i]);
	else
		memcpy(f->curves[i], sim_files_keys(n)->curve_public, TORAP_CURVE_KEY_SIZE);
	f->regions[i] = is_node ? sim_node_region(n) : sim_files_region(n);
	if (is_node && sim_trust_takes_region(t, n))
		f->regions[i] = nowhere;
	for (size_t k = 0; k < keys; k++) {
		struct torap_sign_key *key = &f->signers[i][k];
		if (is_node)
			sim_node_key(key, n, k);
		else
			*key = sim_files_keys(n)->sign;
		torap__trusted_key__init(&f->keys[i][k]);
		f->keys[i][k].key = (ProtobufCBinaryData){ 32, key->public };
		f->keys[i][k].from_us = key->from.us > 0 ? key->from.us : 0;
		f->keys[i][k].until_us = is_node ? key->until.us : INT64_MAX / 2;
		f->key_list[i][k] = &f->keys[i][k];
	}
	torap__trusted_writer__init(&f->writers[i]);
	f->writers[i].id = f->names[i];
	f->writers[i].regions = &f->regions[i];
	f->writers[i].n_regions = 1;
	f->writers[i].curve_key = (ProtobufCBinaryData){ TORAP_CURVE_KEY_SIZE, f->curves[i] };
	f->writers[i].keys = f->key_list[i];
	f->writers[i].n_keys = keys;
	f->list[i] = &f->writers[i];
}

/* Bulk may go after a while, and what is personal of prisons must.  Then both terms change. */
static size_t fill_rules(struct form *f, size_t t)
{
	bool later = t > SIM_TRUST_RETENTION;
	if (t < SIM_TRUST_RETENTION)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		torap__retention_rule__init(&f->rules[i]);
		f->rule_list[i] = &f->rules[i];
	}
	f->rules[0].lane = TORAP__LANE__LANE_BULK;
	f->rules[0].keep_s = later ? 4 : 8;
	torap__grant_row__init(&f->match);
	f->facility = TORAP__FACILITY__FACILITY_PRISON;
	f->part = TORAP__PART_KIND__PART_PERSONAL;
	f->match.facilities = &f->facility;
	f->match.n_facilities = 1;
	f->match.parts = &f->part;
	f->match.n_parts = 1;
	f->rules[1].match = &f->match;
	f->rules[1].at_most_s = later ? 12 : 6;
	return 2;
}

static struct torap_trust *sign(const Torap__Trust *trust)
{
	static const char prefix[] = "torap trust 1";
	uint8_t text[8192], signature[64], packed[8192];
	memcpy(text, prefix, sizeof prefix);
	size_t size = torap__trust__pack(trust, text + sizeof prefix);
	crypto_sign_detached(signature, NULL, text, sizeof prefix + size, root.secret);
	Torap__SignedTrust signed_trust = TORAP__SIGNED_TRUST__INIT;
	signed_trust.trust = (ProtobufCBinaryData){ size, text + sizeof prefix };
	signed_trust.signature = (ProtobufCBinaryData){ sizeof signature, signature };
	size = torap__signed_trust__pack(&signed_trust, packed);
	struct torap_trust *out;
	struct torap_error err;
	static const struct sim_world begin;
	if (torap_trust_decode(&out, torap_bytes(packed, size), root.public, sim_wall(&begin), &err)) {
		fprintf(stderr, "sim: %s\n", err.text);
		exit(1);
	}
	return out;
}

void sim_trusts_make(void)
{
	uint8_t seed[32] = { 9 };
	torap_sign_key_make(&root, seed);
	for (size_t t = 0; t < SIM_TRUSTS; t++) {
		struct form form;
		Torap__Trust trust = TORAP__TRUST__INIT;
		for (size_t i = 0; i < WRITERS; i++)
			fill_writer(&form, i, t);
		trust.version = t + 1;
		trust.valid_until_us = INT64_MAX / 2;
		trust.writers = form.list;
		trust.n_writers = WRITERS;
		trust.n_retention = fill_rules(&form, t);
		trust.retention = form.rule_list;
		sim_trusts[t] = sign(&trust);
	}
}

void sim_trusts_free(void)
{
	for (size_t t = 0; t < SIM_TRUSTS; t++)
		sim_trusts[t] = torap_trust_unref(sim_trusts[t]);
}
