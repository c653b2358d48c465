#include "agents/archive/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/archive/container.h"
#include "agents/archive/pattern.h"
#include "base/error.h"

enum { PATH_ROOM = 1024, BELIEVED = 4 };

struct walk {
	const struct archive_folder *folder;
	struct archive_spans *spans;
	uint64_t files, others;
	struct torap_error *err;
};

/* When it begins, and how long it says that it is (0: it does not).  False: it does not say. */
static bool dated(
	const struct walk *w, int folder, const char *name, const char *path, struct archive_container *out)
{
	*out = (struct archive_container){ .length_us = 0 };
	if (w->folder->pattern)
		return archive_pattern_read(&out->from, w->folder->pattern, w->folder->utc_offset_s, path);
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool told = fd >= 0 && archive_container_read(out, fd);
	if (fd >= 0)
		close(fd);
	return told;
}

static void take_file(struct walk *w, int folder, const char *name, const char *path, const struct stat *s)
{
	struct archive_container film;
	int64_t length_us = w->folder->length_s * TORAP_US_PER_S;
	const int64_t most_us = BELIEVED * length_us;
	if (s->st_size == 0 || !dated(w, folder, name, path, &film)) {
		w->others++;
		return;
	}
	int64_t written_us; /* disks say anything */
	if (__builtin_mul_overflow(s->st_mtim.tv_sec, TORAP_US_PER_S, &written_us) ||
		__builtin_sub_overflow(written_us, film.from.us, &written_us))
		written_us = 0;
	if (film.length_us > 0 && film.length_us <= most_us)
		length_us = film.length_us;
	else if (written_us > 0 && written_us <= most_us)
		length_us = written_us;
	archive_spans_add(w->spans, film.from, (struct torap_wall){ film.from.us + length_us });
	w->files++;
}

static int walk_folder(struct walk *w, int parent, const char *name, char *path, size_t size, int depth);

static int walk_entry(struct walk *w, int folder, const char *name, char *path, size_t size, int depth)
{
	struct stat s;
	if (w->folder->stopped && atomic_load(w->folder->stopped))
		return torap_errorf(w->err, -ECANCELED, "stopping");
	if (fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW))
		return 0; /* Gone meanwhile: recorders delete their oldest. */
	int more = snprintf(path + size, PATH_ROOM - size, "%s%s", size ? "/" : "", name);
	if (more < 0 || size + (size_t)more >= PATH_ROOM) {
		w->others++;
		return 0;
	}
	if (S_ISDIR(s.st_mode))
		return walk_folder(w, folder, name, path, size + (size_t)more, depth + 1);
	if (S_ISREG(s.st_mode))
		take_file(w, folder, name, path, &s);
	if (w->files + w->others > ARCHIVE_FILES_MAX)
		return torap_errorf(
			w->err, -E2BIG, "%s: holds more than %d files", w->folder->path, ARCHIVE_FILES_MAX);
	return 0;
}

static int walk_folder(struct walk *w, int parent, const char *name, char *path, size_t size, int depth)
{
	if (depth > ARCHIVE_DEPTH_MAX)
		return torap_errorf(
			w->err, -ELOOP, "%s: folders lie deeper than %d", w->folder->path, ARCHIVE_DEPTH_MAX);
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth ? O_NOFOLLOW : 0));
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int code = -errno;
		if (fd >= 0)
			close(fd);
		return depth && code == -ENOENT ? 0
						: torap_errorf(w->err, code, "%s/%.*s: %s", w->folder->path,
							  (int)size, path, strerror(-code));
	}
	int r = 0;
	const struct dirent *e;
	while (r == 0 && (errno = 0, e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = walk_entry(w, fd, e->d_name, path, size, depth);
	if (r == 0 && errno) /* A disk that fails: what came is not all. */
		r = torap_errorf(
			w->err, -errno, "%s/%.*s: %s", w->folder->path, (int)size, path, strerror(errno));
	closedir(dir);
	return r;
}

int archive_segments_read(struct archive_spans *out, const struct archive_folder *folder, uint64_t *files,
	uint64_t *others, struct torap_error *err)
{
	struct walk w = { .folder = folder, .spans = out, .err = err };
	char path[PATH_ROOM] = "";
	int r = walk_folder(&w, AT_FDCWD, folder->path, path, 0, 0);
	*files = w.files;
	*others = w.others;
	if (r == 0 && out->failed)
		r = torap_errorf(err, -ENOMEM, "%s: too many pieces, or out of memory", folder->path);
	return r;
}
