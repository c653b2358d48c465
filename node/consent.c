#include "node/consent.h"

#include "node/registry.h"

bool node_consent_needed(const struct node_device *device)
{
	return device->site->owner == NODE_OWNER_PRIVATE;
}

enum node_consent node_consent_at(const struct node_device *device, struct torap_wall now)
{
	const struct node_consent_terms *c = &device->consent;
	if (!node_consent_needed(device))
		return NODE_CONSENT_NOT_NEEDED;
	if (!*c->ref)
		return NODE_CONSENT_MISSING;
	if (c->withdrawn && now.us >= c->withdrawn_at.us)
		return NODE_CONSENT_WITHDRAWN;
	if (now.us < c->from.us)
		return NODE_CONSENT_NOT_YET;
	if (c->until.us != 0 && now.us >= c->until.us)
		return NODE_CONSENT_EXPIRED;
	return NODE_CONSENT_VALID;
}

bool node_consent_allows(enum node_consent consent)
{
	return consent == NODE_CONSENT_NOT_NEEDED || consent == NODE_CONSENT_VALID;
}

const char *node_consent_name(enum node_consent consent)
{
	switch (consent) {
	case NODE_CONSENT_NOT_NEEDED:
		return "not needed";
	case NODE_CONSENT_VALID:
		return "valid";
	case NODE_CONSENT_MISSING:
		return "missing";
	case NODE_CONSENT_NOT_YET:
		return "not yet";
	case NODE_CONSENT_EXPIRED:
		return "expired";
	case NODE_CONSENT_WITHDRAWN:
		return "withdrawn";
	}
	return "missing"; /* never says more than is known */
}
