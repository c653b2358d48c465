#include "node/lane.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "node/lane_load.h"
#include "node/lane_round.h"
#include "store/kv.h"

enum {
	FULL_PAUSE_MS = 1000, /* until a full disk is tried again when nobody asks for it */
	EXIT_STATUS = 70,     /* as the committer's: what is durable is not in danger, going on would be */
};

void node_entries_push(struct node_entries *list, struct node_entry *e)
{
	e->next = NULL;
	if (list->last)
		list->last->next = e;
	else
		list->first = e;
	list->last = e;
	list->count++;
}

struct node_entry *node_entries_pop(struct node_entries *list)
{
	struct node_entry *e = list->first;
	if (!e)
		return NULL;
	list->first = e->next;
	if (!list->first)
		list->last = NULL;
	list->count--;
	/* Rounds are larger than a cache: what comes after the next is fetched while this one is worked on. */
	if (e->next && e->next->next) {
		const struct node_entry *after = e->next->next;
		__builtin_prefetch(e->next->event);
		__builtin_prefetch(after);
		__builtin_prefetch(after + 1); /* of who embeds it */
	}
	e->next = NULL;
	return e;
}

static void events_push(struct node_events *list, struct node_event *e)
{
	e->next = NULL;
	if (list->last)
		list->last->next = e;
	else
		list->first = e;
	list->last = e;
	list->count++;
}

static void events_clear(struct node_events *list)
{
	while (list->first) {
		struct node_event *e = list->first;
		list->first = e->next;
		node_event_destroy(e);
	}
	*list = (struct node_events){ 0 };
}

void node_lane_die(const struct node_lane *l, const char *what)
{
	torap_fail("BATCHER-FAILED", "lane %s: %s; this process ends and goes on with what was flushed",
		torap_lane_name(l->lane), what);
	_exit(EXIT_STATUS);
}

static void give_back(struct node_entry *e, enum node_entry_result result)
{
	e->event = node_event_destroy(e->event);
	torap_writer_finish(&e->writes);
	e->done(e, result);
}

static void give_back_all(struct node_entries *list, enum node_entry_result result)
{
	struct node_entry *e;
	while ((e = node_entries_pop(list)))
		give_back(e, result);
}

int node_lane_open(struct node_lane *l, const struct node_batcher_options *options, uint32_t lane,
	struct node_now now, struct torap_error *err)
{
	l->options = options;
	l->lane = lane;
	l->job_max = NODE_JOB_ENTRIES_MAX;
	int r = node_lane_load(l, err);
	if (r)
		return r;
	uint64_t first = node_lane_stream(l)->sealed.next_seq;
	if (l->unsealed.first && l->unsealed.first->seq != first)
		return torap_errorf(err, -EBADMSG,
			"lane %s: the table unsealed begins at %llu, the journal ends before %llu",
			torap_lane_name(lane), (unsigned long long)l->unsealed.first->seq,
			(unsigned long long)first);
	l->key = *options->key;
	node_lane_round_open(l, node_lane_stream(l));
	/* What a former process left is sealed at once: its delay has passed. */
	l->next_seal = torap_mono_add_ms(now.mono, l->unsealed.count ? 0 : options->seal_delay_ms[lane]);
	return 0;
}

void node_lane_finish(struct node_lane *l)
{
	assert(!l->running);
	give_back_all(&l->waiting, NODE_ENTRY_FULL);
	events_clear(&l->unsealed);
	node_recent_finish(&l->recent);
	torap_sealer_destroy(l->sealer);
	sodium_memzero(&l->key, sizeof l->key);
	free(l->streams);
}

int node_lane_add(struct node_lane *l, struct node_entry *entry)
{
	if (entry->writes.failed || l->waiting.count >= node_batcher_waiting_max[l->lane]) {
		l->counts.busy++;
		return NODE_BATCHER_BUSY;
	}
	l->waiting_events += entry->event != NULL;
	node_entries_push(&l->waiting, entry);
	return 0;
}

/* When the next round of what waits may begin. */
static struct torap_mono round_at(const struct node_lane *l)
{
	return l->waiting.count >= NODE_ROUND_FULL ? l->job.started : l->next_round;
}

