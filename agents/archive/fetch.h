/* fetch.h: carries a dialogue (profile_g.h) to a recorder and back.  Blocks: for a thread that may. */
#pragma once

#include "agents/archive/profile_g.h"
#include "base/time.h"

struct torap_error;
struct soap_caller;

struct archive_fetch {
	struct archive_source source;
	const char *user, *password; /* user NULL: asked without */
	struct torap_wall from;
	uint32_t
		patience_ms; /* for the whole dialogue: a device that answers at a trickle holds a thread up */
	struct torap_wall (*now)(void); /* our clock */
};

/* 0 (what came of it is in *out; finish its spans) or a negative error: the address is none, or memory ran out. */
int archive_fetch(struct archive_holdings *out, struct soap_caller *caller, const struct archive_fetch *f,
	struct torap_error *err);
