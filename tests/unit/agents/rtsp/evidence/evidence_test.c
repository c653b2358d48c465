/* What evidence is, for whom, and what time does to it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/rtsp/evidence/item.h"
#include "agents/rtsp/evidence/keeper.h"
#include "agents/rtsp/evidence/occasion.h"
#include "agents/rtsp/evidence/requests.h"
#include "agents/rtsp/evidence/telling.h"
#include "base/error.h"
#include "loop/app.h"
#include "tests/unit/agents/rtsp/evidence/stored.h"

Test(item, says_the_same_after_it_was_written_and_read)
{
	struct rtsp_item item = item_of("cam-1", 7), again;
	item.media = RTSP_CLIP;
	item.size = 1234567890123;
	item.frames = 300;
	item.gaps_count = 2;
	item.gaps[0] = (struct rtsp_gap){ item.from, { item.from.us + 1 }, RTSP_GAP_LOST, 3 };
	item.gaps[1] = (struct rtsp_gap){ item.from, { item.from.us + 2 }, RTSP_GAP_SESSION, 0 };
	item.told = RTSP_TELL_DAMAGED;
	item.alarms_count = RTSP_ALARMS_MAX;
	item.alarms_more = 12;
	for (int i = 1; i < RTSP_ALARMS_MAX; i++)
		item.alarms[i] = item.alarms[0];
	char *text = rtsp_item_write(&item);
	cr_assert_eq(rtsp_item_read(&again, torap_bytes(text, strlen(text)), &err), 0, "%s", err.text);
	cr_expect_eq(memcmp(&item, &again, sizeof item), 0);
	cr_expect_eq(text[rtsp_item_told_at(torap_bytes(text, strlen(text)))], '0' + RTSP_TELL_DAMAGED);
	/* Cut anywhere, or with something wrong in it, it is none. */
	for (size_t i = 0; i + 2 < strlen(text); i++)
		cr_expect_lt(rtsp_item_read(&again, torap_bytes(text, i), &err), 0);
	*strstr(text, "cam-1") = 0x01;
	cr_expect_lt(rtsp_item_read(&again, torap_bytes(text, strlen(text)), &err), 0);
	free(text);
	char gaps[256];
	rtsp_gaps_format(&item, gaps, sizeof gaps);
	cr_expect(strstr(gaps, "(3 packets); ") && strstr(gaps, "(session broke)"), "%s", gaps);
	rtsp_gaps_format(&item, gaps, 20);
}

/* However many packets were lost before: what ended the clip is named. */
Test(item, names_the_gap_that_ends_a_clip)
{
	struct rtsp_item item = item_of("cam-1", 7);
	struct rtsp_gap lost = { item.from, item.from, RTSP_GAP_LOST, 1 };
	struct rtsp_gap end = { item.from, item.from, RTSP_GAP_NOT_HELD, 0 };
	char gaps[1024];
	for (int i = 0; i < RTSP_GAPS_MAX + 2; i++)
		rtsp_gap_add(&item, &lost);
	rtsp_gap_add(&item, &end);
	cr_expect_eq(item.gaps_count, RTSP_GAPS_MAX + 3);
	rtsp_gaps_format(&item, gaps, sizeof gaps);
	cr_expect(strstr(gaps, "(1 packets)") && strstr(gaps, "(not held any more); 3 more"), "%s", gaps);
}

/* Text of others that looks like the mark is none. */
Test(item, has_one_place_for_what_was_told)
{
	struct rtsp_item item = item_of("\"told\": 9", 7), again;
	char *text = rtsp_item_write(&item);
	size_t at = rtsp_item_told_at(torap_bytes(text, strlen(text)));
	cr_assert_eq(text[at], '0' + RTSP_TELL_NOTHING);
	text[at] = '0' + RTSP_TELL_STORED;
	cr_assert_eq(rtsp_item_read(&again, torap_bytes(text, strlen(text)), &err), 0, "%s", err.text);
	cr_expect_eq(again.told, RTSP_TELL_STORED);
	cr_expect_str_eq(again.camera, item.camera);
	text[at] = '0' + RTSP_TELL_COUNT;
	cr_expect_lt(rtsp_item_read(&again, torap_bytes(text, strlen(text)), &err), 0);
	cr_expect_eq(rtsp_item_told_at(torap_bytes(text, at)), 0, "cut before it");
	free(text);
}

/* A description from before gaps had a cause and what was told was noted. */
Test(item, is_read_without_what_older_ones_lack)
{
	struct rtsp_item item = item_of("c", 1), again;
	char *text = rtsp_item_write(&item);
	json_t *old = json_loads(text, 0, NULL), *gap;
	size_t i;
	json_object_del(old, "told");
	json_array_foreach(json_object_get(old, "gaps"), i, gap) json_object_del(gap, "cause");
	char *older = json_dumps(old, 0);
	cr_assert_eq(rtsp_item_read(&again, torap_bytes(older, strlen(older)), &err), 0, "%s", err.text);
	cr_expect_eq(again.told, RTSP_TELL_NOTHING);
	cr_expect_eq(again.gaps_count, item.gaps_count);
	cr_expect_eq(again.gaps[0].cause, RTSP_GAP_LOST);
	json_decref(old);
	free(older);
	free(text);
}

