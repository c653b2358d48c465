#include "link/stall.h"

#include "link/window.h"

bool torap_stall_waits(struct torap_stall *s, const struct torap_window *w, struct torap_mono now)
{
	bool waits = torap_window_age_us(w, now) > TORAP_STALL_LOOK_US;
	if (!waits || w->acked_count != s->acked_count)
		*s = (struct torap_stall){ .acked_count = w->acked_count };
	return waits;
}

bool torap_stall_look(struct torap_stall *s, uint64_t delivered, struct torap_mono now)
{
	if (s->looked_at.us && now.us - s->looked_at.us < TORAP_STALL_LOOK_US)
		return s->stalled;
	s->stalled = s->looked_at.us && delivered - s->delivered < TORAP_STALL_BYTES;
	s->looked_at = now;
	s->delivered = delivered;
	return s->stalled;
}
