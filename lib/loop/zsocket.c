#include "loop/zsocket.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <zmq.h>

#include "base/error.h"

enum {
	/* Whole messages that wait for one peer.  A window is bytes, and nothing that it holds is below 300 bytes (a signed
	 * manifest of one group), so a window of 16 MiB never reaches this.  Zero, no mark, would let a peer that has stopped
	 * reading grow the process by every heartbeat and refusal, for those ask for no credit. */
	SEND_MARK = 1 << 16,
	/* Four bursts of the loop: enough that a wire never waits for us, little enough that TCP holds the sender back. */
	RECEIVE_MARK = 4 * 64,
	/* Not 0, or libzmq aborts (zdealer.h).  Less than the least wait before a reconnect, so that nothing old is sent to a new
	 * connection. */
	LINGER_MS = 20,
	RECONNECT_MS = 100, /* libzmq doubles it and adds up to as much again at random */
	RECONNECT_MS_MAX = 2000,
	/* How long a dialler waits for an answer to its handshake. */
	HANDSHAKE_MS = 5000,
	KEEPALIVE_IDLE_S = 30,
	KEEPALIVE_INTERVAL_S = 5,
	KEEPALIVE_COUNT = 3,
};

static int set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int set_key(void *socket, int option, const uint8_t *key)
{
	return zmq_setsockopt(socket, option, key, TORAP_CURVE_KEY_SIZE);
}

/* What both ends share.  0 or -1 with errno. */
static int set_common(void *socket, const char *endpoint, const struct torap_zsocket_options *o)
{
	int64_t message_max = TORAP_MESSAGE_SIZE_MAX;
	if (set_int(socket, ZMQ_LINGER, LINGER_MS) < 0 ||
		zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &message_max, sizeof message_max) < 0 ||
		set_int(socket, ZMQ_SNDHWM, SEND_MARK) < 0 || set_int(socket, ZMQ_RCVHWM, RECEIVE_MARK) < 0 ||
		set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) < 0 ||
		set_int(socket, ZMQ_TCP_KEEPALIVE, 1) < 0 ||
		set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S) < 0 ||
		set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL_S) < 0 ||
		set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT) < 0)
		return -1;
	if (strchr(endpoint, '[') && set_int(socket, ZMQ_IPV6, 1) < 0)
		return -1;
	if (o->buffer_bytes > 0 && (set_int(socket, ZMQ_SNDBUF, o->buffer_bytes) < 0 ||
					   set_int(socket, ZMQ_RCVBUF, o->buffer_bytes) < 0))
		return -1;
	return 0;
}

static int set_dialler(void *socket, const struct torap_zsocket_options *o)
{
	/* Not IMMEDIATE: README.md, "What libzmq 4.3.4 really does". */
	if (set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) < 0 ||
		set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX) < 0)
		return -1;
	if (!o->server_key)
		return 0;
	if (set_key(socket, ZMQ_CURVE_SERVERKEY, o->server_key) < 0 ||
		set_key(socket, ZMQ_CURVE_PUBLICKEY, o->public_key) < 0 ||
		set_key(socket, ZMQ_CURVE_SECRETKEY, o->secret_key) < 0)
		return -1;
	return 0;
}

int torap_zsocket_check(const char *endpoint, struct torap_error *err)
{
	struct torap_error nobody;
	static const char scheme[] = "tcp://";
	if (strncmp(endpoint, scheme, sizeof scheme - 1) != 0)
		return 0;
	const char *host = endpoint + sizeof scheme - 1, *port = strrchr(host, ':');
	static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:;[]%*";
	if (!port || port == host || strspn(host, name) < (size_t)(port - host))
		return torap_errorf(err ? err : &nobody, -EINVAL, "%s: is not tcp://HOST:PORT", endpoint);
	port++;
	if (strcmp(port, "*") == 0)
		return 0;
	size_t digits = strspn(port, "0123456789");
	/* libzmq takes port 99999 for 34463. */
	if (digits == 0 || digits > 5 || port[digits] || strtol(port, NULL, 10) > UINT16_MAX)
		return torap_errorf(err ? err : &nobody, -EINVAL, "%s: there is no such port", endpoint);
	return 0;
}

