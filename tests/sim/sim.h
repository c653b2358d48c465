/* sim.h: a whole federation in one process, from a seed: three nodes that send to two brokers side by side, a third broker behind them,
 * four feeds, on links that lose, double, delay, reorder, throttle, are cut and fall silent, with crashes at any step, disks that are full,
 * fail and rot, stuck processes, clocks that jump, policies and trust files that change under way.
 *
 * The brokers are the real ones (process.h says what stands below them).  Of nodes and subscribers the machines that think are real.  What
 * the simulator itself brings is what lies: the network, the disk, the clock, the moment of death.  Checkers look after every step; see
 * check.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/time.h"
#include "base/limits.h"
#include "conf/trust.h"
#include "link/dialler.h"
#include "link/grant.h"
#include "link/window.h"
#include "wire/batch.h"
#include "wire/seal.h"

enum {
	SIM_NODES = 3,
	SIM_LANES = 3,
	SIM_CITIES = 2, /* brokers side by side: every node sends to each */
	SIM_NATION = 2, /* the broker behind them: it has what its own subscription brings */
	SIM_BROKERS = 3,
	SIM_SUBSCRIBERS = 4,
	SIM_UPSTREAM = 4, /* from here on: the nation's subscription to each city */
	SIM_FEEDS = SIM_UPSTREAM + SIM_CITIES,
	SIM_NODE_STREAMS = SIM_NODES * SIM_LANES,                 /* node n, lane i: n * SIM_LANES + i */
	SIM_STREAMS = SIM_NODE_STREAMS + SIM_BROKERS * SIM_LANES, /* then those of the brokers themselves */
	SIM_NO_FEED = SIM_FEEDS,                                  /* on a line of a writer */
	SIM_FRAMES_MAX = 64,
	SIM_AGAIN_MAX = 64,
	SIM_KEYS = 2, /* of a node, one after the other, both good for a while */
	SIM_TRUSTS = 5,
	SIM_POLICIES = 3,
};
/* Of the trust files, what is new in each. */
enum { SIM_TRUST_KEYS = 1, SIM_TRUST_RETENTION, SIM_TRUST_REGION };
/* What they say of the feed "almaty": personal parts, none, no such feed. */
enum { SIM_POLICY_GRANTS, SIM_POLICY_DENIES, SIM_POLICY_WITHOUT };

/* What goes wrong; world.c says how often. */
enum sim_fault {
	SIM_LOST, /* messages */
	SIM_DOUBLED,
	SIM_LATE,
	SIM_CUT, /* links */
	SIM_HALF_OPEN,
	SIM_SLOW,
	SIM_CRASH, /* processes */
	SIM_STUCK,
	SIM_FULL,     /* disks */
	SIM_FLUSH,    /* that fail */
	SIM_DAMAGE,   /* frames */
	SIM_MANIFEST, /* damaged */
	SIM_EXPIRE,
	SIM_JUMP, /* of a wall clock */
	SIM_POLICY,
	SIM_TRUST,
	SIM_KEY, /* a node takes its next key */
	SIM_FAULTS,
};
struct sim_fault_kind {
	const char *name;
	unsigned per_10000; /* each time that it could happen */
};
extern const struct sim_fault_kind sim_faults[SIM_FAULTS];

struct sim_world;

/* --- net.c: messages under way ------------------------------------------------------------------------------------ */

enum sim_way { SIM_TO_LISTENER, SIM_TO_DIALLER };

struct sim_message {
	struct sim_message *next;
	struct torap_mono at;
	enum sim_way way;
	struct torap_buffer *frames[SIM_FRAMES_MAX];
	size_t count;
};

/* A dialler's connection.  A reset makes a new one: what was under way is gone, and the listener sees another peer. */
struct sim_line {
	struct sim_line *next;             /* of the world */
	uint32_t connection;               /* never used again */
	size_t broker;                     /* whom it dials */
	size_t feed;                       /* whose it is; SIM_NO_FEED: a writer's */
	uint8_t key[TORAP_CURVE_KEY_SIZE]; /* of the dialler */
	bool ordered; /* like TCP: what is lost takes with it all that follows, nothing comes twice */
	bool cut;     /* half-open: everything vanishes, nobody is told */
	bool slow;    /* 1 Mbit/s */
	struct sim_message *under_way; /* by rising `at` */
	struct torap_mono last_at[2];
};

/* Takes references to the frames.  What becomes of it is chance. */
void sim_send(struct sim_world *w, struct sim_line *line, enum sim_way way,
	struct torap_buffer *const *frames, size_t count);
/* An envelope of `type` and a body, which is let go of (NULL: none). */
void sim_say(struct sim_world *w, struct sim_line *line, enum sim_way way, uint32_t type,
	struct torap_buffer *body);
