/* config.h: the configuration of torap-dc09.  deploy/dc09/dc09.yaml is an example with every key. */
#pragma once

#include <sys/socket.h>

#include "agents/dc09/session.h"
#include "agents/kit/config.h"

struct torap_error;

struct dc09_config {
	struct kit_config kit;
	char *listen_tcp; /* "0.0.0.0:7500"; NULL: no TCP; owned, as are all strings */
	char *listen_udp;
	struct sockaddr_storage tcp, udp;
	char *keys; /* file; NULL: no panel encrypts */
	unsigned connections_max, datagrams_max;
	struct dc09_limits limits;
};

/* Names in the file are relative to its folder.  0, or a negative error with file, line and reason. */
int dc09_config_load(struct dc09_config *out, const char *path, struct torap_error *err);
void dc09_config_finish(struct dc09_config *c);
