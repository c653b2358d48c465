/* sweeper.h: sweeps as jobs of the committer, one after the other, and their accounts.
 *
 * A sweep begins every few seconds and goes on piece by piece, each piece a job alone in its transaction: live commits go on in
 * between.  A sweep waits while the wall clock cannot be believed (base/steady.h).
 *
 * Deletions of a minute make an account.  It is shown to `tell` until an event with it is durable, also after a restart: the row of an
 * account goes only with its event.
 *
 * Loop thread only, but for what sweep.h says of `judge`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/steady.h"
#include "store/sweep.h"

struct torap_committer;
struct torap_error;
struct torap_kv;
struct torap_sweeper;

struct torap_sweep_account {
	uint32_t number;
	unsigned reason; /* enum torap_sweep_reason */
	struct torap_sweep_tally tally;
};

struct torap_sweeper_options {
	struct torap_kv *kv;
	struct torap_committer *committer;
	/* Makes an event of it.  False: not now.  Else torap_sweeper_told() follows, perhaps at once. */
	bool (*tell)(void *hint, const struct torap_sweep_account *account);
	/* A piece has deleted something: what is in memory of it must go, too. */
	void (*on_deleted)(void *hint);
	void *hint;
};

/* Reads what no event has told of.  Blocks; before the loop runs. */
int torap_sweeper_create(struct torap_sweeper **out, const struct torap_sweeper_options *options,
	struct torap_mono mono, struct torap_wall wall, struct torap_error *err);
/* After the committer has stopped.  Accepts NULL, returns NULL. */
struct torap_sweeper *torap_sweeper_destroy(struct torap_sweeper *s);

/* From the next piece on these rules count: copied.  `owner` keeps alive what their `judge` reads, until `release`. */
void torap_sweeper_rules(struct torap_sweeper *s, const struct torap_sweep_rules *rules, void *owner,
	void (*release)(void *owner));
/* No sweep begins any more. */
void torap_sweeper_stop(struct torap_sweeper *s);

/* A few times a second.  True: a piece could run now; the caller then says through which gates (NULL: none). */
bool torap_sweeper_tick(struct torap_sweeper *s, struct torap_mono mono, struct torap_wall wall);
void torap_sweeper_go(struct torap_sweeper *s, const struct torap_sweep_gate *gates, size_t gates_count);
/* The next sweep is due now. */
void torap_sweeper_hurry(struct torap_sweeper *s);
/* What became of an account that `tell` took.  Durable: its row has gone with the event. */
void torap_sweeper_told(struct torap_sweeper *s, uint32_t number, unsigned reason, bool durable);

struct torap_sweeper_counts {
	struct torap_sweep_tally deleted[TORAP_SWEEP_REASONS]; /* since the process started */
	uint64_t sweeps, pieces, unreadable, jumps;
	struct torap_sweep_tally last; /* of the last whole sweep */
	bool waiting;                  /* for a steady clock */
};
struct torap_sweeper_counts torap_sweeper_counts(const struct torap_sweeper *s);
