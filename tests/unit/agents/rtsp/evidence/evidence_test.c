/* What evidence is, where it lies, and what a crash, a full disk and time do to it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/rtsp/evidence/item.h"
#include "agents/rtsp/evidence/keeper.h"
#include "agents/rtsp/evidence/occasion.h"
#include "agents/rtsp/evidence/requests.h"
#include "agents/rtsp/evidence/store.h"
#include "agents/rtsp/evidence/telling.h"
#include "base/error.h"
#include "loop/app.h"
#include "tests/kit/temporary.h"

static char dir[64], folder[128];
static struct rtsp_store store;
static struct torap_error err;

static void begin(void)
{
	temporary_dir(dir, sizeof dir, "evidence");
	snprintf(folder, sizeof folder, "%s/store", dir);
	cr_assert_eq(rtsp_store_open(&store, folder, &err), 0, "%s", err.text);
}

static void finish(void)
{
	char command[128];
	rtsp_store_close(&store);
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	cr_assert_eq(system(command), 0);
}

static struct rtsp_item item_of(const char *camera, uint64_t alarm)
{
	struct rtsp_item item = {
		.from.us = 1800000000 * (int64_t)TORAP_US_PER_S, .width = 320, .height = 240
	};
	item.until = item.stored = item.from;
	snprintf(item.camera, sizeof item.camera, "%s", camera);
	snprintf(item.site, sizeof item.site, "school-1");
	item.alarms_count = 1;
	item.alarms[0] = (struct rtsp_alarm){ "node-a/critical/0000000000000001", alarm, 1, item.from };
	return item;
}

static struct rtsp_item put(const char *camera, uint64_t alarm, const char *content)
{
	struct rtsp_item item = item_of(camera, alarm);
	cr_assert_eq(rtsp_store_put(&store, &item, torap_bytes(content, strlen(content)), &err), 0, "%s",
		err.text);
	return item;
}

static const char *path_of(const char *format, const char *name)
{
	static char path[700];
	char short_path[512];
	snprintf(short_path, sizeof short_path, format, name, name + 2, name + 2);
	snprintf(path, sizeof path, "%s/%s", folder, short_path);
	return path;
}

static bool there(const char *format, const char *name)
{
	return access(path_of(format, name), F_OK) == 0;
}
#define MEDIA   "%.2s/%.62s.jpg"
#define TOLD    "%.2s/%s.json"
#define PENDING "pending/%s.json"

Test(item, says_the_same_after_it_was_written_and_read)
{
	struct rtsp_item item = item_of("cam-1", 7), again;
	item.media = RTSP_CLIP;
	item.size = 1234567890123;
	item.frames = 300;
	item.gaps_count = 2;
	item.gaps[0] = (struct rtsp_gap){ item.from, { item.from.us + 1 }, 3 };
	item.gaps[1] = (struct rtsp_gap){ item.from, { item.from.us + 2 }, 0 };
	item.alarms_count = RTSP_ALARMS_MAX;
	item.alarms_more = 12;
	for (int i = 1; i < RTSP_ALARMS_MAX; i++)
		item.alarms[i] = item.alarms[0];
	char *text = rtsp_item_write(&item);
	cr_assert_eq(rtsp_item_read(&again, torap_bytes(text, strlen(text)), &err), 0, "%s", err.text);
	cr_expect_eq(memcmp(&item, &again, sizeof item), 0);
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

Test(store, keeps_a_file_by_its_digest_and_says_whether_it_was_told, .init = begin, .fini = finish)
{
	char name[RTSP_ITEM_NAME_SIZE];
	struct rtsp_item item = put("cam-1", 1, "a picture"), again;
	struct torap_writer file = { 0 };
	rtsp_item_name(&item, name);
	cr_expect(there(MEDIA, name) && there(PENDING, name) && !there(TOLD, name));
	cr_assert_eq(
		rtsp_store_get(&store, RTSP_STAGE_PENDING, name, &again, &file, &err), 0, "%s", err.text);
	cr_expect_eq(memcmp(&item, &again, sizeof item), 0);
	cr_expect(file.size == 9 && memcmp(file.data, "a picture", 9) == 0);
	torap_writer_finish(&file);
	cr_assert_eq(rtsp_store_told(&store, name, &err), 0, "%s", err.text);
	cr_expect(there(MEDIA, name) && !there(PENDING, name) && there(TOLD, name));
	cr_expect_eq(rtsp_store_get(&store, RTSP_STAGE_PENDING, name, &again, NULL, &err), -ENOENT);
	cr_expect(store.files == 1 && store.bytes == 9);
	cr_expect_eq(rtsp_store_check(folder), 0);
	struct rtsp_store second;
	cr_expect_eq(rtsp_store_open(&second, folder, &err), -EBUSY);
}

struct seen {
	unsigned pending, told, gone;
};

static void show(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item)
{
	struct seen *s = hint;
	char text[RTSP_ITEM_NAME_SIZE];
	cr_expect_str_eq(rtsp_item_name(item, text), name);
	s->pending += stage == RTSP_STAGE_PENDING;
	s->told += stage == RTSP_STAGE_TOLD;
	s->gone += stage == RTSP_STAGE_GONE;
}

static struct seen reopened(void)
{
	struct seen seen = { 0 };
	uint64_t strange;
	rtsp_store_close(&store);
	cr_assert_eq(rtsp_store_open(&store, folder, &err), 0, "%s", err.text);
	cr_assert_eq(rtsp_store_walk(&store, &strange, &seen, show, &err), 0, "%s", err.text);
	cr_expect_eq(strange, 0);
	return seen;
}

static void copy(const char *from, const char *to)
{
	char command[2048];
	snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
	cr_assert_eq(system(command), 0);
}

/* Killed after each step of storing and of deleting: what lies there is told, or gone, and never half of it. */
Test(store, knows_after_a_crash_what_was_half_done, .init = begin, .fini = finish)
{
	char name[RTSP_ITEM_NAME_SIZE], kept[100];
	struct rtsp_item item = put("cam-1", 1, "one");
	rtsp_item_name(&item, name);
	/* Described and stored, not told. */
	struct seen seen = reopened();
	cr_expect(seen.pending == 1 && seen.told == 0);
	/* Described, and the file never came. */
	unlink(path_of(MEDIA, name));
	FILE *f = fopen(path_of("%.2s/%.62s.jpg.new", name), "w");
	fputs("half of i", f);
	fclose(f);
	seen = reopened();
	cr_expect(seen.pending == 0 && seen.told == 0);
	cr_expect(!there("%.2s/%.62s.jpg.new", name));
	cr_expect(store.files == 0 && store.bytes == 0);
	/* Stored and told; then its time is over, and the node has not been told of that. */
	put("cam-1", 1, "one");
	cr_assert_eq(rtsp_store_told(&store, name, &err), 0);
	seen = reopened();
	cr_expect(seen.pending == 0 && seen.told == 1);
	snprintf(kept, sizeof kept, "%s/kept.jpg", dir);
	copy(path_of(MEDIA, name), kept);
	cr_assert_eq(rtsp_store_remove(&store, RTSP_STAGE_TOLD, name, &err), 0, "%s", err.text);
	cr_expect(!there(MEDIA, name) && !there(TOLD, name) && there("pending/%s.gone.json", name));
	seen = reopened();
	cr_expect(seen.gone == 1 && seen.told == 0);
	/* Killed before the file itself went. */
	copy(kept, path_of(MEDIA, name));
	seen = reopened();
	cr_expect_eq(seen.gone, 1);
	cr_assert_eq(rtsp_store_remove(&store, RTSP_STAGE_GONE, name, &err), 0, "%s", err.text);
	cr_expect(!there(MEDIA, name));
	cr_assert_eq(rtsp_store_forget(&store, name, &err), 0);
	seen = reopened();
	cr_expect(seen.gone == 0 && store.files == 0);
	cr_expect_eq(rtsp_store_check(folder), 0);
}

