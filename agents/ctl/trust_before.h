/* trust_before.h: a signed trust file against the one that it is to replace. */
#pragma once

#include <stdint.h>

#include "base/buffer.h"
#include "base/limits.h"

struct torap_error;
struct torap_trust;

/* Refuses a version that others would not take for a newer one: it is lower than that of the file at `path`, or the same and says something else.
 * Tells, a sentence each, of writers and keys that are gone: what they signed can be verified no more.  Without such a file, or with one of
 * another root, there is nothing to say.  0 or negative. */
int ctl_trust_judge_before(const char *path, const struct torap_trust *next,
	const uint8_t root[static TORAP_SIGN_KEY_SIZE], void (*tell)(const char *sentence),
	struct torap_error *err);
