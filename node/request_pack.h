/* request_pack.h: a request for pictures as the events that tell of it, and as the message to agents.  Pure.  Private to requests. */
#pragma once

#include "node/event.h"

struct node_request;
struct node_site;
struct torap_buffer;

/* That cameras are asked.  NULL: memory ran out. */
struct node_event *node_request_access(const struct node_request *q, struct node_now now);
/* That there are no pictures.  NULL: memory ran out. */
struct node_event *node_request_missing(
	const struct node_request *q, const char *reason, struct node_now now);
/* Names the site's cameras that may be asked now, and writes into the request how many they are.  `site` NULL: none, so that an agent which
 * knows the request says when it is done, and one that does not looks at nothing.  NULL: memory ran out. */
struct torap_buffer *node_request_pack(
	struct node_request *q, const struct node_site *site, struct node_now now);
