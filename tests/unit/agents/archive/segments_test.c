#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agents/archive/pattern.h"
#include "agents/archive/segments.h"
#include "base/error.h"
#include "tests/kit/temporary.h"

static char dir[64];

static void begin(void)
{
	temporary_dir(dir, sizeof dir, "segments");
}

static void end(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	cr_assert_eq(system(command), 0);
}

/* A file of a few bytes that was written last at a moment. */
static void file(const char *name, const char *written)
{
	char path[256];
	struct torap_wall t;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	for (char *slash = strchr(path + strlen(dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	FILE *f = fopen(path, "w");
	cr_assert(f, "%s", path);
	fputs("film", f);
	fclose(f);
	cr_assert_eq(torap_wall_parse(&t, written, NULL), 0);
	const struct timespec times[2] = { { t.us / TORAP_US_PER_S, 0 }, { t.us / TORAP_US_PER_S, 0 } };
	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static struct torap_wall when(const char *text)
{
	struct torap_wall t;
	cr_assert_eq(torap_wall_parse(&t, text, NULL), 0);
	return t;
}

static int read_all(struct archive_spans *spans, uint64_t *files, uint64_t *others)
{
	struct archive_folder f = { dir, "%Y-%m-%d/%H-%M-%S.mp4", 18000, 600, NULL };
	struct torap_error err;
	return archive_segments_read(spans, &f, files, others, &err);
}

TestSuite(segments, .init = begin, .fini = end);

Test(segments, names_tell_when_and_the_last_write_how_long)
{
	struct archive_spans spans = { 0 };
	uint64_t files, others;
	file("2026-11-25/14-00-00.mp4", "2026-11-25T09:10:00Z");
	file("2026-11-25/14-10-00.mp4", "2026-11-25T09:15:00Z"); /* cut short */
	file("2026-11-25/15-00-00.mp4", "2026-11-26T20:00:00Z"); /* a copy, dated by the copying */
	file("2026-11-25/15-00-00.mp4.tmp", "2026-11-25T10:00:00Z");
	file("index.db", "2026-11-25T10:00:00Z");
	cr_assert_eq(read_all(&spans, &files, &others), 0);
	cr_expect_eq(files, 3);
	cr_expect_eq(others, 2);
	cr_assert_eq(spans.count, 2);
	cr_expect_eq(
		spans.items[0].from.us, when("2026-11-25T09:00:00Z").us, "names are in the place's time");
	cr_expect_eq(spans.items[0].until.us, when("2026-11-25T09:15:00Z").us);
	cr_expect_eq(spans.items[1].until.us, when("2026-11-25T10:10:00Z").us, "the usual length");
	archive_spans_finish(&spans);
}

/* The place is five hours ahead; neither of these names is in its time. */
Test(segments, a_name_that_tells_its_offset_is_taken_at_its_word)
{
	static const struct {
		const char *pattern, *name, *begin;
	} told[] = {
		{ "rec_%s.ts", "rec_1795597200.ts", "2026-11-25T09:00:00Z" },
		{ "%Y%m%dT%H%M%S%z.mkv", "20261126T120000+0200.mkv", "2026-11-26T10:00:00Z" },
	};
	for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
		const struct archive_folder f = { dir, told[i].pattern, 18000, 600, NULL };
		struct archive_spans spans = { 0 };
		struct torap_error err;
		uint64_t files, others;
		cr_assert_eq(archive_pattern_check(told[i].pattern, &err), 0, "%s", err.text);
		file(told[i].name, "2026-11-27T09:00:00Z");
		cr_assert_eq(archive_segments_read(&spans, &f, &files, &others, &err), 0);
		cr_assert_eq(spans.count, 1, "%s", told[i].pattern);
		cr_expect_eq(spans.items[0].from.us, when(told[i].begin).us, "%s", told[i].pattern);
		archive_spans_finish(&spans);
	}
}

/* Seconds of a year that no calendar has, and a file that was written in one (where the disk can say so): 2^58 seconds are 0 microseconds. */
Test(segments, moments_beyond_all_years_are_none)
{
	const struct archive_folder f = { dir, "rec_%s.ts", 0, 600, NULL };
	struct archive_spans spans = { 0 };
	struct torap_error err;
	uint64_t files, others;
	char path[256];
	file("rec_1795597200.ts", "2026-11-25T09:10:00Z");
	file("rec_90000000000000.ts", "2026-11-25T09:10:00Z");
	file("rec_60000000000000000.ts", "2026-11-25T09:10:00Z");
	snprintf(path, sizeof path, "%s/rec_1795597200.ts", dir);
	const time_t late = 1795597260 + ((time_t)1 << 58);
	const struct timespec times[2] = { { late, 0 }, { late, 0 } };
	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	cr_assert_eq(archive_segments_read(&spans, &f, &files, &others, &err), 0, "%s", err.text);
	cr_expect_eq(files, 1);
	cr_expect_eq(others, 2);
	cr_assert_eq(spans.count, 1);
	cr_expect_eq(spans.items[0].until.us, when("2026-11-25T09:10:00Z").us, "the usual length");
	archive_spans_finish(&spans);
}

/* A film of ten seconds, made by FFmpeg. */
static void film(const char *name, const char *options)
{
	char command[512];
	snprintf(command, sizeof command,
		"ffmpeg -v error -f lavfi -i color=black:size=32x32:rate=5 -t 10 %s '%s/%s' </dev/null",
		options, dir, name);
	cr_assert_eq(system(command), 0, "%s", command);
}

Test(segments, without_a_pattern_containers_tell)
{
	const struct archive_folder f = { dir, NULL, 18000, 600, NULL };
	struct archive_spans spans = { 0 };
	struct torap_error err;
	uint64_t files, others;
	char command[256];
	film("a.mp4", "-metadata creation_time=2026-11-25T09:00:00Z");
	film("b.mkv", "-metadata creation_time=2026-11-25T10:00:00Z");
	film("c.mp4", "-movflags frag_keyframe+empty_moov -metadata creation_time=2026-11-25T11:00:00Z");
	film("clockless.mp4", "-metadata creation_time=2000-01-01T00:00:00Z");
	film("dateless.mp4", "");
	film("other.avi", "-metadata creation_time=2026-11-25T12:00:00Z");
	file("garbage.mp4", "2026-11-25T12:00:00Z");
	snprintf(command, sizeof command, "head -c 500 %s/a.mp4 >%s/cut.mp4", dir, dir);
	cr_assert_eq(system(command), 0);
	cr_assert_eq(archive_segments_read(&spans, &f, &files, &others, &err), 0, "%s", err.text);
	cr_expect_eq(files, 3);
	cr_expect_eq(others, 5);
	cr_assert_eq(spans.count, 3);
	static const char *const begins[] = { "2026-11-25T09:00:00Z", "2026-11-25T10:00:00Z",
		"2026-11-25T11:00:00Z" };
	for (size_t i = 0; i < 3; i++) {
		cr_expect_eq(spans.items[i].from.us, when(begins[i]).us, "%s", begins[i]);
		cr_expect_eq((spans.items[i].until.us - spans.items[i].from.us) / TORAP_US_PER_S, 10, "%s",
			begins[i]);
	}
	archive_spans_finish(&spans);
}

/* Two million files lie on a slow disk, and the process is told to stop. */
Test(segments, are_given_up_when_told_to_stop)
{
	atomic_bool stopped = true;
	const struct archive_folder f = { dir, "%Y-%m-%d/%H-%M-%S.mp4", 18000, 600, &stopped };
	struct archive_spans spans = { 0 };
	struct torap_error err;
	uint64_t files, others;
	file("2026-11-25/14-00-00.mp4", "2026-11-25T09:10:00Z");
	cr_expect_lt(archive_segments_read(&spans, &f, &files, &others, &err), 0);
	cr_expect_eq(files, 0);
	archive_spans_finish(&spans);
}

Test(segments, links_lead_nowhere_and_depth_has_an_end)
{
	struct archive_spans spans = { 0 };
	uint64_t files, others;
	char path[256];
	file("2026-11-25/14-00-00.mp4", "2026-11-25T09:10:00Z");
	snprintf(path, sizeof path, "%s/round", dir);
	cr_assert_eq(symlink(".", path), 0);
	cr_assert_eq(read_all(&spans, &files, &others), 0);
	cr_expect_eq(files, 1);
	file("a/b/c/d/e/f/g/h/i/film", "2026-11-25T09:10:00Z");
	cr_expect_lt(read_all(&spans, &files, &others), 0);
	archive_spans_finish(&spans);
}

Test(segments, a_folder_that_is_not_there_is_an_error_and_not_an_empty_archive)
{
	struct archive_folder f = { "/nowhere/at/all", "%s", 0, 1, NULL };
	struct archive_spans spans = { 0 };
	struct torap_error err;
	uint64_t files, others;
	cr_expect_lt(archive_segments_read(&spans, &f, &files, &others, &err), 0);
	cr_expect(strstr(err.text, "/nowhere/at/all"));
}

Test(segments, a_pattern_must_tell_a_moment)
{
	struct torap_error err;
	cr_expect_eq(archive_pattern_check("%Y-%m-%d/%H-%M-%S.mp4", &err), 0);
	cr_expect_eq(archive_pattern_check("cam7/%Y%m%d/%H/%M.mkv", &err), 0);
	cr_expect_eq(archive_pattern_check("rec_%s.ts", &err), 0);
	cr_expect_lt(archive_pattern_check("%Y-%m-%d.mp4", &err), 0, "no hour");
	cr_expect_lt(archive_pattern_check("film.mp4", &err), 0);
	cr_expect_lt(archive_pattern_check("", &err), 0);
	setenv("TZ", "Asia/Almaty", 1);
	tzset();
	cr_expect_eq(archive_pattern_check("rec_%s.ts", &err), 0, "wherever the host stands");
}
