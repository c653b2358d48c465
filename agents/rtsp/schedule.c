#include "agents/rtsp/schedule.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Before whatever is overdue. */
static const int64_t hurry_us = 3600 * (int64_t)TORAP_US_PER_S;
enum { FAILURES_MAX = 16 };

static const struct rtsp_line nobody = { RTSP_NOBODY, RTSP_NOBODY };

int rtsp_schedule_init(struct rtsp_schedule *s, uint32_t room, uint32_t recorders)
{
	struct rtsp_schedule made = {
		.limits = s->limits, .late = nobody, .room = room, .recorders_room = recorders
	};
	made.turns = calloc((size_t)room + 1, sizeof *made.turns);
	made.heap = calloc((size_t)room + 1, sizeof *made.heap);
	made.recorders = calloc((size_t)recorders + 1, sizeof *made.recorders);
	if (!made.turns || !made.heap || !made.recorders) {
		rtsp_schedule_finish(&made);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < recorders; i++)
		made.recorders[i].line = nobody;
	*s = made;
	return 0;
}

void rtsp_schedule_finish(struct rtsp_schedule *s)
{
	free(s->turns);
	free(s->heap);
	free(s->recorders);
	*s = (struct rtsp_schedule){ .limits = s->limits };
}

/* A heap by `due`, the earliest first. */

static void place(struct rtsp_schedule *s, uint32_t at, uint32_t camera)
{
	s->heap[at] = camera;
	s->turns[camera].place = at;
}

static bool earlier(const struct rtsp_schedule *s, uint32_t a, uint32_t b)
{
	return s->turns[a].due.us < s->turns[b].due.us;
}

static void rise(struct rtsp_schedule *s, uint32_t camera, uint32_t at)
{
	while (at && earlier(s, camera, s->heap[(at - 1) / 2])) {
		place(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(s, at, camera);
}

static void push(struct rtsp_schedule *s, uint32_t camera)
{
	rise(s, camera, s->heap_count++);
	s->turns[camera].state = RTSP_TURN_DUE;
}

static uint32_t pop(struct rtsp_schedule *s)
{
	uint32_t top = s->heap[0], last = s->heap[--s->heap_count], at = 0;
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= s->heap_count)
			break;
		if (child + 1 < s->heap_count && earlier(s, s->heap[child + 1], s->heap[child]))
			child++;
		if (!earlier(s, s->heap[child], last))
			break;
		place(s, at, s->heap[child]);
		at = child;
	}
	if (s->heap_count)
		place(s, at, last);
	return top;
}

void rtsp_schedule_add(
	struct rtsp_schedule *s, uint32_t camera, uint32_t recorder, double share, struct torap_mono now)
{
	assert(camera < s->room && s->turns[camera].state == RTSP_TURN_OFF);
	assert(recorder == RTSP_NOBODY || recorder < s->recorders_room);
	struct torap_mono moment = { now.us + (int64_t)(share * (double)s->limits.period_us) };
	s->turns[camera] =
		(struct rtsp_turn){ .recorder = recorder, .due = moment, .moment = moment, .wanted = true };
	push(s, camera);
}

static struct rtsp_recorder *recorder_of(struct rtsp_schedule *s, uint32_t camera)
{
	uint32_t r = s->turns[camera].recorder;
	return r == RTSP_NOBODY ? NULL : &s->recorders[r];
}

void rtsp_schedule_move(
	struct rtsp_schedule *s, const struct rtsp_schedule *from, uint32_t camera, uint32_t recorder)
{
	struct rtsp_turn *t = &s->turns[camera];
	assert(camera < from->room && t->state == RTSP_TURN_OFF &&
		from->turns[camera].state != RTSP_TURN_OFF);
	*t = from->turns[camera];
	t->recorder = recorder;
	if (t->state == RTSP_TURN_DUE || t->state == RTSP_TURN_HELD_BACK || t->state == RTSP_TURN_LATE) {
		push(s, camera);
	} else if (t->state == RTSP_TURN_AT_IT) {
		s->at_it++;
		if (recorder_of(s, camera))
			recorder_of(s, camera)->at_it++;
	}
}

