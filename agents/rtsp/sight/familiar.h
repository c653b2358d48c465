/* familiar.h: what the upper part of one camera's picture has shown lately, and whether another one is like it.  Pure.
 *
 * Made of the last good pictures, of different moments: what these have in common is a scene's, what they have not is a car's, a leaf's or
 * noise.  A picture is unlike when most of what is the scene's is gone, or all light or contrast is: black, white, covered, sprayed, blurred.
 * It stands when not even its noise is new: it may have frozen, and only a clock below goes on.  Either is a suspicion, for a whole picture to
 * confirm; what a picture shows below is not known here.
 *
 * A scene that has come to look otherwise, by night, in other light or after a turn, makes good pictures unlike: after two in succession
 * it is learned anew.  1.2 KiB of a camera. */
#pragma once

#include <stdbool.h>

#include "agents/rtsp/sight/judge.h"
#include "agents/rtsp/sight/upper.h"
#include "base/time.h"

enum rtsp_likeness {
	RTSP_LIKENESS_NONE, /* too little is to be seen, or was ever, to be compared */
	RTSP_ALIKE,
	RTSP_STANDS, /* alike, and nothing below the texts is other than in one of the last that were seen */
	RTSP_UNLIKE,
};

struct rtsp_familiar { /* zeros: nothing is known */
	struct torap_mono learned_at;
	uint8_t count; /* pictures, up to four */
	uint8_t odd;   /* good ones in succession that were unlike it */
	uint8_t blind; /* so many more are learned before somebody compares with it again */
	bool deep;     /* a usual part of a keyframe shows too little: rtsp_peek_part() */
	/* Of the last pictures a bit each: it showed here what those before it had shown. */
	uint8_t agreed[RTSP_UPPER_BLOCK_ROWS][RTSP_UPPER_BLOCK_COLUMNS];
	/* As in a struct rtsp_upper: means. */
	int8_t edges[RTSP_UPPER_EDGE_ROWS][RTSP_UPPER_EDGE_COLUMNS];
	uint8_t tiles[RTSP_UPPER_TILE_ROWS][RTSP_UPPER_TILE_COLUMNS];
	/* Of the last that were seen: an encoder may write a still picture in turns of two. */
	struct {
		uint8_t rows;
		uint16_t marks[RTSP_UPPER_ROWS - RTSP_UPPER_TEXT_ROWS];
	} seen[RTSP_SEEN];
	uint8_t next; /* of these to be replaced */
};

/* A good picture came `at` this time, of which all rows are known. */
void rtsp_familiar_learn(struct rtsp_familiar *f, const struct rtsp_upper *good, struct torap_mono at);
/* One was seen, in part or whole. */
void rtsp_familiar_saw(struct rtsp_familiar *f, const struct rtsp_upper *u);
/* It could not be compared with a part of a picture that was good: a larger one may do, and if it was one, nobody need try again soon. */
void rtsp_familiar_vague(struct rtsp_familiar *f);
/* Nobody need try again soon. */
void rtsp_familiar_blind(struct rtsp_familiar *f);
/* It is learned, and not enough is known yet. */
bool rtsp_familiar_lacks(const struct rtsp_familiar *f);
/* Enough is known, and not too long ago, to compare others with it. */
bool rtsp_familiar_ready(const struct rtsp_familiar *f, struct torap_mono at);
enum rtsp_likeness rtsp_familiar_compare(const struct rtsp_familiar *f, const struct rtsp_upper *u);
