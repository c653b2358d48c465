#include "agents/archive/cameras.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const int64_t day_us = (int64_t)86400 * TORAP_US_PER_S;

/* FNV-1a: of a name, the same on every machine. */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3u;
	return h;
}

static int64_t share_us(const struct archive_camera *c, const struct archive_window *w)
{
	return w->over_s ? (int64_t)(hash(c->address) % w->over_s) * TORAP_US_PER_S : 0;
}

/* Its first moment after now. */
static struct torap_wall moment_after(
	const struct archive_camera *c, const struct archive_window *w, struct torap_wall now)
{
	int64_t local = now.us + (int64_t)w->utc_offset_s * TORAP_US_PER_S;
	int64_t moment = local - local % day_us - (int64_t)w->utc_offset_s * TORAP_US_PER_S +
			 (int64_t)w->at_s * TORAP_US_PER_S + share_us(c, w);
	while (moment > now.us + day_us)
		moment -= day_us;
	while (moment <= now.us)
		moment += day_us;
	return (struct torap_wall){ moment };
}

static void forget(struct archive_camera *c)
{
	char *texts[] = { c->address, c->site, c->profile, c->recorder, c->recording, c->key_name,
		c->switch_name, c->street };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		free(texts[i]);
}

static void forget_all(struct archive_camera *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		forget(&list[i]);
	free(list);
}

static bool copy(struct archive_camera *c, const struct kit_row *row)
{
	c->address = strdup(row->address);
	c->site = strdup(row->site);
	c->profile = strdup(row->profile);
	c->recorder = strdup(row->recorder);
	c->recording = strdup(row->recording);
	c->key_name = strdup(row->key_name);
	c->switch_name = strdup(row->switch_name);
	c->street = strdup(row->street);
	c->region = row->region;
	c->since.us = row->since_us;
	return c->address && c->site && c->profile && c->recorder && c->recording && c->key_name &&
	       c->switch_name && c->street;
}

static int by_address(const void *a, const void *b)
{
	return strcmp(
		((const struct archive_camera *)a)->address, ((const struct archive_camera *)b)->address);
}

static void take_over(struct archive_cameras *c, struct archive_camera *list, size_t count,
	const struct archive_window *w, struct torap_wall now)
{
	for (size_t i = 0; i < count; i++) {
		const struct archive_camera *old =
			c->count ? bsearch(&list[i], c->list, c->count, sizeof *list, by_address) : NULL;
		list[i].number = old ? old->number : ++c->numbers;
		list[i].next = old ? old->next : (struct torap_wall){ now.us + share_us(&list[i], w) };
		list[i].tries = old ? old->tries : 0;
		list[i].running = old && old->running;
	}
}

int archive_cameras_set(struct archive_cameras *c, const struct kit_row *rows, size_t count,
	const struct archive_window *w, struct torap_wall now)
{
	struct archive_camera *list = calloc(count + 1, sizeof *list);
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (!copy(&list[i], &rows[i])) {
			forget_all(list, i + 1);
			return -ENOMEM;
		}
	}
	qsort(list, count, sizeof *list, by_address);
	take_over(c, list, count, w, now);
	forget_all(c->list, c->count);
	c->list = list;
	c->count = count;
	c->at = 0;
	return 0;
}

void archive_cameras_finish(struct archive_cameras *c)
{
	forget_all(c->list, c->count);
	*c = (struct archive_cameras){ 0 };
}

struct archive_camera *archive_cameras_due(struct archive_cameras *c, struct torap_wall now,
	bool (*busy)(void *hint, const struct archive_camera *camera), void *hint)
{
	for (size_t i = 0; i < c->count; i++) {
		size_t at = (c->at + i) % c->count;
		struct archive_camera *camera = &c->list[at];
		/* More than a day ahead is no moment of ours: our clock was set back. */
		bool due = camera->next.us <= now.us || camera->next.us > now.us + day_us;
		if (camera->running || !due || busy(hint, camera))
			continue;
		c->at = at + 1;
		return camera;
	}
	return NULL;
}

struct archive_camera *archive_cameras_find(struct archive_cameras *c, uint64_t number)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->list[i].number == number)
			return &c->list[i];
	return NULL;
}

void archive_camera_done(struct archive_camera *c, const struct archive_window *w, struct torap_wall now)
{
	c->tries = 0;
	c->next = moment_after(c, w, now);
}

void archive_camera_again(struct archive_camera *c, int seconds, struct torap_wall now)
{
	c->next.us = now.us + (int64_t)seconds * TORAP_US_PER_S;
}

bool archive_camera_failed(struct archive_camera *c, const struct archive_window *w, struct torap_wall now)
{
	if (++c->tries >= ARCHIVE_TRIES) {
		archive_camera_done(c, w, now);
		return true;
	}
	archive_camera_again(c, ARCHIVE_RETRY_S, now);
	return false;
}
