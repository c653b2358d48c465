/* item.h: a piece of evidence: what a picture or clip is, which camera, when, what is missing in it, and for which alarms.  Its text form is
 * the file beside it (NAME.json), which says as much as the event does. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/time.h"

struct torap_error;

enum {
	RTSP_ALARMS_MAX = 4,
	RTSP_GAPS_MAX = 8, /* that are named; more are counted */
	RTSP_ITEM_TEXT_MAX = 16 << 10,
	RTSP_STREAM_TEXT_MAX = 63,
	RTSP_NAME_MAX = 64,
	RTSP_ITEM_NAME_SIZE = 2 * TORAP_DIGEST_SIZE + 1 + 16 + 1, /* "digest.id" */
};

enum rtsp_media { RTSP_SNAPSHOT, RTSP_CLIP };

struct rtsp_alarm {
	char stream[RTSP_STREAM_TEXT_MAX + 1]; /* "writer/lane/incarnation" */
	uint64_t seq;
	uint32_t kind;
	struct torap_wall at;
};

struct rtsp_gap {
	struct torap_wall from, until;
	uint32_t packets; /* lost; 0: not known, the session broke */
};

struct rtsp_item {
	uint8_t digest[TORAP_DIGEST_SIZE]; /* BLAKE2b-256 of the file */
	enum rtsp_media media;
	uint64_t size;
	char camera[TORAP_ADDRESS_MAX + 1], site[RTSP_NAME_MAX + 1];
	struct torap_wall from, until; /* of the picture both the same */
	struct torap_wall stored;
	uint16_t width, height;
	uint32_t frames; /* of a clip */
	struct rtsp_gap gaps[RTSP_GAPS_MAX];
	uint32_t gaps_count; /* perhaps more than are named */
	struct rtsp_alarm alarms[RTSP_ALARMS_MAX];
	uint32_t alarms_count;
	uint32_t alarms_more; /* that are not named */
};

const char *rtsp_media_type(enum rtsp_media media);      /* "image/jpeg" */
const char *rtsp_media_extension(enum rtsp_media media); /* "jpg" */

/* "2026-…Z/2026-…Z (12 packets); …", and how many more there are. */
void rtsp_gaps_format(const struct rtsp_item *item, char *text, size_t size);
/* Of which file, and for which camera and alarm: the same picture may serve two. */
char *rtsp_item_name(const struct rtsp_item *item, char text[static RTSP_ITEM_NAME_SIZE]);

/* JSON, owned by the caller.  NULL: memory ran out. */
char *rtsp_item_write(const struct rtsp_item *item);
/* 0, or a negative error: it is none. */
int rtsp_item_read(struct rtsp_item *out, struct torap_bytes text, struct torap_error *err);
