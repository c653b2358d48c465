/* file.h: small files as a whole: read with a limit, written so that a power cut leaves the old or the new one.
 *
 * All return 0 or a negative errno with a text that names the file. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/buffer.h"

struct torap_error;

/* *out is one reference.  A file that is not there, is no regular file or is larger than `most` is refused by name;
 * -EAGAIN: somebody wrote to it meanwhile. */
int torap_file_read(struct torap_buffer **out, const char *path, size_t most, struct torap_error *err);
/* The same of a file of secrets: one that others may use is refused, with the chmod that mends it.  The caller wipes *out. */
int torap_file_read_secret(struct torap_buffer **out, const char *path, size_t most, struct torap_error *err);
/* A new file, flushed with its folder; one that is there already is left alone: -EEXIST. */
int torap_file_create(const char *path, mode_t mode, struct torap_bytes bytes, struct torap_error *err);
/* A file that was made exists after a power cut only when its folder was flushed, too. */
int torap_file_flush_folder(const char *path, struct torap_error *err);
/* Creates or replaces, by a flushed file beside it (PATH.new) and a rename. */
int torap_file_replace(const char *path, mode_t mode, struct torap_bytes bytes, struct torap_error *err);
