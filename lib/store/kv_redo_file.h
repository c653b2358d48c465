/* kv_redo_file.h: DIR/redo as a file: bytes at its begin, and their flush.  Private to lib/store. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* A descriptor, for the caller to close; or negative: -ENOENT where there is none and none is made. */
int torap_kv_redo_file_open(const char *dir, bool make);
/* As much as there is, up to `most`.  0 or negative. */
int torap_kv_redo_file_read(int fd, size_t most, struct torap_writer *out);
/* 0 or negative.  Not on the disk before the flush; without one, after a death, any part of it may be. */
int torap_kv_redo_file_write(int fd, struct torap_bytes bytes);
int torap_kv_redo_file_flush(int fd);
void torap_kv_redo_file_close(int fd);
