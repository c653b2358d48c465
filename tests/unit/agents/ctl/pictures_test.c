/* The file of a picture is whole, or it is not there under its name. */
#include "agents/ctl/pictures.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/error.h"
#include "tests/unit/lib/store/place.h"
#include "tests/unit/lib/wire/fixture.h"
#include "wire/digest.h"

static const char picture[] = "the whole picture";
static struct place place;
static char path[sizeof place.dir + 2 * TORAP_DIGEST_SIZE + 16];

static void make(void)
{
	uint8_t digest[TORAP_DIGEST_SIZE];
	char name[2 * TORAP_DIGEST_SIZE + 1];
	place_make(&place);
	cr_assert_eq(mkdir(place.dir, 0700), 0);
	torap_digest(digest, torap_bytes(picture, sizeof picture - 1));
	snprintf(path, sizeof path, "%s/%s.jpg", place.dir,
		torap_hex(name, torap_bytes(digest, sizeof digest)));
}

static void clean(void)
{
	place_remove(&place);
}

TestSuite(pictures, .init = make, .fini = clean);

/* An event with the picture is shown. */
static void show(void)
{
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	Torap__EventImage image = TORAP__EVENT_IMAGE__INIT;
	struct torap_group group = { .class = fixture_class(31010000, TORAP__KIND__KIND_EVIDENCE_STORED),
		.count = 1 };
	struct torap_opened event = { .seq = 1, .group = &group, .open = &open, .image = &image };
	struct torap_stream_id stream = fixture_stream(TORAP__LANE__LANE_NORMAL);
	struct torap_writer line = { 0 };
	struct torap_error err = { "" };
	image.media_type = (char *)"image/jpeg";
	image.camera = (char *)"cam-1";
	image.data = (ProtobufCBinaryData){ sizeof picture - 1, (uint8_t *)picture };
	cr_assert_eq(ctl_pictures_into(place.dir, &err), 0, "%s", err.text);
	ctl_pictures_json(NULL, &stream, &event, &line);
	torap_writer_finish(&line);
}

static void is_whole(void)
{
	char text[64];
	FILE *f = fopen(path, "r");
	cr_assert_not_null(f, "%s is not there", path);
	size_t n = fread(text, 1, sizeof text, f);
	fclose(f);
	cr_expect_eq(n, sizeof picture - 1);
	cr_expect_eq(memcmp(text, picture, n), 0);
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

Test(pictures, are_files_by_their_digest)
{
	show();
	is_whole();
	show(); /* Shown again after a kill: the same file. */
	is_whole();
}

Test(pictures, that_an_earlier_run_left_cut_are_mended)
{
	char beside[sizeof path + 8];
	snprintf(beside, sizeof beside, "%s.new", path);
	write_file(path, "the wh");
	write_file(beside, "the");
	show();
	is_whole();
	cr_expect_neq(access(beside, F_OK), 0, "%s stays", beside);
}

Test(pictures, need_a_folder_that_can_be_written)
{
	struct torap_error err = { "" };
	char nowhere[sizeof place.dir + 16];
	snprintf(nowhere, sizeof nowhere, "%s/nowhere", place.dir);
	cr_expect_eq(ctl_pictures_into(nowhere, &err), -ENOENT);
	cr_expect_not_null(strstr(err.text, nowhere), "%s", err.text);
	cr_expect_eq(ctl_pictures_into("/dev/null", &err), -ENOTDIR);
	if (geteuid() == 0)
		return; /* Root may write anywhere. */
	cr_assert_eq(chmod(place.dir, 0500), 0);
	cr_expect_eq(ctl_pictures_into(place.dir, &err), -EACCES);
}
