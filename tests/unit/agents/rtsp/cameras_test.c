/* The registry's rows come and change, and reports wait for the node. */
#include "agents/rtsp/cameras.h"

#include <criterion/criterion.h>
#include <string.h>

#include "agents/rtsp/observe.h"
#include "agents/rtsp/outage/groups.h"
#include "agents/rtsp/outage/mass.h"
#include "agents/rtsp/outbox.h"
#include "agents/rtsp/schedule.h"

static struct rtsp_cameras cameras;
static struct rtsp_outbox box;
static unsigned left, changed;

static void on_gone(void *hint, struct rtsp_camera *camera, bool stays)
{
	(void)hint;
	(void)camera;
	left += !stays;
	changed += stays;
}

static struct kit_row row(const char *address, const char *url, const char *recorder, const char *mode)
{
	return (struct kit_row){ .address = address,
		.url = url,
		.sub_url = "",
		.key_name = "",
		.profile = "",
		.site = "school",
		.switch_name = "",
		.street = "",
		.device = "",
		.recorder = recorder,
		.mode = mode,
		.term_us = 5 };
}

static void set(const struct kit_row *rows, size_t count)
{
	left = changed = 0;
	cr_assert_eq(rtsp_cameras_set(&cameras, rows, count, true, on_gone, NULL), 0);
}

static void finish(void)
{
	rtsp_cameras_finish(&cameras);
	rtsp_outbox_finish(&box);
}

Test(cameras, keep_what_is_known_of_them_when_rows_come_again, .fini = finish)
{
	const struct kit_row first[] = { row("b", "rtsp://c/2", "nvr-2", ""),
		row("A", "rtsp://c/1", "nvr-1", "sampled"), row("c", "http://c/3", "", ""),
		row("d", "rtsp://c/4", "nvr-1", "") };
	set(first, 4);
	cr_expect_eq(cameras.count, 3);
	cr_expect_eq(cameras.left_out, 1, "no URL of ours");
	cr_expect_eq(cameras.recorders, 2);
	struct rtsp_camera *a = rtsp_cameras_named(&cameras, "a"), *b = rtsp_cameras_named(&cameras, "B");
	cr_assert(a && b);
	cr_expect(!a->held && b->held);
	cr_expect_eq(a->recorder_number, rtsp_cameras_named(&cameras, "d")->recorder_number);
	cr_expect_neq(a->recorder_number, b->recorder_number);
	uint64_t number_a = a->number, number_b = b->number;
	a->sessions = 7;

	const struct kit_row second[] = { row("e", "rtsp://c/5", "", ""),
		row("a", "rtsp://c/1", "", "sampled"), row("d", "rtsp://other/4", "nvr-1", "") };
	set(second, 3);
	cr_expect_eq(left, 1);
	cr_expect_eq(changed, 1, "d is somewhere else now");
	cr_expect_eq(rtsp_cameras_find(&cameras, number_a)->sessions, 7);
	cr_expect_eq(rtsp_cameras_find(&cameras, number_a)->recorder_number, RTSP_NOBODY);
	cr_expect_null(rtsp_cameras_find(&cameras, number_b));
	cr_expect_null(rtsp_cameras_named(&cameras, "b"));

	/* b's slot serves another camera, and its number does not. */
	const struct kit_row third[] = { row("a", "rtsp://c/1", "", "sampled"),
		row("b", "rtsp://c/2", "", "") };
	set(third, 2);
	cr_expect_null(rtsp_cameras_find(&cameras, number_b));
	cr_expect_not_null(rtsp_cameras_named(&cameras, "b"));
	cr_expect_null(rtsp_cameras_find(&cameras, 0));
}

