/* folder.h: where things lie in an evidence folder (store.h draws it), and what is done to single files there.  Who may, when and in which
 * order is the store's.  Blocks.  0 or a negative error where nothing else is said. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/evidence/item.h"

struct torap_error;

enum {
	RTSP_FOLDER_MODE = 0640,
	RTSP_FOLDER_PATH = 4096, /* room for a path */
	RTSP_DIGEST_TEXT = 2 * TORAP_DIGEST_SIZE,
	RTSP_MEDIA_MAX = 1 << 30, /* bytes of a file that is read */
};

enum rtsp_stage { RTSP_STAGE_PENDING, RTSP_STAGE_TOLD, RTSP_STAGE_GONE };

/* `name` is that of rtsp_item_name(); of a media file its digest is enough. */
int rtsp_folder_media(char path[static RTSP_FOLDER_PATH], const char *dir, const char *name,
	enum rtsp_media media, struct torap_error *err);
int rtsp_folder_item(char path[static RTSP_FOLDER_PATH], const char *dir, enum rtsp_stage stage,
	const char *name, struct torap_error *err);
int rtsp_folder_join(
	char path[static RTSP_FOLDER_PATH], const char *folder, const char *name, struct torap_error *err);
/* Takes the ending off, if it is there and something stands before it. */
bool rtsp_folder_take_ending(char *text, const char *ending);

/* `name` "": the folder itself. */
int rtsp_folder_make(const char *dir, const char *name, struct torap_error *err);
/* Calls `each` for every name of `pending`, or of all folders of media; a failure of it ends the walk. */
int rtsp_folder_walk_pending(const char *dir, void *hint,
	int (*each)(void *hint, const char *folder, const char *name), struct torap_error *err);
int rtsp_folder_walk_media(const char *dir, void *hint,
	int (*each)(void *hint, const char *folder, const char *name), struct torap_error *err);
/* Is a file of this digest described, as told or as pending? */
int rtsp_folder_is_needed(const char *dir, const char *name, bool *out, struct torap_error *err);

bool rtsp_folder_has(const char *path);
/* -EBADMSG: it is no description, or not the one that its name says. */
int rtsp_folder_read_item(struct rtsp_item *out, const char *path, const char *name, struct torap_error *err);
/* All that is removed or moved is so on the disk, too.  What is not there is removed already. */
int rtsp_folder_remove(const char *path, struct torap_error *err);
int rtsp_folder_move(const char *from, const char *to, struct torap_error *err);
void rtsp_folder_digest(uint8_t out[static TORAP_DIGEST_SIZE], struct torap_bytes file);
