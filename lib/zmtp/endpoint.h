/* endpoint.h: where one listens or whom one dials: "tcp://127.0.0.1:9100", "tcp://[::1]:9100", "tcp://broker.example:9100", or within the machine
 * "ipc:///run/torap/node.intake". */
#pragma once

#include <stddef.h>
#include <sys/socket.h>

struct torap_error;

/* Can it be dialled over TCP: "tcp://HOST:PORT", an IPv6 address in brackets, the port not 0?  0 or -EINVAL with err (or NULL). */
int torap_zmtp_check_dial(const char *endpoint, struct torap_error *err);
/* Is it "ipc://PATH", with a path that fits a socket?  0 or -EINVAL with err (or NULL). */
int torap_zmtp_check_local(const char *endpoint, struct torap_error *err);
/* Is it one to listen at over TCP?  Names are not looked up there; a star is every IPv4 address, or a free port, and a network interface
 * stands for its address.  0 or -EINVAL with err. */
int torap_zmtp_check_listen(const char *endpoint, struct torap_error *err);

/* The path of an ipc:// endpoint; NULL: it is another. */
const char *torap_zmtp_endpoint_path(const char *endpoint);
/* Makes room at a path for a socket to listen at.  0, -EEXIST: there is another file; -EADDRINUSE: somebody listens there, or may; -ENAMETOOLONG. */
int torap_zmtp_endpoint_clear(const char *path);

/* To listen at: what torap_zmtp_check_listen() lets pass.  On failure *out is undefined. */
int torap_zmtp_endpoint_read(struct sockaddr_storage *out, const char *endpoint, struct torap_error *err);
/* "tcp://127.0.0.1:41234". */
void torap_zmtp_endpoint_write(const struct sockaddr_storage *address, char *text, size_t size);

enum { TORAP_ZMTP_HOST_MAX = 256, TORAP_ZMTP_PORT_MAX = 6 };

/* The two parts of a TCP endpoint that was checked, without brackets. */
void torap_zmtp_endpoint_split(
	const char *endpoint, char host[static TORAP_ZMTP_HOST_MAX], char port[static TORAP_ZMTP_PORT_MAX]);
