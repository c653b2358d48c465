/* writers.h: a writer in one lane, over all its streams there: does what it says arrive here, end to end (link/canary.h)?
 *
 * A writer is expected when the trust file knows it and the grant touches its regions: by the same rule the broker leaves streams out.
 * The other brokers of our list write streams, too, which whoever we are linked to need not have: such a writer is expected while it is
 * carried.  A stream of an old incarnation has no heads any more; the newest one's count for its writer.  One that the
 * configuration names is expected in any case: a broker that keeps all of it back would be missed by nobody. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "link/canary.h"
#include "wire/taxonomy.h"

struct follow_writer {
	struct torap_canary canary;
	bool named; /* by the configuration */
	bool expected;
	bool carried; /* by the broker of the lane's session: its welcome named the writer, or a head came */
	bool ever_heard;           /* in this process */
	bool told;                 /* the log knows that its canaries are overdue */
	struct torap_wall head_at; /* what its newest head is dated */
	uint64_t canaries;         /* opened in this process */
	struct torap_mono came;    /* the last of them; 0: none yet */
	/* Its way: at the writer, at the writer, here, here on the disk. */
	struct torap_wall occurred, sealed, received, flushed;
};

/* Those that the configuration names, while they have no stream in a lane. */
struct follow_unheard {
	struct follow_writer (*writers)[TORAP_LANES]; /* as the configuration has them, by lane */
	size_t count;
};
