#include "store/sweeper.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "store/committer.h"
#include "store/kv.h"

enum {
	SWEEP_EVERY_MS = 5 * 1000,
	TELL_EVERY_MS = 60 * 1000,
	TELL_AGAIN_MS = 1000,
	PIECES_A_TICK = 4, /* in a row, so that a small machine keeps up with a large one's writing */
	ACCOUNTS_MAX = 64, /* not told yet; then the open one goes on */
};

struct entry {
	struct torap_sweep_account account;
	bool taken; /* its event is on its way */
};

struct torap_sweeper {
	struct torap_sweeper_options options;
	struct torap_steady steady;
	struct torap_sweep_rules rules, next_rules;
	void *owner, *next_owner;
	void (*release)(void *owner);
	void (*next_release)(void *owner);
	bool has_next, stopped;

	struct torap_commit_job job;
	bool running;                    /* the job is with the committer, which then reads: */
	struct torap_sweep sweep, after; /* before the piece; after it */
	struct torap_sweep_gate *gates;
	size_t gates_count, gates_room;
	unsigned pieces_left; /* of this tick */
	bool sweeping, open_gates;
	struct torap_mono next_sweep;
	struct torap_sweep_tally of_sweep;

	uint32_t number; /* of the open account */
	struct torap_sweep_tally open[TORAP_SWEEP_REASONS];
	struct entry entries[ACCOUNTS_MAX];
	size_t entries_count;
	struct torap_mono next_close, next_tell;
	struct torap_sweeper_counts counts;
};

/* Rules. */

static void take_next_rules(struct torap_sweeper *s)
{
	if (!s->has_next || s->running)
		return;
	if (s->release)
		s->release(s->owner);
	s->rules = s->next_rules;
	s->owner = s->next_owner;
	s->release = s->next_release;
	s->has_next = false;
	s->sweeping = false; /* Terms have other places now: from the beginning. */
	s->next_sweep.us = 0;
}

void torap_sweeper_rules(struct torap_sweeper *s, const struct torap_sweep_rules *rules, void *owner,
	void (*release)(void *owner))
{
	if (s->has_next && s->next_release)
		s->next_release(s->next_owner);
	s->next_rules = *rules;
	s->next_owner = owner;
	s->next_release = release;
	s->has_next = true;
	take_next_rules(s);
}

/* Accounts. */

static bool is_open(const struct torap_sweeper *s)
{
	for (unsigned reason = 0; reason < TORAP_SWEEP_REASONS; reason++)
		if (s->open[reason].frames)
			return true;
	return false;
}

/* What comes from now on belongs to the next account, so that the row of this one can go with its event. */
static void close_account(struct torap_sweeper *s)
{
	for (unsigned reason = 0; reason < TORAP_SWEEP_REASONS; reason++) {
		if (s->open[reason].frames == 0)
			continue;
		s->entries[s->entries_count++] = (struct entry){
			.account = { .number = s->number, .reason = reason, .tally = s->open[reason] }
		};
	}
	memset(s->open, 0, sizeof s->open);
	s->number++;
}

static void tell_accounts(struct torap_sweeper *s, struct torap_mono mono)
{
	bool room = s->entries_count + TORAP_SWEEP_REASONS <= ACCOUNTS_MAX;
	if (is_open(s) && !s->running && room && torap_mono_reached(s->next_close, mono)) {
		close_account(s);
		s->next_close = torap_mono_add_ms(mono, TELL_EVERY_MS);
		s->next_tell = mono;
	}
	if (!torap_mono_reached(s->next_tell, mono))
		return;
	s->next_tell = torap_mono_add_ms(mono, TELL_AGAIN_MS);
	/* One that is told at once leaves the list: from the end. */
	for (size_t i = s->entries_count; i-- > 0;) {
		struct torap_sweep_account account = s->entries[i].account;
		if (s->entries[i].taken)
			continue;
		s->entries[i].taken = true;
		if (!s->options.tell(s->options.hint, &account))
			torap_sweeper_told(s, account.number, account.reason, false);
	}
}

void torap_sweeper_told(struct torap_sweeper *s, uint32_t number, unsigned reason, bool durable)
{
	for (size_t i = 0; i < s->entries_count; i++) {
		struct entry *e = &s->entries[i];
		if (e->account.number != number || e->account.reason != reason)
			continue;
		e->taken = false;
		if (durable)
			*e = s->entries[--s->entries_count];
		return;
	}
}

/* Pieces. */

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	struct torap_sweeper *s = (struct torap_sweeper *)((char *)job - offsetof(struct torap_sweeper, job));
	s->after = s->sweep;
	return torap_sweep_piece(&s->after, txn);
}

static void submit(struct torap_sweeper *s)
{
	s->running = true;
	s->pieces_left--;
	s->sweep.rules = &s->rules;
	s->sweep.gates = s->open_gates ? NULL : s->gates;
	s->sweep.gates_count = s->gates_count;
	s->sweep.account = s->number;
	torap_committer_submit(s->options.committer, &s->job);
}

