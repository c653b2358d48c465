/* Where evidence lies, and what a crash, a full disk and strangers do to it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/rtsp/evidence/store.h"
#include "base/buffer.h"
#include "base/error.h"
#include "tests/unit/agents/rtsp/evidence/stored.h"

Test(store, keeps_a_file_by_its_digest_and_says_whether_it_was_told, .init = begin, .fini = finish)
{
	char name[RTSP_ITEM_NAME_SIZE];
	struct rtsp_item item = put("cam-1", 1, "a picture"), again;
	struct torap_buffer *file = NULL;
	rtsp_item_name(&item, name);
	cr_expect(there(MEDIA, name) && there(PENDING, name) && !there(TOLD, name));
	cr_assert_eq(rtsp_store_load(&store, name, &again, &file, &err), 0, "%s", err.text);
	cr_expect_eq(memcmp(&item, &again, sizeof item), 0);
	cr_expect(torap_bytes_equal(torap_buffer_bytes(file), torap_bytes("a picture", 9)));
	torap_buffer_unref(file);
	cr_assert_eq(rtsp_store_settle(&store, RTSP_TELL_STORED, name, &err), 0, "%s", err.text);
	cr_expect(there(MEDIA, name) && !there(PENDING, name) && there(TOLD, name));
	cr_expect_eq(rtsp_store_get(&store, RTSP_STAGE_PENDING, name, &again, &err), -ENOENT);
	cr_expect(store.files == 1 && store.bytes == 9);
	cr_expect_eq(rtsp_store_check(folder), 0);
	struct rtsp_store second;
	cr_expect_eq(rtsp_store_open(&second, folder, &err), -EBUSY);
}

struct seen {
	unsigned pending, told, gone, strange;
};

static void show(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item)
{
	struct seen *s = hint;
	char text[RTSP_ITEM_NAME_SIZE];
	if (!item) {
		s->strange++;
		return;
	}
	cr_expect_str_eq(rtsp_item_name(item, text), name);
	s->pending += stage == RTSP_STAGE_PENDING;
	s->told += stage == RTSP_STAGE_TOLD;
	s->gone += stage == RTSP_STAGE_GONE;
}

static struct seen reopened(void)
{
	struct seen seen = { 0 };
	rtsp_store_close(&store);
	cr_assert_eq(rtsp_store_open(&store, folder, &err), 0, "%s", err.text);
	cr_assert_eq(rtsp_store_walk(&store, &seen, show, &err), 0, "%s", err.text);
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
	cr_expect(seen.pending == 1 && seen.told == 0, "it is to be told as missing");
	cr_expect_eq(rtsp_store_load(&store, name, &item, NULL, &err), RTSP_STORE_NO_FILE);
	cr_expect_eq(rtsp_store_settle(&store, RTSP_TELL_DAMAGED, name, &err), RTSP_STORE_NO_FILE);
	seen = reopened();
	cr_expect(seen.pending == 0 && seen.told == 0);
	cr_expect(!there("%.2s/%.62s.jpg.new", name));
	cr_expect(store.files == 0 && store.bytes == 0);
	/* Stored and told; then its time is over, and the node has not been told of that. */
	put("cam-1", 1, "one");
	cr_assert_eq(rtsp_store_settle(&store, RTSP_TELL_STORED, name, &err), 0);
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
	cr_assert_eq(rtsp_store_settle(&store, RTSP_TELL_DELETED, name, &err), 0);
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
	cr_assert_eq(rtsp_store_settle(&store, RTSP_TELL_STORED, one, &err), 0);
	cr_assert_eq(rtsp_store_remove(&store, RTSP_STAGE_TOLD, one, &err), 0);
	cr_expect(there(MEDIA, two));
	cr_assert_eq(rtsp_store_settle(&store, RTSP_TELL_STORED, two, &err), 0);
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
	cr_assert_eq(rtsp_store_settle(&store, RTSP_TELL_STORED, name, &err), 0);
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

static void write_into(const char *path, const char *text)
{
	FILE *f = fopen(path, "r+");
	cr_assert(f, "%s", path);
	fputs(text, f);
	fclose(f);
}

static int load(const char *name)
{
	struct torap_buffer *file = NULL;
	struct rtsp_item item;
	int r = rtsp_store_load(&store, name, &item, &file, &err);
	cr_expect_eq(file != NULL, r == 0);
	torap_buffer_unref(file);
	return r;
}

