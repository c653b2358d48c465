/* fan.h: batches that are all alike, and feeds that are granted a known share of them.
 *
 * A batch holds 4,000 events of one region in 12 classes of the normal lane, some 54 bytes each, as `hop`'s are:
 *
 *     prison    power_fault         4    0.1 %
 *     hospital  power_fault        40    1 %
 *     …         ten others      3,956
 *
 * The first ten feeds are granted one of these, or all; every other feed a facility or a kind of the same region that never comes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct torap_batch;
struct torap_sealer;

enum { FAN_REGION = 391010000, FAN_EVENTS = 4000, FAN_MATCHING = 10 };

/* Of events, in thousandths. */
enum fan_share { FAN_LEAST = 1, FAN_LITTLE = 10, FAN_ALL = 1000 };

/* "0.1", "1" or "100", in percent.  False: it is none of these. */
bool fan_share_read(enum fan_share *out, const char *text);

struct fan_grant {
	uint16_t facility, kind; /* 0: any */
};
struct fan_grant fan_grant(unsigned feed, enum fan_share share);

/* Adds a batch's events and seals it.  `random` is any number, and moves on. */
struct torap_batch *fan_seal(struct torap_sealer *sealer, uint64_t *random);
