#include "broker/course.h"

#include "base/limits.h"

/* A run is a protobuf message: a tag and a length stand before each manifest. */
enum { RUN_ENTRY_OVERHEAD = 8 };

struct broker_step broker_course_step(
	uint64_t next, uint64_t last, bool flush, broker_course_look look, void *hint)
{
	struct broker_step run = { .what = BROKER_STEP_RUN, .from = next, .to = next - 1 };
	for (uint64_t at = next; at <= last; at++) {
		size_t bytes = 0;
		enum broker_look seen = look(hint, at, &bytes);
		bool quiet = seen == BROKER_LOOK_QUIET;
		bool full = at - next == TORAP_RUN_MANIFESTS_MAX ||
			    run.bytes + bytes + RUN_ENTRY_OVERHEAD > TORAP_RUN_SIZE_MAX;
		if (at > next && (!quiet || full))
			return run;
		if (seen == BROKER_LOOK_ABSENT)
			return (struct broker_step){ .what = BROKER_STEP_READ, .from = at, .to = last };
		if (seen == BROKER_LOOK_MATCH)
			return (struct broker_step){
				.what = BROKER_STEP_BATCH, .from = at, .to = at, .bytes = bytes
			};
		run.to = at;
		run.bytes += bytes + RUN_ENTRY_OVERHEAD;
	}
	if (flush && run.to >= next && next <= last)
		return run;
	return (struct broker_step){ .what = BROKER_STEP_NONE };
}
