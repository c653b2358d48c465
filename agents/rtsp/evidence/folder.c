#include "agents/rtsp/evidence/folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "conf/file.h"

enum { DIR_MODE = 0750 };

/* Paths. */

static int fits(int size, struct torap_error *err)
{
	return size > 0 && size < RTSP_FOLDER_PATH
		       ? 0
		       : torap_errorf(err, -ENAMETOOLONG, "the folder's name is too long");
}

int rtsp_folder_media(char path[static RTSP_FOLDER_PATH], const char *dir, const char *name,
	enum rtsp_media media, struct torap_error *err)
{
	return fits(snprintf(path, RTSP_FOLDER_PATH, "%s/%.2s/%.*s.%s", dir, name, RTSP_DIGEST_TEXT - 2,
			    name + 2, rtsp_media_extension(media)),
		err);
}

int rtsp_folder_item(char path[static RTSP_FOLDER_PATH], const char *dir, enum rtsp_stage stage,
	const char *name, struct torap_error *err)
{
	int size = stage == RTSP_STAGE_TOLD
			   ? snprintf(path, RTSP_FOLDER_PATH, "%s/%.2s/%s.json", dir, name, name + 2)
			   : snprintf(path, RTSP_FOLDER_PATH, "%s/pending/%s%s.json", dir, name,
				     stage == RTSP_STAGE_GONE ? ".gone" : "");
	return fits(size, err);
}

int rtsp_folder_join(
	char path[static RTSP_FOLDER_PATH], const char *folder, const char *name, struct torap_error *err)
{
	return fits(snprintf(path, RTSP_FOLDER_PATH, "%s/%s", folder, name), err);
}

bool rtsp_folder_take_ending(char *text, const char *ending)
{
	size_t size = strlen(text), end = strlen(ending);
	if (size <= end || strcmp(text + size - end, ending) != 0)
		return false;
	text[size - end] = 0;
	return true;
}

/* Folders. */

int rtsp_folder_make(const char *dir, const char *name, struct torap_error *err)
{
	char path[RTSP_FOLDER_PATH];
	int r = fits(snprintf(path, sizeof path, "%s%s%s", dir, *name ? "/" : "", name), err);
	if (r)
		return r;
	if (mkdir(path, DIR_MODE) == 0)
		return torap_file_flush_folder(path, err);
	return errno == EEXIST ? 0 : torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
}

static int walk(const char *path, void *hint, int (*each)(void *hint, const char *folder, const char *name),
	struct torap_error *err)
{
	DIR *d = opendir(path);
	int r = 0;
	if (!d)
		return errno == ENOENT ? 0 : torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
	for (const struct dirent *e; r == 0 && (errno = 0, e = readdir(d));)
		if (*e->d_name != '.')
			r = each(hint, path, e->d_name);
	if (r == 0 && errno)
		r = torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
	closedir(d);
	return r;
}

int rtsp_folder_walk_pending(const char *dir, void *hint,
	int (*each)(void *hint, const char *folder, const char *name), struct torap_error *err)
{
	char path[RTSP_FOLDER_PATH];
	int r = rtsp_folder_join(path, dir, "pending", err);
	return r ? r : walk(path, hint, each, err);
}

int rtsp_folder_walk_media(const char *dir, void *hint,
	int (*each)(void *hint, const char *folder, const char *name), struct torap_error *err)
{
	int r = 0;
	for (unsigned i = 0; i < 256 && r == 0; i++) {
		char path[RTSP_FOLDER_PATH];
		r = fits(snprintf(path, sizeof path, "%s/%02x", dir, i), err);
		r = r ? r : walk(path, hint, each, err);
	}
	return r;
}

struct searching {
	const char *digest; /* of a media file, as its name has it here */
	size_t size;
	bool found;
};

/* A description of what is gone needs nothing any more. */
static int search_one(void *hint, const char *folder, const char *name)
{
	struct searching *q = hint;
	char text[NAME_MAX + 1];
	(void)folder;
	snprintf(text, sizeof text, "%s", name);
	q->found = q->found ||
		   (strncmp(name, q->digest, q->size) == 0 && rtsp_folder_take_ending(text, ".json") &&
			   !rtsp_folder_take_ending(text, ".gone"));
	return 0;
}

int rtsp_folder_is_needed(const char *dir, const char *name, bool *out, struct torap_error *err)
{
	char path[RTSP_FOLDER_PATH];
	struct searching told = { name + 2, RTSP_DIGEST_TEXT - 2, false },
			 pending = { name, RTSP_DIGEST_TEXT, false };
	int r = fits(snprintf(path, sizeof path, "%s/%.2s", dir, name), err);
	r = r ? r : walk(path, &told, search_one, err);
	r = r ? r : rtsp_folder_walk_pending(dir, &pending, search_one, err);
	*out = told.found || pending.found;
	return r;
}

/* Files. */

bool rtsp_folder_has(const char *path)
{
	return access(path, F_OK) == 0;
}

int rtsp_folder_read_item(struct rtsp_item *out, const char *path, const char *name, struct torap_error *err)
{
	struct torap_buffer *text;
	char own[RTSP_ITEM_NAME_SIZE];
	int r = torap_file_read(&text, path, RTSP_ITEM_TEXT_MAX, err);
	if (r)
		return r;
	r = rtsp_item_read(out, torap_buffer_bytes(text), err);
	torap_buffer_unref(text);
	if (r)
		torap_error_prefix(err, "%s: ", path);
	else if (strcmp(rtsp_item_name(out, own), name) != 0)
		r = torap_errorf(err, -EBADMSG, "%s: it describes another file, camera or alarm", path);
	return r;
}

int rtsp_folder_remove(const char *path, struct torap_error *err)
{
	if (unlink(path) == 0)
		return torap_file_flush_folder(path, err);
	return errno == ENOENT ? 0 : torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
}

int rtsp_folder_move(const char *from, const char *to, struct torap_error *err)
{
	struct stat st;
	/* Moved already, and its flush failed: what is left is to flush. */
	if (rename(from, to) && !(errno == ENOENT && lstat(to, &st) == 0 && S_ISREG(st.st_mode)))
		return torap_errorf(err, -errno, "%s: %s", from, strerror(errno));
	int r = torap_file_flush_folder(to, err);
	return r ? r : torap_file_flush_folder(from, err);
}

void rtsp_folder_digest(uint8_t out[static TORAP_DIGEST_SIZE], struct torap_bytes file)
{
	crypto_generichash(out, TORAP_DIGEST_SIZE, file.data, file.size, NULL, 0);
}