/* The same picture of two cameras, or for two alarms, lies there once, until nobody needs it any more. */
Test(store, keeps_a_file_as_long_as_one_needs_it, .init = begin, .fini = finish)
{
	char one[RTSP_ITEM_NAME_SIZE], two[RTSP_ITEM_NAME_SIZE];
	struct rtsp_item a = put("cam-1", 1, "same"), b = put("cam-1", 2, "same");
	rtsp_item_name(&a, one);
	rtsp_item_name(&b, two);
	cr_expect_str_neq(one, two);
	cr_expect(store.files == 1 && store.bytes == 4);
	cr_assert_eq(rtsp_store_told(&store, one, &err), 0);
	cr_assert_eq(rtsp_store_remove(&store, RTSP_STAGE_TOLD, one, &err), 0);
	cr_expect(there(MEDIA, two));
	cr_assert_eq(rtsp_store_told(&store, two, &err), 0);
	put("cam-1", 2, "same"); /* asked twice: it is told already */
	cr_expect(!there(PENDING, two));
	cr_assert_eq(rtsp_store_remove(&store, RTSP_STAGE_TOLD, two, &err), 0);
	cr_expect(!there(MEDIA, two));
	cr_expect(store.files == 0 && store.bytes == 0);
}

Test(store, check_names_what_was_altered_or_taken_away, .init = begin, .fini = finish)
{
	char name[RTSP_ITEM_NAME_SIZE];
	struct rtsp_item item = put("cam-1", 1, "a picture");
	rtsp_item_name(&item, name);
	cr_assert_eq(rtsp_store_told(&store, name, &err), 0);
	FILE *f = fopen(path_of(MEDIA, name), "r+");
	fputc('A', f);
	fclose(f);
	cr_expect_eq(rtsp_store_check(folder), 1);
	unlink(path_of(MEDIA, name));
	cr_expect_eq(rtsp_store_check(folder), 1);
	unlink(path_of(TOLD, name));
	cr_expect_eq(rtsp_store_check(folder), 0);
	cr_expect_eq(rtsp_store_check("/nowhere"), 2);
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
		item.gaps[i] = (struct rtsp_gap){ { item.from.us + 1 }, { item.from.us + 2 }, UINT32_MAX };
	rtsp_telling_fill(&t, RTSP_TELL_DELETED, &item, "retention", torap_bytes(NULL, 0), item.from);
	cr_expect_eq(t.o.n_fields, 16);
	cr_expect_null(t.o.image);
	rtsp_telling_fill(&t, RTSP_TELL_STORED, &item, "", torap_bytes("jpeg", 4), item.from);
	cr_expect_eq(t.o.image->data.len, 4);
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
		cr_assert_eq(rtsp_store_told(&store, names[i], &err), 0);
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