/* When what waits or is unsealed has to leave as a batch.  False: there is no such thing. */
static bool due_at(const struct node_lane *l, struct torap_mono *out)
{
	if (l->unsealed.count == 0 && l->waiting_events == 0)
		return false;
	size_t many_bytes = l->options->seal_bytes ? l->options->seal_bytes : NODE_SEAL_BYTES;
	bool at_once = l->flush || l->lane == TORAP__LANE__LANE_CRITICAL;
	bool many = l->unsealed.count + l->waiting_events >= NODE_SEAL_EVENTS ||
		    torap_sealer_size(l->sealer) >= many_bytes;
	if (at_once)
		*out = (struct torap_mono){ 0 };
	else if (many)
		*out = round_at(l);
	else
		*out = l->next_seal;
	return true;
}

static bool is_due(const struct node_lane *l, struct node_now now)
{
	struct torap_mono at;
	return due_at(l, &at) && torap_mono_reached(at, now.mono);
}

static bool pausing(const struct node_lane *l, struct node_now now)
{
	return !torap_mono_reached(l->pause_until, now.mono);
}

bool node_lane_deadline(const struct node_lane *l, struct torap_mono *out)
{
	if (l->running)
		return false;
	bool has = due_at(l, out);
	if (l->waiting.count && (!has || round_at(l).us < out->us)) {
		*out = round_at(l);
		has = true;
	}
	if (has && out->us < l->pause_until.us)
		*out = l->pause_until;
	return has;
}

bool node_lane_idle(const struct node_lane *l)
{
	return !l->running && l->waiting.count == 0 && (l->unsealed.count == 0 || l->pause_until.us != 0);
}

static void keep_unsealed(struct node_lane *l, struct node_entry *entry)
{
	struct node_event *e = entry->event;
	if (!e || e->seq < l->job.open_from)
		return;
	events_push(&l->unsealed, e);
	entry->event = NULL;
}

static void advance(struct node_lane *l, struct node_stream *stream)
{
	struct node_lane_job *job = &l->job;
	if (!job->last)
		return;
	events_clear(&l->unsealed);
	stream->sealed = job->last->mark;
	memcpy(stream->digest, job->last->batch->manifest->digest, sizeof stream->digest);
}

static void publish(struct node_lane *l, struct node_sealed *first)
{
	for (struct node_sealed *s = first; s; s = s->next) {
		l->counts.batches++;
		l->counts.bytes += s->bytes;
		node_recent_push(&l->recent, s);
		l->options->on_sealed(l->options->hint, l->lane, s);
	}
	node_sealed_unref_list(first);
}

static void on_durable(struct node_lane *l)
{
	struct node_lane_job *job = &l->job;
	bool new_stream = job->begins_stream;
	if (new_stream) {
		struct node_stream *more = realloc(l->streams, (l->streams_count + 1) * sizeof *l->streams);
		if (!more)
			node_lane_die(l, "out of memory");
		l->streams = more;
		l->streams[l->streams_count++] = job->stream;
	}
	advance(l, node_lane_stream(l));

	struct node_entries entries = job->entries;
	struct node_sealed *first = job->first;
	if (l->job_max < NODE_JOB_ENTRIES_MAX)
		l->job_max *= 2;
	l->pause_until.us = 0;
	if (new_stream) {
		struct torap_mono from =
			job->started.us > l->renewals_until.us ? job->started : l->renewals_until;
		l->renewals_until = torap_mono_add_ms(from, NODE_STREAMS_EVERY_MS);
		l->renew = l->renew_waits = false;
		l->options->on_stream(l->options->hint, l->lane);
	}
	/* Devices first: the brokers' turn is later in any case. */
	struct node_entry *e;
	while ((e = node_entries_pop(&entries))) {
		l->counts.events += e->event != NULL;
		e->seq = e->event ? e->event->seq : 0;
		keep_unsealed(l, e);
		give_back(e, NODE_ENTRY_DURABLE);
	}
	publish(l, first);
}

/* Nobody has seen the numbers of this job: they are taken back. */
static void on_full(struct node_lane *l)
{
	struct node_lane_job *job = &l->job;
	struct node_entries entries = job->entries;
	l->counts.jobs_full++;
	node_sealed_unref_list(job->first);
	node_lane_round_open(l, node_lane_stream(l));
	if (entries.count <= 1 || l->lane != TORAP__LANE__LANE_CRITICAL) {
		if (entries.count == 0)
			l->pause_until = torap_mono_add_ms(job->started, FULL_PAUSE_MS);
		give_back_all(&entries, NODE_ENTRY_FULL);
		return;
	}
	/* Alarms: half of them may fit.  They stood before those that have come since. */
	l->job_max = entries.count / 2;
	for (const struct node_entry *e = entries.first; e; e = e->next)
		l->waiting_events += e->event != NULL;
	entries.last->next = l->waiting.first;
	l->waiting.first = entries.first;
	if (!l->waiting.last)
		l->waiting.last = entries.last;
	l->waiting.count += entries.count;
}