Test(requests, are_done_when_all_is_and_known_when_they_come_again)
{
	static struct rtsp_requests r;
	struct torap_mono now = { 0 };
	cr_assert_eq(rtsp_requests_begin(&r, 7, now), RTSP_REQUEST_NEW);
	cr_expect(rtsp_requests_hold(&r, 7));
	cr_expect_not(rtsp_requests_hold(&r, 8));
	cr_expect_eq(rtsp_requests_begin(&r, 7, now), RTSP_REQUEST_KNOWN);
	rtsp_requests_release(&r, 7);
	cr_expect_eq(rtsp_requests_next(&r), 0);
	rtsp_requests_release(&r, 7);
	cr_expect_eq(rtsp_requests_next(&r), 7);
	rtsp_requests_said(&r, 7, now);
	cr_expect_eq(rtsp_requests_next(&r), 0);
	cr_expect_eq(rtsp_requests_begin(&r, 7, now), RTSP_REQUEST_KNOWN);
	cr_expect_eq(rtsp_requests_next(&r), 7, "the node did not hear it: once more");
	rtsp_requests_said(&r, 7, now);
	/* Full of what is open: no room.  What is done gives its place away. */
	for (uint64_t id = 100; id < 100 + RTSP_REQUESTS_MAX; id++)
		cr_expect_eq(rtsp_requests_begin(&r, id, now), RTSP_REQUEST_NEW);
	cr_expect_eq(rtsp_requests_begin(&r, 9999, now), RTSP_REQUEST_FULL);
	cr_expect_eq(r.full, 1);
}

Test(occasion, shares_what_is_made_among_alarms_and_holds_their_requests)
{
	static struct rtsp_requests r;
	struct rtsp_occasion o = { 0 }, copy;
	struct rtsp_item item = { 0 };
	for (uint64_t i = 1; i <= 20; i++) {
		struct rtsp_alarm alarm = { "s", i, 1, { 0 } };
		rtsp_requests_begin(&r, i, (struct torap_mono){ 0 });
		rtsp_occasion_add(&o, &alarm, 3, i, &r);
		rtsp_requests_release(&r, i);
	}
	rtsp_occasion_describe(&o, &item);
	cr_expect_eq(item.alarms_count, RTSP_ALARMS_MAX);
	cr_expect_eq(item.alarms_more, 20 * 3 - RTSP_ALARMS_MAX);
	copy = rtsp_occasion_copy(&o, &r);
	rtsp_occasion_finish(&o, &r);
	unsigned done = 0;
	for (uint64_t id; (id = rtsp_requests_next(&r)); done++)
		rtsp_requests_said(&r, id, (struct torap_mono){ 0 });
	cr_expect_eq(done, 20 - RTSP_OCCASION_REQUESTS, "the others share, and are not waited for");
	rtsp_occasion_finish(&copy, &r);
	cr_expect_neq(rtsp_requests_next(&r), 0);
}

/* The longest of everything fits into what a node takes. */
Test(telling, says_all_of_a_clip_with_gaps)
{
	static struct rtsp_telling t;
	struct rtsp_item item = item_of("cam-1", UINT64_MAX);
	item.media = RTSP_CLIP;
	item.gaps_count = UINT32_MAX;
	item.alarms_count = RTSP_ALARMS_MAX;
	item.alarms_more = UINT32_MAX;
	for (int i = 0; i < RTSP_ALARMS_MAX; i++) {
		item.alarms[i] = item.alarms[0];
		memset(item.alarms[i].stream, 'x', RTSP_STREAM_TEXT_MAX);
	}
	for (int i = 0; i < RTSP_GAPS_MAX; i++)
		item.gaps[i] = (struct rtsp_gap){ { item.from.us + 1 }, { item.from.us + 2 }, RTSP_GAP_LOST,
			UINT32_MAX };
	rtsp_telling_fill(&t, RTSP_TELL_DELETED, &item, "retention", torap_bytes(NULL, 0), item.from);
	cr_expect_eq(t.o.n_fields, 16);
	cr_expect_null(t.o.image);
	rtsp_telling_fill(&t, RTSP_TELL_STORED, &item, "", torap_bytes("jpeg", 4), item.from);
	cr_expect_eq(t.o.image->data.len, 4);
	rtsp_telling_fill(
		&t, RTSP_TELL_DAMAGED, &item, "its file was altered", torap_bytes(NULL, 0), item.from);
	cr_expect_str_eq(t.o.code, "evidence missing");
	cr_expect_str_eq(t.o.fields[1]->name, "digest");
	cr_expect_lt(torap__observation__get_packed_size(&t.o), 8192);
}

