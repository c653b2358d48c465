/* decode.h: takes apart what stands behind the [ of a frame; of an encrypted one after its pad is off.
 *
 *     #acct|data][xdata]…_HH:MM:SS,MM-DD-YYYY
 *
 * Never fails: what cannot be read is kept and said to be unreadable, because a panel that is refused for a code we do not know
 * calls again for ever. */
#pragma once

#include "agents/dc09/content.h"

enum dc09_vocabulary {
	DC09_SIA,   /* SIA-DCS */
	DC09_CID,   /* ADM-CID */
	DC09_NULL,  /* supervision */
	DC09_OTHER, /* a token that we do not know: kept as it is */
};
enum { DC09_VOCABULARIES = DC09_OTHER + 1 };
const char *dc09_vocabulary_name(enum dc09_vocabulary v);

/* `out` looks into `rest`. */
void dc09_content_decode(struct dc09_content *out, enum dc09_vocabulary vocabulary, struct torap_bytes rest);
