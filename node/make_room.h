/* make_room.h: an operator gives room in a journal back, while its node is stopped: `torap-node -c FILE --make-room BEFORE [--force]`.
 *
 * Frames of batches that came before a time go; manifests stay.  Without force only what every configured broker has given its receipt
 * for, and no rule keeps longer; with force all.  The node tells of it by a `deletion` event when it starts. */
#pragma once

#include <stdbool.h>

#include "base/time.h"

struct node_config;
struct torap_error;
struct torap_trust;

/* Says on standard output what went and what did not.  0 or negative with the reason, as when the node is running. */
int node_make_room(const struct node_config *config, struct torap_trust *trust, struct torap_wall now,
	struct torap_wall before, bool force, struct torap_error *err);
