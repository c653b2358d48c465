#include "agents/rtsp/sight/roll.h"

#include <math.h>

enum {
	TOP = 2,                       /* below the texts */
	BOTTOM = RTSP_CELL_ROWS - TOP, /* beyond the last row */
	LEAST = 8,
	MOST = 24,
	STEP = 4, /* half of it moves the outermost cells by half a cell */
};

/* A cell, or what lies between some. */
struct edge {
	float along, across, there;
};

/* Of two scenes, cell by cell. */
struct products {
	float both, reference, seen;
};

static float multiply(struct edge a, struct edge b)
{
	return a.along * b.along + a.across * b.across + a.there * b.there;
}

static void add(struct products *p, struct edge reference, struct edge seen)
{
	p->both += multiply(reference, seen);
	p->reference += multiply(reference, reference);
	p->seen += multiply(seen, seen);
}

static float likeness_of(struct products p)
{
	return p.reference > 0 && p.seen > 0 ? p.both / sqrtf(p.reference * p.seen) : 0;
}

static struct edge edge_at(const struct rtsp_scene *scene, int row, int column)
{
	struct rtsp_cell c = scene->cells[row * RTSP_CELL_COLUMNS + column];
	return (struct edge){ c.along, c.across, c.there };
}

static struct edge mix(struct edge a, struct edge b, float part)
{
	return (struct edge){ a.along + part * (b.along - a.along), a.across + part * (b.across - a.across),
		a.there + part * (b.there - a.there) };
}

/* `x` and `y` are left of and above the last cells. */
static struct edge edge_between(const struct rtsp_scene *scene, float x, float y)
{
	int column = (int)x, row = (int)y;
	float right = x - (float)column;
	struct edge above = mix(edge_at(scene, row, column), edge_at(scene, row, column + 1), right);
	struct edge below = mix(edge_at(scene, row + 1, column), edge_at(scene, row + 1, column + 1), right);
	return mix(above, below, y - (float)row);
}

struct turn {
	float turned, upright; /* likeness; 0: too little is in both */
};

static struct turn compare_turned(
	const struct rtsp_scene *reference, const struct rtsp_scene *seen, int degrees)
{
	const float middle_x = (RTSP_CELL_COLUMNS - 1) / 2.f, middle_y = (RTSP_CELL_ROWS - 1) / 2.f;
	float angle = (float)degrees * (float)M_PI / 180;
	float c = cosf(angle), s = sinf(angle), c2 = cosf(2 * angle), s2 = sinf(2 * angle);
	struct products turned = { 0 }, upright = { 0 };
	float whole = 0;
	for (int row = TOP; row < BOTTOM; row++)
		for (int column = 0; column < RTSP_CELL_COLUMNS; column++) {
			float right = (float)column - middle_x, down = (float)row - middle_y;
			float x = c * right + s * down + middle_x, y = c * down - s * right + middle_y;
			struct edge here = edge_at(reference, row, column), now = edge_at(seen, row, column);
			whole += multiply(here, here);
			if (x < 0 || x >= RTSP_CELL_COLUMNS - 1 || y < TOP || y >= BOTTOM - 1)
				continue;
			struct edge was = edge_between(reference, x, y);
			struct edge came = { c2 * was.along - s2 * was.across,
				s2 * was.along + c2 * was.across, was.there };
			add(&turned, came, now);
			add(&upright, here, now);
		}
	if (2 * upright.reference < whole)
		return (struct turn){ 0, 0 };
	return (struct turn){ likeness_of(turned), likeness_of(upright) };
}

static void keep_likelier(struct rtsp_roll *best, int degrees, struct turn one, struct turn other)
{
	if (one.turned > best->turned)
		*best = (struct rtsp_roll){ (int8_t)degrees, one.turned, fmaxf(one.upright, other.turned) };
}

void rtsp_roll_find(struct rtsp_roll *out, const struct rtsp_scene *reference, const struct rtsp_scene *seen)
{
	*out = (struct rtsp_roll){ 0 };
	for (int degrees = LEAST; degrees <= MOST; degrees += STEP) {
		struct turn clockwise = compare_turned(reference, seen, degrees);
		struct turn counter = compare_turned(reference, seen, -degrees);
		keep_likelier(out, degrees, clockwise, counter);
		keep_likelier(out, -degrees, counter, clockwise);
	}
}
