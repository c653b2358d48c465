/* Which keyframes are decoded, and what becomes of an attempt of which it is not.  The pool has no workers, so that it is behind for as long as
 * something waits; streams are opened and never run. */
#include "agents/rtsp/watch.h"

#include <criterion/criterion.h>
#include <string.h>

#include "agents/rtsp/outage/tell.h"
#include "base/error.h"
#include "loop/app.h"

enum { SIZE = 1000 };
static struct rtsp_agent a;
static struct rtsp_camera *c;
static uint8_t count;

static void on_gone(void *hint, struct rtsp_camera *camera, bool stays)
{
	(void)hint;
	(void)camera;
	(void)stays;
}

static void begin(void)
{
	const struct kit_row row = { .address = "cam",
		.url = "rtsp://127.0.0.1:9/",
		.sub_url = "",
		.key_name = "",
		.profile = "",
		.mode = "",
		.site = "",
		.switch_name = "",
		.recorder = "",
		.street = "",
		.device = "" };
	struct torap_error err;
	a.loop = uv_default_loop();
	a.config.trust_us = 180 * TORAP_US_PER_S;
	a.config.peek = true;
	a.config.look_us = 10 * TORAP_US_PER_S;
	a.config.limits = rtsp_limits_default;
	a.streams = (struct rtsp_streams){ .loop = a.loop,
		.hint = &a,
		.on_keyframe = rtsp_watch_keyframe,
		.on_over = rtsp_watch_over,
		.on_tick = rtsp_watch_tick };
	a.schedule.limits = (struct rtsp_schedule_limits){ .period_us = 60 * TORAP_US_PER_S,
		.alive_us = 20 * TORAP_US_PER_S,
		.retry_us = 5 * TORAP_US_PER_S,
		.retry_us_max = 60 * TORAP_US_PER_S,
		.parallel = 200,
		.per_recorder = 4 };
	cr_assert_eq(rtsp_pool_open(&a.pool, a.loop, 0, &a, rtsp_watch_look, &err), 0, "%s", err.text);
	cr_assert_eq(rtsp_cameras_set(&a.cameras, &row, 1, false, on_gone, NULL), 0);
	cr_assert_eq(rtsp_schedule_init(&a.schedule, a.cameras.room, a.cameras.recorders), 0);
	c = rtsp_cameras_named(&a.cameras, "cam");
	cr_assert(c);
	c->profile = &rtsp_profile_default;
	c->sessions = 1; /* the first look is one that waits for the clock */
	rtsp_schedule_add(&a.schedule, rtsp_camera_slot(c), RTSP_NOBODY, 0, torap_app_mono());
}

static void finish(void)
{
	rtsp_streams_close(&a.streams);
	rtsp_pool_close(a.pool);
	uv_run(a.loop, UV_RUN_DEFAULT);
	uv_loop_close(a.loop);
	rtsp_cameras_finish(&a.cameras);
	rtsp_schedule_finish(&a.schedule);
}

/* So many pictures of it are familiar. */
static void know(unsigned pictures)
{
	struct rtsp_upper upper = { .rows = RTSP_UPPER_ROWS };
	c->familiar = calloc(1, sizeof *c->familiar);
	for (unsigned i = 0; i < pictures; i++)
		rtsp_familiar_learn(c->familiar, &upper, torap_app_mono());
}

/* What a worker says of the keyframe that it peeked at. */
static void answer_of(struct torap_mono came, bool alike, bool decoded, enum rtsp_likeness likeness)
{
	struct rtsp_look *look = calloc(1, sizeof *look);
	*look = (struct rtsp_look){ .number = c->number, .part = 1, .alike = alike, .decoded = decoded };
	look->shot = (struct rtsp_shot){ .session = c->sessions,
		.arrived = came,
		.arrived_wall = torap_app_wall(),
		.codec = RTSP_CODEC_H264 };
	look->seen.peeked = true;
	look->seen.likeness = likeness;
	look->seen.measure.shot = look->shot;
	rtsp_watch_look(&a, look);
	free(look);
}

static void answer(bool alike, bool decoded, enum rtsp_likeness likeness)
{
	answer_of(torap_app_mono(), alike, decoded, likeness);
}

