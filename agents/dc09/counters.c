#include "agents/dc09/counters.h"

#include <stddef.h>

const char *dc09_silence_name(enum dc09_silence s)
{
	static const char *const names[] = {
		[DC09_SILENT_BAD_CRC] = "bad-crc",
		[DC09_SILENT_UNREADABLE] = "unreadable",
		[DC09_SILENT_REPLY] = "is-a-reply",
		[DC09_SILENT_NO_KEY] = "no-key",
		[DC09_SILENT_NOISE] = "wrong-key",
		[DC09_SILENT_FOREIGN] = "foreign-account",
		[DC09_SILENT_REFUSED] = "refused",
		[DC09_SILENT_AWAY] = "node-away",
		[DC09_SILENT_LATE] = "late",
		[DC09_SILENT_GONE] = "panel-gone",
		[DC09_SILENT_BROKEN] = "broken",
	};
	return s < DC09_SILENCES ? names[s] : NULL;
}
