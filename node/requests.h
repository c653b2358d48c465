/* requests.h: an alarm is on stable storage: its site's cameras are asked what they see.
 *
 * Alarms of a site within its interval share what is asked: one request at once, one more when the interval is over, for those that
 * came meanwhile.  All sites together are asked no faster than NODE_REQUESTS_RATE a second; an alarm that waited for
 * NODE_REQUESTS_YOUNG_MS is too old to be asked for.  A request is itself an event (`access`), and leaves when that is durable.  It stays for
 * agents that come, or come back, until one of them says that it is done, or it is old: then an `evidence_missing` event says so.
 *
 * Killed at any moment, the next start goes on (request_rows.h): an alarm that nobody was asked for waits on, a request that no agent has
 * heard is sent under its id, of one that was sent agents are only asked whether it is done.  All keep the age that they have. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "node/event.h"
#include "node/pictures.h"
#include "wire/stream.h"

struct node_batcher;
struct node_entry;
struct node_registry;
struct node_requests;
struct node_site;
struct node_wish;
struct torap_buffer;
struct torap_error;
struct torap_kv;

enum {
	NODE_REQUESTS_YOUNG_MS = 120 * 1000, /* so long it is worth asking */
	NODE_REQUESTS_OLD_MS = 300 * 1000,   /* so long an agent may take */
	NODE_REQUESTS_RATE = 50,
	NODE_REQUESTS_BURST = 200,
	NODE_REQUESTS_MAX = 1024,    /* under way */
	NODE_REQUESTS_SITES = 16384, /* that are remembered for their interval */
	NODE_REQUESTS_CAMERAS = 256, /* in a request; a site's further ones are left out, and counted */
	/* Alarms with a row: of a site that nobody was asked for yet, and of all.  A kill makes the next start forget how many more there were. */
	NODE_REQUESTS_SITE_ROWS = 64,
	NODE_REQUESTS_ROWS = 64 << 10,
};

struct node_requests_options {
	struct node_batcher *batcher;
	const char *writer;                   /* id in the trust file */
	const struct node_pictures *pictures; /* borrowed; may change its contents between calls */
	/* Sends to all agents of cameras that are connected: how many took it.  The body is borrowed. */
	unsigned (*send)(void *hint, struct torap_buffer *body);
	/* To one of them: did it? */
	bool (*send_to)(void *hint, uint64_t session, struct torap_buffer *body);
	void *hint;
};

int node_requests_create(
	struct node_requests **out, const struct node_requests_options *options, struct torap_error *err);
/* No event of it may be with the batcher any more.  Accepts NULL, returns NULL. */
struct node_requests *node_requests_destroy(struct node_requests *r);
/* Borrowed until the next call. */
void node_requests_registry(struct node_requests *r, const struct node_registry *registry);
/* What a former process left.  After the first registry, before the loop runs: it blocks. */
int node_requests_load(
	struct node_requests *r, struct torap_kv *kv, struct node_now now, struct torap_error *err);

/* Does an event of this class ask for pictures of the site? */
bool node_requests_want(const struct node_requests *r, const struct node_site *site,
	const struct torap_class *class, uint32_t state);
/* Such an event is on its way to the disk with this entry, which takes a row along.  `site`: its id.  NULL: memory ran out. */
struct node_wish *node_requests_wish(struct node_requests *r, const char *site, uint32_t kind,
	struct torap_wall at, struct node_entry *entry);
/* It is durable, here. */
void node_requests_alarm(
	struct node_requests *r, struct node_wish *take, const struct torap_stream_id *stream, uint64_t seq);
/* It is not, and never will be.  Accepts NULL. */
void node_requests_no_alarm(struct node_requests *r, struct node_wish *take);

/* An agent of cameras has said hello, and has its rows. */
void node_requests_agent(struct node_requests *r, uint64_t session, struct node_now now);
void node_requests_done(struct node_requests *r, uint64_t id);
/* Asks whom it is time to ask.  Once a turn of the loop; costs nothing when there is nothing. */
void node_requests_run(struct node_requests *r, struct node_now now);
/* Forgets what is old.  Some ten times a second. */
void node_requests_tick(struct node_requests *r, struct node_now now);

struct node_requests_counts {
	uint64_t alarms;     /* of sites with cameras */
	uint64_t asked;      /* requests */
	uint64_t shared;     /* alarms that another one's request stands for */
	uint64_t shed;       /* alarms that no request stands for: too many sites at once, or too late */
	uint64_t done;       /* by agents */
	uint64_t unheard;    /* requests that no agent was there for */
	uint64_t unanswered; /* or none has done */
	size_t waiting;      /* not done yet */
	size_t restored;     /* requests and alarms of a former process that this one went on with */
};
struct node_requests_counts node_requests_counts(const struct node_requests *r);
