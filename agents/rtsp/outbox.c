#include "agents/rtsp/outbox.h"

#include <assert.h>
#include <stdlib.h>

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/groups.h"
#include "agents/rtsp/outage/mass.h"

enum { ROOM_FIRST = 256, AGAIN_MS = 5000 };
static const int64_t give_up_us = 86400 * (int64_t)TORAP_US_PER_S;

static struct rtsp_told *slot(const struct rtsp_outbox *b, uint64_t number)
{
	return &b->ring[number % b->room];
}

static struct rtsp_told *find(const struct rtsp_outbox *b, uint64_t number)
{
	struct rtsp_told *t = number && b->room ? slot(b, number) : NULL;
	return t && t->number == number ? t : NULL;
}

static bool grow(struct rtsp_outbox *b)
{
	uint32_t room = b->room ? 2 * b->room : ROOM_FIRST;
	struct rtsp_told *ring = room <= RTSP_OUTBOX_MAX ? calloc(room, sizeof *ring) : NULL;
	if (!ring)
		return false;
	/* Who had places of their own have them in twice the room, too. */
	for (uint32_t i = 0; i < b->room; i++)
		if (b->ring[i].number)
			ring[b->ring[i].number % room] = b->ring[i];
	free(b->ring);
	b->ring = ring;
	b->room = room;
	return true;
}

static struct rtsp_told *add(
	struct rtsp_outbox *b, struct rtsp_camera *camera, struct torap_wall at, struct torap_mono now)
{
	if (b->count == b->room && !grow(b)) {
		b->lost++;
		return NULL;
	}
	do
		b->last++;
	while (slot(b, b->last)->number);
	struct rtsp_told *t = slot(b, b->last), *before = find(b, camera->told_last);
	*t = (struct rtsp_told){ .number = b->last, .camera = camera->number, .at = at, .again = now };
	if (before)
		before->next = t->number;
	else
		camera->told_first = t->number;
	camera->told_last = t->number;
	b->count++;
	return t;
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

/* The slot is free then. */
static void release(struct rtsp_told *t)
{
	kit_planned_unref(t->report.planned);
	rtsp_mass_note_destroy(t->mass);
	*t = (struct rtsp_told){ 0 };
}

/* The first of its camera, or one of a camera that is gone. */
static void finish_one(struct rtsp_outbox *b, struct rtsp_camera *camera, struct rtsp_told *t, bool durable)
{
	if (t->mass)
		b->on_mass(b->hint, t->mass, durable);
	if (camera) {
		assert(camera->told_first == t->number);
		camera->told_first = t->next;
		if (!t->next)
			camera->told_last = 0;
	}
	release(t);
	b->count--;
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
	/* The oldest places first, as far as nobody stands in one for long. */
	while (*from < b->room) {
		struct rtsp_told *t = slot(b, b->last + 1 + (*from)++);
		if (!t->number || t->offered)
			continue;
		struct rtsp_camera *camera = rtsp_cameras_find(cameras, t->camera);
		if (camera && camera->told_first != t->number)
			continue;
		if (!camera || is_for_others(t, camera)) {
			b->lost += camera != NULL;
			finish_one(b, camera, t, false);
		} else if (torap_mono_reached(t->again, now)) {
			t->offered = true;
			*number = t->number;
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
	enum rtsp_answer answer, struct torap_mono now)
{
	struct rtsp_told *t = find(b, number);
	if (!t || !t->offered)
		return;
	struct rtsp_camera *camera = rtsp_cameras_find(cameras, t->camera);
	bool taken = answer == RTSP_TAKEN;
	t->offered = false;
	if (answer == RTSP_LATER)
		t->refused = (struct torap_mono){ 0 };
	else if (!taken && !t->refused.us)
		t->refused = now;
	if (!taken && (answer == RTSP_LATER || now.us - t->refused.us <= give_up_us)) {
		t->again = torap_mono_add_ms(now, AGAIN_MS);
		return;
	}
	b->lost += !taken;
	if (taken && !t->mass)
		note(b, camera, &t->report);
	finish_one(b, camera, t, taken);
}

void rtsp_outbox_finish(struct rtsp_outbox *b)
{
	for (uint32_t i = 0; i < b->room; i++)
		release(&b->ring[i]);
	free(b->ring);
	*b = (struct rtsp_outbox){ 0 };
}
