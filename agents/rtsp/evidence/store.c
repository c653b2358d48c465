#include "agents/rtsp/evidence/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "conf/file.h"

/* Opening. */

struct opening {
	struct rtsp_store *store;
	struct torap_error *err;
};

/* A crash in mid-writing leaves it; what it was to become is not told, or told as missing. */
static bool is_half_written(char *name)
{
	return rtsp_folder_take_ending(name, ".new");
}

static int count_media(void *hint, const char *folder, const char *name)
{
	struct opening *o = hint;
	char path[RTSP_FOLDER_PATH], text[NAME_MAX + 1];
	struct stat st;
	int r = rtsp_folder_join(path, folder, name, o->err);
	if (r)
		return r;
	snprintf(text, sizeof text, "%s", name);
	if (is_half_written(text))
		return rtsp_folder_remove(path, o->err);
	if ((rtsp_folder_take_ending(text, ".jpg") || rtsp_folder_take_ending(text, ".mp4")) &&
		stat(path, &st) == 0) {
		o->store->bytes += (uint64_t)st.st_size;
		o->store->files++;
	}
	return 0;
}

static int mend_pending(void *hint, const char *folder, const char *name)
{
	const struct opening *o = hint;
	char path[RTSP_FOLDER_PATH], text[NAME_MAX + 1];
	int r = rtsp_folder_join(path, folder, name, o->err);
	snprintf(text, sizeof text, "%s", name);
	return r || !is_half_written(text) ? r : rtsp_folder_remove(path, o->err);
}

static int take_lock(struct rtsp_store *s, struct torap_error *err)
{
	char path[RTSP_FOLDER_PATH];
	int r = rtsp_folder_join(path, s->dir, "lock", err);
	if (r)
		return r;
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, RTSP_FOLDER_MODE);
	if (s->lock_fd < 0)
		return torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return torap_errorf(err, -EBUSY, "%s: another process has this folder", s->dir);
	return 0;
}

int rtsp_store_open(struct rtsp_store *s, const char *dir, struct torap_error *err)
{
	struct opening o = { s, err };
	*s = (struct rtsp_store){ .dir = strdup(dir), .lock_fd = -1 };
	pthread_mutex_init(&s->lock, NULL);
	int r = s->dir ? rtsp_folder_make(dir, "", err) : torap_errorf(err, -ENOMEM, "out of memory");
	r = r ? r : rtsp_folder_make(dir, "pending", err);
	r = r ? r : take_lock(s, err);
	for (unsigned i = 0; i < 256 && r == 0; i++) {
		char name[4];
		snprintf(name, sizeof name, "%02x", i);
		r = rtsp_folder_make(dir, name, err);
	}
	r = r ? r : rtsp_folder_walk_media(dir, &o, count_media, err);
	r = r ? r : rtsp_folder_walk_pending(dir, &o, mend_pending, err);
	if (r)
		rtsp_store_close(s);
	return r;
}

void rtsp_store_close(struct rtsp_store *s)
{
	if (!s->dir)
		return;
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	s->dir = NULL;
}

/* Walking. */

struct walking {
	bool pending;
	void *hint;
	void (*show)(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item);
};

static int walk_one(void *hint, const char *folder, const char *name)
{
	const struct walking *w = hint;
	char path[RTSP_FOLDER_PATH], text[NAME_MAX + 3];
	struct rtsp_item item;
	struct torap_error err;
	enum rtsp_stage stage = w->pending ? RTSP_STAGE_PENDING : RTSP_STAGE_TOLD;
	snprintf(text, sizeof text, "%s%s", w->pending ? "" : strrchr(folder, '/') + 1, name);
	if (w->pending && rtsp_folder_take_ending(text, ".gone.json"))
		stage = RTSP_STAGE_GONE;
	else if (!rtsp_folder_take_ending(text, ".json"))
		return 0;
	if (rtsp_folder_join(path, folder, name, &err) || rtsp_folder_read_item(&item, path, text, &err))
		w->show(w->hint, stage, err.text, NULL);
	else
		w->show(w->hint, stage, text, &item);
	return 0;
}

int rtsp_store_walk(struct rtsp_store *s, void *hint,
	void (*show)(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item),
	struct torap_error *err)
{
	struct walking w = { true, hint, show };
	int r = rtsp_folder_walk_pending(s->dir, &w, walk_one, err);
	w.pending = false;
	return r ? r : rtsp_folder_walk_media(s->dir, &w, walk_one, err);
}

/* Storing. */

/* *out is the file, if it is what its digest says. */
static int read_media(
	struct torap_buffer **out, const char *path, const struct rtsp_item *item, struct torap_error *err)
{
	uint8_t digest[TORAP_DIGEST_SIZE];
	struct torap_buffer *file;
	int r = torap_file_read(&file, path, RTSP_MEDIA_MAX, err);
	if (r)
		return r == -ENOENT ? RTSP_STORE_NO_FILE : r;
	rtsp_folder_digest(digest, torap_buffer_bytes(file));
	if (memcmp(digest, item->digest, sizeof digest) != 0 || torap_buffer_bytes(file).size != item->size) {
		torap_buffer_unref(file);
		return RTSP_STORE_DAMAGED;
	}
	*out = file;
	return 0;
}