static struct rtsp_keyframe keyframe(size_t size)
{
	struct rtsp_keyframe k = { .shot = { .arrived = torap_app_mono(),
					   .arrived_wall = torap_app_wall(),
					   .codec = RTSP_CODEC_H264 } };
	torap_write_u32(&k.data, 1);
	torap_write_u8(&k.data, 0x65);
	torap_write_u8(&k.data, ++count);
	while (k.data.size < size)
		torap_write_u8(&k.data, 7);
	return k;
}

static void begin_turn(void)
{
	rtsp_schedule_soon(&a.schedule, rtsp_camera_slot(c), torap_app_mono());
	cr_assert_eq(rtsp_schedule_take(&a.schedule, torap_app_mono(), true), rtsp_camera_slot(c));
	rtsp_watch_begin(&a, c);
	cr_assert(c->stream);
}

/* Its turn has come, and it is believed. */
static void open_one(void)
{
	struct torap_mono now = torap_app_mono();
	begin_turn();
	struct rtsp_keyframe k = keyframe(SIZE);
	struct rtsp_impression i = rtsp_impression_of(RTSP_CODEC_H264, torap_bytes(k.data.data, k.data.size));
	rtsp_impressions_decode(&c->impressions, &i);
	c->impressions.good_at = now;
	c->impressions.sizes[0] = SIZE;
	torap_writer_finish(&k.data);
}

static void show(size_t size)
{
	struct rtsp_keyframe k = keyframe(size);
	rtsp_watch_keyframe(&a, c->stream, &k);
	torap_writer_finish(&k.data);
}

/* The workers have something to do. */
static void keep_busy(void)
{
	struct rtsp_keyframe k = keyframe(SIZE);
	cr_assert(rtsp_pool_add(a.pool, 4711, &k.shot, &k.data));
}

static struct rtsp_session *session(void)
{
	return (struct rtsp_session *)(uintptr_t)rtsp_stream_session(c->stream);
}

/* So many frames have come since the keyframe. */
static void go_on(uint32_t frames)
{
	session()->keyframes = 1;
	session()->assembly.wanted = false;
	session()->assembly.frames = c->look_frames + frames;
	rtsp_watch_tick(&a, c->stream);
	rtsp_streams_tick(&a.streams);
}

/* One way of not being believed after the other. */
Test(watch, decodes_what_is_asked_for_suspect_or_no_trouble, .init = begin, .fini = finish)
{
	enum { IDLE, UNTRUSTED, OTHER_SIZE, ASKED, FAULTY, UNDECIDED, CLOCK, SIXTIETH, HALF, OLD, CASES };
	for (int i = 0; i < CASES; i++) {
		if (i != IDLE)
			keep_busy();
		a.config.trust_us = i == UNTRUSTED ? 0 : i == OLD ? 1 : 180 * TORAP_US_PER_S;
		c->sessions = i == SIXTIETH ? 60 : 1;
		open_one();
		c->asked = i == ASKED;
		c->clock_asked = i == CLOCK;
		c->health = (struct rtsp_health){ 0 };
		c->health.troubles[RTSP_FROZEN].open = i == FAULTY;
		c->health.troubles[RTSP_MOVED].bad = i == UNDECIDED;
		unsigned waiting = rtsp_pool_waiting(a.pool);
		c->impressions.good_at.us -= i == OLD ? 10 : i == HALF ? 100 * TORAP_US_PER_S : 0;
		show(i == OTHER_SIZE ? SIZE / 2 : SIZE);
		cr_expect(c->looking && rtsp_pool_waiting(a.pool) == waiting + 1 && !a.counters.spared,
			"case %d", i);
		rtsp_watch_end(&a, c);
	}
}

/* When even so turns have to wait, all are believed for longer, up to twice as long, and only as long as that is so. */
Test(watch, believes_longer_while_turns_have_to_wait, .init = begin, .fini = finish)
{
	const int64_t old_us = 300 * TORAP_US_PER_S; /* trust is 180 s */
	for (unsigned spared = 0; spared < 2; spared++) {
		for (int i = 0; i < 50; i++) /* as in the second half of trust */
			keep_busy();
		open_one();
		c->impressions.good_at.us -= old_us;
		show(SIZE);
		cr_expect_eq(a.counters.spared, spared);
		rtsp_watch_end(&a, c);
		for (int i = 0; i < 1000; i++)
			a.strain = rtsp_strain_next(a.strain, true);
		cr_expect_eq(rtsp_trust_us(&a), 2 * a.config.trust_us);
	}
	for (int i = 0; i < 5000; i++)
		a.strain = rtsp_strain_next(a.strain, false);
	cr_expect_eq(rtsp_trust_us(&a), a.config.trust_us);
}

