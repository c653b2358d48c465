#include "agents/rtsp/sight/measure.h"

#include <math.h>
#include <stdlib.h>

enum { W = RTSP_PICTURE_WIDTH, H = RTSP_PICTURE_HEIGHT, NOISE_MAX = 8 };

struct block {
	float mean, variance;
	float laplacian, energy; /* the median of its values, and the mean of their squares */
	bool flat;
};

/* The second derivative, both ways. */
static int laplacian(const struct rtsp_picture *p, int y, int x)
{
	return 4 * p->luma[y][x] - p->luma[y - 1][x] - p->luma[y + 1][x] - p->luma[y][x - 1] -
	       p->luma[y][x + 1];
}

static void measure_block(struct block *b, const struct rtsp_picture *p, int top, int left)
{
	int sum = 0, squares = 0, count = 0;
	int64_t energy = 0;
	uint8_t sizes[128] = { 0 }; /* how many values are so large; 127: or larger */
	for (int y = top; y < top + RTSP_BLOCK; y++)
		for (int x = left; x < left + RTSP_BLOCK; x++) {
			int v = p->luma[y][x];
			sum += v;
			squares += v * v;
			if (!y || !x || y == H - 1 || x == W - 1)
				continue;
			int l = abs(laplacian(p, y, x));
			energy += (int64_t)l * l;
			sizes[l < 127 ? l : 127]++;
			count++;
		}
	enum { N = RTSP_BLOCK * RTSP_BLOCK };
	b->mean = (float)sum / N;
	b->variance = (float)squares / N - b->mean * b->mean;
	b->energy = (float)energy / (float)count;
	int below = 0, l = 0;
	while (below + sizes[l] <= count / 2)
		below += sizes[l++];
	b->laplacian = (float)l - 0.5f + ((float)count / 2 - (float)below) / sizes[l];
}

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

/* Noise as the flattest quarter of the blocks shows it; clipped blocks, which have none, are left out when others are enough. */
static float measure_noise(const struct block *blocks, int all)
{
	float found[RTSP_BLOCKS];
	int count = 0;
	for (int clipped = 0; clipped < 2 && count < all / 4; clipped++) {
		count = 0;
		for (int i = 0; i < all; i++)
			if (clipped || (blocks[i].mean > 20 && blocks[i].mean < 232))
				found[count++] = blocks[i].laplacian;
	}
	qsort(found, (size_t)count, sizeof *found, compare_floats);
	float median = found[count / 4] > 0 ? found[count / 4] : 0;
	/* Of a normal distribution, through a Laplacian.  What is coarser than any sensor's noise, averaged, is content. */
	return fminf(median * 1.4826f / sqrtf(20), NOISE_MAX);
}

/* Nothing but noise?  Encoders leave it in some blocks and take it out of others, so besides the noise of the whole its own look
 * counts: noise has more energy by contrast than edges have. */
static bool is_flat(const struct block *b, float noise)
{
	return b->variance <= fmaxf(12, 3 * noise * noise) ||
	       (b->variance <= 50 && b->energy >= 5.5f * b->variance);
}

/* Without the first and last row: there cameras write texts, upon whatever they see. */
static bool is_text_row(int block)
{
	return block < RTSP_BLOCK_COLUMNS || block >= RTSP_BLOCKS - RTSP_BLOCK_COLUMNS;
}

struct plane {
	double level, right, down; /* mean = level + right x + down y, in blocks from the middle */
};

/* The plane that flat blocks lie nearest to; false when they are too few, or in one line. */
static bool fit_plane(struct plane *out, const struct block *blocks)
{
	double m[3][4] = { { 0 } };
	for (int i = 0; i < RTSP_BLOCKS; i++) {
		if (!blocks[i].flat || is_text_row(i))
			continue;
		int x = i % RTSP_BLOCK_COLUMNS, y = i / RTSP_BLOCK_COLUMNS;
		double v[4] = { 1, x - 7.5, y - 4., blocks[i].mean };
		for (int r = 0; r < 3; r++)
			for (int c = 0; c < 4; c++)
				m[r][c] += v[r] * v[c];
	}
	if (m[0][0] < RTSP_BLOCKS / 4.)
		return false;
	for (int k = 0; k < 3; k++) {
		if (fabs(m[k][k]) < 1e-6)
			return false;
		for (int r = 0; r < 3; r++) {
			double f = r == k ? 0 : m[r][k] / m[k][k];
			for (int c = 0; c < 4; c++)
				m[r][c] -= f * m[k][c];
		}
	}
	*out = (struct plane){ m[0][3] / m[0][0], m[1][3] / m[1][1], m[2][3] / m[2][2] };
	return true;
}

/* How far flat blocks lie from their plane, and how far from their neighbours when the plane's slope is taken off. */
static void measure_relief(struct rtsp_measure *out, const struct block *blocks)
{
	struct plane p;
	double relief = 0, steps = 0;
	int count = 0, pairs = 0;
	out->relief = out->steps = 255;
	if (!fit_plane(&p, blocks))
		return;
	for (int i = 0; i < RTSP_BLOCKS; i++) {
		int x = i % RTSP_BLOCK_COLUMNS, y = i / RTSP_BLOCK_COLUMNS;
		if (!blocks[i].flat || is_text_row(i))
			continue;
		double d = blocks[i].mean - p.level - p.right * (x - 7.5) - p.down * (y - 4.);
		relief += d * d;
		count++;
		if (x + 1 < RTSP_BLOCK_COLUMNS && blocks[i + 1].flat) {
			d = blocks[i + 1].mean - blocks[i].mean - p.right;
			steps += d * d;
			pairs++;
		}
		if (!is_text_row(i + RTSP_BLOCK_COLUMNS) && blocks[i + RTSP_BLOCK_COLUMNS].flat) {
			d = blocks[i + RTSP_BLOCK_COLUMNS].mean - blocks[i].mean - p.down;
			steps += d * d;
			pairs++;
		}
	}
	out->relief = (float)sqrt(relief / count);
	out->steps = pairs ? (float)sqrt(steps / pairs) : 255;
}

