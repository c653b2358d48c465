#include "broker/feed_wire.h"

#include "base/log.h"
#include "broker/feed.h"
#include "broker/session.h"
#include "loop/app.h"
#include "loop/ztraffic.h"
#include "wire/envelope.h"
#include "zmtp/listener.h"

/* To a subscriber whose link turns out to be slow only little may lie in the kernel, where an alarm cannot overtake it. */
static void fit_buffer(struct broker_feed *f)
{
	struct torap_ztraffic traffic;
	bool may_be_slow = f->kernel_bytes || f->window.in_flight_bytes > f->window.limit_bytes ||
			   torap_window_kernel_bytes(&f->window, 0);
	if (!may_be_slow || f->lane == TORAP__LANE__LANE_CRITICAL ||
		!broker_session_traffic(f->session, &traffic))
		return;
	torap_window_carried(&f->window, traffic.delivered, torap_app_mono());
	size_t bytes = torap_window_kernel_bytes(&f->window, traffic.rtt_us);
	if (bytes == 0 && f->kernel_bytes == 0)
		return;
	if (bytes == 0)
		bytes = TORAP_WINDOW_MAX; /* As much as the system allows. */
	if (bytes > f->kernel_bytes / 4 * 5 || bytes < f->kernel_bytes / 5 * 4) {
		torap_ztraffic_buffer(torap_zmtp_fd(f->session->peer), bytes);
		f->kernel_bytes = bytes;
	}
}

static void look_at_stall(struct broker_feed *f)
{
	struct torap_ztraffic traffic;
	struct torap_mono now = torap_app_mono();
	bool was = f->stall.stalled;
	f->clogged = torap_stall_waits(&f->stall, &f->window, now) &&
		     broker_session_traffic(f->session, &traffic) &&
		     torap_stall_look(&f->stall, traffic.delivered, now) && traffic.queued > 0;
	if (f->stall.stalled && !was)
		torap_warn("FEED-STALLED",
			"%s, lane %s: alive, and for 15 s what was sent is neither carried nor acknowledged; it is kept, and what it lacks stays in the store",
			f->session->name, torap_lane_name(f->lane));
	else if (was && !f->stall.stalled)
		torap_notice(
			"FEED-MOVES", "%s, lane %s: reads again", f->session->name, torap_lane_name(f->lane));
}

void broker_feed_look_at_wire(struct broker_feed *f)
{
	fit_buffer(f);
	look_at_stall(f);
}

struct torap_mono broker_feed_stalled_since(const struct broker_feed *f)
{
	struct torap_mono now = torap_app_mono();
	return (struct torap_mono){ now.us - torap_window_age_us(&f->window, now) };
}