/* The same file may lie there for another camera or alarm.  If it was damaged meanwhile, it is written once more, which mends that one, too. */
static bool is_whole(const char *path, const struct rtsp_item *item)
{
	struct torap_buffer *file;
	struct torap_error why;
	if (read_media(&file, path, item, &why))
		return false;
	torap_buffer_unref(file);
	return true;
}

static uint64_t size_of(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void forget_bytes(struct rtsp_store *s, uint64_t size)
{
	s->bytes -= size < s->bytes ? size : s->bytes;
}

static int write_both(struct rtsp_store *s, const char *pending, const char *text, const char *media,
	struct torap_bytes file, struct torap_error *err)
{
	bool was_there = rtsp_folder_has(media);
	uint64_t old = size_of(media);
	int r = torap_file_replace(pending, RTSP_FOLDER_MODE, torap_bytes(text, strlen(text)), err);
	r = r ? r : torap_file_replace(media, RTSP_FOLDER_MODE, file, err);
	if (r) {
		struct torap_error why;
		/* Should this fail, too: what is described is told as missing after the next start. */
		if (!was_there)
			(void)rtsp_folder_remove(media, &why);
		(void)rtsp_folder_remove(pending, &why);
		return r;
	}
	forget_bytes(s, old);
	s->bytes += file.size;
	s->files += !was_there;
	return 0;
}

struct places { /* of a piece of evidence */
	char pending[RTSP_FOLDER_PATH], told[RTSP_FOLDER_PATH], media[RTSP_FOLDER_PATH];
};

static int find_places(struct places *out, const struct rtsp_store *s, const struct rtsp_item *item,
	const char *name, struct torap_error *err)
{
	int r = rtsp_folder_item(out->pending, s->dir, RTSP_STAGE_PENDING, name, err);
	r = r ? r : rtsp_folder_item(out->told, s->dir, RTSP_STAGE_TOLD, name, err);
	return r ? r : rtsp_folder_media(out->media, s->dir, name, item->media, err);
}

static bool has_alarm(const struct rtsp_item *item, const struct rtsp_alarm *alarm)
{
	for (uint32_t i = 0; i < item->alarms_count; i++)
		if (item->alarms[i].seq == alarm->seq && strcmp(item->alarms[i].stream, alarm->stream) == 0)
			return true;
	return false;
}

/* False, and *item is as it was: none, or all. */
static bool take_alarms_out(struct rtsp_item *item, const struct rtsp_item *known)
{
	struct rtsp_item left = *item;
	left.alarms_count = 0;
	for (uint32_t i = 0; i < item->alarms_count; i++)
		if (!has_alarm(known, &item->alarms[i]))
			left.alarms[left.alarms_count++] = item->alarms[i];
	bool some = left.alarms_count && left.alarms_count < item->alarms_count;
	if (some)
		*item = left;
	return some;
}

/* The same file of the same camera may be there, told or about to be, for the first of these alarms, by a process that was killed: then what is
 * put is for the others.  1: all of them have it. */
static int leave_out_what_is_known(
	const struct rtsp_store *s, struct rtsp_item *item, struct places *at, struct torap_error *err)
{
	for (;;) {
		char name[RTSP_ITEM_NAME_SIZE];
		struct rtsp_item known;
		int r = find_places(at, s, item, rtsp_item_name(item, name), err);
		if (r)
			return r;
		bool told = rtsp_folder_has(at->told);
		if (!told && !(rtsp_folder_has(at->pending) && is_whole(at->media, item)))
			return 0;
		r = rtsp_folder_read_item(&known, told ? at->told : at->pending, name, err);
		if (r)
			return r;
		if (!take_alarms_out(item, &known))
			return 1;
	}
}

static int put(struct rtsp_store *s, struct rtsp_item *item, struct torap_bytes file, uint64_t quota,
	struct torap_error *err)
{
	struct places at;
	int r = leave_out_what_is_known(s, item, &at, err);
	if (r)
		return r > 0 ? 0 : r;
	bool whole = is_whole(at.media, item);
	if (!whole && s->bytes + file.size > quota)
		return RTSP_STORE_OVER_QUOTA;
	char *text = rtsp_item_write(item);
	if (!text)
		return torap_errorf(err, -ENOMEM, "out of memory");
	r = whole ? torap_file_replace(at.pending, RTSP_FOLDER_MODE, torap_bytes(text, strlen(text)), err)
		  : write_both(s, at.pending, text, at.media, file, err);
	free(text);
	return r;
}

int rtsp_store_put(struct rtsp_store *s, struct rtsp_item *item, struct torap_bytes file, uint64_t quota,
	struct torap_error *err)
{
	rtsp_folder_digest(item->digest, file);
	item->size = file.size;
	pthread_mutex_lock(&s->lock);
	int r = put(s, item, file, quota, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static int get(struct rtsp_store *s, enum rtsp_stage stage, const char *name, struct rtsp_item *item,
	struct torap_error *err)
{
	char path[RTSP_FOLDER_PATH];
	int r = rtsp_folder_item(path, s->dir, stage, name, err);
	return r ? r : rtsp_folder_read_item(item, path, name, err);
}

int rtsp_store_get(struct rtsp_store *s, enum rtsp_stage stage, const char *name, struct rtsp_item *item,
	struct torap_error *err)
{
	pthread_mutex_lock(&s->lock);
	int r = get(s, stage, name, item, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

int rtsp_store_load(struct rtsp_store *s, const char *name, struct rtsp_item *item, struct torap_buffer **out,
	struct torap_error *err)
{
	char path[RTSP_FOLDER_PATH];
	pthread_mutex_lock(&s->lock);
	int r = get(s, RTSP_STAGE_PENDING, name, item, err);
	r = r ? r : rtsp_folder_media(path, s->dir, name, item->media, err);
	r = r ? r : read_media(out, path, item, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* Telling. */

/* One digit is written over, in its place: that needs no room, which a full disk has not, and no right in a folder. */
static int mark(const char *path, enum rtsp_told_of what, struct torap_error *err)
{
	char text[RTSP_ITEM_TEXT_MAX], digit = (char)('0' + what);
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	ssize_t size = fd >= 0 ? read(fd, text, sizeof text) : -1;
	size_t at = size > 0 ? rtsp_item_told_at(torap_bytes(text, (size_t)size)) : 0;
	int r = 0;
	if (fd < 0 || size < 0 || (at && (pwrite(fd, &digit, 1, (off_t)at) != 1 || fsync(fd))))
		r = torap_errorf(err, errno ? -errno : -EIO, "%s: %s", path, strerror(errno));
	else if (!at)
		r = torap_errorf(err, -EBADMSG, "%s: has no place for a mark", path);
	if (fd >= 0)
		close(fd);
	return r;
}

/* Out of `pending`.  Where nothing is left of a file, nothing is left to be kept, looked for by a check and deleted in the end. */
static int leave_pending(struct rtsp_store *s, enum rtsp_told_of what, const char *name, const char *from,
	struct torap_error *err)
{
	char to[RTSP_FOLDER_PATH], media[RTSP_FOLDER_PATH];
	struct rtsp_item item;
	if (what == RTSP_TELL_DELETED)
		return rtsp_folder_remove(from, err);
	int r = rtsp_folder_item(to, s->dir, RTSP_STAGE_TOLD, name, err);
	if (r || what == RTSP_TELL_STORED)
		return r ? r : rtsp_folder_move(from, to, err);
	r = rtsp_folder_read_item(&item, from, name, err);
	r = r ? r : rtsp_folder_media(media, s->dir, name, item.media, err);
	if (r || rtsp_folder_has(media))
		return r ? r : rtsp_folder_move(from, to, err);
	r = rtsp_folder_remove(from, err);
	return r ? r : RTSP_STORE_NO_FILE;
}

int rtsp_store_settle(struct rtsp_store *s, enum rtsp_told_of what, const char *name, struct torap_error *err)
{
	char path[RTSP_FOLDER_PATH];
	struct torap_error why;
	pthread_mutex_lock(&s->lock);
	int r = rtsp_folder_item(
		path, s->dir, what == RTSP_TELL_DELETED ? RTSP_STAGE_GONE : RTSP_STAGE_PENDING, name, err);
	if (!r) {
		(void)mark(path, what, &why); /* needed only if what follows fails, and that tells why */
		r = leave_pending(s, what, name, path, err);
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* Removing. */

static int remove_media(
	struct rtsp_store *s, const char *name, const struct rtsp_item *item, struct torap_error *err)
{
	char path[RTSP_FOLDER_PATH];
	bool needed;
	int r = rtsp_folder_is_needed(s->dir, name, &needed, err);
	r = r ? r : rtsp_folder_media(path, s->dir, name, item->media, err);
	if (r || needed || !rtsp_folder_has(path))
		return r;
	uint64_t size = size_of(path);
	r = rtsp_folder_remove(path, err);
	if (r == 0) {
		forget_bytes(s, size);
		s->files--;
	}
	return r;
}

/* First the description, then the file: killed in between, the next start finds the description and takes the file away.  The other way
 * round, a file that is promised would not be there. */
int rtsp_store_remove(struct rtsp_store *s, enum rtsp_stage stage, const char *name, struct torap_error *err)
{
	char from[RTSP_FOLDER_PATH], to[RTSP_FOLDER_PATH];
	struct rtsp_item item;
	pthread_mutex_lock(&s->lock);
	int r = rtsp_folder_item(from, s->dir, stage, name, err);
	r = r ? r : rtsp_folder_item(to, s->dir, RTSP_STAGE_GONE, name, err);
	r = r ? r : rtsp_folder_read_item(&item, from, name, err);
	if (r == 0 && stage != RTSP_STAGE_GONE)
		r = rtsp_folder_move(from, to, err);
	r = r ? r : remove_media(s, name, &item, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}
