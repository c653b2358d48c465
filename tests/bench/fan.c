#include "bench/fan.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "bench/samples.h"
#include "wire/seal.h"

enum { TEXT = 100 }; /* hexadecimal digits, which nothing shortens below half */

struct group {
	uint16_t facility, kind;
	unsigned count;
};

static const struct group groups[] = {
	{ TORAP__FACILITY__FACILITY_PRISON, TORAP__KIND__KIND_POWER_FAULT, 4 },
	{ TORAP__FACILITY__FACILITY_HOSPITAL, TORAP__KIND__KIND_POWER_FAULT, 40 },
	{ TORAP__FACILITY__FACILITY_SCHOOL, TORAP__KIND__KIND_POWER_FAULT, 396 },
	{ TORAP__FACILITY__FACILITY_SCHOOL, TORAP__KIND__KIND_ARMED, 396 },
	{ TORAP__FACILITY__FACILITY_SCHOOL, TORAP__KIND__KIND_DISARMED, 396 },
	{ TORAP__FACILITY__FACILITY_SCHOOL, TORAP__KIND__KIND_ACCESS_GRANTED, 396 },
	{ TORAP__FACILITY__FACILITY_MALL, TORAP__KIND__KIND_POWER_FAULT, 396 },
	{ TORAP__FACILITY__FACILITY_MALL, TORAP__KIND__KIND_ARMED, 396 },
	{ TORAP__FACILITY__FACILITY_MALL, TORAP__KIND__KIND_DISARMED, 396 },
	{ TORAP__FACILITY__FACILITY_MALL, TORAP__KIND__KIND_ACCESS_GRANTED, 396 },
	{ TORAP__FACILITY__FACILITY_HOSPITAL, TORAP__KIND__KIND_ARMED, 396 },
	{ TORAP__FACILITY__FACILITY_HOSPITAL, TORAP__KIND__KIND_DISARMED, 392 },
};

static const uint16_t elsewhere[] = { TORAP__FACILITY__FACILITY_UNIVERSITY, TORAP__FACILITY__FACILITY_AIRPORT,
	TORAP__FACILITY__FACILITY_STATION, TORAP__FACILITY__FACILITY_KINDERGARTEN,
	TORAP__FACILITY__FACILITY_TRANSPORT };
enum { ELSEWHERE = sizeof elsewhere / sizeof *elsewhere };

bool fan_share_read(enum fan_share *out, const char *text)
{
	if (strcmp(text, "0.1") == 0)
		*out = FAN_LEAST;
	else if (strcmp(text, "1") == 0)
		*out = FAN_LITTLE;
	else if (strcmp(text, "100") == 0)
		*out = FAN_ALL;
	else
		return false;
	return true;
}

struct fan_grant fan_grant(unsigned feed, enum fan_share share)
{
	if (feed >= FAN_MATCHING && feed % 2)
		return (struct fan_grant){ .facility = elsewhere[feed / 2 % ELSEWHERE] };
	if (feed >= FAN_MATCHING)
		return (struct fan_grant){ .kind = TORAP__KIND__KIND_INCIDENT_OPENED };
	if (share == FAN_ALL)
		return (struct fan_grant){ 0 };
	const struct group *g = &groups[share == FAN_LEAST ? 0 : 1];
	return (struct fan_grant){ g->facility, g->kind };
}

static unsigned draw(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*random >> 60);
}

static void add(struct torap_sealer *sealer, const struct group *g, int64_t now_us, uint64_t *random)
{
	char zone[TEXT + 1], device[16];
	uint64_t seq;
	for (unsigned i = 0; i < TEXT; i++)
		zone[i] = "0123456789abcdef"[draw(random)];
	zone[TEXT] = '\0';
	snprintf(device, sizeof device, "panel-%u", 1000 + draw(random) * 16 + draw(random));
	Torap__EventOpen open = TORAP__EVENT_OPEN__INIT;
	open.state = TORAP__STATE__STATE_PULSE;
	open.device = device;
	open.received_at_us = open.occurred_at_us = now_us;
	open.code = (char *)"sia-dcs AT";
	open.zone = zone;
	struct torap_event e = {
		.class = { FAN_REGION, g->facility, g->kind, TORAP__SEVERITY__SEVERITY_NORMAL }, .open = &open
	};
	if (torap_sealer_add(sealer, &e, &seq))
		bench_fail("an event does not fit");
}

struct torap_batch *fan_seal(struct torap_sealer *sealer, uint64_t *random)
{
	struct torap_batch *batch;
	struct torap_error err;
	struct torap_wall now = { bench_wall_us() };
	for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
		for (unsigned i = 0; i < groups[g].count; i++)
			add(sealer, &groups[g], now.us, random);
	if (torap_sealer_seal(sealer, now, &batch, &err))
		bench_fail("a batch cannot be sealed: %s", err.text);
	return batch;
}
