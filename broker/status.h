/* status.h: GET /status: who is connected, how far behind, and where each stream stands, as JSON for `torap status`. */
#pragma once

struct torap_writer;

/* A torap_http_page; hint is the struct broker. */
void broker_status_page(void *broker, struct torap_writer *body);
