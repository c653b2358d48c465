#include "agents/rtsp/cameras.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agents/rtsp/schedule.h"
#include "agents/rtsp/talk/url.h"
#include "base/limits.h"
#include "wire/digest.h"

/* A number is slot and how often a slot was given, so that it is found by itself and never comes again. */
enum { SLOT_BITS = 20, SLOTS_MAX = 1 << SLOT_BITS };

uint32_t rtsp_camera_slot(const struct rtsp_camera *camera)
{
	return (uint32_t)(camera->number & (SLOTS_MAX - 1));
}

struct rtsp_camera *rtsp_cameras_find(const struct rtsp_cameras *c, uint64_t number)
{
	uint32_t slot = (uint32_t)(number & (SLOTS_MAX - 1));
	struct rtsp_camera *camera = slot < c->room ? c->slots[slot] : NULL;
	return camera && camera->number == number && number ? camera : NULL;
}

void rtsp_camera_forget_looks(struct rtsp_camera *camera)
{
	camera->impressions = (struct rtsp_impressions){ 0 };
	free(camera->familiar);
	camera->familiar = NULL;
}

/* As the node compares addresses. */
struct rtsp_camera *rtsp_cameras_named(const struct rtsp_cameras *c, const char *address)
{
	uint32_t low = 0, high = c->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct rtsp_camera *camera = c->slots[c->by_address[middle]];
		int order = strcasecmp(camera->address, address);
		if (order == 0)
			return camera;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const char *put(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *begin = memcpy(*at, text, size);
	*at += size;
	return begin;
}

/* What is looked at, as far as the registry says it. */
static uint64_t view_of(const struct rtsp_camera *c, int64_t aimed_us)
{
	uint8_t digest[TORAP_DIGEST_SIZE] = { 0 };
	if (*c->sub_url && !c->held)
		torap_digest(digest, torap_bytes(c->sub_url, strlen(c->sub_url)));
	struct torap_reader r = torap_reader(torap_bytes(digest, sizeof digest));
	return (uint64_t)aimed_us ^ torap_read_u64(&r);
}

static bool set_row(struct rtsp_camera *c, const struct kit_row *row, bool held)
{
	const char *texts[] = { row->address, row->url, row->sub_url, row->profile, row->key_name, row->site,
		row->switch_name, row->recorder, row->street, *row->device ? row->device : row->address };
	size_t size = 0;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		size += strlen(texts[i]) + 1;
	char *text = malloc(size), *at = text;
	if (!text)
		return false;
	free(c->text);
	c->text = text;
	c->address = put(&at, row->address);
	c->url = put(&at, row->url);
	c->sub_url = put(&at, row->sub_url);
	c->profile_name = put(&at, row->profile);
	c->key_name = put(&at, row->key_name);
	c->site = put(&at, row->site);
	c->switch_name = put(&at, row->switch_name);
	c->recorder = put(&at, row->recorder);
	c->street = put(&at, row->street);
	c->device = put(&at, *row->device ? row->device : row->address);
	c->region = row->region;
	c->facility = row->facility;
	c->private_owner = row->private_owner;
	c->held = *row->mode ? strcmp(row->mode, "held") == 0 : held;
	c->supervision_s = row->supervision_s;
	c->term.us = row->term_us;
	uint64_t view = view_of(c, row->aimed_us);
	if (c->view != view) {
		rtsp_sight_forget(&c->sight);
		rtsp_camera_forget_looks(c);
		c->tried_sub = c->main_bad = c->sub_fails = false;
		c->sub_failed = c->sub_rests = 0;
	}
	c->view = view;
	return true;
}

static bool is_camera(const struct kit_row *row)
{
	struct rtsp_url url;
	return strlen(row->address) <= TORAP_ADDRESS_MAX && rtsp_url_parse(&url, row->url) &&
	       (!*row->sub_url || rtsp_url_parse(&url, row->sub_url));
}

static bool same_session(const struct rtsp_camera *c, const struct kit_row *row, bool held)
{
	return strcmp(c->url, row->url) == 0 && strcmp(c->key_name, row->key_name) == 0 &&
	       (c->held || strcmp(c->sub_url, row->sub_url) == 0) &&
	       c->held == (*row->mode ? strcmp(row->mode, "held") == 0 : held);
}

/* A slot that is free now, or one more. */
static struct rtsp_camera *new_camera(struct rtsp_cameras *c, uint32_t *search)
{
	while (*search < c->room && c->slots[*search] && c->slots[*search]->number)
		++*search;
	if (*search >= c->room || *search >= SLOTS_MAX)
		return NULL;
	uint32_t slot = *search;
	if (!c->slots[slot])
		c->slots[slot] = calloc(1, sizeof *c->slots[slot]);
	struct rtsp_camera *camera = c->slots[slot];
	if (camera)
		camera->number = ++c->next_number << SLOT_BITS | slot;
	return camera;
}

static void clear(struct rtsp_camera *c)
{
	free(c->text);
	free(c->shown);
	free(c->familiar);
	*c = (struct rtsp_camera){ 0 };
}

static int compare(const void *a, const void *b, void *hint)
{
	struct rtsp_camera **slots = hint;
	return strcasecmp(slots[*(const uint32_t *)a]->address, slots[*(const uint32_t *)b]->address);
}

static int compare_recorder(const void *a, const void *b, void *hint)
{
	struct rtsp_camera **slots = hint;
	return strcmp(slots[*(const uint32_t *)a]->recorder, slots[*(const uint32_t *)b]->recorder);
}

static void number_recorders(struct rtsp_cameras *c)
{
	c->recorders = 0;
	qsort_r(c->by_address, c->count, sizeof *c->by_address, compare_recorder, c->slots);
	const char *last = "";
	for (uint32_t i = 0; i < c->count; i++) {
		struct rtsp_camera *camera = c->slots[c->by_address[i]];
		if (strcmp(camera->recorder, last) != 0)
			c->recorders++;
		last = camera->recorder;
		camera->recorder_number = *last ? c->recorders - 1 : RTSP_NOBODY;
	}
}

/* Everything that needs memory first: room for as many slots as there may be in the end. */
static int make_room(struct rtsp_cameras *c, size_t count)
{
	size_t room = c->count + count;
	if (room > SLOTS_MAX)
		return -ENOMEM;
	if (room > c->room) {
		struct rtsp_camera **slots = reallocarray(c->slots, room, sizeof *slots);
		if (!slots)
			return -ENOMEM;
		memset(slots + c->room, 0, (room - c->room) * sizeof *slots);
		c->slots = slots;
		c->room = (uint32_t)room;
	}
	uint32_t *by_address = reallocarray(c->by_address, room + 1, sizeof *by_address);
	if (!by_address)
		return -ENOMEM;
	c->by_address = by_address;
	return 0;
}

/* False: memory ran out, and the row is left out. */
static bool take_row(struct rtsp_cameras *c, const struct kit_row *row, bool held, uint32_t *search,
	void (*gone)(void *hint, struct rtsp_camera *camera, bool stays), void *hint)
{
	struct rtsp_camera *camera = rtsp_cameras_named(c, row->address);
	if (camera && camera->seen)
		return false; /* twice: the registry does not do that */
	bool fresh = !camera;
	if (fresh)
		camera = new_camera(c, search);
	else if (!same_session(camera, row, held))
		gone(hint, camera, true);
	if (!camera)
		return false;
	if (!set_row(camera, row, held)) {
		if (fresh)
			camera->number = 0;
		return false;
	}
	camera->seen = true;
	return true;
}

int rtsp_cameras_set(struct rtsp_cameras *c, const struct kit_row *rows, size_t count, bool held,
	void (*gone)(void *hint, struct rtsp_camera *camera, bool stays), void *hint)
{
	uint32_t search = 0;
	int r = make_room(c, count);
	if (r)
		return r;
	c->left_out = 0;
	for (uint32_t i = 0; i < c->count; i++)
		c->slots[c->by_address[i]]->seen = false;
	for (size_t i = 0; i < count; i++)
		c->left_out += !is_camera(&rows[i]) || !take_row(c, &rows[i], held, &search, gone, hint);
	c->count = 0;
	for (uint32_t slot = 0; slot < c->room; slot++) {
		struct rtsp_camera *camera = c->slots[slot];
		if (!camera || !camera->number)
			continue;
		if (camera->seen) {
			c->by_address[c->count++] = slot;
			continue;
		}
		gone(hint, camera, false);
		clear(camera);
	}
	number_recorders(c);
	qsort_r(c->by_address, c->count, sizeof *c->by_address, compare, c->slots);
	return 0;
}

void rtsp_cameras_finish(struct rtsp_cameras *c)
{
	for (uint32_t i = 0; i < c->room; i++) {
		if (c->slots[i])
			clear(c->slots[i]);
		free(c->slots[i]);
	}
	free(c->slots);
	free(c->by_address);
	*c = (struct rtsp_cameras){ 0 };
}
