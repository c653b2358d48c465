/* kv_lock.h: one process at a time writes to a store.  Private to lib/store.
 *
 * An advisory lock (flock) on DIR/lock, which names its holder.  The kernel lets go of it when the process ends, however it ends. */
#pragma once

struct torap_error;

/* *out_fd is then the caller's; closing it gives the lock back.  -EBUSY names the process that holds it. */
int torap_kv_lock_take(int *out_fd, const char *dir, struct torap_error *err);
