#include "agents/rtsp/sight/baseline.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
	VERSION = 1,
	HOUR_WEIGHT_MAX =
		1000, /* three hours of one picture each 10 s; a lens that gets dirty in weeks is not followed at once */
	SCENE_WEIGHT_MAX = 200, /* half an hour: shadows and snow move, and dusk comes */
	SCENE_KNOWN = 20,       /* pictures that make a second scene count */
	KNOWN = 5,              /* pictures that make an hour count */
	STRUCTURED_MIN = 8,     /* blocks whose sharpness is worth learning */
	OTHER_LIGHT = 40,       /* luma values between pictures in the same light */
};
static const float stranger =
	0.5f; /* A picture less like the first reference than this, in other light, begins the second. */

static_assert(sizeof(struct rtsp_baseline) <= RTSP_BASELINE_SIZE_MAX, "20,000 cameras have to fit");

static int hour_of(struct torap_wall wall)
{
	int64_t hour = wall.us / TORAP_US_PER_S / 3600 % 24;
	return (int)(hour < 0 ? hour + 24 : hour);
}

static void approach(float *value, float to, unsigned count, unsigned most)
{
	*value += (to - *value) / (float)(count < most ? count : most);
}

static void count_up(uint16_t *count)
{
	if (*count < UINT16_MAX)
		++*count;
}

static void learn_hour(struct rtsp_hour *h, const struct rtsp_measure *m)
{
	count_up(&h->count);
	approach(&h->structured, m->structured, h->count, HOUR_WEIGHT_MAX);
	approach(&h->flat, m->flat, h->count, HOUR_WEIGHT_MAX);
	approach(&h->mean, m->mean, h->count, HOUR_WEIGHT_MAX);
	if (m->structured < STRUCTURED_MIN)
		return;
	count_up(&h->sharp);
	if (h->sharp > 1)
		approach(&h->sharpness_spread, fabsf(m->sharpness - h->sharpness), h->sharp, HOUR_WEIGHT_MAX);
	approach(&h->sharpness, m->sharpness, h->sharp, HOUR_WEIGHT_MAX);
}

const struct rtsp_reference *rtsp_baseline_reference(
	const struct rtsp_baseline *b, const struct rtsp_measure *m)
{
	const struct rtsp_reference *best = NULL, *nearest = NULL;
	float most = -2;
	for (int i = 0; i < RTSP_SCENES; i++) {
		const struct rtsp_reference *r = &b->scenes[i];
		if (i ? r->count < SCENE_KNOWN : !r->count)
			continue;
		float away = fabsf(r->mean - m->mean), like = rtsp_scene_likeness(&r->scene, &m->scene);
		if (!nearest || away < fabsf(nearest->mean - m->mean))
			nearest = r;
		if (rtsp_scene_regions(&r->scene) < RTSP_REGIONS_MIN)
			like -= 1; /* Too vague to be judged by, when there is another. */
		if (away <= OTHER_LIGHT && like > most) {
			most = like;
			best = r;
		}
	}
	return best ? best : nearest;
}

/* Where this picture is to be learned: a good one that is unlike the only reference was taken in a light that shows other things. */
static struct rtsp_reference *place(struct rtsp_baseline *b, const struct rtsp_measure *m)
{
	const struct rtsp_reference *likest = rtsp_baseline_reference(b, m);
	if (!likest)
		return &b->scenes[0];
	if (b->scenes[1].count < SCENE_KNOWN && rtsp_scene_likeness(&likest->scene, &m->scene) < stranger)
		return &b->scenes[1];
	return &b->scenes[likest - b->scenes];
}

/* Another number for every picture. */
static uint32_t chance_of(const struct rtsp_marks *marks)
{
	uint32_t chance = 0;
	for (int i = 0; i < RTSP_BLOCKS; i++)
		chance = chance * 31 + marks->blocks[i];
	return chance;
}

void rtsp_baseline_learn(struct rtsp_baseline *b, const struct rtsp_measure *m)
{
	learn_hour(&b->hours[hour_of(m->shot.arrived_wall)], m);
	struct rtsp_reference *r = place(b, m);
	count_up(&r->count);
	unsigned weight = r->count < SCENE_WEIGHT_MAX ? r->count : SCENE_WEIGHT_MAX;
	if (r->count > 1)
		approach(&r->likeness, rtsp_scene_likeness(&r->scene, &m->scene), r->count - 1u,
			SCENE_WEIGHT_MAX);
	approach(&r->mean, m->mean, r->count, SCENE_WEIGHT_MAX);
	rtsp_scene_learn(&r->scene, &m->scene, weight, chance_of(&m->marks));
}

