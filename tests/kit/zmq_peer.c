#include "kit/zmq_peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "libzmq: cannot %s: %s\n", what, zmq_strerror(errno));
	abort();
}

static void set(void *socket, int option, const void *value, size_t size)
{
	check(zmq_setsockopt(socket, option, value, size) == 0, "set an option");
}

static void *open_socket(void *context, int type)
{
	void *socket = zmq_socket(context, type);
	int linger_ms = 20; /* With 0 libzmq 4.3.4 may abort when a message is half written. */
	int many = 1 << 16;
	check(socket, "open a socket");
	set(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
	set(socket, ZMQ_SNDHWM, &many, sizeof many);
	return socket;
}

void *zmq_peer_dial(void *context, const char *endpoint, const uint8_t *secret, const uint8_t *public,
	const uint8_t *server)
{
	void *socket = open_socket(context, ZMQ_DEALER);
	int handshake_ms = 5000;
	set(socket, ZMQ_HANDSHAKE_IVL, &handshake_ms, sizeof handshake_ms);
	if (server) {
		set(socket, ZMQ_CURVE_SERVERKEY, server, 32);
		set(socket, ZMQ_CURVE_PUBLICKEY, public, 32);
		set(socket, ZMQ_CURVE_SECRETKEY, secret, 32);
	}
	check(zmq_connect(socket, endpoint) == 0, "connect");
	return socket;
}

void *zmq_peer_listen(void *context, const char *endpoint, const uint8_t *secret)
{
	void *socket = open_socket(context, ZMQ_ROUTER);
	int yes = 1;
	set(socket, ZMQ_ROUTER_MANDATORY, &yes, sizeof yes);
	if (secret) {
		set(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes);
		set(socket, ZMQ_CURVE_SECRETKEY, secret, 32);
	}
	check(zmq_bind(socket, endpoint) == 0, "listen");
	return socket;
}

void zmq_peer_endpoint(void *socket, char *text, size_t size)
{
	check(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text, &size) == 0, "tell the endpoint");
}

void zmq_peer_close(void *socket)
{
	if (socket)
		check(zmq_close(socket) == 0, "close a socket");
}

static bool send_part(void *socket, const void *data, size_t size, bool more)
{
	int r = zmq_send(socket, data, size, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
	check(r >= 0 || errno == EAGAIN || errno == EHOSTUNREACH, "send");
	return r >= 0;
}

/* Only a message's first part can be refused. */
bool zmq_peer_send(
	void *socket, const uint8_t *id, size_t id_size, struct torap_buffer *const *frames, size_t count)
{
	bool sent = !id || send_part(socket, id, id_size, true);
	for (size_t i = 0; sent && i < count; i++)
		sent = send_part(socket, frames[i] ? frames[i]->data : NULL, frames[i] ? frames[i]->size : 0,
			i + 1 < count);
	return sent;
}

static void take_part(struct zmq_peer_message *m, zmq_msg_t *part, bool is_id)
{
	struct torap_bytes bytes = torap_bytes(zmq_msg_data(part), zmq_msg_size(part));
	check(is_id ? bytes.size <= sizeof m->id : m->count < ZMQ_PEER_FRAMES_MAX, "keep a part");
	if (is_id) {
		memcpy(m->id, bytes.data, bytes.size);
		m->id_size = bytes.size;
		return;
	}
	m->frames[m->count] = torap_buffer_copy(bytes);
	check(m->frames[m->count++], "copy a part");
}

bool zmq_peer_receive(struct zmq_peer_message *m, void *socket, bool is_router)
{
	zmq_msg_t part;
	m->count = m->id_size = 0;
	zmq_msg_init(&part);
	for (bool more = true, first = true; more; first = false) {
		int r = zmq_msg_recv(&part, socket, ZMQ_DONTWAIT);
		check(r >= 0 || (first && errno == EAGAIN), "receive");
		if (r < 0)
			return false;
		more = zmq_msg_more(&part);
		take_part(m, &part, is_router && first);
	}
	zmq_msg_close(&part);
	return true;
}

void zmq_peer_finish(struct zmq_peer_message *m)
{
	for (size_t i = 0; i < m->count; i++)
		torap_buffer_unref(m->frames[i]);
	m->count = 0;
}
