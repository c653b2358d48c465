#include "zmtp/handshake.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char no_memory[] = "out of memory";

/* RFC 37, "Metadata": name and value, each after its size.  The strings' own zeros end the Identity's. */
static const char router[] = "\13Socket-Type\0\0\0\6ROUTER\10Identity\0\0\0";
static const char dealer[] = "\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0";

static struct torap_bytes our_metadata(const struct torap_zmtp_connection *c)
{
	return torap_bytes(c->manners->dials ? dealer : router, sizeof router);
}

/* Is the other side a DEALER when we are a ROUTER, and the other way round? */
static bool fits(const struct torap_zmtp_connection *c, struct torap_bytes metadata)
{
	struct torap_bytes wanted = torap_bytes(c->manners->dials ? "ROUTER" : "DEALER", 6);
	struct torap_reader r = torap_reader(metadata);
	bool fit = false;
	while (!r.failed && r.at < r.end) {
		struct torap_bytes name = torap_read_bytes(&r, torap_read_u8(&r));
		struct torap_bytes value = torap_read_bytes(&r, torap_read_u32(&r));
		if (!r.failed && name.size == 11 &&
			strncasecmp((const char *)name.data, "Socket-Type", 11) == 0)
			fit = torap_bytes_equal(value, wanted);
	}
	return fit && !r.failed;
}

/* A command whose body is to be written: `room`, NULL when memory ran out. */
struct command {
	struct torap_writer bytes;
	uint8_t *room;
};

static struct command command(size_t size)
{
	struct command out = { 0 };
	out.room = torap_zmtp_write_frame(&out.bytes, TORAP_ZMTP_COMMAND, size);
	return out;
}

static const char *put(struct torap_zmtp_connection *c, struct command *take)
{
	int r = take->bytes.failed ? -ENOMEM
				   : torap_zmtp_put_shake(c, torap_bytes(take->bytes.data, take->bytes.size));
	torap_writer_finish(&take->bytes);
	return r ? no_memory : NULL;
}

void torap_zmtp_forget_opening(struct torap_zmtp_connection *c)
{
	if (c->opening)
		sodium_memzero(c->opening, sizeof *c->opening);
	free(c->opening);
	c->opening = NULL;
}

/* --- greetings --- */

static const char *mechanism(const struct torap_zmtp_connection *c)
{
	return c->manners->plain ? "NULL" : "CURVE";
}

/* RFC 37, "The greeting": signature, version, mechanism, as-server, filler. */
int torap_zmtp_greet(struct torap_zmtp_connection *c)
{
	uint8_t greeting[TORAP_ZMTP_GREETING_SIZE] = { 0xff, [9] = 0x7f, [10] = 3, [11] = 1 };
	memcpy(greeting + 12, mechanism(c), strlen(mechanism(c)));
	greeting[32] = !c->manners->plain && !c->manners->dials;
	if (!c->manners->plain)
		c->opening = calloc(1, sizeof *c->opening);
	return c->manners->plain || c->opening
		       ? torap_zmtp_put_shake(c, torap_bytes(greeting, sizeof greeting))
		       : -ENOMEM;
}

static const char *put_hello(struct torap_zmtp_connection *c)
{
	struct command hello = command(TORAP_CURVE_HELLO_SIZE);
	if (hello.room && !torap_curve_hello(c->opening, hello.room, c->manners->server)) {
		torap_writer_finish(&hello.bytes);
		return "a key of who listens that is none";
	}
	c->state = TORAP_ZMTP_WELCOME;
	return put(c, &hello);
}

static const char *put_plain_ready(struct torap_zmtp_connection *c)
{
	static const char name[] = "\5READY";
	struct torap_bytes metadata = our_metadata(c);
	struct command ready = command(sizeof name - 1 + metadata.size);
	if (ready.room) {
		memcpy(ready.room, name, sizeof name - 1);
		memcpy(ready.room + sizeof name - 1, metadata.data, metadata.size);
	}
	c->state = TORAP_ZMTP_READY;
	return put(c, &ready);
}

static const char *take_greeting(struct torap_zmtp_connection *c, const uint8_t *data)
{
	uint8_t expected[20] = "";
	memcpy(expected, mechanism(c), strlen(mechanism(c)));
	if (data[0] != 0xff || !(data[9] & 1))
		return "not ZMTP";
	if (data[10] < 3)
		return "an old version of ZMTP";
	if (memcmp(data + 12, expected, sizeof expected) != 0)
		return c->manners->plain ? "another mechanism than NULL" : "another mechanism than CURVE";
	if (c->manners->plain)
		return put_plain_ready(c);
	if (c->manners->dials) /* libzmq's listeners do not say as-server. */
		return put_hello(c);
	c->state = TORAP_ZMTP_HELLO;
	return data[32] & 1 ? "a listener, too" : NULL;
}