static void hold_back(struct rtsp_schedule *s, struct rtsp_line *l, uint32_t camera)
{
	s->turns[camera].state = l == &s->late ? RTSP_TURN_LATE : RTSP_TURN_HELD_BACK;
	s->turns[camera].next = RTSP_NOBODY;
	if (l->first == RTSP_NOBODY)
		l->first = camera;
	else
		s->turns[l->last].next = camera;
	l->last = camera;
}

/* The first that was held back has its turn at once: its due is past. */
static void let_one_go(struct rtsp_schedule *s, struct rtsp_line *l)
{
	uint32_t camera = l->first;
	if (camera == RTSP_NOBODY)
		return;
	l->first = s->turns[camera].next;
	push(s, camera);
}

/* Its moments. */

/* Of a period. */
static int64_t steps_of(const struct rtsp_schedule_limits *l)
{
	return l->alive_us > 0 && l->alive_us < l->period_us ? (l->period_us + l->alive_us - 1) / l->alive_us
							     : 1;
}

/* The last moment of a look that is not after `at`. */
static int64_t last_moment(const struct rtsp_schedule *s, const struct rtsp_turn *t, int64_t at)
{
	int64_t period = s->limits.period_us, away = at - t->moment.us;
	return t->moment.us + (away / period - (away % period < 0)) * period;
}

/* The first moment, of a look or a glance, that is after `at`.  Counted from the last look, so that what does not divide evenly adds up to
 * nothing. */
static int64_t moment_after(const struct rtsp_schedule *s, const struct rtsp_turn *t, int64_t at)
{
	int64_t period = s->limits.period_us, steps = steps_of(&s->limits), last = last_moment(s, t, at);
	int64_t step = (at - last) / (period / steps) + 1;
	return last + (step < steps ? step * (period / steps) : period);
}

/* A turn that comes late is a look when that became due meanwhile; one that came a little early need not be repeated. */
static bool may_glance(const struct rtsp_schedule *s, const struct rtsp_turn *t, struct torap_mono now)
{
	int64_t early = s->limits.period_us / steps_of(&s->limits) / 4;
	return steps_of(&s->limits) > 1 && !t->wanted && t->looked.us >= last_moment(s, t, now.us) - early;
}

bool rtsp_schedule_glances(const struct rtsp_schedule *s, uint32_t camera)
{
	return s->turns[camera].glance;
}

static void begin(struct rtsp_schedule *s, struct rtsp_turn *t, struct torap_mono now)
{
	t->state = RTSP_TURN_AT_IT;
	t->glance = may_glance(s, t, now);
	t->wanted = false;
	if (!t->glance)
		t->looked = now;
	s->at_it++;
}

uint32_t rtsp_schedule_take(struct rtsp_schedule *s, struct torap_mono now, bool looks)
{
	if (looks)
		let_one_go(s, &s->late);
	while (s->heap_count && s->at_it < s->limits.parallel &&
		torap_mono_reached(s->turns[s->heap[0]].due, now)) {
		uint32_t camera = pop(s);
		struct rtsp_recorder *r = recorder_of(s, camera);
		if (r && r->at_it >= s->limits.per_recorder) {
			hold_back(s, &r->line, camera);
			continue;
		}
		if (!looks && !may_glance(s, &s->turns[camera], now)) {
			hold_back(s, &s->late, camera);
			continue;
		}
		begin(s, &s->turns[camera], now);
		if (r)
			r->at_it++;
		return camera;
	}
	return RTSP_NOBODY;
}

static void leave(struct rtsp_schedule *s, uint32_t camera)
{
	struct rtsp_recorder *r = recorder_of(s, camera);
	s->at_it--;
	if (!r)
		return;
	r->at_it--;
	let_one_go(s, &r->line);
}

