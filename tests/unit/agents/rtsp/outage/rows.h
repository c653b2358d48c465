/* rows.h: cameras of a registry, of which each has the same row but for its name. */
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/cameras.h"

enum { ROWS_NAME_MAX = 63 };

/* Behind one switch. */
static const struct kit_row rows_switch = { .url = "rtsp://c/1",
	.sub_url = "",
	.key_name = "",
	.profile = "",
	.site = "school",
	.switch_name = "sw-1",
	.recorder = "",
	.street = "",
	.mode = "" };

static inline void rows_on_gone(void *hint, struct rtsp_camera *camera, bool stays)
{
	(void)hint;
	(void)camera;
	(void)stays;
}

/* They are c0, c1 and so on; with a `width`, that long: c000. */
static inline void rows_set(
	struct rtsp_cameras *cameras, uint32_t count, const struct kit_row *like, int width)
{
	char(*names)[ROWS_NAME_MAX + 1] = calloc(count, sizeof *names);
	struct kit_row *rows = calloc(count, sizeof *rows);
	cr_assert(names && rows);
	for (uint32_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof names[i], "c%0*u", width ? width - 1 : 0, i);
		rows[i] = *like;
		rows[i].address = rows[i].device = names[i];
	}
	cr_assert_eq(rtsp_cameras_set(cameras, rows, count, false, rows_on_gone, NULL), 0);
	free(names);
	free(rows);
}