Test(watch, spares_a_sampled_camera_and_counts_it_when_its_timestamps_went_on, .init = begin, .fini = finish)
{
	keep_busy();
	open_one();
	show(SIZE);
	cr_assert_eq(a.counters.spared, 1);
	cr_expect_eq(rtsp_pool_waiting(a.pool), 1);
	cr_expect(!c->picture_at.us && !c->looking, "it may still stand");
	go_on(8);
	cr_expect_eq(a.counters.outcomes[RTSP_OUTCOME_PICTURE], 1);
	cr_expect(c->tried && c->picture_at.us && !c->judged_at.us);
	cr_expect_eq(a.counters.sights[RTSP_GOOD], 0, "nothing was judged");
	cr_expect_eq(a.schedule.turns[rtsp_camera_slot(c)].failures, 0);
	cr_expect_gt(rtsp_schedule_next(&a.schedule).us, torap_app_mono().us);
	cr_expect_not(c->stream);
}

Test(watch, spares_in_the_second_half_of_its_time_when_too_many_wait, .init = begin, .fini = finish)
{
	for (unsigned i = 0; i < 50; i++)
		keep_busy();
	open_one();
	c->impressions.good_at.us -= 100 * TORAP_US_PER_S;
	show(SIZE);
	cr_expect_eq(a.counters.spared, 1);
}

Test(watch, calls_a_spared_camera_stalled_when_its_timestamps_stand, .init = begin, .fini = finish)
{
	keep_busy();
	open_one();
	show(SIZE);
	c->looked_at.us -= 60 * TORAP_US_PER_S;
	go_on(0);
	cr_expect_eq(a.counters.outcomes[RTSP_OUTCOME_STALLED], 1);
	cr_expect_eq(a.counters.outcomes[RTSP_OUTCOME_PICTURE], 0);
	cr_expect(!c->picture_at.us && c->health.troubles[RTSP_OFFLINE].bad == 1);
}

/* An outage asks when the keyframe has been spared already. */
Test(watch, looks_again_at_once_at_a_spared_camera_that_is_asked_for, .init = begin, .fini = finish)
{
	keep_busy();
	open_one();
	show(SIZE);
	c->asked = c->clock_asked = 1;
	go_on(8);
	cr_expect_leq(rtsp_schedule_next(&a.schedule).us, torap_app_mono().us);
	cr_expect(c->clock_asked, "the next look waits for it");
	open_one();
	show(SIZE);
	cr_expect(c->looking && a.counters.spared == 1, "it is decoded");
}

Test(watch, spares_a_held_camera_and_looks_again_when_it_is_due_or_suspect, .init = begin, .fini = finish)
{
	c->held = true;
	keep_busy();
	open_one();
	show(SIZE);
	cr_expect(a.counters.spared == 1 && c->tried && c->picture_at.us && !c->judged_at.us);
	cr_expect_eq(a.schedule.turns[rtsp_camera_slot(c)].state, RTSP_TURN_SETTLED);
	struct rtsp_assembly *assembly = &session()->assembly;
	rtsp_watch_tick(&a, c->stream);
	cr_expect_not(assembly->wanted, "it is not due");
	c->looked_at.us -= 3 * TORAP_US_PER_S;
	assembly->passed = SIZE + SIZE / 10;
	rtsp_watch_tick(&a, c->stream);
	cr_expect_not(assembly->wanted, "what passed is as usual");
	assembly->passed = SIZE / 10;
	rtsp_watch_tick(&a, c->stream);
	cr_expect(assembly->wanted, "it may be black");
	show(SIZE);
	cr_expect(!assembly->wanted && !assembly->passed && a.counters.spared == 2);
	assembly->passed = SIZE / 10;
	rtsp_watch_tick(&a, c->stream);
	cr_expect_not(assembly->wanted, "not again within a moment");
	c->looked_at.us -= 9 * TORAP_US_PER_S;
	assembly->passed = 0;
	rtsp_watch_tick(&a, c->stream);
	cr_expect(assembly->wanted, "it is due");
}

