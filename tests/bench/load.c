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

static const char *const things[] = { "door contact", "motion detector", "keypad", "reader", "siren",
	"expander", "camera", "power supply", "radio module", "smoke head", "glass sensor", "turnstile" };
static const char *const states[] = { "opened", "closed", "armed by schedule", "restored", "below its limit",
	"changed over", "answered late", "confirmed", "tested", "bypassed" };
static const char *const places[] = { "north corridor", "main entrance", "gymnasium", "server room",
	"boiler house", "ward 4", "cash desk", "loading bay", "stairs B", "roof", "car park", "canteen" };

enum {
	CODES = sizeof normal_codes / sizeof *normal_codes,
	VARIANTS = 16384, /* several batches' worth, so that no batch holds one twice */
	TEXT_MAX = 4096,
	PHRASE_MAX = 128,
	STAMP_MAX = 64,
};

struct packed {
	uint8_t *bytes;
	size_t size;
};

struct bench_load {
	struct bench_load_options options;
	struct packed normal[VARIANTS];
	struct packed critical;
	uint64_t run;    /* in repeat keys: the next run repeats nothing of this one */
	uint64_t random; /* the same numbers in every run */
};

/* splitmix64. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static unsigned below(uint64_t *state, unsigned limit)
{
	return (unsigned)(draw(state) % limit);
}

#define ONE_OF(list, state) list[below(state, sizeof(list) / sizeof *(list))]

/* What panels and cameras add to a report: a few words out of a small vocabulary, readings, a number of their own. */
static void phrase(char text[static PHRASE_MAX], uint64_t *r)
{
	const char *thing = ONE_OF(things, r), *state = ONE_OF(states, r), *place = ONE_OF(places, r);
	unsigned small = below(r, 9), tenths = below(r, 30), tens = below(r, 50), large = below(r, 100000);
	switch (below(r, 4)) {
	case 0:
		snprintf(text, PHRASE_MAX, "%s %s, %s, floor %u", thing, state, place, small);
		break;
	case 1:
		snprintf(text, PHRASE_MAX, "signal -%u dBm, battery %u.%u V", 50 + tens, 11 + tenths / 10,
			tenths % 10);
		break;
	case 2:
		snprintf(text, PHRASE_MAX, "id %012llx", (unsigned long long)(draw(r) >> 16));
		break;
	default:
		snprintf(text, PHRASE_MAX, "log entry %u of %s %u", large, thing, small + 1);
	}
}

/* Exactly so many bytes; each has a number of 48 bits, then phrases. */
static void compose(char text[static TEXT_MAX + 1], size_t size, uint64_t *r)
{
	char more[PHRASE_MAX];
	text[0] = '\0';
	snprintf(more, sizeof more, "%012llx", (unsigned long long)(draw(r) >> 16));
	for (size_t at = 0; at < size; at = strlen(text)) {
		snprintf(text + at, size + 1 - at, "%s%s", at ? "; " : "", more);
		phrase(more, r);
	}
}

static void scatter(char text[static TEXT_MAX + 1], size_t size, uint64_t *r)
{
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('!' + below(r, '~' - '!' + 1));
	text[size] = '\0';
}

/* All but number, time and repeat key: fields of a protobuf message may come in any order, so these follow it. */
static struct packed pack(
	const struct bench_load_options *o, unsigned device, const char *code, uint64_t *random)
{
	char address[16], zone[16], text[TEXT_MAX + 1];
	snprintf(address, sizeof address, "%u", 1000 + device);
	snprintf(zone, sizeof zone, "%u", below(random, 64) + 1);
	(o->noise ? scatter : compose)(text, o->text_bytes, random);
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
	if (!l)
		bench_fail("out of memory");
	l->options = *options;
	l->run = (uint64_t)bench_wall_us();
	for (size_t i = 0; i < VARIANTS; i++) {
		unsigned device = below(&l->random, options->devices);
		l->normal[i] = pack(options, device, ONE_OF(normal_codes, &l->random), &l->random);
	}
	l->critical = pack(options, 0, critical_code, &l->random);
	return l;
}

void bench_load_destroy(struct bench_load *l)
{
	for (size_t i = 0; i < VARIANTS; i++)
		free(l->normal[i].bytes);
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
	const struct packed *p = critical ? &l->critical : &l->normal[number % VARIANTS];
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
