/* load.h: the observations that the bench offers, packed once and stamped with number and time for each use.
 *
 * Alarm panels of some sites report openings, closings, mains faults and accesses: the normal lane; and now and then a panic
 * button: the critical lane.  Devices and codes come in no order, and the text is words, readings and numbers that differ from event
 * to event, so that compression finds in them what it would find in the field.  The same texts in every run.  Packing is done
 * beforehand, so that the generator takes as little of the machine as it can from what is measured. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct bench_load;

struct bench_load_options {
	unsigned devices;  /* dc09 accounts 1000, 1001, … of the node's registry */
	size_t text_bytes; /* of a field that fills the event to its size */
	bool noise; /* a text of random characters, which compression leaves as long as it is, nearly */
	bool with_repeat_key; /* as a panel that dates its messages: the node remembers each for 24 h */
};

enum { BENCH_NUMBER_FIRST = 1 << 28 };

struct bench_load *bench_load_create(const struct bench_load_options *options);
void bench_load_destroy(struct bench_load *l);
/* Appends an Offer's observation with this number (from BENCH_NUMBER_FIRST on, below 2^35). */
void bench_load_write(
	struct bench_load *l, struct torap_writer *offer, uint64_t number, int64_t now_us, bool critical);
/* Bytes of one observation. */
size_t bench_load_size(const struct bench_load *l);
