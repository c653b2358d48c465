#include "agents/ctl/pictures.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agents/follow/line.h"
#include "base/error.h"
#include "base/log.h"
#include "conf/file.h"
#include "wire/digest.h"

enum { MODE = 0640, PATH_ROOM = 4096 };

static const char *folder;

void ctl_pictures_into(const char *dir)
{
	folder = dir;
}

static const char *extension_of(const char *media_type)
{
	return strcmp(media_type, "image/jpeg") == 0 ? "jpg" : "bin";
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
	if (size >= (int)sizeof path)
		return;
	int r = torap_file_create(path, MODE, picture, &err);
	if (r && r != -EEXIST) /* the same picture again is the same file */
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
