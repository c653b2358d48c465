/* output_file.h: the file of an output: opened and cut to what is committed, written at its place, flushed. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

struct torap_error;
struct torap_kv;

enum {
	FOLLOW_OUTPUT_NAME_SIZE = 64,
	FOLLOW_OUTPUT_FILE_FULL =
		1, /* answer: there is no room; the same may be written again, at its place */
};

/* Opens or creates `path` and cuts it to the length that the store knows.  Gives the name under which the store knows the file, by
 * its absolute path.  A file that is not ours (not empty, and unknown) or that lost something is refused; one that is gone,
 * moved away by an operator say, is begun anew, and goes on where the old one ended. */
int follow_output_file_open(int *out_fd, char name[static FOLLOW_OUTPUT_NAME_SIZE], uint64_t *out_length,
	struct torap_kv *kv, const char *path, struct torap_error *err);

/* Writes at `offset` and flushes.  0, FOLLOW_OUTPUT_FILE_FULL or a negative error. */
int follow_output_file_write(int fd, uint64_t offset, struct torap_bytes bytes, struct torap_error *err);
