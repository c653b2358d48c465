/* agent.h: the receiver process: listeners, the talks with panels, the kit that carries observations to the node.
 *
 * Panels speak to it on TCP and UDP; it answers them only when the node has said that what they told is on stable storage. */
#pragma once

#include <stdbool.h>

#include "agents/dc09/accounts.h"
#include "agents/dc09/config.h"
#include "agents/dc09/counters.h"
#include "agents/dc09/keys.h"
#include "agents/dc09/observe.h"
#include "agents/dc09/talk.h"
#include "agents/kit/process.h"

struct dc09_tcp;
struct dc09_udp;

/* What the configuration names, and has to be good before anything begins. */
struct dc09_files {
	struct dc09_config config;
	struct dc09_keys keys;
};

struct dc09_agent {
	struct kit_process *process;
	struct dc09_config config;
	struct dc09_keys keys;
	struct dc09_accounts accounts;
	struct dc09_counters counters;
	struct dc09_port port;
	struct dc09_talks talks;
	struct dc09_tcp *tcp; /* NULL: not configured */
	struct dc09_udp *udp;
	struct dc09_observation scratch; /* the one that is being offered */
	uint64_t ends[DC09_ENDS];        /* how talks ended */
	uint64_t connections, turned_away, datagrams, datagrams_dropped;
	uint64_t unsent; /* answers that the connection could not take */
};

extern const struct kit_agent dc09_kit_agent; /* of a struct dc09_agent of zeros */

struct dc09_now dc09_agent_now(void);
/* Starts a session in the talk and gives it a number.  False: there are too many. */
bool dc09_agent_begin(struct dc09_agent *a, struct dc09_talk *t, const struct dc09_talk_way *way);
/* Ends it: counts why, forgets the number, frees what the session holds. */
void dc09_agent_end(struct dc09_agent *a, struct dc09_talk *t);
