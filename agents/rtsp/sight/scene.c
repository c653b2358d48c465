#include "agents/rtsp/sight/scene.h"

#include <math.h>
#include <string.h>

enum {
	W = RTSP_PICTURE_WIDTH,
	H = RTSP_PICTURE_HEIGHT,
	COLUMNS = RTSP_CELL_COLUMNS,
	ROWS = RTSP_CELL_ROWS,
	REGION_WIDTH = COLUMNS / RTSP_REGION_COLUMNS,
	REGION_HEIGHT = ROWS / RTSP_REGION_ROWS,
	REACH_RIGHT = 8, /* how far a region is looked for, in cells: a quarter of the picture */
	REACH_DOWN = 6,
	AT_ALL = 25 * 40, /* energy of an edge that counts, a cell: steps of some 6 luma values */
};

static const float in_place_min = 0.55f, elsewhere_min = 0.5f, gain_min = 0.2f;

struct edges {
	float along, across, energy;
};

/* In one cell.  The outermost values of the picture have no neighbours. */
static struct edges edges_of(const struct rtsp_picture *p, int row, int column)
{
	int top = row ? row * RTSP_CELL : 1, bottom = row < ROWS - 1 ? (row + 1) * RTSP_CELL : H - 1;
	int left = column ? column * RTSP_CELL : 1;
	int right = column < COLUMNS - 1 ? (column + 1) * RTSP_CELL : W - 1;
	int along = 0, across = 0, energy = 0;
	for (int y = top; y < bottom; y++)
		for (int x = left; x < right; x++) {
			int dx = p->luma[y][x + 1] - p->luma[y][x - 1];
			int dy = p->luma[y + 1][x] - p->luma[y - 1][x];
			along += dx * dx - dy * dy;
			across += 2 * dx * dy;
			energy += dx * dx + dy * dy;
		}
	return (struct edges){ (float)along, (float)across, (float)energy };
}

/* Mean energy of the 5×5 cells around. */
static float surroundings(const struct edges *edges, int row, int column)
{
	float sum = 0;
	int count = 0;
	for (int r = row - 2; r <= row + 2; r++)
		for (int c = column - 2; c <= column + 2; c++)
			if (r >= 0 && r < ROWS && c >= 0 && c < COLUMNS) {
				sum += edges[r * COLUMNS + c].energy;
				count++;
			}
	return sum / (float)count;
}

void rtsp_scene_of(struct rtsp_scene *out, const struct rtsp_picture *picture, float noise)
{
	struct edges edges[RTSP_CELLS];
	for (int i = 0; i < RTSP_CELLS; i++)
		edges[i] = edges_of(picture, i / COLUMNS, i % COLUMNS);
	float noisy = 100 * noise * noise; /* 25 values, two differences of two values each */
	for (int i = 0; i < RTSP_CELLS; i++)
		edges[i].energy = fmaxf(edges[i].energy - 1.3f * noisy, 0);
	for (int i = 0; i < RTSP_CELLS; i++) {
		const struct edges *e = &edges[i];
		float around = surroundings(edges, i / COLUMNS, i % COLUMNS);
		float whole = e->energy + around + AT_ALL + noisy;
		float direction = hypotf(e->along, e->across);
		float part = direction > e->energy ? e->energy / direction : 1; /* noise has directions too */
		out->cells[i] = (struct rtsp_cell){
			.along = (int8_t)lrintf(127 * part * e->along / whole),
			.across = (int8_t)lrintf(127 * part * e->across / whole),
			.there = (int8_t)lrintf(64 * (e->energy - around) / whole),
		};
	}
}

static int multiply(struct rtsp_cell a, struct rtsp_cell b)
{
	return a.along * b.along + a.across * b.across + a.there * b.there;
}

/* What the cells above and left of each corner weigh, so that any rectangle's weight is known at once. */
struct weights {
	int until[ROWS + 1][COLUMNS + 1];
};

struct rectangle { /* of cells; `bottom` and `right` are beyond it */
	int top, left, bottom, right;
};

