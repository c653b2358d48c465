/* examine.h: `--check DIR` of a process: examines its journal (store/check.h) and says on standard output what is wrong with it.
 *
 *     --check DIR [--trust FILE --root FILE]
 *
 * One line for each finding, with stream, batch, frame and the kind of damage; then one that sums up.  Signatures are checked when a trust
 * file is given, by each key's own time: that the file has run out since does not matter.  Reads only, and takes no lock: also while
 * the process runs.  Says on a terminal how far it is. */
#pragma once

#include <stdbool.h>

/* A configuration is checked with -c; without one, --check and `count` further words mean a journal. */
bool torap_examine_is_asked(bool check, const char *config, int count);
/* `words` follow --check.  Returns the exit status: 0 sound, 1 findings, 2 it cannot be examined, and why was said. */
int torap_examine(const char *program, int count, char **words);
/* LMDB believes its own pages: where they are damaged or cut off it reads beyond the map, or gives up.  From now on that ends the process
 * with this status after one line on standard error.  For commands that only read. */
void torap_examine_catch_crashes(int status);
