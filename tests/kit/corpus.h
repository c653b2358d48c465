/* corpus.h: files of the shared corpus of device protocols, read where they lie. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The file `name` of ../shared/corpus (or $TORAP_CORPUS), zero-terminated; the caller frees.  NULL, and a line on the screen, when it is not
 * there. */
static inline uint8_t *corpus_read(const char *name, size_t *size)
{
	char path[1024];
	const char *root = getenv("TORAP_CORPUS");
	snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/corpus", name);
	FILE *f = fopen(path, "rb");
	if (!f) {
		printf("no %s: nothing was compared with it\n", path);
		return NULL;
	}
	enum { FILE_MAX = 4 << 20 };
	uint8_t *bytes = malloc(FILE_MAX);
	if (!bytes)
		abort();
	*size = fread(bytes, 1, FILE_MAX - 1, f);
	bytes[*size] = 0;
	fclose(f);
	return bytes;
}