static void weigh(struct weights *out, const struct rtsp_scene *scene)
{
	memset(out->until[0], 0, sizeof out->until[0]);
	for (int r = 0; r < ROWS; r++) {
		int row = 0;
		out->until[r + 1][0] = 0;
		for (int c = 0; c < COLUMNS; c++) {
			struct rtsp_cell a = scene->cells[r * COLUMNS + c];
			row += multiply(a, a);
			out->until[r + 1][c + 1] = out->until[r][c + 1] + row;
		}
	}
}

static int weight_of(const struct weights *w, struct rectangle in, int right, int down)
{
	return w->until[in.bottom + down][in.right + right] - w->until[in.top + down][in.right + right] -
	       w->until[in.bottom + down][in.left + right] + w->until[in.top + down][in.left + right];
}

static struct rectangle region_of(int region)
{
	int top = region / RTSP_REGION_COLUMNS * REGION_HEIGHT;
	int left = region % RTSP_REGION_COLUMNS * REGION_WIDTH;
	return (struct rectangle){ top, left, top + REGION_HEIGHT, left + REGION_WIDTH };
}

/* The part of it that is still in the picture `right` and `down` of where it was. */
static struct rectangle still_inside(struct rectangle in, int right, int down)
{
	in.top = in.top + down < 0 ? -down : in.top;
	in.left = in.left + right < 0 ? -right : in.left;
	in.bottom = in.bottom + down > ROWS ? ROWS - down : in.bottom;
	in.right = in.right + right > COLUMNS ? COLUMNS - right : in.right;
	return in;
}

struct pair { /* of scenes that are compared */
	const struct rtsp_scene *reference, *seen;
	struct weights own, other;
};

struct sums {
	int product, own, other, outside;
};

static void add(struct sums *to, struct sums s)
{
	to->product += s.product;
	to->own += s.own;
	to->other += s.other;
	to->outside += s.outside;
}

/* A part of the reference against what is seen `right` and `down` of it; nothing of that may lie outside the picture. */
static struct sums compare(const struct pair *p, struct rectangle in, int right, int down)
{
	struct sums s = { 0, weight_of(&p->own, in, 0, 0), weight_of(&p->other, in, right, down), 0 };
	for (int r = in.top; r < in.bottom; r++) {
		const struct rtsp_cell *a = &p->reference->cells[r * COLUMNS];
		const struct rtsp_cell *b = &p->seen->cells[(r + down) * COLUMNS];
		for (int c = in.left; c < in.right; c++)
			s.product += multiply(a[c], b[c + right]);
	}
	return s;
}

/* What lies outside the picture is left out. */
static struct sums compare_region(const struct pair *p, int region, int right, int down)
{
	struct rectangle whole = region_of(region), in = still_inside(whole, right, down);
	struct sums s = compare(p, in, right, down);
	s.outside = weight_of(&p->own, whole, 0, 0) - s.own;
	return s;
}

/* 0 also when too much lies outside. */
static float likeness_of(struct sums s)
{
	if (!s.own || !s.other || s.outside > s.own)
		return 0;
	return (float)s.product / sqrtf((float)s.own * (float)s.other);
}

/* Has this region enough to be recognised by? */
static bool has_structure(const struct rtsp_scene *scene, int region)
{
	struct rectangle in = region_of(region);
	int strong = 0;
	for (int r = in.top; r < in.bottom; r++)
		for (int c = in.left; c < in.right; c++) {
			struct rtsp_cell a = scene->cells[r * COLUMNS + c];
			strong += multiply(a, a) > 35 * 35;
		}
	return strong >= 6;
}

unsigned rtsp_scene_regions(const struct rtsp_scene *scene)
{
	unsigned count = 0;
	for (int region = 0; region < RTSP_REGIONS; region++)
		count += has_structure(scene, region);
	return count;
}

float rtsp_scene_likeness(const struct rtsp_scene *a, const struct rtsp_scene *b)
{
	int64_t product = 0, own = 0, other = 0;
	for (int i = 0; i < RTSP_CELLS; i++) {
		product += multiply(a->cells[i], b->cells[i]);
		own += multiply(a->cells[i], a->cells[i]);
		other += multiply(b->cells[i], b->cells[i]);
	}
	return own && other ? (float)product / sqrtf((float)own * (float)other) : 0;
}

