/* place.h: a directory of its own for a test of a store, gone when the test is. */
#pragma once

#include <criterion/criterion.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kit/temporary.h"

struct place {
	char root[PATH_MAX];
	char dir[PATH_MAX + 8]; /* root/store: does not exist to begin with */
};

static inline void place_make(struct place *p)
{
	temporary_dir(p->root, sizeof p->root, "store");
	snprintf(p->dir, sizeof p->dir, "%s/store", p->root);
}

static inline void place_remove(struct place *p)
{
	DIR *d = opendir(p->dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[PATH_MAX + 300];
		snprintf(path, sizeof path, "%s/%s", p->dir, e->d_name);
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(p->dir);
	rmdir(p->root);
}