Test(watch, without_trust_no_size_is_suspect, .init = begin, .fini = finish)
{
	c->held = true;
	a.config.trust_us = 0;
	open_one();
	show(SIZE);
	c->looking = false;
	c->looked_at.us -= 3 * TORAP_US_PER_S;
	session()->assembly.passed = SIZE / 10;
	rtsp_watch_tick(&a, c->stream);
	cr_expect_not(session()->assembly.wanted);
}

/* An alarm wants a picture of a camera that is only glanced at: that it did not answer is no attempt at one. */
Test(watch, looks_at_once_at_a_glanced_camera_that_an_alarm_wants, .init = begin, .fini = finish)
{
	int nothing;
	open_one();
	c->glance = true;
	c->wish = (struct rtsp_wish *)&nothing; /* nobody may look into it */
	rtsp_stream_fail(c->stream, RTSP_OUTCOME_REFUSED);
	rtsp_streams_tick(&a.streams);
	cr_assert_not(c->stream);
	cr_expect_leq(rtsp_schedule_next(&a.schedule).us, torap_app_mono().us);
	c->wish = NULL;
}

/* By its smaller stream, and by the one that is recorded when that one is asked for. */
Test(watch, looks_at_the_smaller_stream_when_that_does, .init = begin, .fini = finish)
{
	enum {
		USUAL,
		NONE,
		HELD,
		WISH,
		ASKED,
		CLOCK,
		SIZE_SUSPECT,
		RATE_SUSPECT,
		SIZE_OPEN,
		SIZE_OVER,
		SIXTIETH,
		GONE,
		OFFLINE,
		OTHER_BAD,
		RESTS,
		CASES
	};
	char sub_url[] = "rtsp://127.0.0.1:9/sub", none[] = "";
	int nothing;
	for (int i = 0; i < CASES; i++) {
		struct rtsp_trouble *size = &c->health.troubles[RTSP_WRONG_SIZE];
		c->health = (struct rtsp_health){ 0 };
		c->sub_url = i == NONE ? none : sub_url;
		c->held = i == HELD;
		c->wish = i == WISH ? (struct rtsp_wish *)&nothing : NULL; /* nobody may look into it */
		c->asked = i == ASKED;
		c->clock_asked = i == CLOCK;
		c->sessions = i == SIXTIETH ? 60 : 2;
		size->bad = i == SIZE_SUSPECT;
		c->health.troubles[RTSP_WRONG_RATE].bad = i == RATE_SUSPECT;
		size->open = i == SIZE_OPEN || i == SIZE_OVER;
		size->good = i == SIZE_OVER;
		c->health.troubles[RTSP_OFFLINE].bad = i == GONE;
		c->health.troubles[RTSP_OFFLINE].open = i == OFFLINE;
		c->main_bad = i == OTHER_BAD;
		c->sub_rests = i == RESTS;
		rtsp_watch_begin(&a, c);
		cr_expect_eq(c->sub, i == USUAL || i == SIZE_OPEN, "case %d", i);
		rtsp_stream_leave(c->stream);
		c->stream = NULL;
	}
	c->wish = NULL;
}

/* It waits for a worker, and for what follows it: judged late, it is no younger. */
Test(watch, tells_the_machine_of_outages_when_a_picture_came, .init = begin, .fini = finish)
{
	const struct rtsp_belongs belongs = { .names = { "", "", "", "" } };
	cr_assert_eq(rtsp_camera_slot(c), 0);
	cr_assert_eq(rtsp_outages_set(&a.outages, &c->number, &belongs, 1, torap_app_mono()), 0);
	begin_turn();
	show(SIZE);
	struct torap_mono came = torap_app_mono();
	came.us -= TORAP_US_PER_S;
	answer_of(came, false, true, RTSP_ALIKE);
	go_on(8);
	const struct rtsp_seat *seat = &a.outages.seats[0];
	cr_expect_eq(seat->seen_at.us, came.us);
	cr_expect_eq(seat->well_at[RTSP_OFFLINE].us, came.us);
	rtsp_outages_finish(&a.outages);
}

/* The picture that is judged came before an outage asked: that is answered by a look of its own. */
Test(watch, answers_an_outage_by_a_picture_that_came_later, .init = begin, .fini = finish)
{
	for (unsigned later = 0; later < 2; later++) {
		c->sessions = 2;
		begin_turn();
		show(SIZE);
		struct torap_mono came = torap_app_mono();
		c->asked = 1;
		c->asked_at = came;
		c->asked_at.us += later ? -1 : 1;
		answer_of(came, false, true, RTSP_ALIKE);
		go_on(8);
		cr_expect_eq(c->asked, !later);
		cr_expect_eq(rtsp_schedule_next(&a.schedule).us <= torap_app_mono().us, !later);
	}
}

