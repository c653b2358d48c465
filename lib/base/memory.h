/* memory.h: what malloc does with what is given back. */
#pragma once

#include <stddef.h>

/* Messages, frames and batches come and go.  What malloc maps for each of them alone, from 128 KiB on, the kernel has to clear, page by page: of a
 * node's time at full rate that was a tenth (tests/bench/README.md).  So it keeps them.  Once, before the work begins. */
void torap_memory_keep(void);

/* A table of many megabytes that is read all over: the kernel may give it pages of 2 MiB, which are cleared and looked up some hundred times more
 * rarely than such of 4 KiB.  An advice; a kernel that has none to give leaves all as it was. */
void torap_memory_large(void *block, size_t size);