static void on_done(struct torap_commit_job *commit, int result)
{
	struct node_lane_job *job = (struct node_lane_job *)commit;
	struct node_lane *l = node_lane_of(job);
	assert(result == 0 || result == TORAP_KV_FULL);
	l->running = false;
	torap_writer_finish(&job->writes);
	give_back_all(&job->too_big, NODE_ENTRY_TOO_BIG);
	if (result == 0)
		on_durable(l);
	else
		on_full(l);
	l->counts.unsealed = l->unsealed.count;
}

static void take_waiting(struct node_lane *l)
{
	if (l->waiting.count <= l->job_max) { /* all; nobody has to look at each of them */
		l->job.entries = l->waiting;
		l->waiting = (struct node_entries){ 0 };
		l->waiting_events = 0;
		return;
	}
	while (l->waiting.count && l->job.entries.count < l->job_max) {
		struct node_entry *e = node_entries_pop(&l->waiting);
		l->waiting_events -= e->event != NULL;
		node_entries_push(&l->job.entries, e);
	}
}

static bool may_renew(const struct node_lane *l, struct node_now now)
{
	const int64_t burst_ms = (NODE_STREAMS_BURST - 1) * (int64_t)NODE_STREAMS_EVERY_MS;
	return l->renew && l->streams_count < NODE_STREAMS_OF_LANE_MAX &&
	       torap_mono_reached(l->renewals_until, torap_mono_add_ms(now.mono, burst_ms));
}

static void tell_that_it_waits(struct node_lane *l)
{
	if (!l->renew || l->renew_waits)
		return;
	l->renew_waits = true;
	torap_fail("NEW-INCARNATION-WAITS",
		"lane %s: %zu streams are here, %d could follow at once, then one an hour, up to %d: the next one "
		"waits, and a broker that has another copy of this one gets nothing in this lane meanwhile",
		torap_lane_name(l->lane), l->streams_count, NODE_STREAMS_BURST, NODE_STREAMS_OF_LANE_MAX);
}

static void start_round(struct node_lane *l, struct node_now now)
{
	struct node_lane_job *job = &l->job;
	bool renew = may_renew(l, now);
	*job = (struct node_lane_job){
		.commit = { .apply = node_lane_round_apply, .done = on_done },
		.started = now.mono,
		.received_at = now.wall,
		.seal_all = is_due(l, now) || renew,
	};
	l->key = *l->options->key;
	if (renew)
		node_lane_round_begin_stream(l);
	torap_sealer_limit(l->sealer, l->options->seal_bytes);
	take_waiting(l);
	/* What is new keeps to its mark.  What is promised and found no room may move into its batch all the same. */
	if (job->entries.count)
		job->limit_percent = l->options->limit_percent[l->lane];
	else if (l->pause_until.us)
		job->frees = job->commit.alone = true;
	job->commit.urgent = l->lane == TORAP__LANE__LANE_CRITICAL && !job->commit.alone;
	l->running = true;
	l->next_round = torap_mono_add_ms(now.mono, l->options->round_spacing_ms[l->lane]);
	if (job->seal_all)
		l->next_seal = torap_mono_add_ms(now.mono, l->options->seal_delay_ms[l->lane]);
	l->counts.jobs++;
	torap_committer_submit(l->options->committer, &job->commit);
}

static void show_head(struct node_lane *l, struct node_now now)
{
	l->want_head = false;
	l->key = *l->options->key;
	struct torap_buffer *head = torap_sealer_head(l->sealer, now.wall);
	if (!head)
		return; /* Out of memory; the next one is asked for in two seconds. */
	l->options->on_head(l->options->hint, l->lane, head);
	torap_buffer_unref(head);
}

void node_lane_run(struct node_lane *l, struct node_now now)
{
	if (l->running)
		return;
	/* Between two rounds the sealer holds what is durable, and nothing else. */
	if (l->want_head)
		show_head(l, now);
	bool gathered = l->waiting.count && torap_mono_reached(round_at(l), now.mono);
	bool renew = may_renew(l, now);
	bool has_work = gathered || is_due(l, now) || renew;
	if (!renew)
		tell_that_it_waits(l);
	if (has_work && (!pausing(l, now) || l->waiting.count))
		start_round(l, now);
}
