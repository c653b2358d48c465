#include "agents/rtsp/outage/tell.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "agents/rtsp/outage/mass.h"
#include "base/log.h"
#include "loop/app.h"

enum { STEP_MS = 500, LOST_EVERY_MS = 60 * 1000 };

static struct kit_place place_of(const struct rtsp_camera *c)
{
	return (struct kit_place){ .camera = c->address,
		.site = c->site,
		.recorder = c->recorder,
		.switch_name = c->switch_name,
		.street = c->street,
		.region = c->region };
}

static struct kit_planned *excuse_of(const struct rtsp_agent *a, const struct rtsp_camera *c)
{
	const struct kit_place place = place_of(c);
	return kit_plan_excuse(&a->plan, &place);
}

static void lost(struct rtsp_agent *a)
{
	struct torap_mono now = torap_app_mono();
	if (a->outbox_told.us && !torap_mono_reached(torap_mono_add_ms(a->outbox_told, LOST_EVERY_MS), now))
		return;
	a->outbox_told = now;
	torap_fail("RTSP-OUTBOX", "too many reports wait for the node; %" PRIu64 " were lost so far",
		a->outbox.lost);
}

static void add(struct rtsp_agent *a, struct rtsp_camera *c, const struct rtsp_report *report)
{
	torap_info("RTSP-REPORT", "camera %s: %s %s%s%s%s", c->address, rtsp_fault_name(report->fault),
		report->start ? "begins" : "is over", report->cause ? ", cause " : "",
		report->cause ? rtsp_cause_name(report->cause) : "", report->excused ? "; planned" : "");
	if (!rtsp_outbox_add(&a->outbox, c, report, torap_app_wall(), torap_app_mono()))
		lost(a);
}

/* Of one camera: is it excused? */
static void tell_one(struct rtsp_agent *a, struct rtsp_camera *c, const struct rtsp_report *report)
{
	const uint32_t bit = rtsp_fault_bit(report->fault);
	const struct kit_place place = place_of(c);
	struct rtsp_report r = *report;
	if (r.start) {
		r.planned = kit_plan_excuse(&a->plan, &place);
		r.excused = r.planned && r.planned->from.us <= r.since.us;
		r.planned = r.excused ? r.planned : NULL;
		c->excused &= ~bit;
		c->excused |= r.excused ? bit : 0;
	} else if (c->excused & bit) {
		r.excused = true;
		r.planned = kit_plan_then(&a->plan, &place, r.since);
		c->excused &= ~bit;
	}
	add(a, c, &r);
}

/* Faults that outlast what excused them. */
static void end_excuses(struct rtsp_agent *a, struct rtsp_camera *c)
{
	for (int f = RTSP_OFFLINE; f < RTSP_FAULTS; f++) {
		if (!(c->excused & rtsp_fault_bit(f)))
			continue;
		const struct rtsp_trouble *t = &c->health.troubles[f];
		struct rtsp_report report = { .fault = (enum rtsp_fault)f,
			.cause = t->cause,
			.outcome = c->health.outcome,
			.since = t->bad_since.wall,
			.times = t->times };
		tell_one(a, c, &report);
		report.start = true;
		tell_one(a, c, &report);
	}
}

/* What the machine of outages asks for. */

static void on_tell(void *hint, uint32_t slot, const struct rtsp_report *report)
{
	struct rtsp_agent *a = hint;
	tell_one(a, a->cameras.slots[slot], report);
}

static void on_hurry(void *hint, uint32_t slot, enum rtsp_fault fault)
{
	struct rtsp_agent *a = hint;
	if (slot >= a->schedule.room)
		return;
	struct rtsp_camera *c = a->cameras.slots[slot];
	/* A new picture says that it was not frozen when the one before it came: two tell of now. */
	const uint8_t pictures = fault == RTSP_FROZEN ? 2 : 1;
	c->asked = c->asked > pictures ? c->asked : pictures;
	c->asked_at = torap_app_mono();
	c->clock_asked |= fault == RTSP_WRONG_CLOCK;
	rtsp_schedule_soon(&a->schedule, slot, c->asked_at);
}

static struct kit_planned *on_excuse(void *hint, uint32_t slot)
{
	const struct rtsp_agent *a = hint;
	return excuse_of(a, a->cameras.slots[slot]);
}

