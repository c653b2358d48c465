/* memory.h: what malloc does with what is given back. */
#pragma once

/* Messages, frames and batches come and go.  What malloc maps for each of them alone, from 128 KiB on, the kernel has to clear, page by page: of a
 * node's time at full rate that was a tenth (tests/bench/README.md).  So it keeps them.  Once, before the work begins. */
void torap_memory_keep(void);
