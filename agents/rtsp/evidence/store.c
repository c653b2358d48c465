#include "agents/rtsp/evidence/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "conf/file.h"

enum {
	MODE = 0640,
	DIR_MODE = 0750,
	PATH_ROOM = 4096,
	DIGEST_TEXT = 2 * TORAP_DIGEST_SIZE,
	FILE_SIZE_MAX = 1 << 30,
};

/* Paths. */

static int fits(int size, struct torap_error *err)
{
	return size > 0 && size < PATH_ROOM
		       ? 0
		       : torap_errorf(err, -ENAMETOOLONG, "the folder's name is too long");
}

static int media_path(char path[static PATH_ROOM], const char *dir, const char *name, const char *extension,
	struct torap_error *err)
{
	return fits(
		snprintf(path, PATH_ROOM, "%s/%.2s/%.*s.%s", dir, name, DIGEST_TEXT - 2, name + 2, extension),
		err);
}

static int item_path(char path[static PATH_ROOM], const char *dir, enum rtsp_stage stage, const char *name,
	struct torap_error *err)
{
	int size = stage == RTSP_STAGE_TOLD
			   ? snprintf(path, PATH_ROOM, "%s/%.2s/%s.json", dir, name, name + 2)
			   : snprintf(path, PATH_ROOM, "%s/pending/%s%s.json", dir, name,
				     stage == RTSP_STAGE_GONE ? ".gone" : "");
	return fits(size, err);
}

static bool is_hex(const char *text, size_t size)
{
	return strspn(text, "0123456789abcdef") >= size;
}

/* "digest.id", for a name that stands before ".json". */
static bool is_name(const char *text)
{
	return strlen(text) == RTSP_ITEM_NAME_SIZE - 1 && is_hex(text, DIGEST_TEXT) &&
	       text[DIGEST_TEXT] == '.' && is_hex(text + DIGEST_TEXT + 1, 16);
}

static bool take_ending(char *text, const char *ending)
{
	size_t size = strlen(text), end = strlen(ending);
	if (size <= end || strcmp(text + size - end, ending) != 0)
		return false;
	text[size - end] = 0;
	return true;
}

/* Folders. */

static int make_folder(const char *dir, const char *name, struct torap_error *err)
{
	char path[PATH_ROOM];
	int r = fits(snprintf(path, sizeof path, "%s%s%s", dir, *name ? "/" : "", name), err);
	if (r)
		return r;
	if (mkdir(path, DIR_MODE) == 0)
		return torap_file_flush_folder(path, err);
	return errno == EEXIST ? 0 : torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
}

/* Calls `each` for every name; a failure of it ends the walk. */
static int walk_folder(const char *path, void *hint,
	int (*each)(void *hint, const char *folder, const char *name), struct torap_error *err)
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

