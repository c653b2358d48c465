/* What a dialler sends (lib/zmtp/connection.h), in parts of any size.  The first byte says how far it has come: 0 nowhere, 1 after HELLO, else
 * the connection is open.  The second is the size of the parts.  Once it is open each further piece (a byte of flags, a byte of size) is
 * sealed as its key's holder would, so that the inside is reached; a size of 255 takes the rest as it is. */
#include <stdlib.h>
#include <string.h>

#include "kit/zmtp_client.h"
#include "zmtp/connection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool admit(struct torap_zmtp_connection *c, const uint8_t key[static TORAP_CURVE_KEY_SIZE])
{
	(void)c;
	return key[0] != 0;
}

static void on_message(struct torap_zmtp_connection *c, struct torap_buffer **frames, size_t count)
{
	if (count == 0 || count > TORAP_ZMTP_FRAMES_MAX)
		abort();
	torap_zmtp_put(c, frames, count);
}

/* As the listener does it. */
static const char *take(struct torap_zmtp_connection *c, const struct torap_writer *said, size_t part)
{
	const char *why = NULL;
	for (size_t at = 0, n; at < said->size && !why; at += n) {
		size_t room_size;
		uint8_t *room = torap_zmtp_room(c, &room_size);
		n = said->size - at < part ? said->size - at : part;
		if (room && n > room_size)
			n = room_size;
		if (room)
			memcpy(room, said->data + at, n);
		why = room ? torap_zmtp_filled(c, n) : torap_zmtp_take(c, said->data + at, n);
	}
	return why;
}

static void hear(struct torap_zmtp_connection *c, struct torap_writer *heard)
{
	heard->size = 0;
	if (torap_zmtp_fill(c, heard, SIZE_MAX) || torap_zmtp_waiting(c))
		abort();
}

static void shake_hands(struct torap_zmtp_connection *c, struct zmtp_client *client, bool whole)
{
	struct torap_writer said = { 0 }, heard = { 0 };
	uint8_t flags;
	struct torap_bytes in, body;
	zmtp_client_greeting(torap_write_room(&said, ZMTP_GREETING_SIZE));
	zmtp_client_hello(client, &said);
	if (take(c, &said, SIZE_MAX))
		abort();
	hear(c, &heard);
	in = torap_bytes(heard.data + ZMTP_GREETING_SIZE, heard.size - ZMTP_GREETING_SIZE);
	if (!zmtp_client_next(&in, &flags, &body) || !zmtp_client_welcome(client, body))
		abort();
	said.size = 0;
	if (whole)
		zmtp_client_initiate(client, &said);
	if (take(c, &said, SIZE_MAX) || c->state != (whole ? TORAP_ZMTP_OPEN : TORAP_ZMTP_INITIATE))
		abort();
	hear(c, &heard);
	torap_writer_finish(&said);
	torap_writer_finish(&heard);
}

static void seal_pieces(struct zmtp_client *client, struct torap_writer *said, struct torap_reader *r)
{
	while (!r->failed && r->at < r->end) {
		uint8_t flags = torap_read_u8(r), size = torap_read_u8(r);
		size_t left = (size_t)(r->end - r->at);
		struct torap_bytes piece = torap_read_bytes(r, size < left ? size : left);
		if (size == 255)
			torap_write_bytes(said, piece);
		else
			zmtp_client_message(client, said, flags, piece);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct torap_zmtp_manners manners = { .admit = admit, .on_message = on_message };
	struct torap_zmtp_connection c;
	struct zmtp_client client;
	struct torap_writer said = { 0 }, heard = { 0 };
	if (size < 2)
		return 0;
	zmtp_keys(1, manners.keys.public, manners.keys.secret);
	zmtp_client_init(&client, 2, manners.keys.public);
	if (torap_zmtp_begin(&c, &manners))
		abort();
	if (data[0] > 0)
		shake_hands(&c, &client, data[0] > 1);
	struct torap_reader r = torap_reader(torap_bytes(data + 2, size - 2));
	if (data[0] > 1)
		seal_pieces(&client, &said, &r);
	else
		torap_write_bytes(&said, torap_bytes(data + 2, size - 2));
	if (!take(&c, &said, data[1] + 1))
		hear(&c, &heard);
	torap_writer_finish(&said);
	torap_writer_finish(&heard);
	torap_zmtp_finish(&c);
	return 0;
}
