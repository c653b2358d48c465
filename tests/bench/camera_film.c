#include "bench/camera_film.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "bench/samples.h"

enum {
	PACKET_MAX = 1400, /* payload of RTP */
	HEAD = 4 + 12,     /* `$`, channel, length; RTP */
	NAL_SPS = 7,
	NAL_PPS = 8,
	NAL_DELIMITER = 9,
	NAL_FU_A = 28,
	FU_START = 0x80,
	FU_END = 0x40,
	MARKER = 0x80,
};

static void *more(void *list, uint32_t count, uint32_t *room, size_t size)
{
	if (count < *room)
		return list;
	*room = *room ? *room * 2 : 1024;
	list = reallocarray(list, *room, size);
	if (!list)
		bench_fail("out of memory for a film");
	return list;
}

static uint8_t *take_room(struct bench_film *f, size_t size)
{
	if (f->size + size > f->room) {
		f->room = (f->room + size) * 2;
		f->bytes = realloc(f->bytes, f->room);
		if (!f->bytes)
			bench_fail("out of memory for a film");
	}
	uint8_t *at = f->bytes + f->size;
	f->size += size;
	return at;
}

/* `head`: what of a fragment's payload is not the film's. */
static void add_packet(struct bench_film *f, const uint8_t *head, size_t head_size, struct torap_bytes body)
{
	size_t size = 12 + head_size + body.size;
	f->packets = more(f->packets, f->packets_count, &f->packets_room, sizeof *f->packets);
	f->packets[f->packets_count++] = f->size;
	f->pictures[f->pictures_count - 1].packets_count++;
	uint8_t *at = take_room(f, 4 + size);
	const uint8_t fixed[HEAD] = { '$', 0, (uint8_t)(size >> 8), (uint8_t)size, 0x80,
		BENCH_FILM_PAYLOAD, [12] = 't', 'r', 'a', 'p' };
	memcpy(at, fixed, HEAD);
	if (head_size)
		memcpy(at + HEAD, head, head_size);
	memcpy(at + HEAD + head_size, body.data, body.size);
}

static void add_nal(struct bench_film *f, struct torap_bytes nal)
{
	if (nal.size <= PACKET_MAX) {
		add_packet(f, NULL, 0, nal);
		return;
	}
	const uint8_t type = nal.data[0] & 31;
	uint8_t head[2] = { (uint8_t)((nal.data[0] & 0xe0) | NAL_FU_A), (uint8_t)(FU_START | type) };
	for (size_t done = 1; done < nal.size;) {
		size_t size = nal.size - done < PACKET_MAX - 2 ? nal.size - done : PACKET_MAX - 2;
		if (done + size == nal.size)
			head[1] |= FU_END;
		add_packet(f, head, sizeof head, torap_bytes(nal.data + done, size));
		head[1] = type;
		done += size;
	}
}

static void keep_set(struct bench_film *f, struct torap_bytes nal)
{
	size_t used = strlen(f->sets);
	if (nal.size > 128)
		bench_fail("a parameter set of %zu bytes", nal.size);
	if (used)
		f->sets[used++] = ',';
	EVP_EncodeBlock((unsigned char *)f->sets + used, nal.data, (int)nal.size);
	if ((nal.data[0] & 31) == NAL_SPS)
		snprintf(f->level, sizeof f->level, "%02x%02x%02x", nal.data[1], nal.data[2], nal.data[3]);
}

static void begin_picture(struct bench_film *f)
{
	f->pictures = more(f->pictures, f->pictures_count, &f->pictures_room, sizeof *f->pictures);
	f->pictures[f->pictures_count++] =
		(struct bench_film_picture){ .from = f->size, .first_packet = f->packets_count };
}

/* Its last packet has the marker. */
static void end_picture(struct bench_film *f)
{
	if (!f->pictures_count)
		return;
	struct bench_film_picture *p = &f->pictures[f->pictures_count - 1];
	if (!p->packets_count)
		bench_fail("a film with a picture without anything in it");
	f->bytes[f->packets[f->packets_count - 1] + 5] |= MARKER;
	p->size = f->size - p->from;
	if (p->size > f->largest)
		f->largest = p->size;
}

static void take_nal(struct bench_film *f, struct torap_bytes nal)
{
	unsigned type = nal.data[0] & 31;
	if (type == NAL_DELIMITER) {
		end_picture(f);
		begin_picture(f);
		return;
	}
	if (!f->pictures_count)
		bench_fail("a film without access unit delimiters");
	if ((type == NAL_SPS || type == NAL_PPS) && f->pictures_count == 1)
		keep_set(f, nal);
	add_nal(f, nal);
}

/* The first byte behind the next start code, `size` when there is none. */
static size_t next_nal(const uint8_t *data, size_t size, size_t from, size_t *ends)
{
	for (size_t i = from; i + 3 < size; i++)
		if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1) {
			*ends = i > from && data[i - 1] == 0 ? i - 1 : i;
			return i + 3;
		}
	*ends = size;
	return size;
}

void bench_film_load(struct bench_film *f, const char *path)
{
	*f = (struct bench_film){ 0 };
	FILE *file = fopen(path, "rbe");
	if (!file || fseek(file, 0, SEEK_END) < 0)
		bench_fail("%s: %s", path, strerror(errno));
	long size = ftell(file);
	uint8_t *data = malloc((size_t)size + 1);
	rewind(file);
	if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
		bench_fail("%s: cannot be read", path);
	(void)fclose(file);
	size_t ends, at = next_nal(data, (size_t)size, 0, &ends);
	while (at < (size_t)size) {
		size_t next = next_nal(data, (size_t)size, at, &ends);
		take_nal(f, torap_bytes(data + at, ends - at));
		at = next;
	}
	end_picture(f);
	free(data);
	if (!f->pictures_count || !*f->level)
		bench_fail("%s: is no film", path);
}

static void put(uint8_t *at, uint32_t value)
{
	const uint8_t bytes[] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
		(uint8_t)value };
	memcpy(at, bytes, sizeof bytes);
}

size_t bench_film_write(
	const struct bench_film *f, uint32_t picture, uint16_t *sequence, uint32_t time, uint8_t *out)
{
	const struct bench_film_picture *p = &f->pictures[picture];
	memcpy(out, f->bytes + p->from, p->size);
	for (uint32_t i = 0; i < p->packets_count; i++) {
		uint8_t *at = out + f->packets[p->first_packet + i] - p->from;
		at[6] = (uint8_t)(*sequence >> 8);
		at[7] = (uint8_t)*sequence;
		++*sequence;
		put(at + 8, time);
	}
	return p->size;
}

void bench_film_finish(struct bench_film *f)
{
	free(f->bytes);
	free(f->packets);
	free(f->pictures);
	*f = (struct bench_film){ 0 };
}