/* Every "aa" of the folder. */
static int walk_media(const char *dir, void *hint,
	int (*each)(void *hint, const char *folder, const char *name), struct torap_error *err)
{
	int r = 0;
	for (unsigned i = 0; i < 256 && r == 0; i++) {
		char path[PATH_ROOM];
		r = fits(snprintf(path, sizeof path, "%s/%02x", dir, i), err);
		r = r ? r : walk_folder(path, hint, each, err);
	}
	return r;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Files. */

static void digest_of(uint8_t out[static TORAP_DIGEST_SIZE], struct torap_bytes file)
{
	crypto_generichash(out, TORAP_DIGEST_SIZE, file.data, file.size, NULL, 0);
}

static int read_item(struct rtsp_item *out, const char *path, struct torap_error *err)
{
	struct torap_buffer *text;
	int r = torap_file_read(&text, path, RTSP_ITEM_TEXT_MAX, err);
	if (r)
		return r;
	r = rtsp_item_read(out, torap_buffer_bytes(text), err);
	torap_buffer_unref(text);
	if (r)
		torap_error_prefix(err, "%s: ", path);
	return r;
}

static int remove_file(const char *path, struct torap_error *err)
{
	if (unlink(path) == 0)
		return torap_file_flush_folder(path, err);
	return errno == ENOENT ? 0 : torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
}

static int move_file(const char *from, const char *to, struct torap_error *err)
{
	if (rename(from, to))
		return torap_errorf(err, -errno, "%s: %s", from, strerror(errno));
	int r = torap_file_flush_folder(to, err);
	return r ? r : torap_file_flush_folder(from, err);
}

/* Opening. */

struct opening {
	struct rtsp_store *store;
	struct torap_error *err;
};

static int count_media(void *hint, const char *folder, const char *name)
{
	struct opening *o = hint;
	char path[PATH_ROOM], text[NAME_MAX + 1];
	struct stat st;
	snprintf(text, sizeof text, "%s", name);
	if (fits(snprintf(path, sizeof path, "%s/%s", folder, name), o->err))
		return -ENAMETOOLONG;
	if (take_ending(text, ".new")) /* a crash in mid-writing */
		return remove_file(path, o->err);
	if ((take_ending(text, ".jpg") || take_ending(text, ".mp4")) && stat(path, &st) == 0) {
		o->store->bytes += (uint64_t)st.st_size;
		o->store->files++;
	}
	return 0;
}

static int mend_pending(void *hint, const char *folder, const char *name)
{
	struct opening *o = hint;
	struct rtsp_store *s = o->store;
	char path[PATH_ROOM], text[NAME_MAX + 1], media[PATH_ROOM];
	struct rtsp_item item;
	struct torap_error why;
	snprintf(text, sizeof text, "%s", name);
	if (fits(snprintf(path, sizeof path, "%s/%s", folder, name), o->err))
		return -ENAMETOOLONG;
	if (take_ending(text, ".new"))
		return remove_file(path, o->err);
	bool gone = take_ending(text, ".gone.json");
	if ((!gone && !take_ending(text, ".json")) || !is_name(text) || read_item(&item, path, &why))
		return 0;
	int r = media_path(media, s->dir, text, rtsp_media_extension(item.media), o->err);
	if (r || gone || exists(media))
		return r;
	return remove_file(path, o->err); /* its file never came */
}

static int take_lock(struct rtsp_store *s, struct torap_error *err)
{
	char path[PATH_ROOM];
	int r = fits(snprintf(path, sizeof path, "%s/lock", s->dir), err);
	if (r)
		return r;
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, MODE);
	if (s->lock_fd < 0)
		return torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return torap_errorf(err, -EBUSY, "%s: another process has this folder", s->dir);
	return 0;
}

int rtsp_store_open(struct rtsp_store *s, const char *dir, struct torap_error *err)
{
	struct opening o = { s, err };
	char path[PATH_ROOM];
	*s = (struct rtsp_store){ .dir = strdup(dir), .lock_fd = -1 };
	pthread_mutex_init(&s->lock, NULL);
	int r = s->dir ? make_folder(dir, "", err) : torap_errorf(err, -ENOMEM, "out of memory");
	r = r ? r : make_folder(dir, "pending", err);
	r = r ? r : take_lock(s, err);
	for (unsigned i = 0; i < 256 && r == 0; i++) {
		char name[4];
		snprintf(name, sizeof name, "%02x", i);
		r = make_folder(dir, name, err);
	}
	r = r ? r : walk_media(dir, &o, count_media, err);
	r = r ? r : fits(snprintf(path, sizeof path, "%s/pending", dir), err);
	r = r ? r : walk_folder(path, &o, mend_pending, err);
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
	struct rtsp_store *store;
	uint64_t *strange;
	bool pending;
	void *hint;
	void (*show)(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item);
};

static int walk_one(void *hint, const char *folder, const char *name)
{
	const struct walking *w = hint;
	char path[PATH_ROOM], text[NAME_MAX + 1];
	struct rtsp_item item;
	struct torap_error err;
	enum rtsp_stage stage = w->pending ? RTSP_STAGE_PENDING : RTSP_STAGE_TOLD;
	snprintf(text, sizeof text, "%s%s", w->pending ? "" : strrchr(folder, '/') + 1, name);
	if (w->pending && take_ending(text, ".gone.json"))
		stage = RTSP_STAGE_GONE;
	else if (!take_ending(text, ".json"))
		return 0;
	if (!is_name(text) || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path ||
		read_item(&item, path, &err)) {
		++*w->strange;
		return 0;
	}
	w->show(w->hint, stage, text, &item);
	return 0;
}

int rtsp_store_walk(struct rtsp_store *s, uint64_t *strange, void *hint,
	void (*show)(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item),
	struct torap_error *err)
{
	struct walking w = { s, strange, true, hint, show };
	char path[PATH_ROOM];
	*strange = 0;
	int r = fits(snprintf(path, sizeof path, "%s/pending", s->dir), err);
	r = r ? r : walk_folder(path, &w, walk_one, err);
	w.pending = false;
	return r ? r : walk_media(s->dir, &w, walk_one, err);
}