static bool is_own_address(const char *host)
{
	uint8_t address[sizeof(struct in6_addr)];
	size_t size = strlen(host);
	if (strcmp(host, "*") == 0 || inet_pton(AF_INET, host, address) == 1 || if_nametoindex(host) != 0)
		return true;
	char inner[INET6_ADDRSTRLEN];
	if (host[0] != '[' || host[size - 1] != ']' || size - 2 >= sizeof inner)
		return false;
	memcpy(inner, host + 1, size - 2);
	inner[size - 2] = '\0';
	return inet_pton(AF_INET6, inner, address) == 1;
}

int torap_zsocket_check_listen(const char *endpoint, struct torap_error *err)
{
	static const char scheme[] = "tcp://";
	if (strncmp(endpoint, scheme, sizeof scheme - 1) != 0)
		return torap_errorf(err, -EINVAL, "%.200s: is not tcp://ADDRESS:PORT", endpoint);
	int r = torap_zsocket_check(endpoint, err);
	if (r)
		return r;
	char host[256];
	const char *begin = endpoint + sizeof scheme - 1;
	int size = (int)(strrchr(begin, ':') - begin);
	snprintf(host, sizeof host, "%.*s", size, begin);
	return is_own_address(host)
		       ? 0
		       : torap_errorf(err, -EINVAL,
				 "%.200s: \"%.100s\" is no address to listen at: names are not looked up there; write an address of this machine (tcp://127.0.0.1:PORT is itself alone), tcp://0.0.0.0:PORT for all of them, or a network interface that is there",
				 endpoint, host);
}

void *torap_zsocket_dealer(void *context, const char *endpoint, const struct torap_zsocket_options *options,
	struct torap_error *err)
{
	assert(!options->server_key || (options->secret_key && options->public_key));
	if (torap_zsocket_check(endpoint, err) != 0)
		return NULL;
	void *socket = zmq_socket(context, ZMQ_DEALER);
	if (socket && set_common(socket, endpoint, options) == 0 && set_dialler(socket, options) == 0)
		return socket;
	torap_errorf(err, -errno, "cannot connect to %s: %s", endpoint, zmq_strerror(errno));
	torap_zsocket_close(socket);
	return NULL;
}

/* The path of an endpoint that has a file, or NULL. */
static const char *socket_file(const char *endpoint)
{
	static const char scheme[] = "ipc://";
	if (strncmp(endpoint, scheme, sizeof scheme - 1) != 0)
		return NULL;
	const char *path = endpoint + sizeof scheme - 1;
	return *path == '@' || *path == '*' ? NULL : path;
}

static int bind_listener(void *socket, const char *endpoint, struct torap_error *err)
{
	const char *path = socket_file(endpoint);
	struct stat st;
	if (path && lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) /* libzmq would delete it. */
		return torap_errorf(
			err, -EEXIST, "cannot listen on %s: the file is there and is no socket", endpoint);
	if (zmq_bind(socket, endpoint) < 0)
		return torap_errorf(err, -errno, "cannot listen on %s: %s", endpoint, zmq_strerror(errno));
	if (path && chmod(path, 0660) < 0)
		return torap_errorf(
			err, -errno, "cannot listen on %s: chmod 0660: %s", endpoint, strerror(errno));
	return 0;
}

void *torap_zsocket_listen(void *context, const char *endpoint, const struct torap_zsocket_options *options,
	struct torap_error *err)
{
	assert(!options->secret_key); /* lib/zmtp listens with keys. */
	if (torap_zsocket_check(endpoint, err) != 0)
		return NULL;
	void *socket = zmq_socket(context, ZMQ_ROUTER);
	if (!socket || set_common(socket, endpoint, options) < 0 ||
		set_int(socket, ZMQ_ROUTER_MANDATORY, 1) < 0)
		torap_errorf(err, -errno, "cannot listen on %s: %s", endpoint, zmq_strerror(errno));
	else if (bind_listener(socket, endpoint, err) == 0)
		return socket;
	torap_zsocket_close(socket);
	return NULL;
}

void torap_zsocket_close(void *socket)
{
	if (!socket)
		return;
	int r = zmq_close(socket);
	assert(r == 0); /* It can only fail for what is not a socket. */
	(void)r;
}

bool torap_zsocket_endpoint(void *socket, char *text, size_t size)
{
	return zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text, &size) == 0;
}

void torap_zsocket_drop(int fd)
{
	/* The connection may have ended by itself meanwhile; there is nothing to do then. */
	if (fd >= 0)
		(void)shutdown(fd, SHUT_RDWR);
}