/* What is due goes, what a hold names stays until the hold goes, and what is young is not even looked at. */
Test(keeper, deletes_what_is_due_and_not_held, .init = begin, .fini = finish)
{
	uv_loop_t loop;
	struct rtsp_jobs jobs;
	static struct rtsp_requests none;
	static struct rtsp_teller teller;
	struct rtsp_hold hold = { .who = (char *)"w", .why = (char *)"y", .camera = (char *)"cam-2" };
	struct rtsp_holds holds = { &hold, 1 };
	int64_t keep_us = 3600 * (int64_t)TORAP_US_PER_S;
	char names[4][RTSP_ITEM_NAME_SIZE];
	cr_assert_eq(uv_loop_init(&loop), 0);
	rtsp_jobs_init(&jobs, &loop);
	teller = (struct rtsp_teller){ .jobs = &jobs, .store = &store, .requests = &none };
	rtsp_teller_init(&teller);
	struct rtsp_keeper k = {
		.jobs = &jobs, .store = &store, .teller = &teller, .holds = &holds, .keep_us = &keep_us
	};
	struct torap_wall wall = { 1800000000 * (int64_t)TORAP_US_PER_S };
	for (int i = 0; i < 4; i++) {
		char camera[8], content[8];
		snprintf(camera, sizeof camera, "cam-%d", i);
		snprintf(content, sizeof content, "%d", i);
		struct rtsp_item item = put(camera, 1, content);
		rtsp_item_name(&item, names[i]);
		cr_assert_eq(rtsp_store_settle(&store, RTSP_TELL_STORED, names[i], &err), 0);
		int64_t later = i == 3 ? keep_us : 0;
		cr_assert(rtsp_keeper_add(
			&k, RTSP_STAGE_TOLD, names[i], (struct torap_wall){ wall.us + later }));
	}
	rtsp_keeper_begin(&k, torap_app_mono(), torap_app_wall());
	char refused[RTSP_ITEM_NAME_SIZE];
	struct rtsp_item pending = put("cam-9", 1, "9");
	rtsp_item_name(&pending, refused);
	cr_assert(rtsp_keeper_add(&k, RTSP_STAGE_PENDING, refused, wall));
	/* An hour and a second later, by a clock that goes evenly. */
	struct torap_mono now = torap_app_mono();
	rtsp_keeper_begin(&k, now, (struct torap_wall){ wall.us + keep_us });
	/* Stored while the clock was a year ahead, and told late: neither holds up the others. */
	cr_assert(rtsp_keeper_add(
		&k, RTSP_STAGE_TOLD, "ahead", (struct torap_wall){ wall.us + 365 * 24 * keep_us }));
	cr_assert(rtsp_keeper_add(&k, RTSP_STAGE_TOLD, "late", (struct torap_wall){ wall.us + 1 }));
	cr_expect_str_eq(k.list[4].name, "late");
	cr_expect_str_eq(k.list[6].name, "ahead");
	rtsp_keeper_tick(&k, now, (struct torap_wall){ wall.us + keep_us - 1 });
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(k.deleted, 0, "one microsecond is left");
	for (int i = 0; i < 10; i++) {
		rtsp_keeper_tick(&k, now, (struct torap_wall){ wall.us + keep_us });
		uv_run(&loop, UV_RUN_DEFAULT);
	}
	cr_expect_eq(k.deleted, 3);
	cr_expect(!there(MEDIA, refused), "its event was refused for ever");
	cr_expect_eq(k.held, 1);
	cr_expect(!there(MEDIA, names[0]) && !there(MEDIA, names[1]) && there(MEDIA, names[2]) &&
		  there(MEDIA, names[3]));
	cr_expect_eq(teller.count, 3, "each deletion is to be told");
	holds.count = 0;
	rtsp_keeper_tick(&k, now, (struct torap_wall){ wall.us + keep_us });
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect(there(MEDIA, names[2]), "it is looked at again in ten minutes");
	rtsp_keeper_look_again(&k);
	rtsp_keeper_tick(&k, now, (struct torap_wall){ wall.us + keep_us });
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect(!there(MEDIA, names[2]));
	/* The clock jumps by a year: nothing is deleted by it. */
	rtsp_keeper_tick(&k, now, (struct torap_wall){ wall.us + 365 * 24 * keep_us });
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect(there(MEDIA, names[3]));
	rtsp_keeper_finish(&k);
	rtsp_teller_finish(&teller);
	rtsp_jobs_close(&jobs);
	cr_expect_eq(uv_loop_close(&loop), 0);
}