/* One picture that is new says nothing of now. */
Test(watch, answers_whether_it_is_frozen_by_two_pictures, .init = begin, .fini = finish)
{
	static const struct {
		enum rtsp_fault fault;
		unsigned pictures;
	} cases[] = { { RTSP_BLACK, 1 }, { RTSP_FROZEN, 2 } };
	rtsp_tell_init(&a);
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		a.outages.port.hurry(a.outages.port.hint, rtsp_camera_slot(c), cases[i].fault);
		for (unsigned left = cases[i].pictures; left; left--) {
			cr_expect_eq(c->asked, left);
			c->sessions = 2;
			begin_turn();
			show(SIZE);
			struct torap_mono asked = c->asked_at;
			answer_of(asked, false, true, RTSP_ALIKE);
			go_on(8);
			struct torap_mono now = torap_app_mono(), next = rtsp_schedule_next(&a.schedule);
			const int64_t retry_us = a.schedule.limits.retry_us;
			if (left == 1)
				cr_expect_gt(next.us, now.us + retry_us);
			else
				cr_expect(next.us > now.us && next.us <= now.us + retry_us);
		}
		cr_expect_eq(c->asked, 0);
	}
}

static void fail_one(void)
{
	c->sessions = 2;
	begin_turn();
	rtsp_stream_fail(c->stream, RTSP_OUTCOME_NOT_FOUND);
	rtsp_streams_tick(&a.streams);
}

static void see_one(void)
{
	c->sessions = 2;
	begin_turn();
	show(SIZE);
	answer(false, true, RTSP_ALIKE);
	go_on(8);
	cr_assert_eq(c->outcome, RTSP_OUTCOME_PICTURE);
}

/* A camera is offline when the larger stream is; the smaller one that fails alone is left alone for a while. */
Test(watch, asks_the_larger_stream_when_the_smaller_one_fails, .init = begin, .fini = finish)
{
	char sub_url[] = "rtsp://127.0.0.1:9/sub";
	const struct rtsp_trouble *offline = &c->health.troubles[RTSP_OFFLINE];
	c->sub_url = sub_url;
	fail_one();
	cr_expect(c->tried_sub && a.counters.sub_failures == 1 && !offline->bad);
	see_one();
	cr_expect(!c->tried_sub && !c->sub_fails, "once is nothing to speak of");
	fail_one();
	cr_expect(c->tried_sub && c->sub_fails && !offline->bad);
	for (int looks = 0; looks < 10; looks++) {
		see_one();
		cr_expect_not(c->tried_sub);
	}
	see_one();
	cr_expect(c->tried_sub && !c->sub_fails);
	cr_expect_eq(a.counters.sub_failures, 2);
}

/* It was away for a while, and nothing is wrong with the smaller stream. */
Test(watch, blames_no_stream_when_both_fail, .init = begin, .fini = finish)
{
	char sub_url[] = "rtsp://127.0.0.1:9/sub";
	const struct rtsp_trouble *offline = &c->health.troubles[RTSP_OFFLINE];
	c->sub_url = sub_url;
	for (int times = 0; times < 4; times++) {
		fail_one();
		cr_expect_eq(c->tried_sub, times == 0);
	}
	cr_expect_eq(offline->bad, 3);
	see_one();
	cr_expect(!c->tried_sub && !c->sub_fails && !offline->bad);
	see_one();
	cr_expect(c->tried_sub);
}

/* An alarm wants a picture of one that is looked at by its smaller stream: what comes of that look is none. */
Test(watch, looks_again_at_once_by_the_larger_stream_for_an_alarm, .init = begin, .fini = finish)
{
	int nothing;
	open_one();
	c->sub = true;
	c->wish = (struct rtsp_wish *)&nothing; /* nobody may look into it */
	show(SIZE);
	cr_assert(c->looking);
	c->looking = false;
	rtsp_stream_fail(c->stream, RTSP_OUTCOME_CORRUPT);
	rtsp_streams_tick(&a.streams);
	cr_assert_not(c->stream);
	cr_expect_leq(rtsp_schedule_next(&a.schedule).us, torap_app_mono().us);
	c->wish = NULL;
}