/* Altered, cut, longer, gone between storing and telling: never told as what it was; stored once more, it is whole again. */
Test(store, reads_a_file_again_before_it_is_told, .init = begin, .fini = finish)
{
	char name[RTSP_ITEM_NAME_SIZE];
	struct rtsp_item item = put("cam-1", 1, "a picture");
	rtsp_item_name(&item, name);
	cr_expect_eq(load(name), 0, "%s", err.text);
	write_into(path_of(MEDIA, name), "A");
	reopened();
	cr_expect_eq(load(name), RTSP_STORE_DAMAGED);
	cr_assert_eq(truncate(path_of(MEDIA, name), 3), 0);
	cr_expect_eq(load(name), RTSP_STORE_DAMAGED);
	cr_assert_eq(truncate(path_of(MEDIA, name), 0), 0);
	cr_expect_eq(load(name), RTSP_STORE_DAMAGED);
	put("cam-1", 1, "a picture");
	cr_expect_eq(load(name), 0);
	reopened();
	cr_expect(store.bytes == 9 && store.files == 1);
	write_into(path_of(MEDIA, name), "a picture, longer");
	cr_expect_eq(load(name), RTSP_STORE_DAMAGED);
	/* Told as damaged: what is left stays, until its time is over, and a check names it. */
	cr_assert_eq(rtsp_store_settle(&store, RTSP_TELL_DAMAGED, name, &err), 0, "%s", err.text);
	cr_expect(there(MEDIA, name) && there(TOLD, name) && !there(PENDING, name));
	cr_expect_eq(rtsp_store_check(folder), 1);
	cr_assert_eq(rtsp_store_remove(&store, RTSP_STAGE_TOLD, name, &err), 0);
	cr_expect(!there(MEDIA, name));
	item = put("cam-1", 2, "another");
	rtsp_item_name(&item, name);
	unlink(path_of(MEDIA, name));
	cr_expect_eq(load(name), RTSP_STORE_NO_FILE);
	unlink(path_of(PENDING, name));
	cr_expect_eq(load(name), -ENOENT);
}

/* The description of another file, or of another alarm, under this one's name: whose picture it is would be a lie. */
Test(store, leaves_alone_what_is_not_what_its_name_says, .init = begin, .fini = finish)
{
	char one[RTSP_ITEM_NAME_SIZE], two[RTSP_ITEM_NAME_SIZE], from[700];
	struct rtsp_item a = put("cam-1", 1, "one"), b = put("cam-1", 2, "one");
	rtsp_item_name(&a, one);
	rtsp_item_name(&b, two);
	snprintf(from, sizeof from, "%s", path_of(PENDING, two));
	copy(from, path_of(PENDING, one));
	struct seen seen = reopened();
	cr_expect(seen.pending == 1 && seen.strange == 1);
	cr_expect_eq(load(one), -EBADMSG);
	cr_expect_eq(rtsp_store_check(folder), 1);
}

static enum rtsp_told_of told_of(const char *name)
{
	struct rtsp_item item;
	cr_assert_eq(rtsp_store_get(&store, RTSP_STAGE_PENDING, name, &item, &err), 0, "%s", err.text);
	return item.told;
}

/* Its event is durable, and its description cannot leave `pending`: that it was told is known after any number of starts. */
Test(store, remembers_what_was_told_and_cannot_leave, .init = begin, .fini = finish)
{
	char name[RTSP_ITEM_NAME_SIZE];
	struct rtsp_item item = put("cam-1", 1, "a picture");
	rtsp_item_name(&item, name);
	cr_assert_eq(mkdir(path_of(TOLD, name), 0700), 0);
	cr_expect_eq(told_of(name), RTSP_TELL_NOTHING);
	cr_expect_lt(rtsp_store_settle(&store, RTSP_TELL_STORED, name, &err), 0);
	for (int i = 0; i < 2; i++) {
		struct seen seen = reopened();
		cr_expect_eq(seen.pending, 1);
		cr_expect_eq(told_of(name), RTSP_TELL_STORED);
		cr_expect_eq(load(name), 0);
		cr_expect_lt(rtsp_store_settle(&store, RTSP_TELL_STORED, name, &err), 0);
	}
	/* Asked for once more by the node: it is the same, and stays told. */
	cr_assert_eq(rmdir(path_of(TOLD, name)), 0);
	put("cam-1", 1, "a picture");
	cr_expect_eq(told_of(name), RTSP_TELL_STORED);
	cr_expect_eq(rtsp_store_settle(&store, RTSP_TELL_STORED, name, &err), 0, "%s", err.text);
	cr_expect(there(TOLD, name) && !there(PENDING, name));
	cr_expect_eq(rtsp_store_settle(&store, RTSP_TELL_STORED, name, &err), 0, "moved already");
}

enum { PUTS = 8, ROOM_FOR = 3 };

struct putting {
	pthread_t thread;
	uint8_t number;
	int answer;
};

static void *put_one(void *hint)
{
	struct putting *p = hint;
	struct rtsp_item item = item_of("cam-1", p->number);
	struct torap_error why;
	char content[100];
	memset(content, p->number, sizeof content);
	p->answer = rtsp_store_put(
		&store, &item, torap_bytes(content, sizeof content), ROOM_FOR * sizeof content, &why);
	return NULL;
}

