/* A broker: the process as it is (broker/), started, reloaded, killed and started again on what its store has. */
#include "sim/sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "broker/broker.h"
#include "broker/feed.h"
#include "broker/reload.h"
#include "broker/session.h"
#include "broker/sessions.h"
#include "broker/state.h"
#include "broker/streams.h"
#include "broker/upstream.h"
#include "loop/app.h"
#include "sim/process.h"
#include "store/journal.h"
#include "store/journal_rows.h"
#include "store/kv.h"

enum {
	WRITER_CREDIT = 8 << 20,
	UPSTREAM_CREDIT = 64 << 10,
	BATCH_BYTES_MAX = 1 << 20, /* that a batch of this run has, and more */
	BEGIN_ANEW_S = 12,
	ROWS_LEFT_MAX = 24, /* for a start on a full disk */
	SESSIONS_MAX = 64,  /* lines of this run, and those that are not known yet to be gone */
};

struct sim_broker {
	size_t number;
	char name[16];
	struct sim_process process;
	struct torap_app app;
	struct broker_config config;
	struct broker *broker; /* NULL: it is down */
	struct torap_mono back_at, full_until, stuck_until;
	size_t trust, policy; /* in force */
	struct torap_mono trust_since[SIM_TRUSTS];
	size_t counts[SIM_STREAMS]; /* batches in the store… */
	uint32_t numbers[SIM_STREAMS];
	uint64_t counted_at; /* …of this version of it */
	bool counted;
	bool began_anew; /* in the calm */
};

static void load_config(struct sim_world *w, struct sim_broker *b, struct broker_config *out)
{
	char path[512];
	struct torap_error err;
	sim_files_config(path, sizeof path, b->number, b->trust, b->policy);
	if (broker_config_load(out, path, &err)) {
		sim_fail(w, "%s: %s", b->name, err.text);
		abort();
	}
}

static void wait_for_start(struct sim_world *w, struct sim_broker *b)
{
	b->back_at = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 6000));
}

/* It did not start, and is started again later.  Only its disk may be the reason. */
static void fall(struct sim_world *w, struct sim_broker *b, const char *why)
{
	if (!b->process.disk_failed && !b->process.disk_full)
		sim_fail(w, "%s does not start: %s", b->name, why);
	sim_note(w, "%s does not start: %s", b->name, why);
	b->process.dead = true;
	sim_store_crash(b->process.store);
	sim_process_end(&b->process);
	broker_config_finish(&b->config);
	wait_for_start(w, b);
}

static void start(struct sim_world *w, struct sim_broker *b)
{
	struct torap_error err;
	sim_here = &b->process;
	b->process.dead = b->process.disk_failed = false;
	b->app = (struct torap_app){ 0 };
	b->app.loop.data = &b->process;
	load_config(w, b, &b->config);
	if (b->process.disk_full)
		sim_store_room(b->process.store, sim_random(w, ROWS_LEFT_MAX));
	bool starts = broker_create(&b->broker, &b->app, &b->config, &err) == 0;
	sim_store_room(b->process.store, SIZE_MAX);
	if (!starts)
		fall(w, b, err.text);
}

/* What a process that is killed has in memory goes, and nothing of it reaches anybody. */
static void stop(struct sim_broker *b)
{
	if (!b->broker)
		return;
	sim_here = &b->process;
	b->process.dead = true;
	sim_store_crash(b->process.store);
	broker_stop(b->broker);
	sim_process_drain(&b->process);
	b->broker = broker_destroy(b->broker);
	sim_process_end(&b->process);
	broker_config_finish(&b->config);
}

struct sim_broker *sim_broker_create(struct sim_world *w, size_t number)
{
	struct sim_broker *b = calloc(1, sizeof *b);
	assert(b);
	b->number = number;
	snprintf(b->name, sizeof b->name, "broker-%zu", number);
	b->process = (struct sim_process){
		.world = w, .name = b->name, .loop = &b->app.loop, .store = sim_store_create(w)
	};
	w->calm = true; /* Its first start is a good one: what it has is then what everybody knows. */
	start(w, b);
	w->calm = false;
	return b;
}

void sim_broker_destroy(struct sim_broker *b)
{
	stop(b);
	sim_store_destroy(b->process.store);
	free(b);
}

uint64_t sim_broker_incarnation(const struct sim_broker *b)
{
	return b->broker->state.incarnation;
}

/* --- what is on the disk --- */