static void on_done(struct torap_commit_job *job, int result)
{
	struct torap_sweeper *s = (struct torap_sweeper *)((char *)job - offsetof(struct torap_sweeper, job));
	s->running = false;
	s->counts.pieces++;
	uint64_t frames = 0;
	if (result == 0) {
		s->sweep = s->after;
		s->counts.unreadable += s->after.unreadable;
		for (unsigned reason = 0; reason < TORAP_SWEEP_REASONS; reason++) {
			torap_sweep_tally_add(&s->counts.deleted[reason], &s->after.tally[reason]);
			torap_sweep_tally_add(&s->open[reason], &s->after.tally[reason]);
			torap_sweep_tally_add(&s->of_sweep, &s->after.tally[reason]);
			frames += s->after.tally[reason].frames;
		}
	}
	/* Full even for what makes room: the next sweep tries again. */
	if (result || s->sweep.done) {
		s->sweeping = false;
		s->counts.sweeps++;
		s->counts.last = s->of_sweep;
	}
	take_next_rules(s);
	if (s->sweeping && s->pieces_left && !s->stopped)
		submit(s);
	if (frames && s->options.on_deleted)
		s->options.on_deleted(s->options.hint);
}

void torap_sweeper_hurry(struct torap_sweeper *s)
{
	s->next_sweep.us = 0;
}

bool torap_sweeper_tick(struct torap_sweeper *s, struct torap_mono mono, struct torap_wall wall)
{
	uint64_t jumps = s->steady.jumps;
	bool steady = torap_steady_look(&s->steady, mono, wall);
	if (s->steady.jumps != jumps)
		torap_warn("CLOCK-JUMPED",
			"this host's clock jumped by more than an hour; nothing is deleted until it has been stable for 10 minutes");
	if (!s->stopped)
		tell_accounts(s, mono);
	if (s->stopped || s->running || !steady || s->rules.terms_count == 0)
		return false;
	if (!s->sweeping) {
		if (!torap_mono_reached(s->next_sweep, mono))
			return false;
		s->next_sweep = torap_mono_add_ms(mono, SWEEP_EVERY_MS);
		s->sweep = (struct torap_sweep){ .now = wall };
		s->of_sweep = (struct torap_sweep_tally){ 0 };
		s->sweeping = true;
	}
	return true;
}

void torap_sweeper_go(struct torap_sweeper *s, const struct torap_sweep_gate *gates, size_t gates_count)
{
	assert(s->sweeping && !s->running);
	if (gates_count > s->gates_room) {
		struct torap_sweep_gate *more = realloc(s->gates, gates_count * sizeof *more);
		if (!more)
			return; /* With the next tick. */
		s->gates = more;
		s->gates_room = gates_count;
	}
	if (gates_count)
		memcpy(s->gates, gates, gates_count * sizeof *gates);
	s->open_gates = !gates;
	s->gates_count = gates_count;
	s->pieces_left = PIECES_A_TICK;
	submit(s);
}

void torap_sweeper_stop(struct torap_sweeper *s)
{
	s->stopped = true;
}

/* Start and end. */

static int take_account(void *hint, uint32_t account, unsigned reason, const struct torap_sweep_tally *tally)
{
	struct torap_sweeper *s = hint;
	if (account >= s->number)
		s->number = account + 1;
	if (s->entries_count == ACCOUNTS_MAX)
		return 0; /* Its row stays: a later start tells of it. */
	s->entries[s->entries_count++] =
		(struct entry){ .account = { .number = account, .reason = reason, .tally = *tally } };
	return 0;
}

int torap_sweeper_create(struct torap_sweeper **out, const struct torap_sweeper_options *options,
	struct torap_mono mono, struct torap_wall wall, struct torap_error *err)
{
	struct torap_sweeper *s = calloc(1, sizeof *s);
	if (!s)
		return torap_errorf(err, -ENOMEM, "sweeper: out of memory");
	s->options = *options;
	s->job = (struct torap_commit_job){ .apply = apply, .done = on_done, .alone = true };
	struct torap_wall newest = { 0 };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, options->kv, false);
	int r = torap_sweep_accounts(&txn, take_account, s);
	if (r == 0)
		r = torap_sweep_newest(&txn, &newest);
	torap_kv_abort(&txn);
	if (r) {
		free(s);
		return torap_errorf(err, r < 0 ? r : -EIO,
			"the store's accounts of deletions cannot be read: %s", strerror(r < 0 ? -r : EIO));
	}
	torap_steady_init(&s->steady, mono, wall, newest);
	if (s->steady.waiting)
		torap_warn("CLOCK-JUMPED",
			"this host's clock is more than an hour from the newest receipt in the store; nothing is deleted for 10 minutes");
	*out = s;
	return 0;
}

struct torap_sweeper *torap_sweeper_destroy(struct torap_sweeper *s)
{
	if (!s)
		return NULL;
	assert(!s->running);
	if (s->release)
		s->release(s->owner);
	if (s->has_next && s->next_release)
		s->next_release(s->next_owner);
	free(s->gates);
	free(s);
	return NULL;
}

struct torap_sweeper_counts torap_sweeper_counts(const struct torap_sweeper *s)
{
	struct torap_sweeper_counts counts = s->counts;
	counts.jumps = s->steady.jumps;
	counts.waiting = s->steady.waiting;
	return counts;
}