static void on_tell_mass(void *hint, const struct rtsp_mass *mass)
{
	static const char *const words[] = { "begins", "changes", "is over" };
	struct rtsp_agent *a = hint;
	const struct rtsp_share *share = mass->share;
	const struct rtsp_outage *o = share->outage;
	const uint64_t number = share->number;
	struct rtsp_camera *c = rtsp_cameras_find(&a->cameras, share->first);
	struct rtsp_mass_note *note = c ? rtsp_mass_note_create(mass, &a->cameras) : NULL;
	torap_notice("RTSP-OUTAGE",
		"%s %s, %s: an outage of %u cameras %s for %u of them, of which %u have it; cause %s%s",
		rtsp_common_name(o->common), o->name, rtsp_fault_name(o->what.fault), o->members,
		words[mass->state], share->members, share->dark, rtsp_cause_name(o->cause),
		o->what.excused ? "; planned" : "");
	if (note && rtsp_outbox_add_mass(&a->outbox, c, &note, torap_app_wall(), torap_app_mono()))
		return;
	rtsp_mass_note_destroy(note);
	if (c)
		lost(a);
	else
		torap_warn(
			"RTSP-OUTAGE", "the registry names none of its cameras any more; nobody hears of it");
	rtsp_outages_taken(&a->outages, number, mass->state, false);
}

static void on_mass(void *hint, const struct rtsp_mass_note *note, bool durable)
{
	struct rtsp_agent *a = hint;
	rtsp_outages_taken(&a->outages, note->share, note->state, durable);
}

static void on_saved(void *hint, int result)
{
	struct rtsp_agent *a = hint;
	a->counters.saves += result == 0;
	a->counters.saves_failed += result != 0;
	rtsp_unsaved_end(&a->unsaved_outages, result == 0);
}

void rtsp_tell_init(struct rtsp_agent *a)
{
	a->saving_outages.hint = a;
	a->saving_outages.on_done = on_saved;
	a->outages.limits = a->config.outage;
	a->outages.port = (struct rtsp_outages_port){ a, on_tell, on_tell_mass, on_hurry, on_excuse };
	a->outbox.hint = a;
	a->outbox.on_mass = on_mass;
}

/* The registry and a restart. */

static uint64_t audience_of(const struct rtsp_camera *c)
{
	return rtsp_audience(c->region, c->facility, c->private_owner, c->address);
}

/* There was no memory: what is known stays, but for cameras that are gone, or of which others may read now. */
static void keep_groups(struct rtsp_agent *a)
{
	for (uint32_t i = 0; i < a->outages.room; i++) {
		const struct rtsp_camera *c = a->cameras.slots[i];
		const bool there = c && c->number;
		rtsp_outages_amend(
			&a->outages, i, there ? c->number : 0, there ? audience_of(c) : 0, torap_app_mono());
	}
}

static int set_groups(struct rtsp_agent *a)
{
	const uint32_t room = a->cameras.room;
	uint64_t *numbers = calloc((size_t)room + 1, sizeof *numbers);
	struct rtsp_belongs *belongs = calloc((size_t)room + 1, sizeof *belongs);
	int r = numbers && belongs ? 0 : -ENOMEM;
	for (uint32_t i = 0; !r && i < room; i++) {
		const struct rtsp_camera *c = a->cameras.slots[i];
		if (!c || !c->number)
			continue;
		numbers[i] = c->number;
		belongs[i] = (struct rtsp_belongs){ .names = { [RTSP_COMMON_SWITCH] = c->switch_name,
							    [RTSP_COMMON_RECORDER] = c->recorder,
							    [RTSP_COMMON_STREET] = c->street,
							    [RTSP_COMMON_SITE] = c->site },
			.audience = audience_of(c) };
	}
	r = r ? r : rtsp_outages_set(&a->outages, numbers, belongs, room, torap_app_mono());
	if (r)
		keep_groups(a);
	free(numbers);
	free(belongs);
	return r;
}