static void to_front(struct rtsp_schedule *s, struct rtsp_line *l, uint32_t camera)
{
	if (l->first == camera)
		return;
	uint32_t before = l->first;
	while (s->turns[before].next != camera)
		before = s->turns[before].next;
	s->turns[before].next = s->turns[camera].next;
	if (l->last == camera)
		l->last = before;
	s->turns[camera].next = l->first;
	l->first = camera;
}

void rtsp_schedule_hurry(struct rtsp_schedule *s, uint32_t camera, struct torap_mono now)
{
	if (camera >= s->room)
		return;
	struct rtsp_turn *t = &s->turns[camera];
	t->wanted = true;
	if (t->state == RTSP_TURN_HELD_BACK)
		to_front(s, &recorder_of(s, camera)->line, camera);
	if (t->state == RTSP_TURN_LATE)
		to_front(s, &s->late, camera);
	if (t->state != RTSP_TURN_DUE || t->due.us < now.us - hurry_us)
		return; /* it has hurried already */
	t->due.us = now.us - 2 * hurry_us;
	rise(s, camera, t->place);
}

void rtsp_schedule_settle(struct rtsp_schedule *s, uint32_t camera)
{
	if (s->turns[camera].state != RTSP_TURN_AT_IT)
		return;
	leave(s, camera);
	s->turns[camera].state = RTSP_TURN_SETTLED;
	s->turns[camera].failures = 0;
}

static int64_t retry_after(const struct rtsp_schedule *s, const struct rtsp_turn *t, uint32_t random)
{
	int64_t wait = s->limits.retry_us;
	for (unsigned i = 1; i < t->failures && wait < s->limits.retry_us_max; i++)
		wait *= 2;
	if (wait > s->limits.retry_us_max)
		wait = s->limits.retry_us_max;
	return wait - wait / 8 + (int64_t)((double)random / UINT32_MAX * (double)wait / 4);
}

/* The next moment of its own; after a look one that is at least a quarter of a step away. */
static int64_t next_moment(const struct rtsp_schedule *s, const struct rtsp_turn *t, struct torap_mono now)
{
	int64_t away = t->glance ? 0 : s->limits.period_us / steps_of(&s->limits) / 4 - 1;
	return moment_after(s, t, now.us + away);
}

void rtsp_schedule_done(struct rtsp_schedule *s, uint32_t camera, bool failed, bool soon, uint32_t random,
	struct torap_mono now)
{
	struct rtsp_turn *t = &s->turns[camera];
	bool wanted = t->glance && t->wanted;
	assert(t->state == RTSP_TURN_AT_IT || t->state == RTSP_TURN_SETTLED);
	if (t->state == RTSP_TURN_AT_IT)
		leave(s, camera);
	if (failed)
		t->failures = t->failures < FAILURES_MAX ? t->failures + 1 : FAILURES_MAX;
	else
		t->failures = 0;
	if (failed)
		t->due.us = now.us + retry_after(s, t, random);
	else if (wanted)
		t->due = now;
	else if (soon)
		t->due.us = now.us + s->limits.retry_us;
	else
		t->due.us = next_moment(s, t, now);
	t->wanted = wanted || failed || soon;
	push(s, camera);
}

void rtsp_schedule_soon(struct rtsp_schedule *s, uint32_t camera, struct torap_mono now)
{
	struct rtsp_turn *t = &s->turns[camera];
	if (camera >= s->room)
		return;
	t->wanted = true;
	if (t->state != RTSP_TURN_DUE || t->due.us <= now.us)
		return;
	t->due = now;
	rise(s, camera, t->place);
}

struct torap_mono rtsp_schedule_next(const struct rtsp_schedule *s)
{
	return s->heap_count ? s->turns[s->heap[0]].due : (struct torap_mono){ INT64_MAX };
}