/* Storing. */

static int put(struct rtsp_store *s, struct rtsp_item *item, struct torap_bytes file, const char *text,
	struct torap_error *err)
{
	char name[RTSP_ITEM_NAME_SIZE], pending[PATH_ROOM], told[PATH_ROOM], media[PATH_ROOM];
	rtsp_item_name(item, name);
	int r = item_path(pending, s->dir, RTSP_STAGE_PENDING, name, err);
	r = r ? r : item_path(told, s->dir, RTSP_STAGE_TOLD, name, err);
	r = r ? r : media_path(media, s->dir, name, rtsp_media_extension(item->media), err);
	if (r || exists(told)) /* the same file of the same camera for the same alarm: asked twice */
		return r;
	bool there = exists(media);
	r = torap_file_replace(pending, MODE, torap_bytes(text, strlen(text)), err);
	if (r == 0 && !there)
		r = torap_file_replace(media, MODE, file, err);
	if (r) {
		struct torap_error why;
		(void)remove_file(pending, &why); /* else the next start does it */
	} else if (!there) {
		s->bytes += file.size;
		s->files++;
	}
	return r;
}

int rtsp_store_put(
	struct rtsp_store *s, struct rtsp_item *item, struct torap_bytes file, struct torap_error *err)
{
	digest_of(item->digest, file);
	item->size = file.size;
	char *text = rtsp_item_write(item);
	if (!text)
		return torap_errorf(err, -ENOMEM, "out of memory");
	pthread_mutex_lock(&s->lock);
	int r = put(s, item, file, text, err);
	pthread_mutex_unlock(&s->lock);
	free(text);
	return r;
}

static int read_media(struct rtsp_store *s, const char *name, const struct rtsp_item *item,
	struct torap_writer *file, struct torap_error *err)
{
	char path[PATH_ROOM];
	struct torap_buffer *bytes;
	int r = media_path(path, s->dir, name, rtsp_media_extension(item->media), err);
	r = r ? r : torap_file_read(&bytes, path, FILE_SIZE_MAX, err);
	if (r)
		return r;
	torap_write_bytes(file, torap_buffer_bytes(bytes));
	torap_buffer_unref(bytes);
	return file->failed ? torap_errorf(err, -ENOMEM, "out of memory") : 0;
}

