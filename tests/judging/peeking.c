/* peeking: what does a peek (agents/rtsp/peek.h) say of keyframes?  `peeks` feeds it; a line on standard input is
 *
 *     camera               the next films are of a new camera
 *     learn COMMAND        its last keyframe is a good picture that the camera is known by
 *     good COMMAND         each keyframe, beside what was learned; where that says nothing, a deeper peek may from now on
 *     peek COMMAND         the same, of which nothing is concluded
 *
 * COMMAND writes H.264 to its standard output, of which each picture is a keyframe that begins with its parameter sets.  Answer, one a film
 * that is peeked at: how many keyframes are of another size, suspected, not to be compared, as usual; and of those that were peeked at the
 * fewest, the middle and the most rows, and which hundredth of the bytes was decoded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/decode.h"
#include "agents/rtsp/peek.h"

enum { FILM_MAX = 64 << 20, KEYFRAMES_MAX = 256 };

struct film { /* units of four-byte codes, as torap-rtsp puts them together */
	uint8_t *data;
	size_t size, begins[KEYFRAMES_MAX + 1];
	int count;
};

static struct rtsp_familiar familiar;
static struct rtsp_impressions usual;
static int64_t learned;

static void fail(const char *what)
{
	fprintf(stderr, "peeking: %s\n", what);
	exit(1);
}

static void read_film(struct film *out, const char *command)
{
	uint8_t *raw = malloc(FILM_MAX);
	FILE *pipe = popen(command, "r");
	if (!raw || !pipe)
		fail("cannot begin");
	size_t size = fread(raw, 1, FILM_MAX, pipe);
	if (pclose(pipe) || size == FILM_MAX)
		fail("a command failed, or wrote too much");
	*out = (struct film){ .data = malloc(2 * size + RTSP_FRAME_PADDING) };
	if (!out->data)
		fail("out of memory");
	for (size_t i = 0; i < size; i++) {
		if (i + 3 < size && !raw[i] && !raw[i + 1] && raw[i + 2] == 1) {
			if (!i || raw[i - 1])
				out->data[out->size++] = 0;
			if ((raw[i + 3] & 31) == 7 && out->count < KEYFRAMES_MAX) /* parameter sets */
				out->begins[out->count++] = out->size - 1;
		}
		out->data[out->size++] = raw[i];
	}
	free(raw);
	if (!out->count)
		fail("a film without keyframes");
	out->begins[out->count] = out->size;
}

/* One keyframe by itself: libavcodec writes behind it. */
static uint8_t *keyframe(const struct film *film, int i, size_t *size)
{
	*size = film->begins[i + 1] - film->begins[i];
	uint8_t *data = malloc(*size + RTSP_FRAME_PADDING);
	if (!data)
		fail("out of memory");
	memcpy(data, film->data + film->begins[i], *size);
	return data;
}

static void learn(const char *command)
{
	static struct rtsp_picture picture;
	const struct rtsp_shot shot = { .codec = RTSP_CODEC_H264 };
	struct rtsp_upper upper;
	struct film film;
	size_t size;
	read_film(&film, command);
	uint8_t *data = keyframe(&film, film.count - 1, &size);
	if (!rtsp_decode(&picture, &shot, data, size))
		fail("a good keyframe cannot be decoded");
	rtsp_upper_of(&upper, &picture, RTSP_PICTURE_HEIGHT);
	rtsp_familiar_learn(&familiar, &upper, (struct torap_mono){ ++learned });
	rtsp_familiar_saw(&familiar, &upper);
	usual.sizes[learned % RTSP_SEEN] = (uint32_t)size;
	free(data);
	free(film.data);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void peek(const char *command, bool good)
{
	static struct rtsp_picture picture;
	double bytes = 0, decoded = 0;
	int of_size = 0, said[RTSP_UNLIKE + 1] = { 0 }, rows[KEYFRAMES_MAX], count = 0;
	struct rtsp_upper upper;
	struct film film;
	read_film(&film, command);
	for (int i = 0; i < film.count; i++) {
		size_t size;
		uint8_t *data = keyframe(&film, i, &size);
		struct rtsp_impression of =
			rtsp_impression_of(RTSP_CODEC_H264, (struct torap_bytes){ data, size });
		size_t part = rtsp_peek_part(RTSP_CODEC_H264, &familiar, &usual, &of);
		if (rtsp_impressions_differ(&usual, of.size) || !part) {
			of_size++;
		} else {
			rows[count++] = rtsp_decode_part(&picture, data, part);
			enum rtsp_likeness likeness = rtsp_peek(&upper, &familiar, data, part);
			said[likeness == RTSP_STANDS ? RTSP_UNLIKE : likeness]++;
			rtsp_familiar_saw(&familiar, &upper);
			bytes += (double)size;
			decoded += (double)part;
			if (good && likeness == RTSP_LIKENESS_NONE)
				rtsp_familiar_vague(&familiar);
		}
		free(data);
	}
	qsort(rows, (size_t)count, sizeof *rows, compare_ints);
	printf("%d %d %d %d  %d %d %d %.0f\n", of_size, said[RTSP_UNLIKE], said[RTSP_LIKENESS_NONE],
		said[RTSP_ALIKE], count ? rows[0] : 0, count ? rows[count / 2] : 0,
		count ? rows[count - 1] : 0, count ? 100 * decoded / bytes : 0);
	fflush(stdout);
	free(film.data);
}

int main(void)
{
	char line[65536];
	rtsp_decode_init();
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strcmp(line, "camera")) {
			familiar = (struct rtsp_familiar){ 0 };
			usual = (struct rtsp_impressions){ 0 };
			learned = 0;
		} else if (!strncmp(line, "learn ", 6)) {
			learn(line + 6);
		} else if (!strncmp(line, "peek ", 5)) {
			peek(line + 5, false);
		} else if (!strncmp(line, "good ", 5)) {
			peek(line + 5, true);
		} else {
			fail("a line that is neither camera, learn, good nor peek");
		}
	}
	return 0;
}