static void add(struct rtsp_usual *u, const struct rtsp_hour *h, unsigned *hours)
{
	if (h->count < KNOWN)
		return;
	if (h->sharp >= KNOWN) {
		u->sharpness = u->sharp ? fminf(u->sharpness, h->sharpness) : h->sharpness;
		u->sharpness_spread = fmaxf(u->sharpness_spread, h->sharpness_spread);
		u->sharp += h->sharp;
	}
	u->structured = u->count ? fminf(u->structured, h->structured) : h->structured;
	u->flat = fmaxf(u->flat, h->flat);
	u->mean += (h->mean - u->mean) / (float)++*hours;
	u->count += h->count;
}

struct rtsp_usual rtsp_baseline_usual(const struct rtsp_baseline *b, struct torap_wall now)
{
	struct rtsp_usual u = { 0 };
	unsigned hours = 0;
	int hour = hour_of(now);
	for (int i = hour + 23; i <= hour + 25; i++)
		add(&u, &b->hours[i % 24], &hours);
	if (hours)
		return u;
	u.foreign = true;
	for (int i = 0; i < 24; i++)
		add(&u, &b->hours[i], &hours);
	return u;
}

static uint8_t pack(float value, float scale)
{
	float v = value * scale;
	return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : lrintf(v));
}

static void write_u16(struct torap_writer *w, uint16_t value)
{
	torap_write_u8(w, (uint8_t)(value >> 8));
	torap_write_u8(w, (uint8_t)value);
}

static uint16_t read_u16(struct torap_reader *r)
{
	unsigned high = torap_read_u8(r);
	return (uint16_t)(high << 8 | torap_read_u8(r));
}

/* version, 24 hours of 11 bytes, number of references, then each: count, mean, likeness, cells. */
void rtsp_baseline_encode(const struct rtsp_baseline *b, struct torap_writer *w)
{
	torap_write_u8(w, VERSION);
	for (int i = 0; i < 24; i++) {
		const struct rtsp_hour *h = &b->hours[i];
		write_u16(w, h->count);
		write_u16(w, h->sharp);
		float sharpness = fmaxf(fminf(h->sharpness, 100), -100);
		write_u16(w, (uint16_t)lrintf((sharpness + 128) * 256));
		write_u16(w, (uint16_t)lrintf(fmaxf(fminf(h->sharpness_spread, 100), 0) * 256));
		torap_write_u8(w, pack(h->structured, 2));
		torap_write_u8(w, pack(h->flat, 255));
		torap_write_u8(w, pack(h->mean, 1));
	}
	uint8_t references = 0;
	for (int i = 0; i < RTSP_SCENES; i++)
		references += b->scenes[i].count > 0;
	torap_write_u8(w, references);
	for (int i = 0; i < references; i++) {
		const struct rtsp_reference *r = &b->scenes[i];
		write_u16(w, r->count);
		torap_write_u8(w, pack(r->mean, 1));
		torap_write_u8(w, pack(r->likeness, 255));
		for (int k = 0; k < RTSP_CELLS; k++) {
			torap_write_u8(w, (uint8_t)r->scene.cells[k].along);
			torap_write_u8(w, (uint8_t)r->scene.cells[k].across);
			torap_write_u8(w, (uint8_t)r->scene.cells[k].there);
		}
	}
}

/* -128 is never written, and would be the one whose absolute value does not fit. */
static int8_t read_i8(struct torap_reader *r)
{
	int8_t value = (int8_t)torap_read_u8(r);
	return value == -128 ? -127 : value;
}

bool rtsp_baseline_decode(struct rtsp_baseline *out, struct torap_bytes bytes)
{
	struct torap_reader r = torap_reader(bytes);
	*out = (struct rtsp_baseline){ 0 };
	bool known = torap_read_u8(&r) == VERSION;
	for (int i = 0; i < 24; i++) {
		struct rtsp_hour *h = &out->hours[i];
		h->count = read_u16(&r);
		h->sharp = read_u16(&r);
		h->sharpness = (float)read_u16(&r) / 256 - 128;
		h->sharpness_spread = (float)read_u16(&r) / 256;
		h->structured = (float)torap_read_u8(&r) / 2;
		h->flat = (float)torap_read_u8(&r) / 255;
		h->mean = torap_read_u8(&r);
	}
	uint8_t references = torap_read_u8(&r);
	known &= references <= RTSP_SCENES;
	for (int i = 0; known && i < references; i++) {
		struct rtsp_reference *s = &out->scenes[i];
		s->count = read_u16(&r);
		s->mean = torap_read_u8(&r);
		s->likeness = (float)torap_read_u8(&r) / 255;
		for (int k = 0; k < RTSP_CELLS; k++) {
			s->scene.cells[k].along = read_i8(&r);
			s->scene.cells[k].across = read_i8(&r);
			s->scene.cells[k].there = read_i8(&r);
		}
		known &= s->count > 0;
	}
	if (known && torap_read_end(&r))
		return true;
	*out = (struct rtsp_baseline){ 0 };
	return false;
}
