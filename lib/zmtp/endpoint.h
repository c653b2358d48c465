/* endpoint.h: where a listener listens: "tcp://127.0.0.1:9100", "tcp://[::1]:9100", "tcp://eth0:9100"; a star is every IPv4 address, or a free
 * port. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>

struct torap_error;

/* What torap_zsocket_check_listen() lets pass.  On failure *out is undefined. */
int torap_zmtp_endpoint_read(struct sockaddr_storage *out, const char *endpoint, struct torap_error *err);
/* "tcp://127.0.0.1:41234". */
void torap_zmtp_endpoint_write(const struct sockaddr_storage *address, char *text, size_t size);
