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

static void find_edges(struct edges *edges, const struct rtsp_picture *p)
{
	memset(edges, 0, RTSP_CELLS * sizeof *edges);
	for (int y = 1; y < H - 1; y++)
		for (int x = 1; x < W - 1; x++) {
			int right = p->luma[y][x + 1] - p->luma[y][x - 1];
			int down = p->luma[y + 1][x] - p->luma[y - 1][x];
			struct edges *e = &edges[y / RTSP_CELL * COLUMNS + x / RTSP_CELL];
			e->along += (float)(right * right - down * down);
			e->across += (float)(2 * right * down);
			e->energy += (float)(right * right + down * down);
		}
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
	find_edges(edges, picture);
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

/* How alike are a region of the reference and what is seen `right` and `down` of it?  What lies outside the picture is left out;
 * 0 when that is too much of it. */
static float compare_region(
	const struct rtsp_scene *reference, const struct rtsp_scene *seen, int region, int right, int down)
{
	int top = region / RTSP_REGION_COLUMNS * REGION_HEIGHT;
	int left = region % RTSP_REGION_COLUMNS * REGION_WIDTH;
	int product = 0, own = 0, other = 0, outside = 0;
	for (int r = top; r < top + REGION_HEIGHT; r++)
		for (int c = left; c < left + REGION_WIDTH; c++) {
			struct rtsp_cell a = reference->cells[r * COLUMNS + c];
			if (r + down < 0 || r + down >= ROWS || c + right < 0 || c + right >= COLUMNS) {
				outside += multiply(a, a);
				continue;
			}
			struct rtsp_cell b = seen->cells[(r + down) * COLUMNS + c + right];
			product += multiply(a, b);
			own += multiply(a, a);
			other += multiply(b, b);
		}
	if (!own || !other || outside > own)
		return 0;
	return (float)product / sqrtf((float)own * (float)other);
}

/* Has this region enough to be recognised by? */
static bool has_structure(const struct rtsp_scene *scene, int region)
{
	int top = region / RTSP_REGION_COLUMNS * REGION_HEIGHT;
	int left = region % RTSP_REGION_COLUMNS * REGION_WIDTH;
	int strong = 0;
	for (int r = top; r < top + REGION_HEIGHT; r++)
		for (int c = left; c < left + REGION_WIDTH; c++) {
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

/* The best other place. */
static struct place find_region(const struct rtsp_scene *reference, const struct rtsp_scene *seen, int region)
{
	struct place best = { 0, 0, 0 };
	for (int down = -REACH_DOWN; down <= REACH_DOWN; down++)
		for (int right = -REACH_RIGHT; right <= REACH_RIGHT; right++) {
			if (!right && !down)
				continue;
			float l = compare_region(reference, seen, region, right, down);
			if (l > best.likeness)
				best = (struct place){ l, right, down };
		}
	return best;
}

void rtsp_scene_compare(struct rtsp_scene_match *out, const struct rtsp_scene *reference,
	const struct rtsp_scene *seen, float usual)
{
	uint8_t votes[2 * REACH_DOWN + 1][2 * REACH_RIGHT + 1] = { { 0 } }, most = 0;
	*out = (struct rtsp_scene_match){ .likeness = rtsp_scene_likeness(reference, seen) };
	for (int region = 0; region < RTSP_REGIONS; region++) {
		if (!has_structure(reference, region))
			continue;
		out->judged++;
		float here = compare_region(reference, seen, region, 0, 0);
		struct place best = find_region(reference, seen, region);
		if (best.likeness >= elsewhere_min && best.likeness - here >= gain_min) {
			out->elsewhere++;
			uint8_t *vote = &votes[best.down + REACH_DOWN][best.right + REACH_RIGHT];
			if (++*vote > most) {
				most = *vote;
				out->right = (int8_t)best.right;
				out->down = (int8_t)best.down;
			}
		} else if (here >= in_place_min * usual) {
			out->in_place++;
		} else if (!has_structure(seen, region)) {
			out->hidden++;
		} else {
			out->lost++;
		}
	}
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
