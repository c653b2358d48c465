/* rows.h: the registry rows of an agent's protocol, as they come in one message or several. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agents/kit/kit.h"
#include "base/bytes.h"

struct torap_error;

enum { KIT_ROWS_MAX = 1 << 18, KIT_ROWS_MESSAGES_MAX = 4096 };

struct kit_rows {
	/* Owned, until the set is complete and was shown. */
	Torap__AgentRows *messages[KIT_ROWS_MESSAGES_MAX];
	size_t messages_count, count;
};

/* Adds the body of an AGENT_ROWS message.  *complete: it was the last.  0 or -EBADMSG with the reason; -ENOMEM. */
int kit_rows_add(struct kit_rows *r, struct torap_bytes body, bool *complete, struct torap_error *err);
/* The complete set as an array that points into the messages; free() it.  NULL when memory ran out. */
struct kit_row *kit_rows_list(const struct kit_rows *r);
/* Forgets everything; a new set begins. */
void kit_rows_clear(struct kit_rows *r);
