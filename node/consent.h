/* consent.h: may what this device says leave the node, now?
 *
 * What stands at a site of a private owner needs the owner's recorded, unexpired consent.  Pure: the terms come from the
 * registry, the time from the caller; ask again each time before sending. */
#pragma once

#include <stdbool.h>

#include "base/time.h"

struct node_device;

enum node_consent {
	NODE_CONSENT_NOT_NEEDED, /* a public site */
	NODE_CONSENT_VALID,
	NODE_CONSENT_MISSING,
	NODE_CONSENT_NOT_YET,
	NODE_CONSENT_EXPIRED,
	NODE_CONSENT_WITHDRAWN
};

enum node_consent node_consent_at(const struct node_device *device, struct torap_wall now);
bool node_consent_needed(const struct node_device *device);
/* True for NOT_NEEDED and VALID alone. */
bool node_consent_allows(enum node_consent consent);
/* "valid", "not needed"…: for logs and the `consent` event. */
const char *node_consent_name(enum node_consent consent);
