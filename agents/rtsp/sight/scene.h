/* scene.h: where edges lie and how they run: what stays of a scene when the light changes.
 *
 * A cell is 5×5 of the small luma.  Its vector is the cell's edge direction at double angle, so that an edge that turns from
 * dark-bright to bright-dark (night, infrared) stays the same edge; its `there` says how much of an edge is in it, by its surroundings. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/rtsp/sight/picture.h"

enum {
	RTSP_CELL = 5,
	RTSP_CELL_COLUMNS = 32,
	RTSP_CELL_ROWS = 18,
	RTSP_CELLS = 576,
	RTSP_REGION_COLUMNS = 4,
	RTSP_REGION_ROWS = 3,
	RTSP_REGIONS = 12,
	RTSP_REGIONS_MIN = 6, /* with structure: a scene with less cannot be judged */
};

struct rtsp_cell {
	int8_t along, across, there; /* -127 to 127 */
};

struct rtsp_scene {
	struct rtsp_cell cells[RTSP_CELLS];
};

/* A scene against another, by regions. */
struct rtsp_scene_match {
	float likeness;     /* of the whole in place: 1 the same, 0 nothing in common */
	uint8_t judged;     /* regions with enough structure to say anything */
	uint8_t hidden;     /* of these: nothing is to be seen there now, as in the dark */
	uint8_t in_place;   /* found where they were */
	uint8_t elsewhere;  /* found, and clearly better, at another place */
	uint8_t lost;       /* something else is there, and they are nowhere */
	int8_t right, down; /* the other place where all of them together are likest, in cells */
	float shifted;      /* how alike they are there, what is still inside the picture */
	float unshifted;    /* and how alike the same is where it was */
};

/* `noise` is the measure's. */
void rtsp_scene_of(struct rtsp_scene *out, const struct rtsp_picture *picture, float noise);
/* `usual`: the likeness that a good picture has to this reference. */
void rtsp_scene_compare(struct rtsp_scene_match *out, const struct rtsp_scene *reference,
	const struct rtsp_scene *seen, float usual);
/* Regions with enough structure to be recognised by. */
unsigned rtsp_scene_regions(const struct rtsp_scene *scene);
/* 1 the same, 0 nothing in common, in place. */
float rtsp_scene_likeness(const struct rtsp_scene *a, const struct rtsp_scene *b);
/* Moves the reference a step of 1/`weight` towards what was seen.  `chance` is another number for every picture. */
void rtsp_scene_learn(
	struct rtsp_scene *reference, const struct rtsp_scene *seen, unsigned weight, uint32_t chance);