static void load(struct rtsp_agent *a)
{
	struct torap_error err;
	struct rtsp_now now = { torap_app_mono(), torap_app_wall() };
	if (rtsp_outage_state_load(&a->outages, &a->cameras, a->outages_file, now, &err))
		torap_fail("RTSP-STATE", "%s; what it holds is found out anew", err.text);
	rtsp_unsaved_begin(&a->unsaved_outages, a->outages.changes, now.mono);
	rtsp_unsaved_end(&a->unsaved_outages, true);
	a->outages_read = true;
}

int rtsp_tell_rows(struct rtsp_agent *a)
{
	int r = set_groups(a);
	if (r || a->outages_read || !a->outages_file)
		return r;
	for (uint32_t i = 0; i < a->cameras.count; i++) {
		uint32_t slot = a->cameras.by_address[i];
		for (int f = RTSP_OFFLINE; f < RTSP_FAULTS; f++)
			if (a->cameras.slots[slot]->told & rtsp_fault_bit(f))
				rtsp_outages_known(&a->outages, slot, f);
	}
	load(a);
	return 0;
}

/* What happens. */

/* False: there was no memory when it came. */
static bool has_seat(const struct rtsp_agent *a, const struct rtsp_camera *c)
{
	const uint32_t slot = rtsp_camera_slot(c);
	return slot < a->outages.room && a->outages.seats[slot].number == c->number;
}

void rtsp_tell(struct rtsp_agent *a, struct rtsp_camera *c, const struct rtsp_report *reports, unsigned count)
{
	struct rtsp_now now = { torap_app_mono(), torap_app_wall() };
	for (unsigned i = 0; i < count; i++) {
		const struct rtsp_report *r = &reports[i];
		(r->start ? a->counters.starts : a->counters.ends)[r->fault]++;
		if (has_seat(a, c))
			rtsp_outages_report(&a->outages, rtsp_camera_slot(c), r, now);
		else
			tell_one(a, c, r);
	}
}

void rtsp_tell_seen(struct rtsp_agent *a, const struct rtsp_camera *c, const struct rtsp_verdict *verdict,
	struct torap_mono arrived)
{
	if (has_seat(a, c))
		rtsp_outages_seen(&a->outages, rtsp_camera_slot(c), verdict,
			rtsp_judge_unasked(verdict, c->profile), arrived);
}

/* Who is not reported as offline explains nothing either. */
void rtsp_tell_failed(struct rtsp_agent *a, const struct rtsp_camera *c, enum rtsp_outcome outcome)
{
	if (has_seat(a, c) && !(c->profile->ignored & rtsp_fault_bit(RTSP_OFFLINE)))
		rtsp_outages_failed(&a->outages, rtsp_camera_slot(c), outcome, torap_app_mono());
}

/* Not in place of what was never read. */
static void save(struct rtsp_agent *a, uv_loop_t *loop)
{
	if (!a->outages_read || a->saving_outages.active)
		return;
	rtsp_unsaved_begin(&a->unsaved_outages, a->outages.changes, torap_app_mono());
	rtsp_outage_state_save(&a->saving_outages, loop, &a->outages, &a->cameras, a->outages_file);
}

void rtsp_tell_step(struct rtsp_agent *a, struct torap_mono now)
{
	struct rtsp_now both = { now, torap_app_wall() };
	if (!a->has_rows || now.us - a->stepped_at.us < STEP_MS * TORAP_US_PER_MS)
		return;
	a->stepped_at = now;
	kit_plan_at(&a->plan, both.wall);
	for (uint32_t i = 0; i < a->cameras.count; i++) {
		struct rtsp_camera *c = a->cameras.slots[a->cameras.by_address[i]];
		if (c->excused && !excuse_of(a, c))
			end_excuses(a, c);
	}
	rtsp_outages_step(&a->outages, both);
	if (rtsp_unsaved_is_due(&a->unsaved_outages, a->outages.changes, now))
		save(a, a->loop);
}

/* What was written is older than what is known now. */
static void on_saved_before_last(void *hint, int result)
{
	struct rtsp_agent *a = hint;
	a->saving_outages.on_done = on_saved;
	on_saved(a, result);
	save(a, NULL);
}

void rtsp_tell_save(struct rtsp_agent *a)
{
	if (a->saving_outages.active)
		a->saving_outages.on_done = on_saved_before_last;
	else
		save(a, NULL);
}