Test(watch, breaks_off_a_look_by_the_smaller_stream_for_an_alarm, .init = begin, .fini = finish)
{
	int nothing;
	open_one();
	c->sub = true;
	show(SIZE);
	c->wish = (struct rtsp_wish *)&nothing; /* nobody may look into it */
	rtsp_watch_tick(&a, c->stream);
	cr_assert_not(c->stream);
	cr_expect_leq(rtsp_schedule_next(&a.schedule).us, torap_app_mono().us);
	answer(false, true, RTSP_ALIKE);
	cr_expect_not(c->shown, "what it showed is nobody's");
	rtsp_schedule_take(&a.schedule, torap_app_mono(), true);
	rtsp_watch_begin(&a, c);
	cr_expect(c->stream && !c->sub);
	rtsp_watch_tick(&a, c->stream);
	cr_expect(c->stream, "this one is");
	c->wish = NULL;
}

static void keep_busy_with(unsigned keyframes)
{
	while (rtsp_pool_waiting(a.pool) < keyframes)
		keep_busy();
}

/* What would be spared is peeked at.  It is as usual: the attempt ends as that of one that is spared, and nothing is judged. */
Test(watch, peeks_at_what_it_would_spare, .init = begin, .fini = finish)
{
	keep_busy();
	open_one();
	know(2);
	show(SIZE);
	cr_assert(c->looking && rtsp_pool_waiting(a.pool) == 2 && !a.counters.spared);
	struct torap_mono good_at = c->impressions.good_at;
	answer(true, false, RTSP_ALIKE);
	cr_expect(!c->looking && a.counters.spared == 1 && a.counters.peeks == 1);
	cr_expect(!a.counters.looks && !a.counters.undecoded && !a.counters.suspicions);
	cr_expect(c->peeked_at.us && c->seen_at.us && !c->judged_at.us && !c->picture_at.us);
	cr_expect_eq(c->impressions.good_at.us, good_at.us, "it is believed as before");
	go_on(8);
	cr_expect(a.counters.outcomes[RTSP_OUTCOME_PICTURE] == 1 && c->picture_at.us && !c->judged_at.us);
}

/* A suspicion makes a look of it, and a look alone makes a verdict; the camera is not believed any more until then. */
Test(watch, judges_what_a_peek_suspects, .init = begin, .fini = finish)
{
	keep_busy();
	open_one();
	know(2);
	show(SIZE);
	answer(false, true, RTSP_UNLIKE);
	cr_expect(c->shown && !c->impressions.good_at.us && !c->peeked_at.us);
	cr_expect(a.counters.looks == 1 && a.counters.suspicions == 1 && !a.counters.spared);
	cr_expect_eq(c->health.troubles[RTSP_BLACK].bad, 0, "nothing is known before its timestamps went on");
}

Test(watch, calls_a_camera_corrupt_when_what_it_suspects_cannot_be_decoded, .init = begin, .fini = finish)
{
	keep_busy();
	open_one();
	know(2);
	show(SIZE);
	answer(false, false, RTSP_LIKENESS_NONE);
	rtsp_streams_tick(&a.streams);
	cr_expect(a.counters.undecoded == 1 && a.counters.outcomes[RTSP_OUTCOME_CORRUPT] == 1);
}

/* The session may end while the worker peeks. */
Test(watch, concludes_a_session_when_the_peek_is_done, .init = begin, .fini = finish)
{
	keep_busy();
	open_one();
	know(2);
	show(SIZE);
	go_on(8);
	cr_assert(c->over && c->looking && !c->stream);
	answer(true, false, RTSP_ALIKE);
	cr_expect(!c->over && a.counters.outcomes[RTSP_OUTCOME_PICTURE] == 1 && c->picture_at.us);
}

Test(watch, peeks_at_a_held_camera, .init = begin, .fini = finish)
{
	c->held = true;
	keep_busy();
	open_one();
	know(2);
	show(SIZE);
	cr_assert(c->looking && !c->picture_at.us);
	answer(true, false, RTSP_ALIKE);
	cr_expect(!c->looking && c->picture_at.us && c->peeked_at.us && a.counters.spared == 1);
	c->looked_at.us -= 9 * TORAP_US_PER_S;
	rtsp_watch_tick(&a, c->stream);
	cr_expect(session()->assembly.wanted, "it is due");
}