struct place {
	float likeness;
	int right, down;
};

/* What all regions have in common with each other place. */
struct places {
	struct sums sums[2 * REACH_DOWN + 1][2 * REACH_RIGHT + 1];
};

/* The best other place of a region. */
static struct place find_region(const struct pair *p, int region, struct places *all)
{
	struct place best = { 0, 0, 0 };
	for (int down = -REACH_DOWN; down <= REACH_DOWN; down++)
		for (int right = -REACH_RIGHT; right <= REACH_RIGHT; right++) {
			if (!right && !down)
				continue;
			struct sums s = compare_region(p, region, right, down);
			add(&all->sums[down + REACH_DOWN][right + REACH_RIGHT], s);
			float l = likeness_of(s);
			if (l > best.likeness)
				best = (struct place){ l, right, down };
		}
	return best;
}

/* The best other place of all of them together, of those that leave two thirds in view. */
static struct place find_all(const struct places *all)
{
	struct place best = { 0, 0, 0 };
	for (int down = -REACH_DOWN; down <= REACH_DOWN; down++)
		for (int right = -REACH_RIGHT; right <= REACH_RIGHT; right++) {
			struct sums s = all->sums[down + REACH_DOWN][right + REACH_RIGHT];
			float l = likeness_of(s);
			if (l > best.likeness && 2 * s.outside <= s.own)
				best = (struct place){ l, right, down };
		}
	return best;
}

void rtsp_scene_compare(struct rtsp_scene_match *out, const struct rtsp_scene *reference,
	const struct rtsp_scene *seen, float usual)
{
	struct pair p = { .reference = reference, .seen = seen };
	struct places all = { 0 };
	bool judged[RTSP_REGIONS];
	weigh(&p.own, reference);
	weigh(&p.other, seen);
	*out = (struct rtsp_scene_match){ .likeness = rtsp_scene_likeness(reference, seen) };
	for (int region = 0; region < RTSP_REGIONS; region++) {
		judged[region] = has_structure(reference, region);
		if (!judged[region])
			continue;
		out->judged++;
		float here = likeness_of(compare_region(&p, region, 0, 0));
		struct place best = find_region(&p, region, &all);
		if (best.likeness >= elsewhere_min && best.likeness - here >= gain_min)
			out->elsewhere++;
		else if (here >= in_place_min * usual)
			out->in_place++;
		else if (!has_structure(seen, region))
			out->hidden++;
		else
			out->lost++;
	}
	struct place best = find_all(&all);
	struct sums here = { 0 };
	for (int region = 0; region < RTSP_REGIONS; region++)
		if (judged[region])
			add(&here, compare(&p, still_inside(region_of(region), best.right, best.down), 0, 0));
	out->right = (int8_t)best.right;
	out->down = (int8_t)best.down;
	out->shifted = best.likeness;
	out->unshifted = likeness_of(here);
}

/* Eight bits cannot hold a hundredth of a step, so some cells take whole steps, others none: `turn`, 0 to 255, decides. */
static int8_t approach(int8_t from, int8_t to, unsigned weight, unsigned turn)
{
	int step = (to - from) * 256 / (int)weight + (int)turn;
	return (int8_t)(from + (step >= 0 ? step / 256 : -((255 - step) / 256)));
}

void rtsp_scene_learn(
	struct rtsp_scene *reference, const struct rtsp_scene *seen, unsigned weight, uint32_t chance)
{
	for (int i = 0; i < RTSP_CELLS; i++) {
		struct rtsp_cell *a = &reference->cells[i];
		const struct rtsp_cell *b = &seen->cells[i];
		chance = chance * 1664525 + 1013904223;
		a->along = approach(a->along, b->along, weight, chance >> 24);
		a->across = approach(a->across, b->across, weight, chance >> 16 & 255);
		a->there = approach(a->there, b->there, weight, chance >> 8 & 255);
	}
}
