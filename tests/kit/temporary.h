/* temporary.h: where a test keeps its files: below TMPDIR, or where the C library would. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

/* Fills `path` with a pattern for mkstemp(); returns it.  Ends the test when that has no room. */
static inline char *temporary_pattern(char *path, size_t room, const char *name)
{
	const char *tmp = getenv("TMPDIR");
	if (!tmp)
		tmp = P_tmpdir;
	if ((size_t)snprintf(path, room, "%s/torap-%s-XXXXXX", tmp, name) >= room) {
		fprintf(stderr, "TMPDIR is too long: %s\n", tmp);
		abort();
	}
	return path;
}

/* Makes a directory; returns `path`. */
static inline char *temporary_dir(char *path, size_t room, const char *name)
{
	if (!mkdtemp(temporary_pattern(path, room, name))) {
		perror(path);
		abort();
	}
	return path;
}
