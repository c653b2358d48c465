/* sweep.h: deletes the frames whose time is over, a piece at a time.  Manifests stay.
 *
 * Each reason for which a frame may go has a term, from its batch's receipt here, and perhaps a gate: the last batch of a stream that
 * may go for that reason yet.  The batches of a stream reach a term in their order, so one number for each stream and term tells
 * where all before have been looked at: a batch is decoded once for each term that the rules name, whatever the journal's size.
 * Those numbers stand in the table `streams`, and hold until the rules' fingerprint is another.
 *
 * What is deleted is added up in an account in the same transaction, and stays there until an event has told of it: no crash forgets
 * a deletion.  Both stand in the table `streams`: README.md, "One store". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "store/journal.h"

enum torap_sweep_reason {
	TORAP_SWEEP_AT_MOST,   /* the law: it must go */
	TORAP_SWEEP_EXPIRED,   /* its rule's `keep` is over */
	TORAP_SWEEP_DELIVERED, /* no rule keeps it, and whoever is to have it has it */
	TORAP_SWEEP_FORCED,    /* an operator said so */
	TORAP_SWEEP_REASONS,
};
const char *torap_sweep_reason_name(unsigned reason); /* "at_most": a detail of the deletion event */

enum { TORAP_SWEEP_TERMS_MAX = 2 * 256 + 2 }; /* two of each rule of a trust file, and the caller's own */

struct torap_sweep_term {
	uint8_t reason;
	int64_t after_us;
};

struct torap_sweep_rules {
	uint64_t fingerprint; /* of all that `judge` goes by */
	size_t terms_count;
	struct torap_sweep_term terms[TORAP_SWEEP_TERMS_MAX];
	/* How long after its receipt a frame goes, by reason; INT64_MAX: never.  Each time must be among the terms.  On the committer's
	 * thread. */
	void (*judge)(const void *hint, const struct torap_class *class, unsigned part,
		int64_t after_us[static TORAP_SWEEP_REASONS]);
	const void *hint;
};
/* Adds a term unless it is there, or is INT64_MAX. */
void torap_sweep_rules_add(struct torap_sweep_rules *rules, unsigned reason, int64_t after_us);

/* Of a stream: the last batch that may go for each reason. */
struct torap_sweep_gate {
	struct torap_stream_id stream;
	uint64_t through[TORAP_SWEEP_REASONS];
};

struct torap_sweep_tally {
	uint64_t batches, frames, bytes;
	uint64_t lanes[TORAP_LANES]; /* frames by lane */
};
void torap_sweep_tally_add(struct torap_sweep_tally *sum, const struct torap_sweep_tally *more);

struct torap_sweep {
	/* The caller's. */
	const struct torap_sweep_rules *rules;
	struct torap_wall now;
	const struct torap_sweep_gate *gates; /* NULL: everything may go; else only what is among them */
	size_t gates_count;
	uint32_t account;
	bool passing; /* for once: begins at each stream's first batch and remembers nothing */
	/* Where it stands.  Zero to begin with, kept from piece to piece. */
	uint32_t stream; /* number */
	size_t term;
	uint64_t next; /* batch; 0: not looked up yet */
	bool done;
	/* What the last piece did. */
	struct torap_sweep_tally tally[TORAP_SWEEP_REASONS];
	uint64_t unreadable; /* batches whose manifest cannot be decoded: nobody can say what may go */
};

/* A bounded piece of work, alone in its transaction.  0 or what kv returned; then the sweep is as it was. */
int torap_sweep_piece(struct torap_sweep *s, struct torap_kv_txn *txn);

/* Accounts that no event has told of. */
int torap_sweep_accounts(struct torap_kv_txn *txn,
	int (*each)(void *hint, uint32_t account, unsigned reason, const struct torap_sweep_tally *tally),
	void *hint);
/* The row of an account, in the table TORAP_SWEEP_TABLE: to be deleted with the event that tells of it. */
enum { TORAP_SWEEP_TABLE = 0, TORAP_SWEEP_KEY_SIZE = 4 + 4 + 1 };
void torap_sweep_account_key(uint8_t key[static TORAP_SWEEP_KEY_SIZE], uint32_t account, unsigned reason);

/* The receipt of the oldest batch that has a frame yet, over all streams; 0: there is none. */
int torap_sweep_oldest(struct torap_kv_txn *txn, struct torap_wall *out);
/* The newest receipt over all streams; 0: there is none. */
int torap_sweep_newest(struct torap_kv_txn *txn, struct torap_wall *out);
