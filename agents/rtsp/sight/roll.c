#include "agents/rtsp/sight/roll.h"

#include <math.h>

enum {
	TEXT_ROWS = 2,
	TOP = TEXT_ROWS,
	BOTTOM = RTSP_CELL_ROWS - TEXT_ROWS, /* beyond the last */
	ROLL_MIN = 8,
	ROLL_MAX = 24,
	ROLL_STEP = 4, /* half of it moves the outermost cells by half a cell */
};

struct vector {
	float along, across, there;
};

struct sums {
	float product, own, other;
};

static void add(struct sums *s, struct vector own, struct vector other)
{
	s->product += own.along * other.along + own.across * other.across + own.there * other.there;
	s->own += own.along * own.along + own.across * own.across + own.there * own.there;
	s->other += other.along * other.along + other.across * other.across + other.there * other.there;
}

static float likeness_of(struct sums s)
{
	return s.own > 0 && s.other > 0 ? s.product / sqrtf(s.own * s.other) : 0;
}

static struct vector cell_at(const struct rtsp_scene *scene, int row, int column)
{
	struct rtsp_cell c = scene->cells[row * RTSP_CELL_COLUMNS + column];
	return (struct vector){ c.along, c.across, c.there };
}

static struct vector mix(struct vector a, struct vector b, float part)
{
	return (struct vector){ a.along + part * (b.along - a.along), a.across + part * (b.across - a.across),
		a.there + part * (b.there - a.there) };
}

/* Between cells.  `x` and `y` lie in the scene, left of and above its last cells. */
static struct vector between(const struct rtsp_scene *scene, float x, float y)
{
	int column = (int)x, row = (int)y;
	struct vector above =
		mix(cell_at(scene, row, column), cell_at(scene, row, column + 1), x - (float)column);
	struct vector below =
		mix(cell_at(scene, row + 1, column), cell_at(scene, row + 1, column + 1), x - (float)column);
	return mix(above, below, y - (float)row);
}

static struct rtsp_roll compare(
	const struct rtsp_scene *reference, const struct rtsp_scene *seen, int degrees)
{
	const float middle_x = (RTSP_CELL_COLUMNS - 1) / 2.f, middle_y = (RTSP_CELL_ROWS - 1) / 2.f;
	float angle = (float)degrees * (float)M_PI / 180;
	float c = cosf(angle), s = sinf(angle), c2 = cosf(2 * angle), s2 = sinf(2 * angle);
	struct sums rolled = { 0 }, level = { 0 };
	for (int row = TOP; row < BOTTOM; row++)
		for (int column = 0; column < RTSP_CELL_COLUMNS; column++) {
			float right = (float)column - middle_x, down = (float)row - middle_y;
			float x = c * right + s * down + middle_x, y = c * down - s * right + middle_y;
			if (x < 0 || x >= RTSP_CELL_COLUMNS - 1 || y < TOP || y >= BOTTOM - 1)
				continue;
			struct vector there = cell_at(seen, row, column), was = between(reference, x, y);
			struct vector turned = { c2 * was.along - s2 * was.across,
				s2 * was.along + c2 * was.across, was.there };
			add(&rolled, turned, there);
			add(&level, cell_at(reference, row, column), there);
		}
	return (struct rtsp_roll){ (int8_t)degrees, likeness_of(rolled), likeness_of(level) };
}

void rtsp_roll_find(struct rtsp_roll *out, const struct rtsp_scene *reference, const struct rtsp_scene *seen)
{
	*out = compare(reference, seen, ROLL_MIN);
	for (int degrees = ROLL_MIN; degrees <= ROLL_MAX; degrees += ROLL_STEP)
		for (int way = -1; way <= 1; way += 2) {
			struct rtsp_roll r = compare(reference, seen, way * degrees);
			if (r.rolled > out->rolled)
				*out = r;
		}
}
