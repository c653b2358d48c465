/* peer_mqtt.c: MQTT 3.1.1, topic "ev", QoS 1 on both sides. */
#include <string.h>

#include "bench/peer.h"
#include "bench/samples.h"

enum { CONNECT = 0x10, CONNACK = 0x20, PUBLISH_QOS1 = 0x32, PUBACK = 0x40, SUBSCRIBE = 0x82, SUBACK = 0x90 };

static const char topic[] = "ev";
enum { TOPIC_SIZE = sizeof topic - 1 };

static void write_u16(struct peer_side *s, size_t value)
{
	uint8_t bytes[] = { (uint8_t)(value >> 8), (uint8_t)value };
	peer_write(s, bytes, sizeof bytes);
}

static void write_head(struct peer_side *s, uint8_t type, size_t size)
{
	uint8_t head[5] = { type };
	size_t at = 1;
	do {
		head[at] = size & 0x7f;
		size >>= 7;
		head[at++] |= size ? 0x80 : 0;
	} while (size);
	peer_write(s, head, at);
}

static void write_text(struct peer_side *s, const char *text)
{
	write_u16(s, strlen(text));
	peer_write(s, text, strlen(text));
}

/* One whole packet, if it is there: its first byte, its body.  Returns its size, 0 when it is not there. */
static size_t look(const struct peer_side *s, uint8_t *type, struct torap_bytes *body)
{
	const uint8_t *p = s->in.data + s->in.at;
	size_t there = peer_waiting(s), at = 1, size = 0;
	for (unsigned shift = 0;; shift += 7) {
		if (at >= there)
			return 0;
		size |= (size_t)(p[at] & 0x7f) << shift;
		if (!(p[at++] & 0x80))
			break;
	}
	if (there < at + size)
		return 0;
	*type = p[0];
	*body = torap_bytes(p + at, size);
	return at + size;
}

static void expect(struct peer_side *s, uint8_t wanted)
{
	uint8_t type;
	struct torap_bytes body;
	size_t size;
	while (!(size = look(s, &type, &body)))
		peer_wait(s);
	/* The last byte: accepted, or the granted QoS. */
	if (type != wanted || !body.size || body.data[body.size - 1] > 1)
		bench_fail("MQTT: packet 0x%02x where 0x%02x was to come, or it says no", type, wanted);
	peer_take(s, size);
}

static void connect_as(struct peer_side *s, const char *client, bool clean)
{
	write_head(s, CONNECT, 2 + 4 + 1 + 1 + 2 + 2 + strlen(client));
	write_text(s, "MQTT");
	peer_write(s, clean ? "\x04\x02" : "\x04\x00", 2); /* version, flags */
	write_u16(s, 0);                                   /* no keep-alive */
	write_text(s, client);
	expect(s, CONNACK);
}

static void greet_publisher(struct peer_side *s)
{
	connect_as(s, "bench-publisher", true);
}

static void greet_subscriber(struct peer_side *s)
{
	connect_as(s, "bench-subscriber", false);
	write_head(s, SUBSCRIBE, 2 + 2 + TOPIC_SIZE + 1);
	write_u16(s, 1);
	write_text(s, topic);
	peer_write(s, "\x01", 1);
	expect(s, SUBACK);
}

static void publish(struct peer_side *s, struct torap_bytes message)
{
	write_head(s, PUBLISH_QOS1, 2 + TOPIC_SIZE + 2 + message.size);
	write_text(s, topic);
	write_u16(s, s->count++ % UINT16_MAX + 1);
	peer_write(s, message.data, message.size);
}

static bool take_ack(struct peer_side *s)
{
	uint8_t type;
	struct torap_bytes body;
	size_t size = look(s, &type, &body);
	if (!size)
		return false;
	if (type != PUBACK)
		bench_fail("MQTT: packet 0x%02x where an acknowledgement was to come", type);
	peer_take(s, size);
	return true;
}

static bool take_message(struct peer_side *s, struct torap_bytes *message)
{
	uint8_t type;
	struct torap_bytes body;
	size_t size = look(s, &type, &body), head = 2 + TOPIC_SIZE + 2;
	if (!size)
		return false;
	if ((type & 0xf6) != PUBLISH_QOS1 || body.size < head) /* without retain and dup */
		bench_fail("MQTT: packet 0x%02x where a message was to come", type);
	write_head(s, PUBACK, 2);
	peer_write(s, body.data + head - 2, 2);
	*message = torap_bytes(body.data + head, body.size - head);
	peer_take(s, size);
	return true;
}

static void on_taken(struct peer_side *s)
{
	(void)s; /* Each was acknowledged. */
}

const struct peer_bus peer_mqtt = { "mqtt", greet_publisher, greet_subscriber, publish, take_ack,
	take_message, on_taken };
