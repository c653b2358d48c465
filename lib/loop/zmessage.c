/* Whole messages, both ways (zsocket.h).
 *
 * libzmq hands a multipart message over as a whole: only its first part can be missing, and only its first part can be refused.
 * Everything after the first part therefore is carried to its end, whatever happens in between. */
#include "loop/zsocket.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
	/* Below this a copy is cheaper than a shared message: its allocation, its atomic counts, and on receiving the 8 KiB of
	 * the wire's buffer that a view of 50 bytes would hold on to. */
	COPY_MAX = 1024,
};

static void release_message(void *hint)
{
	zmq_msg_t *part = hint;
	zmq_msg_close(part);
	free(part);
}

/* Takes the part over, leaves an empty one.  NULL when memory ran out. */
static struct torap_buffer *take_part(zmq_msg_t *part)
{
	size_t size = zmq_msg_size(part);
	if (size <= COPY_MAX)
		return torap_buffer_copy(torap_bytes(zmq_msg_data(part), size));

	zmq_msg_t *kept = malloc(sizeof *kept);
	if (!kept)
		return NULL;
	zmq_msg_init(kept);
	zmq_msg_move(kept, part);
	struct torap_buffer *b = torap_buffer_wrap(zmq_msg_data(kept), size, release_message, kept);
	if (!b)
		release_message(kept);
	return b;
}

/* 0, TORAP_ZSOCKET_NONE or a negative errno. */
static int receive_part(zmq_msg_t *part, void *socket)
{
	int r;
	do
		r = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return 0;
	return errno == EAGAIN ? TORAP_ZSOCKET_NONE : -errno;
}

static bool take_peer(struct torap_zmessage *m, zmq_msg_t *part)
{
	size_t size = zmq_msg_size(part);
	if (size > sizeof m->peer)
		return false;
	memcpy(m->peer, zmq_msg_data(part), size);
	m->peer_size = size;
	return true;
}

int torap_zmessage_receive(struct torap_zmessage *m, void *socket, bool is_router)
{
	m->count = 0;
	m->peer_size = 0;

	zmq_msg_t part;
	zmq_msg_init(&part);
	int verdict = 0;
	bool more = true;
	for (size_t i = 0; more; i++) {
		int r = receive_part(&part, socket);
		if (r) {
			assert(r < 0 || i == 0); /* A message whose first part is here is here. */
			verdict = r;
			break;
		}
		more = zmq_msg_more(&part);
		if (verdict)
			continue;
		if (is_router && i == 0) {
			if (!take_peer(m, &part))
				verdict = TORAP_ZSOCKET_BAD;
		} else if (m->count == TORAP_ZMESSAGE_FRAMES_MAX) {
			verdict = TORAP_ZSOCKET_BAD;
		} else {
			m->frames[m->count] = take_part(&part);
			if (m->frames[m->count])
				m->count++;
			else
				verdict = -ENOMEM;
		}
	}
	zmq_msg_close(&part);
	if (verdict == 0 && m->count == 0)
		verdict = TORAP_ZSOCKET_BAD; /* A routing id and nothing else. */
	if (verdict)
		torap_zmessage_finish(m);
	return verdict;
}

void torap_zmessage_finish(struct torap_zmessage *m)
{
	for (size_t i = 0; i < m->count; i++)
		m->frames[i] = torap_buffer_unref(m->frames[i]);
	m->count = 0;
}

static void release_buffer(void *data, void *hint)
{
	(void)data;
	torap_buffer_unref(hint); /* Often on libzmq's own thread. */
}

static int make_part(zmq_msg_t *part, const void *data, size_t size)
{
	if (zmq_msg_init_size(part, size) < 0)
		return -errno;
	if (size)
		memcpy(zmq_msg_data(part), data, size);
	return 0;
}

static int make_frame(zmq_msg_t *part, struct torap_buffer *frame)
{
	if (!frame)
		return make_part(part, NULL, 0);
	if (frame->size <= COPY_MAX)
		return make_part(part, frame->data, frame->size);
	if (zmq_msg_init_data(part, frame->data, frame->size, release_buffer, torap_buffer_ref(frame)) < 0) {
		torap_buffer_unref(frame);
		return -errno;
	}
	return 0;
}

/* Takes the part over.  0, TORAP_ZSOCKET_GONE or a negative errno. */
static int send_part(void *socket, zmq_msg_t *part, bool more)
{
	int r;
	do
		r = zmq_msg_send(part, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return 0;
	r = errno == EAGAIN || errno == EHOSTUNREACH ? TORAP_ZSOCKET_GONE : -errno;
	zmq_msg_close(part);
	return r;
}

int torap_zmessage_send(
	void *socket, const uint8_t *peer, size_t peer_size, struct torap_buffer *const *frames, size_t count)
{
	assert(count > 0);
	/* All parts exist before the first is sent: memory cannot run out in the middle of a message. */
	size_t parts = count + (peer ? 1 : 0), made = 0;
	zmq_msg_t few[8];
	zmq_msg_t *part = parts <= sizeof few / sizeof few[0] ? few : malloc(parts * sizeof *part);
	if (!part)
		return -ENOMEM;
	int verdict = 0;
	if (peer && (verdict = make_part(&part[made], peer, peer_size)) == 0)
		made++;
	for (size_t i = 0; i < count && verdict == 0; i++)
		if ((verdict = make_frame(&part[made], frames[i])) == 0)
			made++;

	size_t sent = 0;
	if (verdict == 0) {
		verdict = send_part(socket, &part[0], parts > 1);
		sent = 1;
	}
	/* A dealer whose connection ends in the middle says so once and then swallows the rest of the message: it must be given
	 * that rest, or it would swallow the next message's. */
	if (verdict == 0)
		for (; sent < parts; sent++) {
			int r = send_part(socket, &part[sent], sent + 1 < parts);
			verdict = verdict ? verdict : r;
		}
	for (size_t i = sent; i < made; i++)
		zmq_msg_close(&part[i]);
	if (part != few)
		free(part);
	return verdict;
}
