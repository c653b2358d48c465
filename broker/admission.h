/* admission.h: may this batch come in?
 *
 * Signature and digests, the place in its stream, and for which groups the writer may speak: the trust file, narrowed by the policy.
 * Pure: what follows from the answer is writer.h's. */
#pragma once

#include <stdint.h>

#include "broker/rules.h"
#include "wire/batch.h"
#include "wire/verify.h"

enum broker_admission_answer {
	BROKER_ADMIT,     /* it is the next of its stream */
	BROKER_ADMIT_OLD, /* it is there already: acknowledge again */
	BROKER_ADMIT_GAP, /* batches before it are missing: the writer must go back */
	BROKER_ADMIT_NOT, /* never: `code` is what the writer is told */
};

struct broker_admission {
	enum broker_admission_answer answer;
	enum torap_verdict verdict; /* with NOT: what is wrong */
	int code;                   /* with NOT: Torap__Refusal__Code */
	unsigned
		beyond_groups; /* with ADMIT: groups beyond the writer's rights; their frames are left out now, as refused */
	uint32_t beyond_events;
	char reason[160]; /* with NOT */
};

/* `writer` and `lane` are the session's, `at` is how far its stream has been accepted.  With ADMIT and OLD, frames of groups for which
 * the writer may not speak are taken out of the batch. */
struct broker_admission broker_admission_judge(const struct broker_rules *rules, const char *writer,
	uint32_t lane, struct torap_batch *batch, const struct torap_position *at);
/* The same for a batch that a broker passes on.  Its writer need not stand in the policy, which says whose links are taken here; where it
 * does, it is narrowed all the same. */
struct broker_admission broker_admission_judge_relayed(
	const struct broker_rules *rules, struct torap_batch *batch, const struct torap_position *at);
