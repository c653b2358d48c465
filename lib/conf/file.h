/* file.h: small files as a whole: read with a limit, written so that a power cut leaves the old or the new one. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"

struct torap_error;

/* *out is one reference.  A file that is not there, is no regular file or is larger than `most` is refused by name. */
int torap_file_read(struct torap_buffer **out, const char *path, size_t most, struct torap_error *err);
/* A new file, flushed with its folder; one that is there already is left alone: -EEXIST. */
int torap_file_create(const char *path, mode_t mode, struct torap_bytes bytes, struct torap_error *err);
/* Creates or replaces, by a flushed file beside it and a rename. */
int torap_file_replace(const char *path, mode_t mode, struct torap_bytes bytes, struct torap_error *err);
