/* status.h: /status: what `torap status` reads. */
#pragma once

struct torap_writer;

/* A torap_http_page; hint is the struct node. */
void node_status_write(void *node, struct torap_writer *body);
