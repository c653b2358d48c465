/* Whatever stands in a policy file: it is taken or refused with a text, and what is taken answers questions. */
#include <stdlib.h>

#include "base/error.h"
#include "broker/policy.h"
#include "broker/routing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct torap_error err = { "" };
	struct broker_policy *policy = NULL;
	if (broker_policy_parse(&policy, "policy.yaml", torap_bytes(data, size), &err)) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	struct broker_routing *routing = NULL;
	struct torap_class class = { .region = 391010000, .facility = 6, .kind = 1, .severity = 5 };
	bool ok = false;
	if (broker_routing_create(&routing, policy, &err) == 0)
		broker_routing_class(routing, &class, &ok);
	for (size_t i = 0; i < policy->feeds_count; i++)
		if (policy->feeds[i].until.us <= policy->feeds[i].from.us || policy->feeds[i].rows_count == 0)
			abort();
	broker_routing_destroy(routing);
	broker_policy_unref(policy);
	return 0;
}
