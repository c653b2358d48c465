/* No room: of the directory or of the output.
 *
 * The directory: what came is put aside (shelf.h) within the credit, nothing is acknowledged, so the broker sends no more, and the links
 * stay up.  The output: it waits with its chunk (output.h); what comes is stored and acknowledged all the same. */
#include "agents/follow/inside.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

bool follow_lets_go(struct follow *f, const struct follow_stream *s, const struct torap_batch *b)
{
	struct follow_lane *lane = &f->lanes[s->id.lane];
	/* An honest broker sends no more than the credit, or one batch that is larger. */
	if (follow_shelf_waits(&f->shelf) && b->manifest->batch_no >= s->at.next_batch &&
		lane->waiting_bytes && lane->waiting_bytes + torap_batch_size(b) > f->config->credit_bytes)
		lane->let_go = true;
	return lane->let_go;
}

bool follow_lets_go_old(const struct follow *f)
{
	return follow_shelf_waits(&f->shelf);
}

static int64_t seconds_since(struct torap_mono then)
{
	return (torap_app_mono().us - then.us) / TORAP_US_PER_S;
}

static void look_at_store(struct follow *f, bool full)
{
	struct torap_error err;
	if (full == f->full.store)
		return;
	f->full.store = full;
	if (full) {
		f->full.store_since = torap_app_mono();
		f->full.times++;
		follow_store_full(f->kv, &err);
		torap_fail("STORE-FULL",
			"%s; until there is room nothing is acknowledged, then it goes on by itself",
			err.text);
		return;
	}
	torap_notice("STORE-HAS-ROOM", "%s has room again after %" PRId64 " s; going on", f->config->dir,
		seconds_since(f->full.store_since));
	for (int n = TORAP__LANE__LANE_CRITICAL; n < TORAP_LANES; n++)
		if (f->lanes[n].let_go && f->lanes[n].link)
			torap_zlink_begin_anew_soon(f->lanes[n].link);
}

static void look_at_output(struct follow *f, bool full)
{
	if (full == f->full.output)
		return;
	f->full.output = full;
	if (full) {
		f->full.output_since = torap_app_mono();
		f->full.times++;
		torap_fail("OUTPUT-FULL", "%s; what comes is stored, and is written when there is room",
			follow_output_why(f->output));
	} else {
		torap_notice("OUTPUT-HAS-ROOM", "the output has room again after %" PRId64 " s; going on",
			seconds_since(f->full.output_since));
	}
}

void follow_look_at_room(struct follow *f)
{
	if (f->closing)
		return;
	enum follow_output_want want =
		f->output ? follow_output_want(f->output) : FOLLOW_OUTPUT_WANTS_NOTHING;
	look_at_store(f, follow_shelf_is_behind(&f->shelf) || want == FOLLOW_OUTPUT_WANTS_STORE);
	look_at_output(f, want == FOLLOW_OUTPUT_WANTS_DISK);
}
