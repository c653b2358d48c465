#include "base/memory.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

enum {
	MAPPED_BYTES = 4 << 20,
	TRIMMED_BYTES = 2 << 20,
	LARGE_PAGE = 2 << 20,
};

void torap_memory_keep(void)
{
	mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	mallopt(M_TRIM_THRESHOLD, TRIMMED_BYTES);
}

void torap_memory_large(void *block, size_t size)
{
	uintptr_t begin = ((uintptr_t)block + LARGE_PAGE - 1) & -(uintptr_t)LARGE_PAGE;
	uintptr_t end = ((uintptr_t)block + size) & -(uintptr_t)LARGE_PAGE;
	if (begin < end)
		(void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}
