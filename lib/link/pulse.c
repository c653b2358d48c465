#include "link/pulse.h"

void torap_pulse_init(struct torap_pulse *p, uint32_t heartbeat_ms, uint32_t dead_ms, struct torap_mono now)
{
	*p = (struct torap_pulse){ heartbeat_ms, dead_ms, now, now };
}

void torap_pulse_heard(struct torap_pulse *p, struct torap_mono now)
{
	p->last_heard = now;
}

void torap_pulse_sent(struct torap_pulse *p, struct torap_mono now)
{
	p->last_sent = now;
}

bool torap_pulse_heartbeat_due(const struct torap_pulse *p, struct torap_mono now)
{
	return torap_mono_reached(torap_mono_add_ms(p->last_sent, p->heartbeat_ms), now);
}

bool torap_pulse_dead(const struct torap_pulse *p, struct torap_mono now)
{
	return torap_mono_reached(torap_mono_add_ms(p->last_heard, p->dead_ms), now);
}