/* However many write at once, and to the byte. */
Test(store, never_holds_more_than_its_quota, .init = begin, .fini = finish)
{
	struct putting puts[PUTS];
	unsigned stored = 0;
	for (uint8_t i = 0; i < PUTS; i++) {
		puts[i].number = i;
		cr_assert_eq(pthread_create(&puts[i].thread, NULL, put_one, &puts[i]), 0);
	}
	for (int i = 0; i < PUTS; i++) {
		pthread_join(puts[i].thread, NULL);
		cr_expect(puts[i].answer == 0 || puts[i].answer == RTSP_STORE_OVER_QUOTA);
		stored += puts[i].answer == 0;
	}
	cr_expect_eq(stored, ROOM_FOR);
	cr_expect(store.files == ROOM_FOR && store.bytes == ROOM_FOR * 100);
	struct seen seen = reopened();
	cr_expect_eq(seen.pending, ROOM_FOR, "of those that were refused nothing is there");
	cr_expect_eq(store.bytes, ROOM_FOR * 100);
	/* The same file for another alarm takes no room. */
	struct rtsp_item item = put("cam-2", 50, "x"), again = item_of("cam-3", 51);
	cr_expect_eq(rtsp_store_put(&store, &again, torap_bytes("x", 1), 0, &err), 0);
	cr_expect_eq(memcmp(item.digest, again.digest, sizeof item.digest), 0);
}

/* A process told a picture for one alarm, or was about to, and was killed; the next makes the same one for that alarm and for two more. */
Test(store, keeps_what_is_there_for_the_alarms_that_lack_it, .init = begin, .fini = finish)
{
	for (uint64_t alarm = 10; alarm <= 20; alarm += 10) {
		bool told = alarm == 20;
		char first[RTSP_ITEM_NAME_SIZE], name[RTSP_ITEM_NAME_SIZE];
		struct rtsp_item item = put("cam-1", alarm, "frozen"), found;
		rtsp_item_name(&item, first);
		if (told)
			cr_assert_eq(rtsp_store_settle(&store, RTSP_TELL_STORED, first, &err), 0);
		for (int twice = 0; twice < 2; twice++) {
			struct rtsp_item more = item_of("cam-1", alarm);
			more.alarms[1] = more.alarms[2] = more.alarms[0];
			more.alarms[1].seq++;
			more.alarms[2].seq += 2;
			more.alarms_count = 3;
			cr_assert_eq(
				rtsp_store_put(&store, &more, torap_bytes("frozen", 6), UINT64_MAX, &err), 0);
			cr_expect_str_neq(rtsp_item_name(&more, name), first);
			cr_assert_eq(rtsp_store_get(&store, RTSP_STAGE_PENDING, name, &found, &err), 0);
			cr_expect(found.alarms_count == 2 && found.alarms[0].seq == alarm + 1 &&
				  found.alarms[1].seq == alarm + 2);
		}
		cr_expect_eq(
			rtsp_store_get(&store, RTSP_STAGE_PENDING, first, &found, &err), told ? -ENOENT : 0);
	}
	cr_expect_eq(store.files, 1);
}

/* No file may be longer than this: what a full disk says in the middle of a write. */
static void limit_files(rlim_t most)
{
	struct rlimit limit = { most, RLIM_INFINITY };
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(store, leaves_nothing_of_what_did_not_fit, .init = begin, .fini = finish)
{
	static uint8_t picture[64 << 10];
	struct rtsp_item item = item_of("cam-1", 1);
	char name[RTSP_ITEM_NAME_SIZE];
	for (int i = 0; i < 2; i++) {
		limit_files(i ? 0 : 4096); /* the description fits, and the file does not; then neither */
		int r = rtsp_store_put(&store, &item, torap_bytes(picture, sizeof picture), UINT64_MAX, &err);
		cr_expect(torap_error_is_room(-r), "%d", r);
		rtsp_item_name(&item, name);
		cr_expect(!there(MEDIA, name) && !there("%.2s/%.62s.jpg.new", name) && !there(PENDING, name));
		cr_expect(store.files == 0 && store.bytes == 0);
	}
	limit_files(RLIM_INFINITY);
	cr_expect_eq(
		rtsp_store_put(&store, &item, torap_bytes(picture, sizeof picture), UINT64_MAX, &err), 0);
	/* What is stored leaves `pending`, and goes, on a disk that is full. */
	limit_files(0);
	cr_expect_eq(rtsp_store_settle(&store, RTSP_TELL_STORED, name, &err), 0, "%s", err.text);
	cr_expect_eq(rtsp_store_remove(&store, RTSP_STAGE_TOLD, name, &err), 0, "%s", err.text);
	cr_expect_eq(rtsp_store_settle(&store, RTSP_TELL_DELETED, name, &err), 0, "%s", err.text);
	struct seen seen = reopened();
	cr_expect(!seen.pending && !seen.told && !seen.gone && !store.files);
	limit_files(RLIM_INFINITY);
}
