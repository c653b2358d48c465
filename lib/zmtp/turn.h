/* turn.h: what all connections of a process have in common: its loop, of which each turn reads what came and ends by sending what waits.
 *
 * One for each loop.  Listeners and diallers are opened on it.  The process ignores SIGPIPE (loop/app.h does). */
#pragma once

#include <uv.h>

struct torap_error;
struct torap_zmtp_turn;

/* On failure *out is untouched. */
int torap_zmtp_turn_create(struct torap_zmtp_turn **out, uv_loop_t *loop, struct torap_error *err);
/* It goes with the last of its connections, which are to be closed, too; so the loop then runs out.  Accepts NULL. */
void torap_zmtp_turn_close(struct torap_zmtp_turn *t);
