/* kv_whole.h: is the file as long as its pages need?  Private to lib/store.
 *
 * LMDB maps the file and believes it: what was cut off it (a copy that broke off, a file system that lost its end) would end the process by
 * SIGBUS when it is read.  So that is asked before. */
#pragma once

#include <lmdb.h>

struct torap_error;

/* Before the environment is opened: LMDB makes a new store of a file that is empty.  0 or a negative error that names the file. */
int torap_kv_whole_begin(const char *dir, struct torap_error *err);
/* When it is open, before anything else is read of it. */
int torap_kv_whole(MDB_env *env, const char *dir, struct torap_error *err);
