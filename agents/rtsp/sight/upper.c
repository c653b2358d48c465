#include "agents/rtsp/sight/upper.h"

#include <string.h>

enum {
	EDGE_MAX = 127,
	STEP = 2,
	FIRST = 4, /* then the second row of blocks takes nothing from where texts are */
	LEFT = STEP,
	PER_UNIT = 8,
};
_Static_assert(
	FIRST + RTSP_UPPER_BLOCK_HEIGHT * STEP - STEP == RTSP_UPPER_TEXT_ROWS, "a row of blocks for texts");

int rtsp_upper_edge_rows(int rows)
{
	int known = rows < FIRST + 2 * STEP ? 0 : (rows - FIRST - 2 * STEP) / STEP + 1;
	return known < RTSP_UPPER_EDGE_ROWS ? known : RTSP_UPPER_EDGE_ROWS;
}

int rtsp_upper_tile_rows(int rows)
{
	int known = (rows - RTSP_UPPER_TEXT_ROWS) / RTSP_UPPER_TILE;
	return known < 0 ? 0 : known < RTSP_UPPER_TILE_ROWS ? known : RTSP_UPPER_TILE_ROWS;
}

/* Of four values: half the size. */
static int sum_at(const struct rtsp_picture *p, int y, int x)
{
	return p->luma[y][x] + p->luma[y][x + 1] + p->luma[y + 1][x] + p->luma[y + 1][x + 1];
}

static int8_t edge_at(const struct rtsp_picture *p, int y, int x)
{
	int sharp = 4 * sum_at(p, y, x) - sum_at(p, y - STEP, x) - sum_at(p, y + STEP, x) -
		    sum_at(p, y, x - STEP) - sum_at(p, y, x + STEP);
	sharp /= PER_UNIT;
	return (int8_t)(sharp > EDGE_MAX ? EDGE_MAX : sharp < -EDGE_MAX ? -EDGE_MAX : sharp);
}

static uint8_t mean_at(const struct rtsp_picture *p, int y, int x)
{
	unsigned sum = 0;
	for (int row = y; row < y + RTSP_UPPER_TILE; row++)
		for (int column = x; column < x + RTSP_UPPER_TILE; column++)
			sum += p->luma[row][column];
	return (uint8_t)(sum / (RTSP_UPPER_TILE * RTSP_UPPER_TILE));
}

void rtsp_upper_of(struct rtsp_upper *out, const struct rtsp_picture *picture, int rows)
{
	int known = rows < 0 ? 0 : rows < RTSP_UPPER_ROWS ? rows : RTSP_UPPER_ROWS;
	memset(out, 0, sizeof *out);
	out->rows = (uint8_t)known;
	for (int y = 0; y < rtsp_upper_edge_rows(known); y++)
		for (int x = 0; x < RTSP_UPPER_EDGE_COLUMNS; x++)
			out->edges[y][x] = edge_at(picture, FIRST + STEP * y, LEFT + STEP * x);
	for (int y = 0; y < rtsp_upper_tile_rows(known); y++)
		for (int x = 0; x < RTSP_UPPER_TILE_COLUMNS; x++)
			out->tiles[y][x] = mean_at(
				picture, RTSP_UPPER_TEXT_ROWS + RTSP_UPPER_TILE * y, RTSP_UPPER_TILE * x);
	for (int y = RTSP_UPPER_TEXT_ROWS; y < known; y++)
		out->marks[y - RTSP_UPPER_TEXT_ROWS] = picture->row_marks[y];
}
