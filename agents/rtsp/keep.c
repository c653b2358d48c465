#include "agents/rtsp/keep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/outage/tell.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"

static void on_saved(struct rtsp_saving *s, int result)
{
	struct rtsp_agent *a = s->hint;
	a->counters.saves += result == 0;
	a->counters.saves_failed += result != 0;
	if (s->part == RTSP_STATE_FAULTS)
		rtsp_unsaved_end(&a->unsaved_faults, result == 0);
	if (result)
		torap_fail("RTSP-STATE", "%s%s cannot be written: %s; the old one stays", a->config.state,
			s->part == RTSP_STATE_FAULTS ? ".faults" : "", strerror(-result));
}

static bool begin_save(
	struct rtsp_agent *a, struct rtsp_saving *saving, enum rtsp_state_part part, const char *path)
{
	struct torap_error err;
	if (!rtsp_saving_begin(saving, part, path, &err))
		return true;
	torap_fail("RTSP-STATE", "%s; the old one stays", err.text);
	a->counters.saves_failed++;
	return false;
}

int rtsp_keep_init(struct rtsp_agent *a)
{
	const char *state = a->config.state;
	a->saving.hint = a->saving_faults.hint = a;
	a->saving.on_done = a->saving_faults.on_done = on_saved;
	a->saved_at = torap_app_mono();
	if (state && asprintf(&a->faults, "%s.faults", state) < 0) {
		a->faults = NULL;
		return -ENOMEM;
	}
	if (state && asprintf(&a->outages_file, "%s.outages", state) < 0) {
		a->outages_file = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void load_part(struct rtsp_agent *a, enum rtsp_state_part part, const char *path)
{
	struct torap_error err;
	uint32_t known, damaged;
	struct rtsp_now now = { torap_app_mono(), torap_app_wall() };
	if (rtsp_state_load(part, path, &a->cameras, now, &known, &damaged, &err))
		torap_fail("RTSP-STATE", "%s; what it holds is found out anew", err.text);
	else if (damaged)
		torap_warn("RTSP-STATE", "%s: %u records are damaged; what they held is found out anew", path,
			damaged);
	else
		torap_info("RTSP-STATE", "%s: knows %u cameras", path, known);
}

void rtsp_keep_load(struct rtsp_agent *a)
{
	if (!a->config.state)
		return;
	load_part(a, RTSP_STATE_BASELINES, a->config.state);
	load_part(a, RTSP_STATE_FAULTS, a->faults);
}

void rtsp_keep_step(struct rtsp_agent *a, struct torap_mono now)
{
	if (!a->config.state || !a->has_rows)
		return;
	if (a->saving.active) {
		rtsp_saving_step(&a->saving, a->loop, &a->cameras);
	} else if (now.us - a->saved_at.us >= a->config.save_us) {
		a->saved_at = now;
		begin_save(a, &a->saving, RTSP_STATE_BASELINES, a->config.state);
	}
	if (a->saving_faults.active) {
		rtsp_saving_step(&a->saving_faults, a->loop, &a->cameras);
	} else if (rtsp_unsaved_is_due(&a->unsaved_faults, a->outbox.changes, now)) {
		rtsp_unsaved_begin(&a->unsaved_faults, a->outbox.changes, now);
		if (!begin_save(a, &a->saving_faults, RTSP_STATE_FAULTS, a->faults))
			rtsp_unsaved_end(&a->unsaved_faults, false);
	}
}

uint64_t rtsp_keep_unsaved(const struct rtsp_agent *a)
{
	return a->config.state ? rtsp_unsaved_count(&a->unsaved_faults, a->outbox.changes) +
					 rtsp_unsaved_count(&a->unsaved_outages, a->outages.changes)
			       : 0;
}

static void save_last(struct rtsp_saving *s, int result)
{
	const struct rtsp_agent *a = s->hint;
	struct torap_error err;
	(void)result; /* of an older one */
	if (rtsp_state_save(
		    s->part, s->part == RTSP_STATE_FAULTS ? a->faults : a->config.state, &a->cameras, &err))
		torap_fail("RTSP-STATE", "%s; the old one stays", err.text);
}

/* Now, or when the thread that writes an older one is done: the loop waits for it. */
static void save_for_good(struct rtsp_saving *s, enum rtsp_state_part part)
{
	s->part = part;
	if (s->active)
		s->on_done = save_last;
	else
		save_last(s, 0);
}

void rtsp_keep_last(struct rtsp_agent *a)
{
	rtsp_saving_abandon(&a->saving);
	rtsp_saving_abandon(&a->saving_faults);
	if (!a->config.state || !a->has_rows)
		return;
	save_for_good(&a->saving, RTSP_STATE_BASELINES);
	save_for_good(&a->saving_faults, RTSP_STATE_FAULTS);
	rtsp_tell_save(a);
}

void rtsp_keep_finish(struct rtsp_agent *a)
{
	free(a->faults);
	free(a->outages_file);
	a->faults = a->outages_file = NULL;
}