/* Half the size again: noise is a quarter there, and a lens out of focus shows all the same. */
struct half {
	int values[H / 2][W / 2]; /* sums of four */
};

static void halve(struct half *out, const struct rtsp_picture *p)
{
	for (int y = 0; y < H / 2; y++)
		for (int x = 0; x < W / 2; x++)
			out->values[y][x] = p->luma[2 * y][2 * x] + p->luma[2 * y][2 * x + 1] +
					    p->luma[2 * y + 1][2 * x] + p->luma[2 * y + 1][2 * x + 1];
}

/* `count` values in their order, and one more in its place. */
static void insert(int *values, int count, int value)
{
	for (; count && values[count - 1] > value; count--)
		values[count] = values[count - 1];
	values[count] = value;
}

static void measure_half_block(struct block *b, const struct half *h, int top, int left)
{
	enum { SIDE = RTSP_BLOCK / 2, N = SIDE * SIDE };
	int64_t sum = 0, squares = 0, energy = 0;
	int sizes[N], count = 0;
	for (int y = top; y < top + SIDE; y++)
		for (int x = left; x < left + SIDE; x++) {
			int v = h->values[y][x];
			sum += v;
			squares += (int64_t)v * v;
			if (!x || x == W / 2 - 1)
				continue;
			int l = 4 * v - h->values[y - 1][x] - h->values[y + 1][x] - h->values[y][x - 1] -
				h->values[y][x + 1];
			energy += (int64_t)l * l;
			insert(sizes, count++, abs(l));
		}
	b->mean = (float)sum / (4 * N);
	b->variance = (float)squares / (16 * N) - b->mean * b->mean;
	b->energy = (float)energy / (16 * (float)count);
	int median = sizes[count / 2];
	b->laplacian = (float)median / 4;
}

/* Without the rows of texts, which are always sharp. */
static void measure_sharpness(struct rtsp_measure *out, const struct rtsp_picture *picture)
{
	enum { ROWS = RTSP_BLOCK_ROWS - 2, COUNT = ROWS * RTSP_BLOCK_COLUMNS };
	struct half half;
	struct block blocks[COUNT];
	halve(&half, picture);
	for (int i = 0; i < COUNT; i++)
		measure_half_block(&blocks[i], &half, (i / RTSP_BLOCK_COLUMNS + 1) * RTSP_BLOCK / 2,
			i % RTSP_BLOCK_COLUMNS * RTSP_BLOCK / 2);
	float noise = measure_noise(blocks, COUNT), energies = 0, contrasts = 0;
	noise *= noise;
	for (int i = 0; i < COUNT; i++) {
		float contrast = blocks[i].variance - noise, energy = blocks[i].energy - 20 * noise;
		if (contrast < 20 || contrast < 6 * noise)
			continue;
		/* By the root of its contrast: a headlight shall not outweigh a street, nor a shadow count as much. */
		energies += fmaxf(energy, 0) / sqrtf(contrast);
		contrasts += sqrtf(contrast);
		out->structured++;
	}
	if (out->structured)
		out->sharpness = log2f(fmaxf(energies / contrasts, 1.f / 64)); /* below, rounding decides */
}

static void measure_values(struct rtsp_measure *out, const struct rtsp_picture *p)
{
	enum { N = W * H };
	unsigned counts[256] = { 0 }, bins[32] = { 0 };
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++)
			counts[p->luma[y][x]]++;
	double sum = 0, squares = 0;
	for (unsigned v = 0; v < 256; v++) {
		sum += (double)v * counts[v];
		squares += (double)v * v * counts[v];
		bins[v / 8] += counts[v];
		if (v <= RTSP_DARK)
			out->dark += (float)counts[v] / N;
		if (v >= RTSP_BRIGHT)
			out->bright += (float)counts[v] / N;
		if (v >= RTSP_PALE)
			out->pale += (float)counts[v] / N;
	}
	out->mean = (float)(sum / N);
	out->deviation = (float)sqrt(fmax(squares / N - sum / N * (sum / N), 0));
	for (unsigned i = 0; i < 32; i++)
		if (bins[i])
			out->entropy -= (float)bins[i] / N * log2f((float)bins[i] / N);
}

void rtsp_measure_picture(struct rtsp_measure *out, const struct rtsp_picture *picture)
{
	struct block blocks[RTSP_BLOCKS];
	*out = (struct rtsp_measure){ .shot = picture->shot };
	out->marks = picture->marks;
	measure_values(out, picture);
	for (int i = 0; i < RTSP_BLOCKS; i++)
		measure_block(&blocks[i], picture, i / RTSP_BLOCK_COLUMNS * RTSP_BLOCK,
			i % RTSP_BLOCK_COLUMNS * RTSP_BLOCK);
	out->noise = measure_noise(blocks, RTSP_BLOCKS);
	for (int i = 0; i < RTSP_BLOCKS; i++) {
		blocks[i].flat = is_flat(&blocks[i], out->noise);
		if (!is_text_row(i))
			out->flat += (float)blocks[i].flat / (RTSP_BLOCKS - 2 * RTSP_BLOCK_COLUMNS);
	}
	measure_relief(out, blocks);
	measure_sharpness(out, picture);
	rtsp_scene_of(&out->scene, picture, out->noise);
}
