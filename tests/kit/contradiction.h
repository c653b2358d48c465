/* contradiction.h: every way in which a manifest can contradict itself or the contract, by name. */
#pragma once

#include "kit/forge.h"

struct contradiction {
	const char *name; /* NULL ends the table */
	forge_change change;
	const char *what;
};

/* Made for batch 1 of the critical lane, with two groups of which the first has open and personal. */
extern const struct contradiction contradictions[];
