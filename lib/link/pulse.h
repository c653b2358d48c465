/* pulse.h: the listening end's sign of life: is the peer of a session still there, and is a heartbeat due?  No I/O, no clock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct torap_pulse {
	uint32_t heartbeat_ms, dead_ms;
	struct torap_mono last_heard, last_sent;
};

void torap_pulse_init(struct torap_pulse *p, uint32_t heartbeat_ms, uint32_t dead_ms, struct torap_mono now);
void torap_pulse_heard(struct torap_pulse *p, struct torap_mono now);
void torap_pulse_sent(struct torap_pulse *p, struct torap_mono now);
bool torap_pulse_heartbeat_due(const struct torap_pulse *p, struct torap_mono now);
bool torap_pulse_dead(const struct torap_pulse *p, struct torap_mono now);
