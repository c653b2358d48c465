#include "agents/ctl/pictures.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/follow/line.h"
#include "base/error.h"
#include "base/log.h"
#include "conf/file.h"
#include "wire/digest.h"

enum { MODE = 0640, PATH_ROOM = 4096 };

static const char *folder;

int ctl_pictures_into(const char *dir, struct torap_error *err)
{
	struct stat st;
	int code = stat(dir, &st) ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
	if (!code && access(dir, W_OK | X_OK))
		code = errno;
	if (code)
		return torap_errorf(err, -code, "--pictures %s: %s", dir, strerror(code));
	folder = dir;
	return 0;
}

static const char *extension_of(const char *media_type)
{
	return strcmp(media_type, "image/jpeg") == 0 ? "jpg" : "bin";
}

/* The same picture again is the same file; one that an earlier version left cut is not. */
static bool is_there(const char *path, struct torap_bytes picture)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == picture.size;
}

static void save(const Torap__EventImage *image)
{
	struct torap_bytes picture = torap_bytes(image->data.data, image->data.len);
	uint8_t digest[TORAP_DIGEST_SIZE];
	char name[2 * TORAP_DIGEST_SIZE + 1], path[PATH_ROOM];
	struct torap_error err;
	torap_digest(digest, picture);
	torap_hex(name, torap_bytes(digest, sizeof digest));
	int size = snprintf(path, sizeof path, "%s/%s.%s", folder, name, extension_of(image->media_type));
	int r = size < (int)sizeof path
			? 0
			: torap_errorf(&err, -ENAMETOOLONG, "%s: %s", folder, strerror(ENAMETOOLONG));
	if (!r && !is_there(path, picture))
		r = torap_file_replace(path, MODE, picture, &err);
	if (r)
		torap_fail("PICTURE-LOST", "%s; it stays in the feed's directory", err.text);
}

void ctl_pictures_json(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
	struct torap_writer *line)
{
	if (event->image)
		save(event->image);
	follow_line_json(hint, stream, event, line);
}

void ctl_pictures_table(void *hint, const struct torap_stream_id *stream, const struct torap_opened *event,
	struct torap_writer *line)
{
	if (event->image)
		save(event->image);
	follow_line_table(hint, stream, event, line);
}
