#include "broker/retention.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/own.h"
#include "broker/streams.h"
#include "loop/app.h"
#include "store/committer.h"
#include "store/kv.h"

/* An account whose event is on its way: sealed, flushed, then its row goes. */
struct saying {
	struct torap_commit_job job; /* deletes the row */
	struct broker_retention *retention;
	struct saying *next;
	uint32_t number;
	unsigned reason;
	uint64_t seq; /* of the event */
	bool submitted;
};

struct broker_retention {
	struct broker *broker;
	struct torap_sweeper *sweeper;
	struct saying *sayings;
	int64_t shortest_us; /* of all terms; INT64_MAX: there are none */
};

static struct saying *saying_of(struct torap_commit_job *job)
{
	return (struct saying *)((char *)job - offsetof(struct saying, job));
}

static int apply(struct torap_commit_job *job, struct torap_kv_txn *txn)
{
	const struct saying *s = saying_of(job);
	uint8_t key[TORAP_SWEEP_KEY_SIZE];
	torap_sweep_account_key(key, s->number, s->reason);
	return torap_kv_delete(txn, TORAP_SWEEP_TABLE, torap_bytes(key, sizeof key));
}

static void unlist(struct saying *s)
{
	struct saying **at = &s->retention->sayings;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
}

static void done(struct torap_commit_job *job, int result)
{
	struct saying *s = saying_of(job);
	s->submitted = false;
	if (result == TORAP_KV_FULL)
		return; /* With the next tick. */
	unlist(s);
	torap_sweeper_told(s->retention->sweeper, s->number, s->reason, true);
	free(s);
}

static bool tell(void *hint, const struct torap_sweep_account *account)
{
	struct broker_retention *r = hint;
	struct saying *s = calloc(1, sizeof *s);
	if (!s)
		return false;
	s->seq = broker_own_deletion(r->broker->own, account);
	if (s->seq == 0) {
		free(s);
		return false;
	}
	torap_notice("DELETED", "%" PRIu64 " frames of %" PRIu64 " batches, %" PRIu64 " bytes (%s)",
		account->tally.frames, account->tally.batches, account->tally.bytes,
		torap_sweep_reason_name(account->reason));
	s->job = (struct torap_commit_job){ .apply = apply, .done = done };
	s->retention = r;
	s->number = account->number;
	s->reason = account->reason;
	s->next = r->sayings;
	r->sayings = s;
	return true;
}

/* What is gone from the disk is not to be sent from memory either. */
static void on_deleted(void *hint)
{
	struct broker_retention *r = hint;
	struct torap_wall before = torap_app_wall();
	if (r->shortest_us == INT64_MAX)
		return;
	before.us -= r->shortest_us;
	broker_streams_forget(r->broker->streams, before);
}

int broker_retention_create(struct broker_retention **out, struct broker *b, struct torap_error *err)
{
	struct broker_retention *r = calloc(1, sizeof *r);
	if (!r)
		return torap_errorf(err, -ENOMEM, "out of memory");
	struct torap_sweeper_options options = {
		.kv = b->kv, .committer = b->committer, .tell = tell, .on_deleted = on_deleted, .hint = r
	};
	r->broker = b;
	r->shortest_us = INT64_MAX;
	int code = torap_sweeper_create(&r->sweeper, &options, torap_app_mono(), torap_app_wall(), err);
	if (code) {
		free(r);
		return code;
	}
	*out = r;
	return 0;
}

struct broker_retention *broker_retention_destroy(struct broker_retention *r)
{
	if (!r)
		return NULL;
	torap_sweeper_destroy(r->sweeper);
	while (r->sayings) {
		struct saying *s = r->sayings;
		assert(!s->submitted);
		r->sayings = s->next;
		free(s);
	}
	free(r);
	return NULL;
}

/* On the committer's thread. */
static void judge(const void *hint, const struct torap_class *class, unsigned part,
	int64_t after_us[static TORAP_SWEEP_REASONS])
{
	const struct torap_trust *trust = hint;
	struct torap_retention_term term = torap_retention_term_of(&trust->retention, class, part);
	for (unsigned i = 0; i < TORAP_SWEEP_REASONS; i++)
		after_us[i] = INT64_MAX;
	after_us[TORAP_SWEEP_EXPIRED] = term.keep_us;
	after_us[TORAP_SWEEP_AT_MOST] = term.at_most_us;
}

static void release(void *trust)
{
	torap_trust_unref(trust);
}

void broker_retention_rules(struct broker_retention *r, struct torap_trust *trust)
{
	struct torap_sweep_rules rules = {
		.fingerprint = trust->retention.fingerprint, .judge = judge, .hint = trust
	};
	for (size_t i = 0; i < trust->retention.count; i++) {
		torap_sweep_rules_add(&rules, TORAP_SWEEP_EXPIRED, trust->retention.list[i].term.keep_us);
		torap_sweep_rules_add(&rules, TORAP_SWEEP_AT_MOST, trust->retention.list[i].term.at_most_us);
	}
	r->shortest_us = INT64_MAX;
	for (size_t i = 0; i < rules.terms_count; i++)
		if (rules.terms[i].after_us < r->shortest_us)
			r->shortest_us = rules.terms[i].after_us;
	torap_sweeper_rules(r->sweeper, &rules, torap_trust_ref(trust), release);
}

void broker_retention_stop(struct broker_retention *r)
{
	if (r)
		torap_sweeper_stop(r->sweeper);
}

void broker_retention_tick(struct broker_retention *r, struct torap_mono mono, struct torap_wall wall)
{
	for (struct saying *s = r->sayings; s; s = s->next) {
		if (s->submitted || !broker_own_is_flushed(r->broker->own, s->seq))
			continue;
		s->submitted = true;
		torap_committer_submit(r->broker->committer, &s->job);
	}
	if (torap_sweeper_tick(r->sweeper, mono, wall))
		torap_sweeper_go(r->sweeper, NULL, 0);
}

struct torap_sweeper_counts broker_retention_counts(const struct broker_retention *r)
{
	return torap_sweeper_counts(r->sweeper);
}
