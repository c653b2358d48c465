#include "bench/load.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/samples.h"
#include "proto/observation.pb-c.h"

/* Codes of deploy/mapping/dc09-sia.yaml. */
static const char *const normal_codes[] = { "OP", "CL", "AT", "DG" };
static const char critical_code[] = "PA";

enum { CODES = sizeof normal_codes / sizeof *normal_codes, TEXT_MAX = 4096, STAMP_MAX = 64 };

struct packed {
	uint8_t *bytes;
	size_t size;
};

struct bench_load {
	struct bench_load_options options;
	struct packed *normal; /* devices × codes */
	size_t normal_count;
	struct packed critical;
	uint64_t run; /* in repeat keys: the next run repeats nothing of this one */
};

/* All but number, time and repeat key: fields of a protobuf message may come in any order, so these follow it. */
static struct packed pack(const struct bench_load_options *o, unsigned device, const char *code)
{
	char address[16], zone[16], text[TEXT_MAX + 1];
	snprintf(address, sizeof address, "%u", 1000 + device);
	snprintf(zone, sizeof zone, "%u", device % 64 + 1);
	memset(text, 'x', o->text_bytes);
	text[o->text_bytes] = '\0';
	Torap__Field field = TORAP__FIELD__INIT, *fields[] = { &field };
	field.name = (char *)"text";
	field.value = text;
	Torap__Observation observation = TORAP__OBSERVATION__INIT;
	observation.protocol = (char *)"dc09";
	observation.address = address;
	observation.vocabulary = (char *)"sia-dcs";
	observation.code = (char *)code;
	observation.area = (char *)"1";
	observation.zone = zone;
	observation.fields = fields;
	observation.n_fields = o->text_bytes > 0;
	struct packed p = { .size = torap__observation__get_packed_size(&observation) };
	p.bytes = malloc(p.size);
	if (!p.bytes)
		bench_fail("out of memory");
	torap__observation__pack(&observation, p.bytes);
	return p;
}

struct bench_load *bench_load_create(const struct bench_load_options *options)
{
	assert(options->devices > 0 && options->text_bytes <= TEXT_MAX);
	struct bench_load *l = calloc(1, sizeof *l);
	if (l)
		l->normal = calloc((size_t)options->devices * CODES, sizeof *l->normal);
	if (!l || !l->normal)
		bench_fail("out of memory");
	l->options = *options;
	l->run = (uint64_t)bench_wall_us();
	l->normal_count = (size_t)options->devices * CODES;
	for (size_t i = 0; i < l->normal_count; i++)
		l->normal[i] = pack(options, (unsigned)(i / CODES), normal_codes[i % CODES]);
	l->critical = pack(options, 0, critical_code);
	return l;
}

void bench_load_destroy(struct bench_load *l)
{
	for (size_t i = 0; i < l->normal_count; i++)
		free(l->normal[i].bytes);
	free(l->normal);
	free(l->critical.bytes);
	free(l);
}

static void write_tag(struct torap_writer *w, unsigned field, unsigned wire_type)
{
	torap_write_varint(w, field << 3 | wire_type);
}

/* Its size never changes: numbers take 5 bytes, times of our days 8. */
static void write_stamp(struct torap_writer *w, const struct bench_load *l, uint64_t number, int64_t now_us)
{
	write_tag(w, 1, 0); /* id */
	torap_write_varint(w, number);
	write_tag(w, 9, 0); /* received_at_us */
	torap_write_varint(w, (uint64_t)now_us);
	if (!l->options.with_repeat_key)
		return;
	write_tag(w, 11, 2); /* repeat_key */
	torap_write_varint(w, sizeof l->run + sizeof number);
	torap_write_u64(w, l->run);
	torap_write_u64(w, number);
	write_tag(w, 12, 0); /* dated */
	torap_write_varint(w, 1);
}

void bench_load_write(
	struct bench_load *l, struct torap_writer *offer, uint64_t number, int64_t now_us, bool critical)
{
	uint8_t room[STAMP_MAX];
	struct torap_writer stamp = { .data = room, .room = sizeof room };
	write_stamp(&stamp, l, number, now_us);
	assert(!stamp.failed && stamp.data == room);
	const struct packed *p = critical ? &l->critical : &l->normal[number % l->normal_count];
	write_tag(offer, 1, 2);
	torap_write_varint(offer, p->size + stamp.size);
	torap_write_bytes(offer, torap_bytes(p->bytes, p->size));
	torap_write_bytes(offer, torap_bytes(room, stamp.size));
	if (offer->failed)
		bench_fail("out of memory");
}

size_t bench_load_size(const struct bench_load *l)
{
	uint8_t room[STAMP_MAX];
	struct torap_writer stamp = { .data = room, .room = sizeof room };
	write_stamp(&stamp, l, BENCH_NUMBER_FIRST, bench_wall_us());
	return l->normal[0].size + stamp.size;
}
