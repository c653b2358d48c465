/* retention.h: how long a frame is kept: the rules of the trust file.  proto/README.md, "Trust".
 *
 * Of the rules that match a class and a part the longest `keep` counts and the shortest `at_most`; at_most is the law and goes
 * before keep.  What no rule matches is not limited by any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "link/grant.h"

struct torap_error;

#define TORAP_FOR_EVER INT64_MAX

/* From the receipt on this machine, in microseconds; TORAP_FOR_EVER where no rule says. */
struct torap_retention_term {
	int64_t keep_us;    /* then it may go, once whoever must have it has it */
	int64_t at_most_us; /* then it must go */
};

struct torap_retention_rule {
	struct torap_grant_row match;
	uint32_t lane; /* 0: of any */
	struct torap_retention_term term;
};

struct torap_retention_rules {
	struct torap_retention_rule *list;
	size_t count;
	uint64_t fingerprint; /* of all that they say; differs when they do */
};

/* Into zeros; torap_retention_rules_finish() frees what is in it, also after a failure.  0, -EBADMSG with the reason, or -ENOMEM. */
int torap_retention_rules_decode(struct torap_retention_rules *out, Torap__RetentionRule *const *in,
	size_t count, struct torap_error *err);
void torap_retention_rules_finish(struct torap_retention_rules *rules);

/* Does the at_most of `law` end the keep of `keeper` before its time, for anything that both match? */
bool torap_retention_cuts(const struct torap_retention_rule *law, const struct torap_retention_rule *keeper);

struct torap_retention_term torap_retention_term_of(
	const struct torap_retention_rules *rules, const struct torap_class *class, unsigned part);
