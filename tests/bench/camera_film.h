/* camera_film.h: a film of H.264 as a camera sends it: its pictures cut into packets of RTP, with the frames of RTSP's own connection
 * around them (RFC 6184, RFC 2326).
 *
 * Cut once, sent by thousands: only number and time differ each time.  The film is one of x264 with access unit delimiters (`aud=1`). */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	BENCH_FILM_RATE = 25,
	BENCH_FILM_CLOCK = 90000,
	BENCH_FILM_PAYLOAD = 96,
};

struct bench_film_picture {
	size_t from, size;                    /* of `bytes` */
	uint32_t first_packet, packets_count; /* of `packets` */
};

struct bench_film {
	uint8_t *bytes;
	size_t size, room;
	size_t *packets; /* where each begins */
	uint32_t packets_count, packets_room;
	struct bench_film_picture *pictures;
	uint32_t pictures_count, pictures_room;
	size_t largest;
	char sets[512]; /* sprop-parameter-sets */
	char level[7];  /* profile-level-id */
};

/* Ends the program when the file cannot be read or is no such film. */
void bench_film_load(struct bench_film *f, const char *path);
/* The packets of a picture, from *sequence on, which moves on; `out` has room for the largest picture.  Returns their size. */
size_t bench_film_write(
	const struct bench_film *f, uint32_t picture, uint16_t *sequence, uint32_t time, uint8_t *out);
void bench_film_finish(struct bench_film *f);
