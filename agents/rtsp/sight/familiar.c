#include "agents/rtsp/sight/familiar.h"

#include <math.h>
#include <string.h>

#include "agents/rtsp/sight/measure.h"

enum {
	PICTURES = 4,
	PICTURES_MIN = 2, /* one alone shows what is noise, too */
	ODD = 2,
	BLIND = 4,
	BLOCKS_MIN = 4,
	STRUCTURED = 15, /* of a block's edges, the mean of their squares */
};
static const int64_t old_us = 7200 * (int64_t)TORAP_US_PER_S; /* the light is another one */
static const float alike_min = 0.6f, below_text_min = 0.4f, least = 0.5f, most = 2, agreement = 0.6f;
static const float all_dark = 0.96f, usually_dark = 0.9f, contrast_lost = 2.5f;

/* A block of edges as it was, beside one that is. */
struct block {
	float was, both; /* squares of what was; products of both: their ratio is the projection */
	int count;
};

static struct block block_at(
	const struct rtsp_familiar *f, const struct rtsp_upper *u, int rows, int row, int column)
{
	struct block b = { 0 };
	int top = row * RTSP_UPPER_BLOCK_HEIGHT, left = column * RTSP_UPPER_BLOCK_WIDTH;
	for (int y = top; y < top + RTSP_UPPER_BLOCK_HEIGHT && y < rows; y++)
		for (int x = left; x < left + RTSP_UPPER_BLOCK_WIDTH; x++) {
			b.was += (float)(f->edges[y][x] * f->edges[y][x]);
			b.both += (float)(f->edges[y][x] * u->edges[y][x]);
			b.count++;
		}
	return b;
}

/* Rows of blocks of which half is known, or more. */
static int block_rows(int edge_rows)
{
	return (edge_rows + RTSP_UPPER_BLOCK_HEIGHT / 2) / RTSP_UPPER_BLOCK_HEIGHT;
}

static bool is_scene(const struct rtsp_familiar *f, int row, int column)
{
	unsigned bits = (1u << (f->count - 1)) - 1;
	return (f->agreed[row][column] & bits) == bits;
}

struct tally { /* of blocks in which there is something of the scene */
	int all, alike;
};

static struct tally count_row(const struct rtsp_familiar *f, const struct rtsp_upper *u, int rows, int row)
{
	struct tally t = { 0 };
	for (int column = 0; column < RTSP_UPPER_BLOCK_COLUMNS; column++) {
		struct block b = block_at(f, u, rows, row, column);
		if (!is_scene(f, row, column) || b.was < (float)(STRUCTURED * b.count))
			continue;
		t.all++;
		t.alike += b.both >= least * b.was && b.both <= most * b.was;
	}
	return t;
}

static bool has_left(struct tally t, float share)
{
	return (float)t.alike >= share * (float)t.all;
}

/* A text is always there: so the first row may make a picture unlike, but what is below it has to be alike by itself, too. */
static enum rtsp_likeness compare_edges(const struct rtsp_familiar *f, const struct rtsp_upper *u)
{
	int rows = rtsp_upper_edge_rows(u->rows);
	struct tally below = { 0 }, first = count_row(f, u, rows, 0);
	for (int row = 1; row < block_rows(rows); row++) {
		struct tally t = count_row(f, u, rows, row);
		below.all += t.all;
		below.alike += t.alike;
	}
	struct tally all = { below.all + first.all, below.alike + first.alike };
	if (below.all < BLOCKS_MIN)
		return RTSP_LIKENESS_NONE;
	return has_left(all, alike_min) && has_left(below, below_text_min) ? RTSP_ALIKE : RTSP_UNLIKE;
}

struct light {
	float dark, deviation; /* share of dark tiles; of their means */
};

static struct light light_of(const uint8_t tiles[][RTSP_UPPER_TILE_COLUMNS], int rows)
{
	int sum = 0, squares = 0, dark = 0, count = rows * RTSP_UPPER_TILE_COLUMNS;
	for (int y = 0; y < rows; y++)
		for (int x = 0; x < RTSP_UPPER_TILE_COLUMNS; x++) {
			int v = tiles[y][x];
			sum += v;
			squares += v * v;
			dark += v <= RTSP_DARK;
		}
	float mean = (float)sum / (float)count;
	return (struct light){ (float)dark / (float)count,
		sqrtf(fmaxf(0, (float)squares / (float)count - mean * mean)) };
}

