/* udp.h: the UDP listener.  Each datagram is a session of its own, which ends with its answers; a repeat is another datagram. */
#pragma once

#include "agents/dc09/agent.h"

int dc09_udp_open(struct dc09_udp **out, struct dc09_agent *a, struct torap_error *err);
/* Accepts NULL. */
void dc09_udp_close(struct dc09_udp *u);
unsigned dc09_udp_count(const struct dc09_udp *u); /* datagrams without their answers; 0 for NULL */
