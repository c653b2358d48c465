/* state.h: the few things that a broker must remember beside its streams, in a table of its own in the store. */
#pragma once

#include <stdint.h>

#include "store/journal.h"

struct torap_committer;
struct torap_error;
struct torap_kv;

enum {
	BROKER_TABLE_STATE = TORAP_JOURNAL_TABLES,
	BROKER_TABLE_SOURCES, /* source.h */
	BROKER_TABLE_PROOFS,  /* store/proofs.h */
};
#define BROKER_TABLE_NAMES TORAP_JOURNAL_TABLE_NAMES, "state", "sources", "proofs"

struct broker_state {
	uint64_t incarnation;   /* of the broker's own streams: made with the store */
	uint64_t trust_version; /* the highest that was ever in force */
};

/* Reads it; a new store gets its incarnation and is flushed.  Before the committer starts. */
int broker_state_open(struct broker_state *out, struct torap_kv *kv, struct torap_error *err);
/* The version of the trust file alone, without the store's lock and without making one: for -n.  0: there is no store, it has seen none, or
 * it cannot be read. */
uint64_t broker_state_peek_trust(const char *dir);
/* A trust file of a higher version is in force.  Before the committer starts. */
int broker_state_trust(
	struct broker_state *s, struct torap_kv *kv, uint64_t version, struct torap_error *err);
/* The same by the committer.  `on_full` runs on the loop when there was no room. */
int broker_state_trust_later(struct broker_state *s, struct torap_committer *committer, uint64_t version,
	void (*on_full)(uint64_t version));
