/* address.h: where a process listens: an IP address and a port, as a configuration has them.  No names: nobody is asked. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* "127.0.0.1:9101", "[::1]:9101".  False for anything else; *out is then undefined. */
bool torap_address_parse(struct sockaddr_storage *out, const char *text);