void sim_line_open(struct sim_world *w, struct sim_line *line);
void sim_line_close(struct sim_world *w, struct sim_line *line);
void sim_line_reset(struct sim_world *w, struct sim_line *line);
/* Now and then a line goes half-open or slow, or is cut: then the listener sees another connection, and the dialler does not know. */
void sim_line_suffers(struct sim_world *w, struct sim_line *line);
/* The next message that has arrived; NULL: none.  The caller destroys it. */
struct sim_message *sim_receive(struct sim_world *w, struct sim_line *line, enum sim_way way);
void sim_message_destroy(struct sim_message *m);

/* --- disk.c: batches of a stream, of which only what was flushed survives a crash ----------------------------------- */
/* A flush has all that was given to it, of all streams of its process, or nothing: that is what LMDB promises (unit/lib/store). */

struct sim_disk {
	struct torap_batch **batches; /* batch n stands at n - 1 */
	size_t count, flushed, room;
};

void sim_disk_append(struct sim_disk *d, struct torap_batch *take);
/* The batch is there already; false: nothing of it is new. */
bool sim_disk_merge(struct sim_disk *d, const struct torap_batch *batch);
/* A frame is gone; batches count from 0.  False: it was not there. */
bool sim_disk_drop(struct sim_disk *d, size_t batch, unsigned frame, uint8_t reason);
void sim_disk_crash(struct sim_disk *d);
void sim_disk_finish(struct sim_disk *d);

/* --- node.c ------------------------------------------------------------------------------------------------------ */

struct sim_uplink { /* of one lane to one broker */
	struct sim_line line;
	struct torap_dialler dialler;
	struct torap_window window;
	uint64_t next_batch; /* to send */
	uint64_t acked;      /* the broker said that it flushed so many */
	struct torap_mono next_head;
	uint64_t again[SIM_AGAIN_MAX]; /* batches that the broker asked for once more */
	size_t again_count;
	bool again_sent; /* one is on its way */
};

struct sim_writer { /* a node's stream of one lane */
	struct torap_stream_id stream;
	struct torap_sealer *sealer;
	struct sim_disk disk;
	uint64_t events_flushed; /* answered "durable" up to this number */
	size_t expired;          /* batches of which the frames are deleted: both brokers have them */
	struct sim_uplink uplinks[SIM_CITIES];
};

struct sim_node {
	char name[TORAP_WRITER_ID_MAX + 1];
	uint32_t region;
	struct torap_sign_key keys[SIM_KEYS];
	size_t key;   /* in use */
	size_t trust; /* file that it has read */
	uint8_t curve_key[TORAP_CURVE_KEY_SIZE];
	struct sim_writer lanes[SIM_LANES];
	bool up;
	struct torap_mono back_at, stuck_until, full_until;
	int64_t clock_off_us; /* of its wall clock */
};

void sim_node_start(struct sim_world *w, struct sim_node *n);
void sim_node_crash(struct sim_world *w, struct sim_node *n);
void sim_node_step(struct sim_world *w, struct sim_node *n);

/* --- trust.c ----------------------------------------------------------------------------------------------------- */

extern struct torap_trust *sim_trusts[SIM_TRUSTS];
void sim_trusts_make(void);
void sim_trusts_free(void);
const uint8_t *sim_trust_root(void);
uint32_t sim_node_region(size_t node);
void sim_node_key(struct torap_sign_key *key, size_t node, size_t number);
/* Has the node no region in this trust file? */
bool sim_trust_takes_region(size_t trust, size_t node);

/* --- files.c ----------------------------------------------------------------------------------------------------- */

struct torap_keys;
void sim_files_begin(void);
void sim_files_end(void);
const struct torap_keys *sim_files_keys(size_t broker);
uint32_t sim_files_region(size_t broker);
void sim_files_config(char *path, size_t size, size_t broker, size_t trust, size_t policy);
/* CURVE keys, public. */
void sim_feed_key(size_t feed, uint8_t key[static TORAP_CURVE_KEY_SIZE]);
void sim_writer_key(size_t node, uint8_t key[static TORAP_CURVE_KEY_SIZE]);

/* --- broker.c ---------------------------------------------------------------------------------------------------- */

struct sim_broker;
struct sim_broker *sim_broker_create(struct sim_world *w, size_t number);
void sim_broker_destroy(struct sim_broker *b);
void sim_broker_crash(struct sim_world *w, struct sim_broker *b);
void sim_broker_step(struct sim_world *w, struct sim_broker *b);
/* Is its memory within its bounds, has it called nobody a liar? */
void sim_broker_check(struct sim_world *w, const struct sim_broker *b);
uint64_t sim_broker_incarnation(const struct sim_broker *b);
size_t sim_broker_policy(const struct sim_broker *b); /* in force */
size_t sim_broker_trust(const struct sim_broker *b);
struct torap_mono sim_broker_trust_since(const struct sim_broker *b, size_t trust);
/* Batches of the stream that its store has; changes with the version. */
size_t sim_broker_count(struct sim_world *w, struct sim_broker *b, size_t stream);
/* Was the newest batch that came from this upstream passed over? */
bool sim_broker_passes_over(
	const struct sim_world *w, const struct sim_broker *b, size_t upstream, size_t stream);
