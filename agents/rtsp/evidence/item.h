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

/* Why something of the time is not in a clip.  The last three end it. */
enum rtsp_gap_cause {
	RTSP_GAP_LOST,     /* packets */
	RTSP_GAP_SESSION,  /* it broke; how many packets that cost is not known */
	RTSP_GAP_NOT_HELD, /* the camera is only sampled now */
	RTSP_GAP_CODEC,    /* what it sends since cannot stand in the same file */
	RTSP_GAP_SIZE,     /* as large as a clip may be */
};

struct rtsp_gap {
	struct torap_wall from, until;
	enum rtsp_gap_cause cause;
	uint32_t packets; /* lost */
};

/* What the node was told last.  The numbers stand in descriptions. */
enum rtsp_told_of {
	RTSP_TELL_NOTHING,
	RTSP_TELL_STORED,
	RTSP_TELL_MISSING, /* it was never there */
	RTSP_TELL_DAMAGED, /* it was, and its file is altered or gone */
	RTSP_TELL_DELETED,
	RTSP_TELL_COUNT,
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
	enum rtsp_told_of told;
};

const char *rtsp_media_type(enum rtsp_media media);      /* "image/jpeg" */
const char *rtsp_media_extension(enum rtsp_media media); /* "jpg" */

/* Counts one more; names it while there is room.  One that ends the clip is named in any case: in the place of the last that is. */
void rtsp_gap_add(struct rtsp_item *item, const struct rtsp_gap *gap);
/* "2026-…Z/2026-…Z (12 packets); …", and how many more there are. */
void rtsp_gaps_format(const struct rtsp_item *item, char *text, size_t size);
/* Of which file, and for which camera and alarm: the same picture may serve two. */
char *rtsp_item_name(const struct rtsp_item *item, char text[static RTSP_ITEM_NAME_SIZE]);

/* JSON, owned by the caller.  NULL: memory ran out. */
char *rtsp_item_write(const struct rtsp_item *item);
/* Where in such a text the digit stands that says what was told; 0: there is none. */
size_t rtsp_item_told_at(struct torap_bytes text);
/* 0, or a negative error: it is none. */
int rtsp_item_read(struct rtsp_item *out, struct torap_bytes text, struct torap_error *err);
