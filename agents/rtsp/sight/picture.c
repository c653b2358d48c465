#include "agents/rtsp/sight/picture.h"

#include <string.h>

/* Where the area of small value `i` of `count` begins in a side of `size`. */
static int begin(int i, int size, int count)
{
	return (int)((int64_t)i * size / count);
}

/* And where it ends: it holds one value at least, also when the picture is smaller than the small one. */
static int end(int i, int size, int count)
{
	int from = begin(i, size, count), to = begin(i + 1, size, count);
	return to > from ? to : from + 1;
}

/* Every step is reversible, so equal marks of different sums are chance. */
static uint64_t mix(uint64_t mark, uint32_t sum)
{
	mark = (mark ^ sum) * 0x9e3779b97f4a7c15u;
	return mark ^ mark >> 29;
}

/* What is too small or too large to be judged. */
static bool take_size(struct rtsp_picture *out, int width, int height)
{
	out->shot.width = (uint16_t)(width < 0 ? 0 : width > UINT16_MAX ? UINT16_MAX : width);
	out->shot.height = (uint16_t)(height < 0 ? 0 : height > UINT16_MAX ? UINT16_MAX : height);
	return width >= RTSP_PICTURE_SIDE_MIN && height >= RTSP_PICTURE_SIDE_MIN &&
	       width <= RTSP_PICTURE_SIDE_MAX && height <= RTSP_PICTURE_SIDE_MAX;
}

/* The first `rows` of the small picture. */
static void take_rows(
	struct rtsp_picture *out, const uint8_t *data, ptrdiff_t stride, int width, int height, int rows)
{
	/* 183 rows of 255 at most: a column's sum fits 16 bits, and the compiler adds many at once. */
	uint16_t columns[RTSP_PICTURE_SIDE_MAX];
	uint64_t marks[RTSP_BLOCKS] = { 0 };
	for (int y = 0; y < rows; y++) {
		int top = begin(y, height, RTSP_PICTURE_HEIGHT), bottom = end(y, height, RTSP_PICTURE_HEIGHT);
		uint64_t row_mark = 0;
		memset(columns, 0, (size_t)width * sizeof *columns);
		for (int row = top; row < bottom; row++) {
			const uint8_t *line = data + row * stride;
			for (int x = 0; x < width; x++)
				columns[x] = (uint16_t)(columns[x] + line[x]);
		}
		for (int x = 0; x < RTSP_PICTURE_WIDTH; x++) {
			int left = begin(x, width, RTSP_PICTURE_WIDTH);
			int right = end(x, width, RTSP_PICTURE_WIDTH);
			uint32_t sum = 0, area = (uint32_t)((right - left) * (bottom - top));
			for (int column = left; column < right; column++)
				sum += columns[column];
			out->luma[y][x] = (uint8_t)((sum + area / 2) / area);
			uint64_t *mark = &marks[y / RTSP_BLOCK * RTSP_BLOCK_COLUMNS + x / RTSP_BLOCK];
			*mark = mix(*mark, sum);
			row_mark = mix(row_mark, sum);
		}
		if (y < RTSP_ROW_MARKS)
			out->row_marks[y] = (uint16_t)(row_mark >> 48 ^ row_mark >> 24 ^ row_mark);
	}
	for (int i = 0; i < RTSP_BLOCKS; i++)
		out->marks.blocks[i] = (uint8_t)(marks[i] >> 56 ^ marks[i] >> 32 ^ marks[i]);
}

bool rtsp_picture_from_luma(
	struct rtsp_picture *out, const uint8_t *data, ptrdiff_t stride, int width, int height)
{
	if (!take_size(out, width, height))
		return false;
	take_rows(out, data, stride, width, height, RTSP_PICTURE_HEIGHT);
	return true;
}

int rtsp_picture_from_upper_luma(
	struct rtsp_picture *out, const uint8_t *data, ptrdiff_t stride, int width, int height, int rows)
{
	int whole = 0;
	if (!take_size(out, width, height))
		return 0;
	while (whole < RTSP_PICTURE_HEIGHT && end(whole, height, RTSP_PICTURE_HEIGHT) <= rows)
		whole++;
	take_rows(out, data, stride, width, height, whole);
	return whole;
}
