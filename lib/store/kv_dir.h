/* kv_dir.h: the directory of a store.  Private to lib/store. */
#pragma once

struct torap_error;

/* Mode 0700, if there is none yet.  0 or negative. */
int torap_kv_dir_make(const char *dir, struct torap_error *err);
/* Its entries: a new file is on the disk only when they are. */
int torap_kv_dir_flush(const char *dir, struct torap_error *err);
