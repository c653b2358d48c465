/* stored.h: an evidence folder of a test's own, and what lies in it. */
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/rtsp/evidence/store.h"
#include "base/error.h"
#include "tests/kit/temporary.h"

static char dir[64], folder[128];
static struct rtsp_store store;
static struct torap_error err;

static void begin(void)
{
	temporary_dir(dir, sizeof dir, "evidence");
	snprintf(folder, sizeof folder, "%s/store", dir);
	cr_assert_eq(rtsp_store_open(&store, folder, &err), 0, "%s", err.text);
}

static void finish(void)
{
	char command[128];
	rtsp_store_close(&store);
	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	cr_assert_eq(system(command), 0);
}

static struct rtsp_item item_of(const char *camera, uint64_t alarm)
{
	struct rtsp_item item = {
		.from.us = 1800000000 * (int64_t)TORAP_US_PER_S, .width = 320, .height = 240
	};
	item.until = item.stored = item.from;
	snprintf(item.camera, sizeof item.camera, "%s", camera);
	snprintf(item.site, sizeof item.site, "school-1");
	item.alarms_count = 1;
	item.alarms[0] = (struct rtsp_alarm){ "node-a/critical/0000000000000001", alarm, 1, item.from };
	return item;
}

static struct rtsp_item put(const char *camera, uint64_t alarm, const char *content)
{
	struct rtsp_item item = item_of(camera, alarm);
	cr_assert_eq(rtsp_store_put(&store, &item, torap_bytes(content, strlen(content)), UINT64_MAX, &err),
		0, "%s", err.text);
	return item;
}

static const char *path_of(const char *format, const char *name)
{
	static char path[700];
	char short_path[512];
	snprintf(short_path, sizeof short_path, format, name, name + 2, name + 2);
	snprintf(path, sizeof path, "%s/%s", folder, short_path);
	return path;
}

static bool there(const char *format, const char *name)
{
	return access(path_of(format, name), F_OK) == 0;
}
#define MEDIA   "%.2s/%.62s.jpg"
#define TOLD    "%.2s/%s.json"
#define PENDING "pending/%s.json"
