/* zmq_peer.h: libzmq as the other side of lib/zmtp: its DEALERs dial, its ROUTERs listen, and whole messages go both ways.
 *
 * For tests only: what cannot be done ends the process.  Nothing here waits. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum { ZMQ_PEER_FRAMES_MAX = 900, ZMQ_PEER_ID_MAX = 32 };

struct zmq_peer_message {
	struct torap_buffer *frames[ZMQ_PEER_FRAMES_MAX]; /* a reference each */
	size_t count;
	uint8_t id[ZMQ_PEER_ID_MAX]; /* of a ROUTER's peer */
	size_t id_size;
};

/* Sockets of libzmq, to be closed with zmq_peer_close().  Keys of 32 bytes, or all NULL: without CURVE. */
void *zmq_peer_dial(void *context, const char *endpoint, const uint8_t *secret, const uint8_t *public,
	const uint8_t *server);
void *zmq_peer_listen(void *context, const char *endpoint, const uint8_t *secret);
/* The endpoint that a listener really has. */
void zmq_peer_endpoint(void *socket, char *text, size_t size);
void zmq_peer_close(void *socket);

/* From a ROUTER to the peer of this id; from a DEALER NULL and 0.  False: it is not taken now, or there is no such peer. */
bool zmq_peer_send(
	void *socket, const uint8_t *id, size_t id_size, struct torap_buffer *const *frames, size_t count);
/* False: there is none.  On true the caller finishes it. */
bool zmq_peer_receive(struct zmq_peer_message *m, void *socket, bool is_router);
void zmq_peer_finish(struct zmq_peer_message *m);
