/* telling.h: evidence as the observation that a node takes: codes "evidence stored", "evidence missing", "evidence deleted".  What is damaged is missing, and
 * says of which file that is. */
#pragma once

#include "agents/rtsp/evidence/item.h"
#include "proto/observation.pb-c.h"

enum { RTSP_TELLING_FIELDS_MAX = 24, RTSP_TELLING_TEXTS = 4096, RTSP_TELLING_KEY = 32 };

struct rtsp_telling {
	Torap__Observation o; /* points into what follows, and at the item */
	Torap__Image image;
	Torap__Field pool[RTSP_TELLING_FIELDS_MAX];
	Torap__Field *fields[RTSP_TELLING_FIELDS_MAX];
	char texts[RTSP_TELLING_TEXTS];
	size_t texts_size;
	uint8_t repeat_key[RTSP_TELLING_KEY];
};

/* `reason`: why it is missing, damaged or deleted; else "".  `picture`: of a snapshot that was stored, else empty.  *out must not be moved
 * afterwards; the others are borrowed. */
void rtsp_telling_fill(struct rtsp_telling *out, enum rtsp_told_of what, const struct rtsp_item *item,
	const char *reason, struct torap_bytes picture, struct torap_wall now);
