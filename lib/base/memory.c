#include "base/memory.h"

#include <malloc.h>

enum {
	MAPPED_BYTES = 4 << 20,
	TRIMMED_BYTES = 2 << 20,
};

void torap_memory_keep(void)
{
	mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	mallopt(M_TRIM_THRESHOLD, TRIMMED_BYTES);
}