static void count(struct sim_world *w, struct sim_broker *b)
{
	struct torap_kv_txn txn;
	uint64_t version = sim_store_version(b->process.store);
	if (b->counted && version == b->counted_at)
		return;
	b->counted = true;
	b->counted_at = version;
	sim_store_look(b->process.store, &txn);
	for (size_t s = 0; s < SIM_STREAMS; s++) {
		struct torap_journal_head head;
		int r = torap_rows_head_find(&txn, sim_stream(w, s), &head);
		b->counts[s] = r ? 0 : head.last_batch;
		b->numbers[s] = r ? 0 : head.number;
		if (r && r != TORAP_KV_MISSING)
			sim_fail(w, "%s: the row of a stream cannot be read", b->name);
	}
	torap_kv_abort(&txn);
}

size_t sim_broker_count(struct sim_world *w, struct sim_broker *b, size_t stream)
{
	count(w, b);
	return b->counts[stream];
}

struct torap_batch *sim_broker_read(struct sim_world *w, struct sim_broker *b, size_t stream, size_t batch,
	struct torap_wall *received_at)
{
	struct torap_kv_txn txn;
	struct torap_batch *out = NULL;
	count(w, b);
	sim_store_look(b->process.store, &txn);
	if (torap_journal_read(&txn, b->numbers[stream], batch + 1, NULL, NULL, &out, received_at, NULL))
		out = NULL;
	torap_kv_abort(&txn);
	return out;
}

uint64_t sim_broker_version(const struct sim_broker *b)
{
	return sim_store_version(b->process.store);
}

bool sim_broker_passes_over(
	const struct sim_world *w, const struct sim_broker *b, size_t upstream, size_t stream)
{
	const struct broker_upstream *u = b->broker->upstreams->list[upstream];
	const struct broker_heard_stream *heard =
		broker_heard_find(&u->lanes[sim_lane(stream % SIM_LANES)].heard, sim_stream(w, stream));
	return heard && heard->over;
}

void sim_broker_crash(struct sim_world *w, struct sim_broker *b)
{
	sim_note(w, "broker %zu dies", b->number);
	wait_for_start(w, b);
	stop(b);
}

/* --- its checkers --- */

struct sessions {
	struct sim_world *world;
	size_t count;
};

static void check_session(void *hint, struct broker_session *s)
{
	struct sessions *all = hint;
	all->count++;
	if (!s->feed)
		return;
	const struct torap_window *window = &s->feed->window;
	if (window->in_flight_bytes > window->credit_bytes && window->in_flight_count > 1)
		sim_fail(all->world, "%s has more in flight to %s than its credit", s->broker->config->name,
			s->name);
	if (s->feed->again_count > BROKER_AGAIN_MAX)
		sim_fail(all->world, "%s has too much to send again to %s", s->broker->config->name, s->name);
}

static void check_memory(struct sim_world *w, const struct sim_broker *b)
{
	const struct broker *real = b->broker;
	struct sessions sessions = { w, 0 };
	if (real->streams->recent_bytes > BROKER_RECENT_BYTES_MAX)
		sim_fail(w, "%s keeps %zu bytes of batches in memory", b->name, real->streams->recent_bytes);
	for (size_t i = 0; i < real->streams->count; i++) {
		const struct broker_stream *s = real->streams->all[i];
		if (s->waiting_bytes > WRITER_CREDIT + BATCH_BYTES_MAX)
			sim_fail(w, "%s holds %zu bytes of a stream that wait for the disk", b->name,
				s->waiting_bytes);
		if (s->holes.count > broker_stream_last(s))
			sim_fail(
				w, "%s has more holes in a stream of %s than batches", b->name, s->id.writer);
	}
	for (size_t u = 0; u < broker_upstreams_count(real->upstreams); u++)
		for (size_t lane = 1; lane <= SIM_LANES; lane++)
			if (real->upstreams->list[u]->lanes[lane].waiting_bytes >
				UPSTREAM_CREDIT + BATCH_BYTES_MAX)
				sim_fail(w, "%s holds more of an upstream than its credit", b->name);
	broker_sessions_each(real->sessions, check_session, &sessions);
	if (sessions.count > SESSIONS_MAX)
		sim_fail(w, "%s has %zu sessions", b->name, sessions.count);
}

/* Nobody here lies.  A key that the trust file does not know yet is no lie. */
static void check_counts(struct sim_world *w, const struct sim_broker *b)
{
	const struct broker_counts *c = &b->broker->counts;
	if (c->forks || c->rollbacks)
		sim_fail(w, "%s takes an honest writer for a liar", b->name);
	if (c->refused[TORAP_VERDICT_MALFORMED] || c->refused[TORAP_VERDICT_BAD_SIGNATURE] ||
		c->refused[TORAP_VERDICT_BAD_DIGEST])
		sim_fail(w, "%s refused an honest batch", b->name);
	if ((c->refused[TORAP_VERDICT_UNKNOWN_KEY] || c->heads_refused) && w->trust == 0)
		sim_fail(w, "%s does not know a key that stands in its trust file", b->name);
	if (c->reloads_refused)
		sim_fail(w, "%s refused a reload", b->name);
	for (size_t u = 0; u < broker_upstreams_count(b->broker->upstreams); u++)
		if (b->broker->upstreams->list[u]->withheld)
			sim_fail(w, "%s was given a batch without a granted frame, and no reason", b->name);
}

