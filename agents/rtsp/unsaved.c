#include "agents/rtsp/unsaved.h"

enum { SOON_MS = 500, AGAIN_MS = 5000 };

bool rtsp_unsaved_is_due(const struct rtsp_unsaved *u, uint64_t changes, struct torap_mono now)
{
	const int64_t wait_ms = u->failed ? AGAIN_MS : SOON_MS;
	return rtsp_unsaved_count(u, changes) &&
	       (!u->tried_at.us || torap_mono_reached(torap_mono_add_ms(u->tried_at, wait_ms), now));
}

void rtsp_unsaved_begin(struct rtsp_unsaved *u, uint64_t changes, struct torap_mono now)
{
	u->writing = changes;
	u->tried_at = now;
}

void rtsp_unsaved_end(struct rtsp_unsaved *u, bool good)
{
	u->failed = !good;
	u->saved = good ? u->writing : u->saved;
}

uint64_t rtsp_unsaved_count(const struct rtsp_unsaved *u, uint64_t changes)
{
	return changes - u->saved;
}