/* --- who listens --- */

static const char *take_hello(struct torap_zmtp_connection *c, struct torap_bytes hello)
{
	uint8_t welcome[TORAP_CURVE_WELCOME_SIZE];
	if (!torap_curve_welcome(c->opening, welcome, &c->manners->keys, hello))
		return "a HELLO that is none, or meant for another key";
	struct command out = command(sizeof welcome);
	if (out.room)
		memcpy(out.room, welcome, sizeof welcome);
	c->state = TORAP_ZMTP_INITIATE;
	return put(c, &out);
}

static const char *put_ready(struct torap_zmtp_connection *c)
{
	struct torap_bytes metadata = our_metadata(c);
	struct command ready = command(TORAP_CURVE_READY_OVERHEAD + metadata.size);
	if (ready.room)
		torap_curve_ready(&c->curve, ready.room, metadata);
	return put(c, &ready);
}

static const char *take_initiate(struct torap_zmtp_connection *c, uint8_t *data, size_t size)
{
	uint8_t key[TORAP_CURVE_KEY_SIZE];
	struct torap_bytes metadata;
	if (!torap_curve_initiate(&c->curve, c->opening, key, &metadata, &c->manners->keys, data, size))
		return "an INITIATE that is none, or of another handshake";
	torap_zmtp_forget_opening(c);
	if (!fits(c, metadata))
		return "a socket that is no DEALER";
	if (!c->manners->admit(c, key)) {
		c->state = TORAP_ZMTP_REFUSED;
		return NULL;
	}
	c->state = TORAP_ZMTP_OPEN;
	return put_ready(c);
}

/* --- who dials --- */

static const char *take_welcome(struct torap_zmtp_connection *c, struct torap_bytes welcome)
{
	struct torap_bytes metadata = our_metadata(c);
	struct command initiate = command(TORAP_CURVE_INITIATE_MIN + metadata.size);
	if (initiate.room && !torap_curve_answer(&c->curve, c->opening, initiate.room, &c->manners->keys,
				     c->manners->server, welcome, metadata)) {
		torap_writer_finish(&initiate.bytes);
		return "a WELCOME that is none, or of another key than expected";
	}
	torap_zmtp_forget_opening(c);
	c->state = TORAP_ZMTP_READY;
	return put(c, &initiate);
}

static void open_dialled(struct torap_zmtp_connection *c)
{
	c->state = TORAP_ZMTP_OPEN;
	c->manners->on_open(c);
}

static const char *take_ready(struct torap_zmtp_connection *c, uint8_t *data, size_t size)
{
	struct torap_bytes metadata;
	if (!torap_curve_admitted(&c->curve, &metadata, data, size))
		return "a READY that is none, or of another handshake";
	if (!fits(c, metadata))
		return "a socket that is no ROUTER";
	open_dialled(c);
	return NULL;
}

/* --- both, when plain --- */

static const char *take_plain_ready(struct torap_zmtp_connection *c, struct torap_bytes ready)
{
	if (ready.size < 6 || memcmp(ready.data, "\5READY", 6) != 0)
		return "a READY that is none";
	if (!fits(c, torap_bytes(ready.data + 6, ready.size - 6)))
		return "a socket that does not fit";
	if (c->manners->dials)
		open_dialled(c);
	else
		c->state = c->manners->admit(c, NULL) ? TORAP_ZMTP_OPEN : TORAP_ZMTP_REFUSED;
	return NULL;
}

const char *torap_zmtp_shake(struct torap_zmtp_connection *c, uint8_t *data, size_t size)
{
	switch (c->state) {
	case TORAP_ZMTP_GREETING:
		return take_greeting(c, data);
	case TORAP_ZMTP_HELLO:
		return take_hello(c, torap_bytes(data, size));
	case TORAP_ZMTP_INITIATE:
		return take_initiate(c, data, size);
	case TORAP_ZMTP_WELCOME:
		return take_welcome(c, torap_bytes(data, size));
	case TORAP_ZMTP_READY:
		return c->manners->plain ? take_plain_ready(c, torap_bytes(data, size))
					 : take_ready(c, data, size);
	case TORAP_ZMTP_REFUSED:
	case TORAP_ZMTP_OPEN:
	case TORAP_ZMTP_ENDED:
		break;
	}
	return NULL;
}
