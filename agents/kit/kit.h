/* kit.h: what every device-side agent needs: a node that hears observations and says when they are durable.
 *
 * Open a kit on the agent's loop, offer observations, and answer the device when the verdict says so; README.md tells the rest.
 * All observations of one turn of the loop travel in one message.  The link to the node comes and goes by itself: while it is
 * away kit_offer() says so at once, and what was offered and not yet judged is judged KIT_LATER, because the device is to repeat,
 * not the agent.
 *
 * Callbacks run on the loop, never inside a kit_ function. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"
#include "proto/observation.pb-c.h"

struct torap_error;
struct kit;

enum kit_verdict {
	KIT_DURABLE,   /* on stable storage: answer the device now */
	KIT_DUPLICATE, /* its original is: answer the device now */
	/* Not taken: leave the device without an answer: it repeats, or uses its other path. */
	KIT_REFUSED, /* the node would refuse it again, as long as its registry and its rules are what they are */
	KIT_LATER, /* the node has no room now ("busy", "disk full"), went away, or said nothing */
};
static inline bool kit_taken(enum kit_verdict v)
{
	return v == KIT_DURABLE || v == KIT_DUPLICATE;
}

/* The agent's own name for an observation; comes back with its verdict. */
struct kit_tag {
	uint64_t who, what;
};

/* A device of the node's registry, as this protocol's agents may know it. */
struct kit_row {
	const char *address;
	uint32_t supervision_s; /* 0: not supervised */
	const char *code_page;
	const char *key_name; /* which of the agent's own secrets belongs to the device; "": none */
	/* Of cameras only; else "" and 0. */
	const char *url;     /* without user and password */
	const char *sub_url; /* of a smaller stream of the same lens; "": none */
	const char *profile; /* "": the default */
	const char *mode;    /* "held", "sampled", "": as configured */
	int64_t term_us;     /* until when it may be watched; 0: no term */
	const char *site, *switch_name, *recorder, *recording, *street;
	uint32_t region;    /* KATO code of its site */
	const char *device; /* its id in the registry */
	int64_t since_us;   /* in service since; 0: long ago */
	int64_t aimed_us;   /* turned on purpose then, the last time; 0: never */
	uint16_t facility;  /* of its site: with the region its events' class; 0: not known */
	bool private_owner; /* it needs its owner's consent: no event of another device may name it */
};

struct kit_options {          /* strings are copied */
	const char *agent;    /* "torap-dc09" */
	const char *protocol; /* whose registry rows it wants */
	const char *endpoint; /* "ipc:///run/torap/almaty.intake" */
	unsigned waiting_max; /* observations without a verdict; 0: 16,384 */
	uint32_t verdict_ms;  /* without a verdict for so long: KIT_LATER; 0: 30,000 */
	void *hint;
	void (*on_verdict)(void *hint, struct kit_tag tag, enum kit_verdict verdict, const char *reason);
	/* The whole set, at first and after each reload of the registry; valid during the call.  May be NULL. */
	void (*on_rows)(void *hint, const struct kit_row *rows, size_t count);
	/* The node came (after its rows) or went.  May be NULL. */
	void (*on_link)(void *hint, bool up, const char *reason);
	/* The node asks; the same request may come again (with the same id) until kit_done() has said that it is done.  Valid during
	 * the call.  NULL: this agent takes no requests. */
	void (*on_request)(void *hint, const Torap__AgentRequest *request);
};

enum kit_offer_answer {
	KIT_AWAY = 1, /* no node: leave the device without an answer */
	KIT_FULL,     /* as many as waiting_max wait already */
	KIT_TOO_BIG, /* beyond TORAP_OBSERVATION_SIZE_MAX or, its image, TORAP_OBSERVATION_IMAGE_MAX: no node would take it */
};

int kit_open(struct kit **out, uv_loop_t *loop, const struct kit_options *options, struct torap_error *err);
/* Everything still waiting is forgotten without a verdict.  The memory goes when the loop has let go of it; then on_closed (or
 * NULL) runs.  Accepts NULL: on_closed runs at once. */
void kit_close(struct kit *k, void (*on_closed)(void *hint), void *hint);

/* Packs the observation (its id is set here; nothing of it is kept) and sends it at the end of this turn of the loop.  0 or an
 * answer above; a negative error only when memory ran out. */
int kit_offer(struct kit *k, Torap__Observation *observation, struct kit_tag tag);
/* The request is done with.  False: the node is away; it sends the request again when it is back. */
bool kit_done(struct kit *k, uint64_t request);
/* How many more kit_offer() would take now; 0 while the node is away. */
unsigned kit_room(const struct kit *k);
bool kit_up(const struct kit *k);

struct kit_counters {
	uint64_t offered, messages;           /* observations, and the messages that carried them */
	uint64_t durable, duplicate, refused; /* by the node */
	uint64_t lost;                        /* judged by us: the link went, or no verdict came */
	uint64_t away, full, too_big;         /* not taken by kit_offer() */
	uint64_t strange;                     /* messages and verdicts of the node that make no sense */
	uint64_t links;                       /* how often the node came */
	uint64_t requests;                    /* of the node */
};
const struct kit_counters *kit_counters(const struct kit *k);
/* Prometheus lines, torap_agent_…, for the agent's own metrics page. */
void kit_metrics(const struct kit *k, struct torap_writer *body);