/* One way of not being peeked at after the other. */
Test(watch, spares_without_a_peek_what_it_cannot_compare, .init = begin, .fini = finish)
{
	enum { OFF, UNKNOWN, BLIND, AGED, OTHER_CODEC, CASES };
	keep_busy();
	for (unsigned i = 0; i < CASES; i++) {
		open_one();
		if (i != UNKNOWN)
			know(2);
		a.config.peek = i != OFF;
		if (i == BLIND)
			rtsp_familiar_blind(c->familiar);
		if (i == AGED)
			c->familiar->learned_at.us -= 86400 * (int64_t)TORAP_US_PER_S;
		struct rtsp_keyframe k = keyframe(SIZE);
		if (i == OTHER_CODEC) {
			k.shot.codec = RTSP_CODEC_MJPEG;
			struct rtsp_impression m =
				rtsp_impression_of(RTSP_CODEC_MJPEG, torap_bytes(k.data.data, k.data.size));
			c->impressions.sets = m.sets;
		}
		rtsp_watch_keyframe(&a, c->stream, &k);
		torap_writer_finish(&k.data);
		cr_expect_eq(a.counters.spared, i + 1, "case %u", i);
		rtsp_watch_end(&a, c);
		cr_expect_not(c->familiar, "it may be another stream from now on");
	}
}

/* Peeks give way before turns have to wait: at first those of cameras that were seen at their last turn. */
Test(watch, peeks_no_more_when_too_many_wait, .init = begin, .fini = finish)
{
	static const struct {
		unsigned waiting;
		bool missed, peeks;
	} cases[] = { { 8, false, true }, { 9, false, false }, { 9, true, true }, { 48, true, true },
		{ 49, true, false } };
	a.config.schedule.period_us = 40 * TORAP_US_PER_S;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		open_one();
		know(2);
		keep_busy_with(cases[i].waiting);
		c->seen_at = torap_app_mono();
		c->seen_at.us -= (cases[i].missed ? 80 : 40) * TORAP_US_PER_S;
		show(SIZE);
		cr_expect_eq(c->looking, cases[i].peeks, "case %u", i);
		rtsp_watch_end(&a, c);
		if (rtsp_pool_waiting(a.pool) >
			cases[i].waiting) { /* another pool, for this one never works */
			struct torap_error err;
			rtsp_pool_close(a.pool);
			cr_assert_eq(rtsp_pool_open(&a.pool, a.loop, 0, &a, rtsp_watch_look, &err), 0);
		}
	}
}

/* Who is peeked at is believed twice as long, and no longer than that while turns have to wait. */
Test(watch, believes_longer_who_is_peeked_at, .init = begin, .fini = finish)
{
	enum { YOUNG, OLD, OLDER, STRAINED, CASES };
	a.config.trust_us = 180 * TORAP_US_PER_S;
	keep_busy_with(6);
	for (unsigned i = 0; i < CASES; i++) {
		open_one();
		know(2);
		a.strain = i == STRAINED ? RTSP_STRAIN_MAX : 0;
		c->impressions.good_at.us -= (i == YOUNG ? 100 : i == OLD ? 350 : 370) * TORAP_US_PER_S;
		show(SIZE);
		cr_expect(c->looking);
		cr_expect_eq(c->impressions.good_at.us > 0, i < OLDER, "case %u: a peek, or a look", i);
		rtsp_watch_end(&a, c);
	}
}

/* Beyond the time that others are believed for nobody is spared unseen, however many wait. */
Test(watch, peeks_always_at_whom_it_believes_for_longer, .init = begin, .fini = finish)
{
	open_one();
	know(2);
	keep_busy_with(60);
	c->impressions.good_at.us -= 190 * TORAP_US_PER_S;
	show(SIZE);
	cr_expect(c->looking && c->impressions.good_at.us > 0 && !a.counters.spared);
}

/* By night, say: who is learned anew is decoded before others, so that it can be peeked at again soon. */
Test(watch, looks_at_whom_it_begins_to_know, .init = begin, .fini = finish)
{
	keep_busy_with(2);
	open_one();
	know(1);
	show(SIZE);
	cr_expect(c->looking && !c->impressions.good_at.us, "a look");
}