Test(cameras, begin_anew_when_their_smaller_stream_is_another, .fini = finish)
{
	struct kit_row rows[] = { row("a", "rtsp://c/1", "", "sampled"), row("b", "rtsp://c/2", "", "") };
	rows[1].sub_url = "http://c/2";
	set(rows, 2);
	cr_expect_eq(cameras.count, 1);
	cr_expect_eq(cameras.left_out, 1, "no URL of ours");
	rtsp_cameras_named(&cameras, "a")->sight.baseline.hours[3].count = 9;
	rows[0].sub_url = "rtsp://c/1/sub";
	set(rows, 1);
	cr_expect_eq(changed, 1);
	cr_expect_eq(rtsp_cameras_named(&cameras, "a")->sight.baseline.hours[3].count, 0,
		"it is of another stream");
	cr_expect_str_eq(rtsp_cameras_named(&cameras, "a")->sub_url, "rtsp://c/1/sub");
	cr_expect_str_eq(rtsp_cameras_named(&cameras, "a")->url, "rtsp://c/1");
	set(rows, 1);
	cr_expect_eq(changed, 0);
	rows[0].mode = "held"; /* that one has no use for it */
	set(rows, 1);
	rtsp_cameras_named(&cameras, "a")->sight.baseline.hours[3].count = 9;
	rows[0].sub_url = "";
	set(rows, 1);
	cr_expect_eq(changed, 0);
	cr_expect_eq(rtsp_cameras_named(&cameras, "a")->sight.baseline.hours[3].count, 9);
}

static struct rtsp_told *next(uint64_t *number, int64_t seconds)
{
	uint64_t from = 0;
	return rtsp_outbox_next(
		&box, &cameras, &from, number, (struct torap_mono){ seconds * TORAP_US_PER_S });
}

static void judge(uint64_t number, enum rtsp_answer answer, int64_t seconds)
{
	rtsp_outbox_verdict(&box, &cameras, number, answer, (struct torap_mono){ seconds * TORAP_US_PER_S });
}

static void verdict(uint64_t number, bool taken, int64_t seconds)
{
	judge(number, taken ? RTSP_TAKEN : RTSP_REFUSED, seconds);
}

static void add(struct rtsp_camera *c, enum rtsp_fault fault, bool start)
{
	struct rtsp_report r = { .fault = fault, .start = start };
	cr_assert(rtsp_outbox_add(&box, c, &r, (struct torap_wall){ 1 }, (struct torap_mono){ 0 }));
}

/* Refused, refused again, taken: a camera's end never overtakes its start, and nobody waits for another camera. */
static void on_mass(void *hint, const struct rtsp_mass_note *mass, bool durable)
{
	(void)mass;
	*(int *)hint = durable;
}

/* In the name of the camera.  *durable: what becomes of it. */
static void add_outage(struct rtsp_camera *c, int *durable)
{
	struct rtsp_mass_note *note = calloc(1, sizeof *note);
	note->audience = rtsp_audience(c->region, c->facility, c->private_owner, c->address);
	box.hint = durable;
	box.on_mass = on_mass;
	cr_assert(rtsp_outbox_add_mass(&box, c, &note, (struct torap_wall){ 1 }, (struct torap_mono){ 0 }));
}

/* What waits names cameras; who would be told of it by now must not read their ids. */
Test(outbox, gives_up_an_outage_whose_camera_is_of_another_audience, .fini = finish)
{
	const struct kit_row rows[] = { row("a", "rtsp://c/1", "", "") };
	int durable = -1;
	uint64_t number;
	set(rows, 1);
	struct rtsp_camera *c = rtsp_cameras_named(&cameras, "a");
	add_outage(c, &durable);
	c->region++;
	cr_expect_null(next(&number, 0));
	cr_expect_eq(durable, 0);
	cr_expect_eq(box.count, 0);
}