uint64_t sim_broker_version(const struct sim_broker *b);
/* As its journal reads it; counts from 0.  NULL: it cannot be read.  received_at may be NULL. */
struct torap_batch *sim_broker_read(struct sim_world *w, struct sim_broker *b, size_t stream, size_t batch,
	struct torap_wall *received_at);

/* --- subscriber.c ------------------------------------------------------------------------------------------------- */

struct sim_feed {
	const char *name;
	struct torap_grant_row row;
	size_t brokers[SIM_CITIES], brokers_count; /* it moves on to the next at a failure */
	size_t at[SIM_LANES];                      /* where it is: a place in brokers */
	struct sim_subscriber *subscriber;
	struct sim_line lines[SIM_LANES];
};

struct sim_subscriber *sim_subscriber_create(struct sim_world *w, struct sim_feed *feed);
void sim_subscriber_destroy(struct sim_subscriber *s);
void sim_subscriber_crash(struct sim_world *w, struct sim_subscriber *s);
void sim_subscriber_step(struct sim_world *w, struct sim_subscriber *s);
const struct sim_disk *sim_subscriber_disk(const struct sim_subscriber *s, size_t stream);
size_t sim_subscriber_trust(const struct sim_subscriber *s); /* which it believes… */
struct torap_mono sim_subscriber_trust_since(const struct sim_subscriber *s);

/* --- world ------------------------------------------------------------------------------------------------------- */

struct sim_world {
	uint64_t seed, random;
	struct torap_mono now;
	bool calm; /* no more faults: everything must come right… */
	struct torap_mono calm_since;
	bool verbose;
	size_t trust, policy; /* the newest that the operator has signed and written */
	struct sim_line *lines;
	uint32_t connections;
	struct sim_node nodes[SIM_NODES];
	struct torap_stream_id own[SIM_BROKERS * SIM_LANES]; /* streams of the brokers */
	struct sim_broker *brokers[SIM_BROKERS];
	struct sim_feed feeds[SIM_FEEDS];
	struct sim_checks *checks;
	unsigned times[SIM_FAULTS];  /* this run has each fault so many times as often as others */
	uint64_t faults[SIM_FAULTS]; /* how many there were */
	uint64_t events, refused, messages;
	uint64_t told_early, redone,
		torn; /* groups before their commit; of them, what a start did again; flushes that a death broke off */
	uint64_t events_harmed; /* lost with the last copy of their frames: damaged here, gone there */
	uint64_t events_lost, events_doubled; /* as the checkers found: must stay 0 */
	char failure[512];                    /* the first thing that a checker found */
};

void sim_begin(struct sim_world *w, uint64_t seed, bool verbose);
void sim_end(struct sim_world *w);
void sim_step(struct sim_world *w);

uint64_t sim_random(struct sim_world *w, uint64_t below);  /* 0 to below - 1 */
bool sim_fault(struct sim_world *w, enum sim_fault fault); /* Does it happen, now?  Never while calm. */
struct torap_wall sim_wall(const struct sim_world *w);
const struct torap_stream_id *sim_stream(const struct sim_world *w, size_t stream);
void sim_note(struct sim_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline uint32_t sim_lane(size_t i)
{
	return (uint32_t)i + TORAP__LANE__LANE_CRITICAL;
}

/* --- check.c: what must always be true ------------------------------------------------------------------------------ */

void sim_checks_begin(struct sim_world *w);
void sim_checks_end(struct sim_world *w);
/* The node flushed all its batches before this one. */
void sim_flushed(struct sim_world *w, size_t stream, size_t count);
/* A copy of this batch is damaged: when its writer has not the frame any more, it may be lost. */
void sim_harm(struct sim_world *w, size_t stream, size_t batch);
/* When its node flushed it. */
struct torap_mono sim_flushed_at(const struct sim_world *w, size_t stream, size_t batch);
/* check_sent.c: no frame to a subscriber may be beyond the policy that is in force at the broker, nothing be acknowledged before its flush. */
void sim_check_sent(struct sim_world *w, const struct sim_line *line, enum sim_way way,
	struct torap_buffer *const *frames, size_t count);
/* What its writer has sealed of a stream. */
const struct sim_disk *sim_sealed(const struct sim_world *w, size_t stream);
/* After each step: what nobody may see changed, no byte beyond a grant. */
void sim_check_step(struct sim_world *w);
/* Has all that is durable come to where it belongs? */
bool sim_is_settled(struct sim_world *w);
/* After the calm: everything durable is everywhere where it belongs, once, in order. */
void sim_check_end(struct sim_world *w);

/* --- sodium.c ----------------------------------------------------------------------------------------------------- */

void sim_sodium_begin(uint64_t seed);
