/* sim.h: a whole federation in one process, from a seed: nodes, a broker, subscribers, on links that lose, double, delay and reorder,
 * with crashes at any step.
 *
 * What is under test are the machines that think: sealing and verifying (lib/wire), diallers, windows and messages (lib/link), the
 * broker's admission and course, the subscriber's streams.  What the simulator itself brings is what lies: the network, the disk, the
 * clock, the moment of death.  Checkers look after every step; see check.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/time.h"
#include "conf/trust.h"
#include "link/dialler.h"
#include "link/grant.h"
#include "link/window.h"
#include "wire/batch.h"
#include "wire/seal.h"

enum { SIM_NODES = 2, SIM_FEEDS = 3, SIM_LANES = 3, SIM_FRAMES_MAX = 64 };

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
	uint32_t connection;
	bool cut;                      /* half-open: everything vanishes, nobody is told */
	struct sim_message *under_way; /* by rising `at` */
	struct torap_mono last_at[2];
};

/* Takes references to the frames.  What becomes of it is chance. */
void sim_send(struct sim_world *w, struct sim_line *line, enum sim_way way,
	struct torap_buffer *const *frames, size_t count);
/* An envelope of `type` and a body, which is let go of (NULL: none). */
void sim_say(struct sim_world *w, struct sim_line *line, enum sim_way way, uint32_t type,
	struct torap_buffer *body);
void sim_line_reset(struct sim_line *line);
/* The next message that has arrived; NULL: none.  The caller destroys it. */
struct sim_message *sim_receive(struct sim_world *w, struct sim_line *line, enum sim_way way);
void sim_message_destroy(struct sim_message *m);

/* --- disk.c: batches of a stream, of which only what was flushed survives a crash ----------------------------------- */

struct sim_disk {
	struct torap_batch **batches; /* batch n stands at n - 1 */
	size_t count, flushed, room;
};

void sim_disk_append(struct sim_disk *d, struct torap_batch *take);
void sim_disk_crash(struct sim_disk *d);
void sim_disk_finish(struct sim_disk *d);

/* --- node.c ------------------------------------------------------------------------------------------------------ */

struct sim_writer { /* a node's stream of one lane, and its uplink */
	struct torap_stream_id stream;
	struct torap_sealer *sealer;
	struct sim_disk disk;
	uint64_t events_flushed; /* answered "durable" up to this number */
	struct sim_line line;
	struct torap_dialler dialler;
	struct torap_window window;
	uint64_t next_batch; /* to send */
	uint64_t acked;      /* the broker said that it flushed so many */
	struct torap_mono next_head;
};

struct sim_node {
	char name[TORAP_WRITER_ID_MAX + 1];
	uint32_t region;
	struct torap_sign_key key;
	struct sim_writer lanes[SIM_LANES];
	bool up;
	struct torap_mono back_at;
};

void sim_node_start(struct sim_world *w, struct sim_node *n);
void sim_node_crash(struct sim_world *w, struct sim_node *n);
void sim_node_step(struct sim_world *w, struct sim_node *n);

/* --- broker.c ---------------------------------------------------------------------------------------------------- */

struct sim_broker;
struct sim_broker *sim_broker_create(struct sim_world *w);
void sim_broker_destroy(struct sim_broker *b);
void sim_broker_crash(struct sim_world *w, struct sim_broker *b);
void sim_broker_step(struct sim_world *w, struct sim_broker *b);

/* --- subscriber.c ------------------------------------------------------------------------------------------------- */

struct sim_feed {
	const char *name;
	struct torap_grant_row row;
	struct sim_subscriber *subscriber;
	struct sim_line lines[SIM_LANES];
	uint64_t acked[SIM_NODES][SIM_LANES]; /* the subscriber said that it flushed so many batches */
};

struct sim_subscriber *sim_subscriber_create(struct sim_world *w, struct sim_feed *feed);
void sim_subscriber_destroy(struct sim_subscriber *s);
void sim_subscriber_crash(struct sim_world *w, struct sim_subscriber *s);
void sim_subscriber_step(struct sim_world *w, struct sim_subscriber *s);
/* What it holds on its disk of a stream; NULL: nothing. */
const struct sim_disk *sim_subscriber_disk(
	const struct sim_subscriber *s, const struct torap_stream_id *stream);

/* --- world ------------------------------------------------------------------------------------------------------- */

struct sim_world {
	uint64_t seed, random;
	struct torap_mono now;
	bool calm; /* no more faults: everything must come right */
	bool verbose;
	struct torap_trust *trust;
	struct sim_node nodes[SIM_NODES];
	struct sim_broker *broker;
	struct sim_feed feeds[SIM_FEEDS];
	uint64_t events, crashes, messages, lost, doubled, reordered, cuts;
	char failure[512]; /* the first thing that a checker found */
};

uint64_t sim_random(struct sim_world *w, uint64_t below); /* 0 to below - 1 */
bool sim_chance(struct sim_world *w, unsigned per_mille); /* never while calm */
struct torap_wall sim_wall(const struct sim_world *w);
void sim_note(struct sim_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline uint32_t sim_lane(size_t i)
{
	return (uint32_t)i + TORAP__LANE__LANE_CRITICAL;
}

/* --- check.c: what must always be true ------------------------------------------------------------------------------ */

/* After each step: what nobody may see changed, no byte beyond a grant. */
void sim_check_step(struct sim_world *w);
/* After the calm: everything durable is everywhere where it belongs, once, in order. */
void sim_check_end(struct sim_world *w);
