/* agent.h: the receiver process: listeners, the talks with panels, the kit that carries observations to the node.
 *
 * Panels speak to it on TCP and UDP; it answers them only when the node has said that what they told is on stable storage. */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "agents/dc09/accounts.h"
#include "agents/dc09/config.h"
#include "agents/dc09/counters.h"
#include "agents/dc09/keys.h"
#include "agents/dc09/observe.h"
#include "agents/dc09/talk.h"
#include "agents/kit/kit.h"

struct torap_error;
struct torap_http;
struct dc09_tcp;
struct dc09_udp;

struct dc09_agent {
	uv_loop_t *loop;
	struct dc09_config config;
	struct dc09_keys keys;
	struct dc09_accounts accounts;
	struct dc09_counters counters;
	struct dc09_port port;
	struct dc09_talks talks;
	struct kit *kit;
	struct dc09_tcp *tcp; /* NULL: not configured */
	struct dc09_udp *udp;
	struct torap_http *http;
	uv_timer_t timer;
	bool timing, closing;
	struct dc09_observation scratch; /* the one that is being offered */
	uint64_t ends[DC09_ENDS];        /* how talks ended */
	uint64_t connections, turned_away, datagrams, datagrams_dropped;
	uint64_t unsent; /* answers that the connection could not take */
	uint64_t reloads, reloads_refused;
};

/* Takes over the configuration and keys (leaves zeros).  After a failure run the loop once more to its end, then
 * dc09_agent_finish(). */
int dc09_agent_open(struct dc09_agent *a, uv_loop_t *loop, struct dc09_config *config, struct dc09_keys *keys,
	struct torap_error *err);
/* Reads configuration and keys again.  A bad file is refused, and the old ones stay in force. */
void dc09_agent_reload(struct dc09_agent *a);
/* Hangs up on everybody and leaves the loop. */
void dc09_agent_close(struct dc09_agent *a);
/* After the loop has ended. */
void dc09_agent_finish(struct dc09_agent *a);

struct dc09_now dc09_agent_now(void);
/* Starts a session in the talk and gives it a number.  False: there are too many. */
bool dc09_agent_begin(struct dc09_agent *a, struct dc09_talk *t, const struct dc09_talk_way *way);
/* Ends it: counts why, forgets the number, frees what the session holds. */
void dc09_agent_end(struct dc09_agent *a, struct dc09_talk *t);