/* Behind a report of the same camera that is on its way: what comes after it is offered all the same. */
Test(outbox, gives_up_an_outage_behind_a_report_and_goes_on, .fini = finish)
{
	const struct kit_row rows[] = { row("a", "rtsp://c/1", "", "") };
	int durable = -1;
	uint64_t number;
	set(rows, 1);
	struct rtsp_camera *c = rtsp_cameras_named(&cameras, "a");
	add(c, RTSP_BLACK, true);
	add_outage(c, &durable);
	c->region++;
	cr_assert_not_null(next(&number, 0));
	cr_expect_null(next(&(uint64_t){ 0 }, 0));
	verdict(number, true, 1);
	add(c, RTSP_BLACK, false);
	struct rtsp_told *t = next(&number, 1);
	cr_expect_eq(durable, 0);
	cr_assert_not_null(t);
	cr_expect(!t->report.start);
	verdict(number, true, 1);
	cr_expect_eq(box.count, 0);
}

/* One that the node refuses, day and night, takes one place and not all. */
Test(outbox, is_full_of_what_waits_and_of_nothing_else, .fini = finish)
{
	const struct kit_row rows[] = { row("a", "rtsp://c/1", "", ""), row("b", "rtsp://c/2", "", "") };
	uint64_t refused, number;
	set(rows, 2);
	struct rtsp_camera *a = rtsp_cameras_named(&cameras, "a"), *b = rtsp_cameras_named(&cameras, "b");
	add(a, RTSP_BLACK, true);
	cr_assert_not_null(next(&refused, 0));
	verdict(refused, false, 0);
	for (int i = 0; i < 3 * RTSP_OUTBOX_MAX; i++) {
		add(b, RTSP_FROZEN, i % 2 == 0);
		cr_assert_not_null(next(&number, 1));
		verdict(number, true, 1);
	}
	cr_expect_eq(box.count, 1);
	cr_expect_eq(box.lost, 0);
	for (int i = 1; i < RTSP_OUTBOX_MAX; i++)
		add(b, RTSP_FROZEN, i % 2 == 0);
	struct rtsp_report one_more = { .fault = RTSP_FROZEN };
	cr_expect(!rtsp_outbox_add(&box, b, &one_more, (struct torap_wall){ 1 }, (struct torap_mono){ 0 }));
	cr_expect_eq(box.lost, 1);
	for (int i = 1; i < RTSP_OUTBOX_MAX; i++) {
		struct rtsp_told *t = next(&number, 1);
		cr_assert(t && t->report.start == (i % 2 == 0), "in order");
		verdict(number, true, 1);
	}
	cr_expect(next(&number, 5) && number == refused);
}

Test(outbox, keeps_reports_in_order_until_they_are_durable, .fini = finish)
{
	const struct kit_row rows[] = { row("a", "rtsp://c/1", "", ""), row("b", "rtsp://c/2", "", "") };
	uint64_t first, second, other;
	set(rows, 2);
	struct rtsp_camera *a = rtsp_cameras_named(&cameras, "a"), *b = rtsp_cameras_named(&cameras, "b");
	add(a, RTSP_BLACK, true);
	add(a, RTSP_BLACK, false);
	add(b, RTSP_FROZEN, true);
	cr_expect(next(&first, 0)->report.start);
	cr_expect_eq(next(&other, 0)->report.fault, RTSP_FROZEN);
	cr_expect_null(next(&second, 0));
	verdict(first, false, 0);
	cr_expect_null(next(&second, 4), "it waits a while");
	cr_expect(next(&second, 5)->report.start);
	cr_expect_eq(second, first);
	verdict(first, true, 5);
	cr_expect_eq(a->told, rtsp_fault_bit(RTSP_BLACK));
	cr_expect_not(next(&second, 5)->report.start);
	verdict(second, true, 5);
	verdict(second, true, 5);
	verdict(999, true, 5);
	cr_expect_eq(box.count, 1);
	cr_expect_eq(a->told, 0);
	verdict(other, true, 5);
	cr_expect_eq(box.count, 0);
	cr_expect_eq(a->told_first, 0);

	for (unsigned i = 0; i < 1000; i++) /* many at once, and then their camera is gone */
		add(a, RTSP_MOVED, i % 2 == 0);
	add(b, RTSP_FROZEN, false);
	set(rows + 1, 1);
	cr_expect_eq(next(&other, 5)->report.fault, RTSP_FROZEN);
	cr_expect_eq(box.count, 1);
	judge(other, RTSP_LATER, 5);
	cr_expect_not_null(next(&other, 90000));
	verdict(other, false, 90000);
	cr_expect_not_null(next(&other, 90005), "the node was away for that day");
	cr_expect_eq(box.lost, 0);
	verdict(other, false, 90005);
	cr_expect_not_null(next(&other, 180000));
	verdict(other, false, 180000);
	cr_expect_null(next(&other, 190000), "refused for a day");
	cr_expect_eq(box.lost, 1);
	cr_expect_eq(box.count, 0);
}