void sim_broker_check(struct sim_world *w, const struct sim_broker *b)
{
	if (!b->broker)
		return;
	check_memory(w, b);
	check_counts(w, b);
}

size_t sim_broker_policy(const struct sim_broker *b)
{
	return b->policy;
}

struct torap_mono sim_broker_trust_since(const struct sim_broker *b, size_t trust)
{
	return b->trust_since[trust];
}

size_t sim_broker_trust(const struct sim_broker *b)
{
	return b->trust;
}

/* --- what goes wrong --- */

static uint64_t number_at(const uint8_t *bytes, size_t size)
{
	uint64_t n = 0;
	for (size_t i = 0; i < size; i++)
		n = n << 8 | bytes[i];
	return n;
}

/* A bit flips on the disk: not in what is in memory. */
static void damage(struct sim_world *w, struct sim_broker *b, unsigned table)
{
	uint8_t key[16];
	size_t key_size, rows = sim_store_rows(b->process.store, table);
	if (!rows || !sim_store_damage(b->process.store, table, sim_random(w, rows),
			     sim_random(w, UINT64_MAX), key, &key_size))
		return;
	count(w, b);
	uint64_t number = number_at(key, 4), batch = number_at(key + 4, 8);
	for (size_t s = 0; s < SIM_STREAMS; s++)
		if (b->numbers[s] == number) {
			sim_note(w, "broker %zu: a bit of a %s of batch %" PRIu64 " of %s lane %zu flips",
				b->number, table == ROWS_FRAMES ? "frame" : "manifest", batch,
				sim_stream(w, s)->writer, s % SIM_LANES);
			sim_harm(w, s, batch - 1);
		}
}

/* SIGHUP. */
static void reload(struct sim_world *w, struct sim_broker *b)
{
	char path[512];
	sim_files_config(path, sizeof path, b->number, b->trust, b->policy);
	free(b->config.path);
	b->config.path = strdup(path);
	assert(b->config.path);
	sim_note(w, "broker %zu: trust file %zu, policy %zu", b->number, b->trust + 1, b->policy);
	sim_here = &b->process;
	broker_reload(b->broker);
}

/* The operator brings the newest files to one broker after the other; one that is down reads them at its start. */
static void follow_operator(struct sim_world *w, struct sim_broker *b)
{
	bool trust = b->trust < w->trust && (w->calm || sim_random(w, 60) == 0);
	bool policy = b->policy != w->policy && (w->calm || sim_random(w, 20) == 0);
	if (!trust && !policy)
		return;
	for (; trust && b->trust < w->trust; b->trust_since[b->trust] = w->now)
		b->trust++;
	if (policy)
		b->policy = w->policy;
	if (b->broker)
		reload(w, b);
}

/* What rotted on the disk and nobody reads is found by the next round of the scan, an hour later, or after a start: in the calm each broker
 * has one more.  Where nothing rotted it has none, for a start also hides what only a start puts right. */
static bool is_to_begin_anew(struct sim_world *w, struct sim_broker *b)
{
	if (!w->calm || b->began_anew || w->faults[SIM_DAMAGE] + w->faults[SIM_MANIFEST] == 0 ||
		w->now.us < w->calm_since.us + (int64_t)(BEGIN_ANEW_S + b->number) * TORAP_US_PER_S)
		return false;
	b->began_anew = true;
	return true;
}

void sim_broker_step(struct sim_world *w, struct sim_broker *b)
{
	if (!w->calm && !torap_mono_reached(b->stuck_until, w->now))
		return;
	follow_operator(w, b);
	b->process.disk_full = !w->calm && !torap_mono_reached(b->full_until, w->now);
	if (!b->broker) {
		if (!torap_mono_reached(b->back_at, w->now))
			return;
		start(w, b);
		if (!b->broker)
			return;
	}
	if (sim_fault(w, SIM_FULL))
		b->full_until = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 8000));
	if (sim_fault(w, SIM_STUCK))
		b->stuck_until = torap_mono_add_ms(w->now, (int64_t)sim_random(w, 12000));
	if (sim_fault(w, SIM_DAMAGE))
		damage(w, b, ROWS_FRAMES);
	if (sim_fault(w, SIM_MANIFEST))
		damage(w, b, ROWS_MANIFESTS);
	/* Another has pushed it out of memory: feeds read it from the disk. */
	if (sim_random(w, 100) == 0)
		broker_streams_forget(b->broker->streams, (struct torap_wall){ INT64_MAX });
	if (!sim_process_step(&b->process) || is_to_begin_anew(w, b))
		sim_broker_crash(w, b);
}
