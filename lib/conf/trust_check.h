/* trust_check.h: what a trust file must be, whether it came signed or is being compiled.  Private to lib/conf. */
#pragma once

#include "proto/session.pb-c.h"

struct torap_error;

enum { TORAP_TRUST_WHERE_SIZE = 64 };

#define TORAP_TRUST_PREFIX "torap trust 1" /* signed with its NUL, before the bytes of the trust file */

/* 0, or -EINVAL with the reason in err and in `where` the place at fault: "writers[3].keys[1]". */
int torap_trust_check(
	const Torap__Trust *t, char where[static TORAP_TRUST_WHERE_SIZE], struct torap_error *err);
