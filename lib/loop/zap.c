/* Requests come from this process's own listeners, through libzmq, so a malformed one means a library that we do not know;
 * the key in it comes from anybody on the network.  What a stranger can provoke is counted, and logged at debug only.
 *
 * A refusal is 300 ("not now"), never 400: at 400 libzmq's dialler gives its endpoint up for good and without a word, and a peer
 * that is admitted later would need a restart.  After 300 it hears nothing, until the handshake interval ends the connection;
 * then it dials again. */
#include "loop/zap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "loop/zloop.h"
#include "loop/zsocket.h"

enum { ZAP_FRAME_MAX = 255, ZAP_FRAMES_MAX = 8 };

enum zap_frame {
	ZAP_VERSION,
	ZAP_REQUEST,
	ZAP_DOMAIN,
	ZAP_ADDRESS,
	ZAP_IDENTITY,
	ZAP_MECHANISM,
	ZAP_KEY,
	ZAP_FRAMES
};

struct torap_zap {
	void *socket;
	struct torap_zloop *zloop;
	torap_zap_admit admit;
	void *hint;
	uint64_t refused;
	void (*on_closed)(void *hint);
	void *closed_hint;
};

struct zap_request {
	size_t count; /* frames that came; those beyond the array are counted, not kept */
	struct {
		uint8_t data[ZAP_FRAME_MAX + 1]; /* ends with a zero, for the texts */
		size_t size;
	} frame[ZAP_FRAMES_MAX];
	bool too_long;
};

struct zap_verdict {
	const char *code, *text;
};

static void keep_frame(struct zap_request *q, zmq_msg_t *part)
{
	size_t size = zmq_msg_size(part);
	if (size > ZAP_FRAME_MAX) {
		q->too_long = true;
		size = 0;
	}
	if (q->count < ZAP_FRAMES_MAX) {
		memcpy(q->frame[q->count].data, zmq_msg_data(part), size);
		q->frame[q->count].data[size] = 0;
		q->frame[q->count].size = size;
	}
	q->count++;
}

/* False when there is no request.  libzmq hands a message over as a whole, so a request that began also ends. */
static bool receive_request(struct zap_request *q, void *socket)
{
	q->count = 0;
	q->too_long = false;
	zmq_msg_t part;
	zmq_msg_init(&part);
	bool more = true, any = false;
	while (more) {
		int r = zmq_msg_recv(&part, socket, ZMQ_DONTWAIT);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			break;
		any = true;
		more = zmq_msg_more(&part);
		keep_frame(q, &part);
	}
	zmq_msg_close(&part);
	return any;
}

static bool frame_is(const struct zap_request *q, enum zap_frame at, const char *text)
{
	return torap_bytes_equal(
		torap_bytes(q->frame[at].data, q->frame[at].size), torap_bytes(text, strlen(text)));
}

static struct zap_verdict judge(struct torap_zap *zap, const struct zap_request *q)
{
	if (q->too_long || q->count <= ZAP_MECHANISM || !frame_is(q, ZAP_VERSION, "1.0"))
		return (struct zap_verdict){ "500", "malformed request" };
	if (!frame_is(q, ZAP_MECHANISM, "CURVE"))
		return (struct zap_verdict){ "300", "only CURVE" };
	if (q->count != ZAP_FRAMES || q->frame[ZAP_KEY].size != TORAP_CURVE_KEY_SIZE)
		return (struct zap_verdict){ "500", "malformed request" };
	if (!zap->admit(zap->hint, q->frame[ZAP_KEY].data, (const char *)q->frame[ZAP_ADDRESS].data))
		return (struct zap_verdict){ "300", "not admitted" };
	return (struct zap_verdict){ "200", "admitted" };
}

static bool send_frame(void *socket, const void *data, size_t size, int flags)
{
	int r;
	do
		r = zmq_send(socket, data, size, ZMQ_DONTWAIT | flags);
	while (r < 0 && errno == EINTR);
	return r >= 0;
}

static void answer(struct torap_zap *zap, const struct zap_request *q)
{
	struct zap_verdict v = judge(zap, q);
	bool admitted = strcmp(v.code, "200") == 0;
	char user[2 * TORAP_CURVE_KEY_SIZE + 1] = "";
	if (admitted)
		torap_hex(user, torap_bytes(q->frame[ZAP_KEY].data, TORAP_CURVE_KEY_SIZE));
	else
		zap->refused++;
	if (!admitted && q->count > ZAP_ADDRESS)
		torap_debug("ZAP-REFUSED", "refused a handshake from %s: %s",
			(const char *)q->frame[ZAP_ADDRESS].data, v.text);

	size_t id_size = q->count > ZAP_REQUEST ? q->frame[ZAP_REQUEST].size : 0;
	if (!send_frame(zap->socket, "1.0", 3, ZMQ_SNDMORE) ||
		!send_frame(zap->socket, q->frame[ZAP_REQUEST].data, id_size, ZMQ_SNDMORE) ||
		!send_frame(zap->socket, v.code, 3, ZMQ_SNDMORE) ||
		!send_frame(zap->socket, v.text, strlen(v.text), ZMQ_SNDMORE) ||
		!send_frame(zap->socket, user, strlen(user), ZMQ_SNDMORE) ||
		!send_frame(zap->socket, "", 0, 0))
		torap_warn("ZAP-SEND", "could not answer a handshake (%s); the peer will try again",
			zmq_strerror(errno));
}

static void on_ready(void *hint, int zmq_events)
{
	(void)zmq_events;
	struct torap_zap *zap = hint;
	struct zap_request request;
	for (int i = 0; i < TORAP_ZLOOP_BURST && receive_request(&request, zap->socket); i++)
		answer(zap, &request);
}

int torap_zap_open(struct torap_zap **out, uv_loop_t *loop, void *context, torap_zap_admit admit, void *hint,
	struct torap_error *err)
{
	int r;
	struct torap_zap *zap = calloc(1, sizeof *zap);
	if (!zap)
		return torap_errorf(err, -ENOMEM, "ZAP handler: out of memory");
	zap->admit = admit;
	zap->hint = hint;

	zap->socket = zmq_socket(context, ZMQ_REP);
	int zero = 0;
	if (!zap->socket || zmq_setsockopt(zap->socket, ZMQ_LINGER, &zero, sizeof zero) < 0 ||
		zmq_bind(zap->socket, TORAP_ZAP_ENDPOINT) < 0) {
		r = torap_errorf(err, -errno, "ZAP handler: %s", zmq_strerror(errno));
		goto fail;
	}
	r = torap_zloop_watch(&zap->zloop, loop, zap->socket, on_ready, zap, err);
	if (r)
		goto fail;
	*out = zap;
	return 0;
fail:
	torap_zsocket_close(zap->socket);
	free(zap);
	return r;
}

uint64_t torap_zap_refused(const struct torap_zap *zap)
{
	return zap->refused;
}

static void on_zloop_closed(void *hint)
{
	struct torap_zap *zap = hint;
	void (*on_closed)(void *) = zap->on_closed;
	void *closed_hint = zap->closed_hint;
	torap_zsocket_close(zap->socket);
	free(zap);
	if (on_closed)
		on_closed(closed_hint);
}

void torap_zap_close(struct torap_zap *zap, void (*on_closed)(void *hint), void *hint)
{
	if (!zap) {
		if (on_closed)
			on_closed(hint);
		return;
	}
	zap->on_closed = on_closed;
	zap->closed_hint = hint;
	torap_zloop_close(zap->zloop, on_zloop_closed, zap);
}
