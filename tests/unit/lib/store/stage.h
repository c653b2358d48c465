/* stage.h: a journal in a directory of its own and a sealer that fills it: the whole of a test of what works on journals.  For one
 * .c file, whose variables these then are. */
#pragma once

#include "store/journal.h"
#include "tests/unit/lib/store/place.h"
#include "tests/unit/lib/wire/fixture.h"

enum { MAP_BYTES = 64 << 20, LANE = TORAP__LANE__LANE_CRITICAL, PANIC = TORAP__KIND__KIND_PANIC };

static struct place place;
static struct torap_kv *kv;
static struct torap_sign_key key;
static struct torap_sealer *sealer;

static inline void stage_open(void)
{
	static const char *const tables[] = { TORAP_JOURNAL_TABLE_NAMES, NULL };
	struct torap_error err;
	struct torap_kv_options options = { .tables = tables, .map_size = MAP_BYTES };
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), 0, "%s", err.text);
}

static inline void stage_close(void)
{
	kv = torap_kv_close(kv);
}

static inline void stage_make(void)
{
	place_make(&place);
	key = fixture_key(1);
	sealer = fixture_sealer(LANE, &key);
	stage_open();
}

static inline void stage_remove(void)
{
	torap_sealer_destroy(sealer);
	stage_close();
	place_remove(&place);
}
