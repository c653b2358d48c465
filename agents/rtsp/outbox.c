#include "agents/rtsp/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/groups.h"
#include "agents/rtsp/outage/mass.h"

enum { ROOM_FIRST = 256, AGAIN_MS = 5000 };
static const int64_t give_up_us = 86400 * (int64_t)TORAP_US_PER_S;

static struct rtsp_told *slot(const struct rtsp_outbox *b, uint64_t number)
{
	return &b->ring[number % b->room];
}

static bool grow(struct rtsp_outbox *b)
{
	uint32_t room = b->room ? 2 * b->room : ROOM_FIRST;
	struct rtsp_told *ring = room <= RTSP_OUTBOX_MAX ? calloc(room, sizeof *ring) : NULL;
	if (!ring)
		return false;
	for (uint64_t n = b->first; n < b->next; n++)
		ring[n % room] = *slot(b, n);
	free(b->ring);
	b->ring = ring;
	b->room = room;
	return true;
}

static struct rtsp_told *add(
	struct rtsp_outbox *b, struct rtsp_camera *camera, struct torap_wall at, struct torap_mono now)
{
	if (!b->next)
		b->first = b->next = 1;
	if (b->next - b->first == b->room && !grow(b)) {
		b->lost++;
		return NULL;
	}
	uint64_t number = b->next++;
	*slot(b, number) = (struct rtsp_told){ .camera = camera->number, .at = at, .again = now };
	if (camera->told_last)
		slot(b, camera->told_last)->next = number;
	else
		camera->told_first = number;
	camera->told_last = number;
	b->count++;
	return slot(b, number);
}

bool rtsp_outbox_add(struct rtsp_outbox *b, struct rtsp_camera *camera, const struct rtsp_report *report,
	struct torap_wall at, struct torap_mono now)
{
	struct rtsp_told *t = add(b, camera, at, now);
	if (!t)
		return false;
	t->report = *report;
	kit_planned_ref(report->planned);
	return true;
}

bool rtsp_outbox_add_mass(struct rtsp_outbox *b, struct rtsp_camera *camera, struct rtsp_mass_note **take,
	struct torap_wall at, struct torap_mono now)
{
	struct rtsp_told *t = add(b, camera, at, now);
	if (!t)
		return false;
	t->mass = *take;
	*take = NULL;
	return true;
}

static void release(struct rtsp_told *t)
{
	kit_planned_unref(t->report.planned);
	rtsp_mass_note_destroy(t->mass);
	t->report.planned = NULL;
	t->mass = NULL;
}

static void finish_one(struct rtsp_outbox *b, struct rtsp_camera *camera, uint64_t number, bool durable)
{
	struct rtsp_told *t = slot(b, number);
	if (t->mass)
		b->on_mass(b->hint, t->mass, durable);
	release(t);
	if (camera && camera->told_first == number) {
		camera->told_first = t->next;
		if (!t->next)
			camera->told_last = 0;
	}
	t->done = true;
	b->count--;
	while (b->first < b->next && slot(b, b->first)->done)
		b->first++;
}

/* It would go by the class of the camera of now: to an audience that may not read of the others. */
static bool is_for_others(const struct rtsp_told *t, const struct rtsp_camera *c)
{
	return t->mass &&
	       t->mass->audience != rtsp_audience(c->region, c->facility, c->private_owner, c->address);
}

struct rtsp_told *rtsp_outbox_next(struct rtsp_outbox *b, const struct rtsp_cameras *cameras, uint64_t *from,
	uint64_t *number, struct torap_mono now)
{
	if (*from < b->first)
		*from = b->first;
	while (*from < b->next) {
		uint64_t n = (*from)++;
		struct rtsp_told *t = slot(b, n);
		struct rtsp_camera *camera = rtsp_cameras_find(cameras, t->camera);
		if (t->done || t->offered)
			continue;
		if (!camera || is_for_others(t, camera)) {
			b->lost += camera != NULL;
			finish_one(b, camera, n, false);
		} else if (camera->told_first == n && torap_mono_reached(t->again, now)) {
			t->offered = true;
			*number = n;
			return t;
		}
	}
	return NULL;
}

static void note(struct rtsp_outbox *b, struct rtsp_camera *c, const struct rtsp_report *r)
{
	if (!c)
		return;
	b->changes++;
	if (r->start) {
		c->told |= rtsp_fault_bit(r->fault);
		c->told_excused &= ~rtsp_fault_bit(r->fault);
		c->told_excused |= r->excused ? rtsp_fault_bit(r->fault) : 0;
		c->told_since_us[r->fault] = r->since.us;
		c->told_cause[r->fault] = (uint8_t)r->cause;
	} else {
		c->told &= ~rtsp_fault_bit(r->fault);
	}
}

void rtsp_outbox_verdict(struct rtsp_outbox *b, const struct rtsp_cameras *cameras, uint64_t number,
	bool taken, struct torap_mono now)
{
	if (number < b->first || number >= b->next || !slot(b, number)->offered || slot(b, number)->done)
		return;
	struct rtsp_told *t = slot(b, number);
	struct rtsp_camera *camera = rtsp_cameras_find(cameras, t->camera);
	t->offered = false;
	if (!taken && !t->refused.us)
		t->refused = now;
	if (!taken && now.us - t->refused.us <= give_up_us) {
		t->again = torap_mono_add_ms(now, AGAIN_MS);
		return;
	}
	b->lost += !taken;
	if (taken && !t->mass)
		note(b, camera, &t->report);
	finish_one(b, camera, number, taken);
}

void rtsp_outbox_finish(struct rtsp_outbox *b)
{
	for (uint64_t n = b->first; n < b->next; n++)
		release(slot(b, n));
	free(b->ring);
	*b = (struct rtsp_outbox){ 0 };
}