/* All is dark that was not, or nearly all contrast is gone. */
static bool is_light_gone(const struct rtsp_familiar *f, const struct rtsp_upper *u)
{
	int rows = rtsp_upper_tile_rows(u->rows);
	struct light was = light_of(f->tiles, rows), is = light_of(u->tiles, rows);
	return (is.dark > all_dark && was.dark < usually_dark) ||
	       log2f((was.deviation + 0.5f) / (is.deviation + 0.5f)) > contrast_lost;
}

/* As far as both were seen, not a value is another one. */
static bool is_as_before(const struct rtsp_familiar *f, const struct rtsp_upper *u)
{
	for (unsigned i = 0; i < RTSP_SEEN; i++) {
		int rows = (f->seen[i].rows < u->rows ? f->seen[i].rows : u->rows) - RTSP_UPPER_TEXT_ROWS;
		if (rows > 0 && !memcmp(f->seen[i].marks, u->marks, (size_t)rows * sizeof *u->marks))
			return true;
	}
	return false;
}

enum rtsp_likeness rtsp_familiar_compare(const struct rtsp_familiar *f, const struct rtsp_upper *u)
{
	if (rtsp_familiar_lacks(f) || u->rows < RTSP_UPPER_ROWS_MIN)
		return RTSP_LIKENESS_NONE;
	enum rtsp_likeness edges = compare_edges(f, u);
	if (edges != RTSP_ALIKE)
		return edges;
	return is_light_gone(f, u) ? RTSP_UNLIKE : is_as_before(f, u) ? RTSP_STANDS : RTSP_ALIKE;
}

void rtsp_familiar_saw(struct rtsp_familiar *f, const struct rtsp_upper *u)
{
	f->seen[f->next].rows = u->rows;
	memcpy(f->seen[f->next].marks, u->marks, sizeof u->marks);
	f->next = (uint8_t)((f->next + 1) % RTSP_SEEN);
}

bool rtsp_familiar_lacks(const struct rtsp_familiar *f)
{
	return f->count < PICTURES_MIN;
}

bool rtsp_familiar_ready(const struct rtsp_familiar *f, struct torap_mono at)
{
	return !rtsp_familiar_lacks(f) && !f->blind && at.us - f->learned_at.us < old_us;
}

void rtsp_familiar_vague(struct rtsp_familiar *f)
{
	if (f->deep)
		rtsp_familiar_blind(f);
	f->deep = true;
}

void rtsp_familiar_blind(struct rtsp_familiar *f)
{
	f->blind = BLIND;
}

static void note_agreement(struct rtsp_familiar *f, const struct rtsp_upper *good)
{
	for (int row = 0; row < RTSP_UPPER_BLOCK_ROWS; row++)
		for (int column = 0; column < RTSP_UPPER_BLOCK_COLUMNS; column++) {
			struct block b = block_at(f, good, RTSP_UPPER_EDGE_ROWS, row, column);
			uint8_t *bits = &f->agreed[row][column];
			*bits = (uint8_t)(*bits << 1 | (b.both >= agreement * b.was));
		}
}

static int mean(int was, int is, int count)
{
	int sum = was * (count - 1) + is, half = sum < 0 ? -count / 2 : count / 2;
	return (sum + half) / count;
}

static void mix(struct rtsp_familiar *f, const struct rtsp_upper *good)
{
	f->count = f->count < PICTURES ? f->count + 1 : PICTURES;
	for (int y = 0; y < RTSP_UPPER_EDGE_ROWS; y++)
		for (int x = 0; x < RTSP_UPPER_EDGE_COLUMNS; x++)
			f->edges[y][x] = (int8_t)mean(f->edges[y][x], good->edges[y][x], f->count);
	for (int y = 0; y < RTSP_UPPER_TILE_ROWS; y++)
		for (int x = 0; x < RTSP_UPPER_TILE_COLUMNS; x++)
			f->tiles[y][x] = (uint8_t)mean(f->tiles[y][x], good->tiles[y][x], f->count);
}

void rtsp_familiar_learn(struct rtsp_familiar *f, const struct rtsp_upper *good, struct torap_mono at)
{
	bool old = at.us - f->learned_at.us >= old_us;
	f->odd = rtsp_familiar_compare(f, good) == RTSP_UNLIKE ? f->odd + 1 : 0;
	f->blind -= f->blind > 0;
	if (f->odd && f->odd < ODD && !old)
		return;
	if (f->odd || old)
		*f = (struct rtsp_familiar){ 0 };
	f->learned_at = at;
	note_agreement(f, good);
	mix(f, good);
}