static const char *field(const struct rtsp_observation *o, const char *name)
{
	for (size_t i = 0; i < o->o.n_fields; i++)
		if (!strcmp(o->o.fields[i]->name, name))
			return o->o.fields[i]->value;
	return NULL;
}

Test(observe, tells_fault_cause_and_measurements)
{
	static struct rtsp_observation o, again;
	struct rtsp_report r = { .fault = RTSP_DEFOCUSED,
		.start = true,
		.cause = RTSP_CAUSE_TAMPER,
		.since = { 1800000000LL * TORAP_US_PER_S },
		.measured = true };
	r.verdict.sharpness = 1.25f;
	r.verdict.width = 1920;
	r.verdict.height = 1080;
	struct torap_wall at = { r.since.us + 20 * TORAP_US_PER_S };
	rtsp_observe(&o, "cam-1", &r, at);
	cr_expect_str_eq(o.o.protocol, "rtsp");
	cr_expect_str_eq(o.o.vocabulary, "torap-rtsp");
	cr_expect_str_eq(o.o.code, "defocused start");
	cr_expect_str_eq(o.o.zone, "defocused");
	cr_expect_eq(o.o.device_time_us, r.since.us);
	cr_expect_eq(o.o.received_at_us, at.us);
	cr_expect_str_eq(field(&o, "cause"), "tamper");
	cr_expect_str_eq(field(&o, "sharpness"), "1.25");
	cr_expect_str_eq(field(&o, "size"), "1920x1080");
	cr_expect_null(field(&o, "outcome"));
	cr_expect_eq(o.o.n_personal, 0);

	/* Told again it is the same, its end is another. */
	rtsp_observe(&again, "cam-1", &r, (struct torap_wall){ at.us + 1 });
	cr_expect_eq(memcmp(o.repeat_key, again.repeat_key, RTSP_REPEAT_KEY_SIZE), 0);
	r.start = false;
	r.times = 3;
	rtsp_observe(&again, "cam-1", &r, at);
	cr_expect_neq(memcmp(o.repeat_key, again.repeat_key, RTSP_REPEAT_KEY_SIZE), 0);
	cr_expect_str_eq(field(&again, "times"), "3");
	cr_expect_eq(again.o.device_time_us, at.us);
}

/* The longest report there can be. */
Test(observe, has_room_for_every_fault)
{
	static struct rtsp_observation o;
	for (int fault = RTSP_OFFLINE; fault < RTSP_FAULTS; fault++) {
		for (int cause = 0; cause < RTSP_CAUSES; cause++) {
			struct rtsp_report r = { .fault = (enum rtsp_fault)fault,
				.start = true,
				.flapping = true,
				.cause = (enum rtsp_cause)cause,
				.measured = true,
				.times = 9 };
			r.verdict.width = r.verdict.height = r.verdict.rate_mhz = 16384;
			rtsp_observe(&o, "cam-1", &r, (struct torap_wall){ 0 });
			cr_expect_leq(strlen(o.o.code), sizeof o.code - 1);
		}
	}
}
