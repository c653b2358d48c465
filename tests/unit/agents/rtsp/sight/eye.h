/* eye.h: pictures of a small made-up world, for the tests of what judges them. */
#pragma once

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/sight/health.h"
#include "agents/rtsp/sight/judge.h"

enum { EYE_WIDTH = 320, EYE_HEIGHT = 180 };

struct eye {
	struct rtsp_sight sight;
	struct rtsp_profile profile;
	struct torap_mono mono;
	struct torap_wall wall;
	int64_t pts_us;
	bool sub;
	uint32_t random;
	uint8_t luma[EYE_HEIGHT][EYE_WIDTH];
};

static inline struct eye *eye_open(void)
{
	struct eye *e = calloc(1, sizeof *e);
	cr_assert(e);
	e->profile = rtsp_profile_default;
	e->wall.us = 1795687200LL * TORAP_US_PER_S; /* 2026-11-26T10:00:00Z */
	e->random = 1;
	return e;
}

static inline int eye_random(struct eye *e, int below)
{
	e->random = e->random * 1664525 + 1013904223;
	return (int)((e->random >> 8) % (unsigned)below);
}

static inline void eye_box(struct eye *e, int x, int y, int w, int h, int level)
{
	for (int row = y < 0 ? 0 : y; row < y + h && row < EYE_HEIGHT; row++)
		for (int column = x < 0 ? 0 : x; column < x + w && column < EYE_WIDTH; column++)
			e->luma[row][column] = (uint8_t)level;
}

static inline void eye_fill(struct eye *e, int level)
{
	memset(e->luma, level, sizeof e->luma);
}

/* A street of boxes, the same for the same seed, seen `right` and `down` of where it is usually seen. */
static inline void eye_draw(struct eye *e, unsigned seed, int right, int down)
{
	uint32_t keep = e->random;
	e->random = seed * 2654435761u;
	eye_fill(e, 150);
	for (int i = 0; i < 90; i++) {
		int x = eye_random(e, 520) - 100, y = eye_random(e, 300) - 60;
		int w = 6 + eye_random(e, 40), h = 6 + eye_random(e, 40), level = 40 + eye_random(e, 180);
		eye_box(e, x - right, y - down, w, h, level);
	}
	e->random = keep;
}

static inline void eye_dim(struct eye *e, float factor, int offset)
{
	for (int y = 0; y < EYE_HEIGHT; y++)
		for (int x = 0; x < EYE_WIDTH; x++) {
			float v = (float)e->luma[y][x] * factor + (float)offset;
			e->luma[y][x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
}

/* Blurs by two passes of a box of 2 × radius + 1. */
static inline void eye_blur(struct eye *e, int radius)
{
	for (int pass = 0; pass < 4; pass++) {
		static uint8_t from[EYE_HEIGHT][EYE_WIDTH];
		memcpy(from, e->luma, sizeof from);
		for (int y = 0; y < EYE_HEIGHT; y++)
			for (int x = 0; x < EYE_WIDTH; x++) {
				int sum = 0;
				for (int d = -radius; d <= radius; d++) {
					int row = pass & 1 ? y + d : y, column = pass & 1 ? x : x + d;
					row = row < 0 ? 0 : row >= EYE_HEIGHT ? EYE_HEIGHT - 1 : row;
					column = column < 0            ? 0
						 : column >= EYE_WIDTH ? EYE_WIDTH - 1
								       : column;
					sum += from[row][column];
				}
				e->luma[y][x] = (uint8_t)(sum / (2 * radius + 1));
			}
	}
}

/* Twists the camera, so that the picture turns about its middle; what comes in at the corners is even. */
static inline void eye_roll(struct eye *e, double degrees)
{
	static uint8_t from[EYE_HEIGHT][EYE_WIDTH];
	double c = cos(degrees * M_PI / 180), s = sin(degrees * M_PI / 180);
	memcpy(from, e->luma, sizeof from);
	for (int y = 0; y < EYE_HEIGHT; y++)
		for (int x = 0; x < EYE_WIDTH; x++) {
			double right = x - EYE_WIDTH / 2, down = y - EYE_HEIGHT / 2;
			long column = lrint(c * right + s * down) + EYE_WIDTH / 2;
			long row = lrint(c * down - s * right) + EYE_HEIGHT / 2;
			bool inside = column >= 0 && column < EYE_WIDTH && row >= 0 && row < EYE_HEIGHT;
			e->luma[y][x] = inside ? from[row][column] : 150;
		}
}

static inline void eye_noise(struct eye *e, int size)
{
	for (int y = 0; size && y < EYE_HEIGHT; y++)
		for (int x = 0; x < EYE_WIDTH; x++) {
			int v = e->luma[y][x] + eye_random(e, size + 1) + eye_random(e, size + 1) - size;
			e->luma[y][x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
}

/* 10 s later, this picture is judged. */
static inline struct rtsp_verdict eye_judge(struct eye *e)
{
	struct rtsp_picture p;
	struct rtsp_measure m;
	struct rtsp_verdict v;
	e->mono = torap_mono_add_ms(e->mono, 10000);
	e->wall.us += 10LL * TORAP_US_PER_S;
	e->pts_us += 10LL * TORAP_US_PER_S;
	p.shot = (struct rtsp_shot){
		.arrived = e->mono,
		.arrived_wall = e->wall,
		.session = 1,
		.pts_known = true,
		.pts_us = e->pts_us,
		.sub = e->sub,
	};
	cr_assert(rtsp_picture_from_luma(&p, e->luma[0], EYE_WIDTH, EYE_WIDTH, EYE_HEIGHT));
	rtsp_measure_picture(&m, &p);
	rtsp_judge(&v, &e->sight, &m, &e->profile);
	return v;
}

/* Good pictures of scene `seed`, until it is known. */
static inline void eye_learn(struct eye *e, unsigned seed)
{
	for (int i = 0; i < 40; i++) {
		eye_draw(e, seed, 0, 0);
		eye_noise(e, 6);
		struct rtsp_verdict v = eye_judge(e);
		cr_assert_eq(v.sight, RTSP_GOOD, "picture %d: %s", i, rtsp_fault_name(v.sight));
	}
}
