/* What an operator asks for by --check-evidence: is each file what its digest says, and each description of a file that is there? */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agents/rtsp/evidence/store.h"
#include "base/buffer.h"
#include "base/error.h"
#include "conf/file.h"

struct checking {
	const char *dir;
	uint64_t good, wrong, missing, undescribed, strange;
};

static int check_media(void *hint, const char *folder, const char *name)
{
	struct checking *c = hint;
	char path[RTSP_FOLDER_PATH], text[NAME_MAX + 3], digest[RTSP_DIGEST_TEXT + 1];
	struct torap_error err;
	snprintf(text, sizeof text, "%s%s", strrchr(folder, '/') + 1, name);
	if (!rtsp_folder_take_ending(text, ".jpg") && !rtsp_folder_take_ending(text, ".mp4"))
		return 0;
	struct torap_buffer *file;
	if (rtsp_folder_join(path, folder, name, &err) ||
		torap_file_read(&file, path, RTSP_MEDIA_MAX, &err)) {
		printf("%s\n", err.text);
		c->wrong++;
		return 0;
	}
	uint8_t sum[TORAP_DIGEST_SIZE];
	rtsp_folder_digest(sum, torap_buffer_bytes(file));
	torap_buffer_unref(file);
	bool good = strcmp(torap_hex(digest, torap_bytes(sum, sizeof sum)), text) == 0;
	c->good += good;
	c->wrong += !good;
	if (!good)
		printf("%s: altered: its digest is %s\n", path, digest);
	bool needed = true;
	if (rtsp_folder_is_needed(c->dir, text, &needed, &err) == 0 && !needed) {
		printf("%s: described by nothing\n", path);
		c->undescribed++;
	}
	return 0;
}

static void check_item(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item)
{
	struct checking *c = hint;
	char path[RTSP_FOLDER_PATH];
	struct torap_error err;
	if (!item) {
		printf("%s\n", name);
		c->strange++;
		return;
	}
	if (stage == RTSP_STAGE_GONE || rtsp_folder_media(path, c->dir, name, item->media, &err) ||
		rtsp_folder_has(path))
		return;
	printf("%s: missing\n", path);
	c->missing++;
}

int rtsp_store_check(const char *dir)
{
	struct checking c = { .dir = dir };
	struct rtsp_store store = { .dir = (char *)dir };
	struct torap_error err;
	if (!rtsp_folder_has(dir) || rtsp_folder_walk_media(dir, &c, check_media, &err) ||
		rtsp_store_walk(&store, &c, check_item, &err)) {
		fprintf(stderr, "%s: cannot be read%s%s\n", dir, rtsp_folder_has(dir) ? ": " : "",
			rtsp_folder_has(dir) ? err.text : "");
		return 2;
	}
	printf("%s: %llu files are as their digests say, %llu altered, %llu missing, %llu described by nothing, %llu descriptions that are none\n",
		dir, (unsigned long long)c.good, (unsigned long long)c.wrong, (unsigned long long)c.missing,
		(unsigned long long)c.undescribed, (unsigned long long)c.strange);
	return c.wrong || c.missing || c.undescribed || c.strange ? 1 : 0;
}
