/* The trust file of the run. */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "base/error.h"
#include "proto/session.pb-c.h"

/* The nodes' keys come from the seed, and a root that exists for this run signs them. */
void sim_trust_make(struct sim_world *w)
{
	Torap__TrustedWriter writers[SIM_NODES], *list[SIM_NODES];
	Torap__TrustedKey keys[SIM_NODES][SIM_KEYS], *key_list[SIM_NODES][SIM_KEYS];
	uint8_t curve[SIM_NODES][32] = { { 1 }, { 2 }, { 3 } };
	for (size_t n = 0; n < SIM_NODES; n++) {
		for (size_t k = 0; k < SIM_KEYS; k++) {
			struct torap_sign_key *key = &w->nodes[n].keys[k];
			torap__trusted_key__init(&keys[n][k]);
			keys[n][k].key = (ProtobufCBinaryData){ 32, key->public };
			keys[n][k].from_us = key->from.us > 0 ? key->from.us : 0;
			keys[n][k].until_us = key->until.us;
			key_list[n][k] = &keys[n][k];
		}
		torap__trusted_writer__init(&writers[n]);
		writers[n].id = w->nodes[n].name;
		writers[n].regions = &w->nodes[n].region;
		writers[n].n_regions = 1;
		writers[n].curve_key = (ProtobufCBinaryData){ 32, curve[n] };
		writers[n].keys = key_list[n];
		writers[n].n_keys = SIM_KEYS;
		list[n] = &writers[n];
	}
	Torap__Trust trust = TORAP__TRUST__INIT;
	trust.version = 1;
	trust.valid_until_us = INT64_MAX / 2;
	trust.writers = list;
	trust.n_writers = SIM_NODES;

	static const char prefix[] = "torap trust 1";
	uint8_t text[4096], signature[64], packed[8192], seed[32] = { 9 };
	memcpy(text, prefix, sizeof prefix);
	size_t size = torap__trust__pack(&trust, text + sizeof prefix);
	struct torap_sign_key root;
	torap_sign_key_make(&root, seed);
	crypto_sign_detached(signature, NULL, text, sizeof prefix + size, root.secret);
	Torap__SignedTrust signed_trust = TORAP__SIGNED_TRUST__INIT;
	signed_trust.trust = (ProtobufCBinaryData){ size, text + sizeof prefix };
	signed_trust.signature = (ProtobufCBinaryData){ sizeof signature, signature };
	size = torap__signed_trust__pack(&signed_trust, packed);
	struct torap_error err;
	if (torap_trust_decode(&w->trust, torap_bytes(packed, size), root.public, sim_wall(w), &err)) {
		fprintf(stderr, "sim: %s\n", err.text);
		exit(1);
	}
}
