/* tcp.h: the TCP listener and its connections: bytes to sessions, answers to panels.
 *
 * A connection that waits for nothing holds some 700 bytes.  All connections share one buffer to read into, since what is read is
 * taken in at once; a session that is not hungry is not read.  The panel closes, not we: an ACK in a connection that is closed too
 * soon is lost, and everything comes again. */
#pragma once

#include "agents/dc09/agent.h"

int dc09_tcp_open(struct dc09_tcp **out, struct dc09_agent *a, struct torap_error *err);
/* Closes listener and connections; the memory goes with the loop.  Accepts NULL. */
void dc09_tcp_close(struct dc09_tcp *t);
unsigned dc09_tcp_count(const struct dc09_tcp *t); /* connections; 0 for NULL */
