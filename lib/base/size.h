/* size.h: sizes in bytes as people write them. */
#pragma once

#include <stdint.h>

struct torap_error;

/* Reads "512", "64KiB", "4MiB", "8GiB", "1TiB".  0 or -EINVAL. */
int torap_size_parse(uint64_t *out_bytes, const char *text, struct torap_error *err);
