/* The first quarter of keyframes that x264 made, whatever they show of like size: a street, or what became of it. */
#include "agents/rtsp/peek.h"

#include <criterion/criterion.h>
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/decode.h"

enum { W = 1280, H = 720, QP = 26, QP_MAX = 51 };
static uint8_t luma[H][W];
static uint32_t seed;
static struct rtsp_familiar f;
static struct rtsp_impressions usual;

struct keyframe {
	uint8_t *data;
	size_t size;
};

static int chance(int below)
{
	seed = seed * 1664525 + 1013904223;
	return (int)((seed >> 8) % (unsigned)below);
}

static void box(int x, int y, int w, int h, int level)
{
	for (int row = y; row < y + h && row < H; row++)
		for (int column = x; column < x + w && column < W; column++)
			luma[row][column] = (uint8_t)level;
}

static void draw_street(void)
{
	uint32_t keep = seed;
	seed = 7;
	box(0, 0, W, H, 140);
	for (int i = 0; i < 120; i++)
		box(chance(W), chance(H), 20 + chance(120), 20 + chance(120), 50 + chance(150));
	seed = keep;
}

static void add_noise(int size)
{
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++) {
			int v = luma[y][x] + chance(2 * size + 1) - size;
			luma[y][x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
}

/* By a box, along rows and then along columns. */
static void blur(int radius)
{
	static uint8_t from[H][W];
	for (int pass = 0; pass < 2; pass++) {
		memcpy(from, luma, sizeof from);
		for (int y = 0; y < H; y++)
			for (int x = 0; x < W; x++) {
				int sum = 0, count = 0;
				for (int d = -radius; d <= radius; d++) {
					int row = pass ? y + d : y, column = pass ? x : x + d;
					if (row < 0 || row >= H || column < 0 || column >= W)
						continue;
					sum += from[row][column];
					count++;
				}
				luma[y][x] = (uint8_t)(sum / count);
			}
	}
}

static AVFrame *frame_of_luma(void)
{
	AVFrame *frame = av_frame_alloc();
	frame->width = W;
	frame->height = H;
	frame->format = AV_PIX_FMT_YUV420P;
	cr_assert_eq(av_frame_get_buffer(frame, 0), 0);
	for (int y = 0; y < H; y++)
		memcpy(frame->data[0] + y * frame->linesize[0], luma[y], W);
	for (int plane = 1; plane < 3; plane++)
		for (int y = 0; y < H / 2; y++)
			memset(frame->data[plane] + y * frame->linesize[plane], 128, W / 2);
	return frame;
}

/* As we put keyframes together: each unit behind four bytes, with room behind all. */
static struct keyframe with_long_codes(const uint8_t *data, size_t size)
{
	struct keyframe k = { malloc(2 * size + RTSP_FRAME_PADDING), 0 };
	for (size_t i = 0; i < size; i++) {
		if (i + 3 < size && !data[i] && !data[i + 1] && data[i + 2] == 1 && (!i || data[i - 1]))
			k.data[k.size++] = 0;
		k.data[k.size++] = data[i];
	}
	return k;
}

static struct keyframe encode_at(int qp, int slices)
{
	char params[96];
	const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
	AVCodecContext *c = avcodec_alloc_context3(codec);
	c->width = W;
	c->height = H;
	c->pix_fmt = AV_PIX_FMT_YUV420P;
	c->time_base = (AVRational){ 1, 25 };
	c->thread_count = 1;
	snprintf(params, sizeof params, "qp=%d:slices=%d:annexb=1:log=-1:aq-mode=0", qp, slices);
	av_opt_set(c->priv_data, "x264-params", params, 0);
	cr_assert_eq(avcodec_open2(c, codec, NULL), 0);
	AVFrame *frame = frame_of_luma();
	AVPacket *p = av_packet_alloc();
	cr_assert_eq(avcodec_send_frame(c, frame), 0);
	cr_assert_eq(avcodec_send_frame(c, NULL), 0);
	cr_assert_eq(avcodec_receive_packet(c, p), 0);
	struct keyframe k = with_long_codes(p->data, (size_t)p->size);
	av_packet_free(&p);
	av_frame_free(&frame);
	avcodec_free_context(&c);
	return k;
}

static bool is_like(size_t size)
{
	return !rtsp_impressions_differ(&usual, (uint32_t)size);
}

/* An encoder that holds its rate: it spends on noise what there is not of a scene. */
static struct keyframe encode_alike(int slices)
{
	for (int low = 0, high = QP_MAX; low <= high;) {
		int qp = (low + high) / 2;
		struct keyframe k = encode_at(qp, slices);
		if (is_like(k.size))
			return k;
		if (k.size > usual.sizes[0])
			low = qp + 1;
		else
			high = qp - 1;
		free(k.data);
	}
	cr_assert(false, "no keyframe of like size");
	return (struct keyframe){ 0 };
}

/* The camera shows the street, four times. */
static void know_street(int slices)
{
	struct rtsp_shot shot = { .codec = RTSP_CODEC_H264 };
	static struct rtsp_picture picture;
	struct rtsp_upper upper;
	rtsp_decode_init();
	f = (struct rtsp_familiar){ 0 };
	for (int i = 0; i < 4; i++) {
		draw_street();
		add_noise(6);
		struct keyframe k = encode_at(QP, slices);
		usual.sizes[i] = (uint32_t)k.size;
		cr_assert(rtsp_decode(&picture, &shot, k.data, k.size));
		rtsp_upper_of(&upper, &picture, RTSP_PICTURE_HEIGHT);
		rtsp_familiar_learn(&f, &upper, (struct torap_mono){ 1 + i });
		free(k.data);
	}
}

/* And frees it.  The bytes are as before. */
static enum rtsp_likeness peek(struct keyframe k)
{
	uint8_t *before = malloc(k.size);
	memcpy(before, k.data, k.size);
	struct rtsp_impression i = rtsp_impression_of(RTSP_CODEC_H264, torap_bytes(k.data, k.size));
	size_t part = rtsp_peek_part(RTSP_CODEC_H264, &f, &usual, &i);
	cr_expect(part > k.size / 6 && part < k.size / 3, "%zu of %zu", part, k.size);
	struct rtsp_upper seen;
	enum rtsp_likeness likeness = rtsp_peek(&seen, &f, k.data, part);
	cr_expect_geq(seen.rows, RTSP_UPPER_ROWS_MIN);
	cr_expect_arr_eq(k.data, before, k.size);
	free(before);
	free(k.data);
	return likeness;
}

static void check_street(int slices)
{
	enum { BLACK, WHITE, COVERED, BLURRED, CASES };
	know_street(slices);
	for (int i = 0; i < 3; i++) {
		draw_street();
		add_noise(6);
		cr_expect_eq(peek(encode_alike(slices)), RTSP_ALIKE, "%d slices, moment %d", slices, i);
	}
	draw_street();
	box(0, H / 3, W, H, 64);
	add_noise(6);
	cr_expect_eq(peek(encode_alike(slices)), RTSP_ALIKE, "%d slices, the lower part is covered", slices);
	for (int i = 0; i < CASES; i++) {
		draw_street();
		if (i == BLURRED)
			blur(16);
		else
			box(0, 0, W, H, i == BLACK ? 18 : i == WHITE ? 235 : 112);
		add_noise(6);
		cr_expect_eq(peek(encode_alike(slices)), RTSP_UNLIKE, "%d slices, case %d", slices, i);
	}
}

Test(peek, suspects_what_hides_behind_a_like_size, .timeout = 120)
{
	check_street(1);
}

Test(peek, sees_through_pictures_of_many_slices, .timeout = 120)
{
	check_street(8);
}

/* What is broken off is our doing: nobody need hear of it. */
Test(peek, complains_of_nothing)
{
	know_street(1);
	uint64_t complaints = rtsp_decode_complaints();
	draw_street();
	add_noise(6);
	peek(encode_at(QP, 1));
	cr_expect_eq(rtsp_decode_complaints(), complaints);
}

/* Rows come in order, as many as there are bytes for, and those that come are those of the whole picture. */
Test(peek, shows_only_rows_that_are_finished)
{
	static struct rtsp_picture whole, part;
	struct rtsp_shot shot = { .codec = RTSP_CODEC_H264 };
	rtsp_decode_init();
	draw_street();
	add_noise(6);
	struct keyframe k = encode_at(QP, 1);
	cr_assert(rtsp_decode(&whole, &shot, k.data, k.size));
	int before = 0;
	for (size_t size = 0; size < k.size; size += 1 + k.size / 40) {
		int rows = rtsp_decode_part(&part, k.data, size);
		cr_expect(rows >= before && rows < RTSP_PICTURE_HEIGHT, "%d after %d", rows, before);
		cr_expect_arr_eq(part.luma, whole.luma, (size_t)rows * RTSP_PICTURE_WIDTH);
		for (int i = 0; i < rows && i < RTSP_ROW_MARKS; i++)
			cr_expect_eq(part.row_marks[i], whole.row_marks[i], "mark %d", i);
		before = rows;
	}
	cr_expect_gt(before, RTSP_PICTURE_HEIGHT * 3 / 4);
	free(k.data);
}

/* Its clock, below, is another one in each keyframe.  (One above would change what is predicted from it.) */
Test(peek, suspects_what_has_frozen)
{
	static struct rtsp_picture picture;
	struct rtsp_shot shot = { .codec = RTSP_CODEC_H264 };
	struct rtsp_upper seen;
	know_street(1);
	draw_street();
	add_noise(6);
	for (int i = 0; i < 3; i++) {
		box(20 * i, H - 40, 12, 30, 235);
		cr_expect_eq(peek(encode_at(QP, 1)), i ? RTSP_STANDS : RTSP_ALIKE, "keyframe %d", i);
		struct keyframe k = encode_at(QP, 1);
		cr_assert(rtsp_decode(&picture, &shot, k.data, k.size));
		rtsp_upper_of(&seen, &picture, RTSP_PICTURE_HEIGHT);
		rtsp_familiar_saw(&f, &seen);
		free(k.data);
	}
}

Test(peek, says_nothing_of_too_few_rows_or_of_what_is_no_picture)
{
	know_street(1);
	draw_street();
	struct keyframe k = encode_at(QP, 1);
	struct rtsp_upper seen;
	cr_expect_eq(rtsp_peek(&seen, &f, k.data, k.size / 40), RTSP_LIKENESS_NONE);
	for (size_t i = 0; i < k.size; i++)
		k.data[i] = (uint8_t)chance(256);
	cr_expect_eq(rtsp_peek(&seen, &f, k.data, k.size / 4), RTSP_LIKENESS_NONE);
	free(k.data);
}

Test(peek, leaves_alone_what_it_cannot_cut)
{
	struct rtsp_impression i = { .size = 1000, .head = 40 };
	usual = (struct rtsp_impressions){ .sizes = { 1000, 900, 1100 } };
	cr_expect_eq(rtsp_peek_part(RTSP_CODEC_H264, &f, &usual, &i), 40 + 960 / 4);
	f.deep = true;
	cr_expect_eq(rtsp_peek_part(RTSP_CODEC_H264, &f, &usual, &i), 40 + 960 * 3 / 8);
	f.deep = false;
	cr_expect_eq(rtsp_peek_part(RTSP_CODEC_H265, &f, &usual, &i), 0);
	cr_expect_eq(rtsp_peek_part(RTSP_CODEC_MJPEG, &f, &usual, &i), 0);
	i.size = 200;
	cr_expect_eq(rtsp_peek_part(RTSP_CODEC_H264, &f, &usual, &i), 0, "shorter than a quarter");
	i = (struct rtsp_impression){ .size = 4096, .head = 4096 };
	cr_expect_eq(rtsp_peek_part(RTSP_CODEC_H264, &f, &usual, &i), 0, "nothing but sets");
	usual = (struct rtsp_impressions){ 0 };
	cr_expect_eq(rtsp_peek_part(RTSP_CODEC_H264, &f, &usual, &i), 0, "nothing is usual");
}