int rtsp_store_get(struct rtsp_store *s, enum rtsp_stage stage, const char *name, struct rtsp_item *item,
	struct torap_writer *file, struct torap_error *err)
{
	char path[PATH_ROOM];
	pthread_mutex_lock(&s->lock);
	int r = item_path(path, s->dir, stage, name, err);
	r = r ? r : read_item(item, path, err);
	if (r == 0 && file)
		r = read_media(s, name, item, file, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

int rtsp_store_told(struct rtsp_store *s, const char *name, struct torap_error *err)
{
	char from[PATH_ROOM], to[PATH_ROOM];
	pthread_mutex_lock(&s->lock);
	int r = item_path(from, s->dir, RTSP_STAGE_PENDING, name, err);
	r = r ? r : item_path(to, s->dir, RTSP_STAGE_TOLD, name, err);
	r = r ? r : move_file(from, to, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* Removing. */

struct searching {
	const char *digest; /* of a media file, as its name has it here */
	size_t size;
	bool found;
};

static int search_one(void *hint, const char *folder, const char *name)
{
	struct searching *q = hint;
	char text[NAME_MAX + 1];
	(void)folder;
	snprintf(text, sizeof text, "%s", name);
	q->found = q->found || (strncmp(name, q->digest, q->size) == 0 && take_ending(text, ".json") &&
				       !take_ending(text, ".gone"));
	return 0;
}

/* Does the file serve another camera or alarm? */
static int is_needed(const struct rtsp_store *s, const char *name, bool *out, struct torap_error *err)
{
	char path[PATH_ROOM];
	struct searching told = { name + 2, DIGEST_TEXT - 2, false }, pending = { name, DIGEST_TEXT, false };
	int r = fits(snprintf(path, sizeof path, "%s/%.2s", s->dir, name), err);
	r = r ? r : walk_folder(path, &told, search_one, err);
	r = r ? r : fits(snprintf(path, sizeof path, "%s/pending", s->dir), err);
	r = r ? r : walk_folder(path, &pending, search_one, err);
	*out = told.found || pending.found;
	return r;
}

static int remove_media(
	struct rtsp_store *s, const char *name, const struct rtsp_item *item, struct torap_error *err)
{
	char path[PATH_ROOM];
	bool needed;
	int r = is_needed(s, name, &needed, err);
	r = r ? r : media_path(path, s->dir, name, rtsp_media_extension(item->media), err);
	if (r || needed || !exists(path))
		return r;
	r = remove_file(path, err);
	if (r == 0) {
		s->bytes -= item->size < s->bytes ? item->size : s->bytes;
		s->files--;
	}
	return r;
}

int rtsp_store_remove(struct rtsp_store *s, enum rtsp_stage stage, const char *name, struct torap_error *err)
{
	char from[PATH_ROOM], to[PATH_ROOM];
	struct rtsp_item item;
	pthread_mutex_lock(&s->lock);
	int r = item_path(from, s->dir, stage, name, err);
	r = r ? r : item_path(to, s->dir, RTSP_STAGE_GONE, name, err);
	r = r ? r : read_item(&item, from, err);
	if (r == 0 && stage != RTSP_STAGE_GONE)
		r = move_file(from, to, err);
	r = r ? r : remove_media(s, name, &item, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

int rtsp_store_forget(struct rtsp_store *s, const char *name, struct torap_error *err)
{
	char path[PATH_ROOM];
	pthread_mutex_lock(&s->lock);
	int r = item_path(path, s->dir, RTSP_STAGE_GONE, name, err);
	r = r ? r : remove_file(path, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* Checking. */

struct checking {
	const char *dir;
	uint64_t good, wrong, missing, undescribed, strange;
};

static int check_media(void *hint, const char *folder, const char *name)
{
	struct checking *c = hint;
	char path[PATH_ROOM], text[NAME_MAX + 3], digest[DIGEST_TEXT + 1];
	struct torap_error err;
	snprintf(text, sizeof text, "%s%s", strrchr(folder, '/') + 1, name);
	if (take_ending(text, ".json") || (!take_ending(text, ".jpg") && !take_ending(text, ".mp4")))
		return 0;
	if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
		return 0;
	struct torap_buffer *file;
	if (torap_file_read(&file, path, FILE_SIZE_MAX, &err)) {
		printf("%s\n", err.text);
		c->wrong++;
		return 0;
	}
	uint8_t sum[TORAP_DIGEST_SIZE];
	digest_of(sum, torap_buffer_bytes(file));
	torap_buffer_unref(file);
	bool good = strcmp(torap_hex(digest, torap_bytes(sum, sizeof sum)), text) == 0;
	c->good += good;
	c->wrong += !good;
	if (!good)
		printf("%s: altered: its digest is %s\n", path, digest);
	struct rtsp_store store = { .dir = (char *)c->dir };
	bool needed = true;
	if (is_needed(&store, text, &needed, &err) == 0 && !needed) {
		printf("%s: described by nothing\n", path);
		c->undescribed++;
	}
	return 0;
}

static void check_item(void *hint, enum rtsp_stage stage, const char *name, const struct rtsp_item *item)
{
	struct checking *c = hint;
	char path[PATH_ROOM], digest[DIGEST_TEXT + 1];
	struct torap_error err;
	torap_hex(digest, torap_bytes(item->digest, sizeof item->digest));
	if (strncmp(digest, name, DIGEST_TEXT) != 0) {
		printf("%s: its description is of another file\n", name);
		c->strange++;
	}
	if (stage == RTSP_STAGE_GONE ||
		media_path(path, c->dir, name, rtsp_media_extension(item->media), &err) || exists(path))
		return;
	printf("%s: missing\n", path);
	c->missing++;
}

int rtsp_store_check(const char *dir)
{
	struct checking c = { .dir = dir };
	struct rtsp_store store = { .dir = (char *)dir };
	struct torap_error err;
	uint64_t strange;
	if (!exists(dir) || walk_media(dir, &c, check_media, &err) ||
		rtsp_store_walk(&store, &strange, &c, check_item, &err)) {
		fprintf(stderr, "%s: cannot be read%s%s\n", dir, exists(dir) ? ": " : "",
			exists(dir) ? err.text : "");
		return 2;
	}
	strange += c.strange;
	printf("%s: %llu files are as their digests say, %llu altered, %llu missing, %llu described by nothing, %llu descriptions that are none\n",
		dir, (unsigned long long)c.good, (unsigned long long)c.wrong, (unsigned long long)c.missing,
		(unsigned long long)c.undescribed, (unsigned long long)strange);
	return c.wrong || c.missing || c.undescribed || strange ? 1 : 0;
}
