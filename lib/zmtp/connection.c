#include "zmtp/connection.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "zmtp/handshake.h"

enum {
	FLAG_MORE = 1, /* of a frame: further ones of its message follow */
	FLAG_LONG = 2, /* its size has 8 bytes */
	FLAGS_KNOWN = 7,
	SHORT_MAX = 255,
	ROOM_MIN = 8 << 10, /* less than this is copied rather than read by itself */
	FRAMES_KEPT = 16,   /* room that stays for the next message */
	MESSAGE_MAX = TORAP_BATCH_SIZE_MAX + TORAP_MESSAGE_SIZE_MAX, /* all frames of a message */
	FIRST_MESSAGE_MAX = 1 << 20,                                 /* of who is not known: a hello */
	PING_CONTEXT_MAX = 16,
};

static const char no_memory[] = "out of memory";

enum item_kind {
	ITEM_MESSAGE,
	ITEM_COMMAND, /* one frame: a command */
	ITEM_SHAKE,   /* one frame: of the handshake, as it is; before all others */
};

struct torap_zmtp_item {
	struct torap_zmtp_item *next;
	size_t count, bytes;
	enum item_kind kind;
	struct torap_buffer *frames[]; /* NULL: empty, or sent */
};

/* --- out --- */

static int put(struct torap_zmtp_connection *c, enum item_kind kind, struct torap_buffer *const *frames,
	size_t count)
{
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += frames[i] ? frames[i]->size : 0;
	if (c->queued >= TORAP_ZMTP_QUEUE_MAX ||
		(c->queued && c->queued_bytes + bytes > TORAP_ZMTP_QUEUED_BYTES_MAX))
		return -ENOBUFS;
	struct torap_zmtp_item *item = malloc(sizeof *item + count * sizeof item->frames[0]);
	if (!item)
		return -ENOMEM;
	*item = (struct torap_zmtp_item){ .count = count, .bytes = bytes, .kind = kind };
	for (size_t i = 0; i < count; i++)
		item->frames[i] = frames[i] ? torap_buffer_ref(frames[i]) : NULL;
	struct torap_zmtp_item **at = c->last ? &c->last->next : &c->first;
	if (kind == ITEM_SHAKE)
		for (at = &c->first; *at && (*at)->kind == ITEM_SHAKE;)
			at = &(*at)->next;
	item->next = *at;
	*at = item;
	if (!item->next)
		c->last = item;
	c->queued++;
	c->queued_bytes += bytes;
	return 0;
}

static int put_bytes(struct torap_zmtp_connection *c, enum item_kind kind, struct torap_bytes bytes)
{
	struct torap_buffer *frame = torap_buffer_copy(bytes);
	int r = frame ? put(c, kind, &frame, 1) : -ENOMEM;
	torap_buffer_unref(frame);
	return r;
}

int torap_zmtp_put(struct torap_zmtp_connection *c, struct torap_buffer *const *frames, size_t count)
{
	assert(count > 0 && c->state != TORAP_ZMTP_REFUSED && c->state != TORAP_ZMTP_ENDED);
	return put(c, ITEM_MESSAGE, frames, count);
}

int torap_zmtp_put_shake(struct torap_zmtp_connection *c, struct torap_bytes bytes)
{
	return put_bytes(c, ITEM_SHAKE, bytes);
}

bool torap_zmtp_waiting(const struct torap_zmtp_connection *c)
{
	return c->first && (c->first->kind == ITEM_SHAKE || c->state == TORAP_ZMTP_OPEN);
}

static void drop_first(struct torap_zmtp_connection *c)
{
	struct torap_zmtp_item *item = c->first;
	for (size_t i = 0; i < item->count; i++)
		torap_buffer_unref(item->frames[i]);
	c->first = item->next;
	if (!c->first)
		c->last = NULL;
	c->queued--;
	c->queued_bytes -= item->bytes;
	c->at = 0;
	free(item);
}

uint8_t *torap_zmtp_write_frame(struct torap_writer *out, uint8_t flags, size_t size)
{
	torap_write_u8(out, size > SHORT_MAX ? flags | FLAG_LONG : flags);
	if (size > SHORT_MAX)
		torap_write_u64(out, size);
	else
		torap_write_u8(out, (uint8_t)size);
	return torap_write_room(out, size);
}

static void write_plain(struct torap_writer *out, bool command, bool more, struct torap_bytes bytes)
{
	uint8_t flags = command ? TORAP_ZMTP_COMMAND : more ? FLAG_MORE : 0;
	uint8_t *at = torap_zmtp_write_frame(out, flags, bytes.size);
	if (at && bytes.size)
		memcpy(at, bytes.data, bytes.size);
}

static void write_sealed(struct torap_zmtp_connection *c, struct torap_writer *out, bool command, bool more,
	struct torap_bytes bytes)
{
	uint8_t flags = command ? TORAP_CURVE_COMMAND : more ? TORAP_CURVE_MORE : 0;
	uint8_t *at = torap_zmtp_write_frame(out, 0, TORAP_CURVE_MESSAGE_OVERHEAD + bytes.size);
	if (at)
		torap_curve_seal(&c->curve, at, flags, bytes);
}

static void write_next(struct torap_zmtp_connection *c, struct torap_writer *out)
{
	struct torap_zmtp_item *item = c->first;
	struct torap_buffer *frame = item->frames[c->at];
	struct torap_bytes bytes = frame ? torap_buffer_bytes(frame) : torap_bytes(NULL, 0);
	bool command = item->kind == ITEM_COMMAND, more = c->at + 1 < item->count;
	if (item->kind == ITEM_SHAKE)
		torap_write_bytes(out, bytes);
	else if (c->manners->plain)
		write_plain(out, command, more, bytes);
	else
		write_sealed(c, out, command, more, bytes);
	item->frames[c->at++] = torap_buffer_unref(frame);
	if (c->at == item->count)
		drop_first(c);
}

int torap_zmtp_fill(struct torap_zmtp_connection *c, struct torap_writer *out, size_t enough)
{
	while (torap_zmtp_waiting(c) && out->size < enough && !out->failed)
		write_next(c, out);
	return out->failed ? -ENOMEM : 0;
}

/* --- in --- */

/* RFC 37, "Heartbeating".  Other commands are of no concern. */
static const char *take_command(struct torap_zmtp_connection *c, struct torap_bytes command)
{
	uint8_t pong[5 + PING_CONTEXT_MAX] = "\4PONG";
	if (command.size < 7 || memcmp(command.data, "\4PING", 5) != 0)
		return NULL;
	size_t context = command.size - 7;
	if (context > PING_CONTEXT_MAX)
		return "a PING that is too long";
	memcpy(pong + 5, command.data + 7, context);
	return put_bytes(c, ITEM_COMMAND, torap_bytes(pong, 5 + context)) ? "PINGs whose answers nobody takes"
									  : NULL;
}

static bool grow_frames(struct torap_zmtp_connection *c)
{
	size_t room = c->frames_room ? 2 * c->frames_room : FRAMES_KEPT / 4;
	struct torap_buffer **frames = realloc(c->frames, room * sizeof *frames);
	if (!frames)
		return false;
	c->frames = frames;
	c->frames_room = room;
	return true;
}

static void forget_frames(struct torap_zmtp_connection *c)
{
	for (size_t i = 0; i < c->frames_count; i++)
		torap_buffer_unref(c->frames[i]);
	c->frames_count = c->frames_bytes = 0;
	if (c->frames_room > FRAMES_KEPT || c->state == TORAP_ZMTP_ENDED) {
		free(c->frames);
		c->frames = NULL;
		c->frames_room = 0;
	}
}

/* Takes the frame over. */
static const char *take_frame(struct torap_zmtp_connection *c, struct torap_buffer *take, bool more)
{
	if (c->frames_count == TORAP_ZMTP_FRAMES_MAX ||
		c->frames_bytes + take->size > (c->known ? MESSAGE_MAX : FIRST_MESSAGE_MAX)) {
		torap_buffer_unref(take);
		return "a message that is too large";
	}
	if (c->frames_count == c->frames_room && !grow_frames(c)) {
		torap_buffer_unref(take);
		return no_memory;
	}
	c->frames[c->frames_count++] = take;
	c->frames_bytes += take->size;
	if (more)
		return NULL;
	c->manners->on_message(c, c->frames, c->frames_count);
	forget_frames(c);
	return NULL;
}

/* `take_body` is where the payload lies, if it is a buffer of its own; it is then the caller's no longer. */
static const char *take_payload(struct torap_zmtp_connection *c, struct torap_bytes payload, bool more,
	struct torap_buffer **take_body)
{
	struct torap_buffer *frame = *take_body;
	*take_body = NULL;
	if (frame) {
		frame->data += payload.data - frame->data;
		frame->size = payload.size;
	} else {
		frame = torap_buffer_copy(payload);
	}
	return frame ? take_frame(c, frame, more) : no_memory;
}

static const char *take_plain(
	struct torap_zmtp_connection *c, struct torap_bytes payload, struct torap_buffer **take_body)
{
	return c->header[0] & TORAP_ZMTP_COMMAND
		       ? take_command(c, payload)
		       : take_payload(c, payload, c->header[0] & FLAG_MORE, take_body);
}

static const char *take_sealed(
	struct torap_zmtp_connection *c, uint8_t *data, size_t size, struct torap_buffer **take_body)
{
	uint8_t flags;
	struct torap_bytes payload;
	if (!torap_curve_open(&c->curve, &flags, &payload, data, size))
		return "a MESSAGE that is none, or out of order";
	return flags & TORAP_CURVE_COMMAND ? take_command(c, payload)
					   : take_payload(c, payload, flags & TORAP_CURVE_MORE, take_body);
}

static const char *take_whole(
	struct torap_zmtp_connection *c, uint8_t *data, size_t size, struct torap_buffer **take_body)
{
	c->header_size = 0;
	if (c->state != TORAP_ZMTP_OPEN)
		return torap_zmtp_shake(c, data, size);
	return c->manners->plain ? take_plain(c, torap_bytes(data, size), take_body)
				 : take_sealed(c, data, size, take_body);
}

static size_t header_wanted(const struct torap_zmtp_connection *c)
{
	return c->header_size > 0 && c->header[0] & FLAG_LONG ? 9 : 2;
}

static size_t frame_max(const struct torap_zmtp_connection *c)
{
	if (c->state != TORAP_ZMTP_OPEN)
		return TORAP_CURVE_INITIATE_MAX;
	return (c->manners->plain ? 0 : TORAP_CURVE_MESSAGE_OVERHEAD) +
	       (c->known ? TORAP_MESSAGE_SIZE_MAX : FIRST_MESSAGE_MAX);
}

/* Takes what it can use of a header; *out_size is then the body's, or -1: more is needed. */
static const char *take_header(
	struct torap_zmtp_connection *c, uint8_t **data, size_t *size, int64_t *out_size)
{
	*out_size = -1;
	if (c->state == TORAP_ZMTP_GREETING) {
		*out_size = TORAP_ZMTP_GREETING_SIZE;
		return NULL;
	}
	while (*size > 0 && c->header_size < header_wanted(c)) {
		c->header[c->header_size++] = **data;
		(*data)++;
		(*size)--;
	}
	size_t wanted = header_wanted(c);
	if (c->header_size < wanted)
		return NULL;
	struct torap_reader r = torap_reader(torap_bytes(c->header + 1, wanted - 1));
	uint64_t body = wanted == 2 ? torap_read_u8(&r) : torap_read_u64(&r);
	if (c->header[0] & ~FLAGS_KNOWN ||
		(c->state != TORAP_ZMTP_OPEN && !(c->header[0] & TORAP_ZMTP_COMMAND)))
		return "a frame that is none";
	if (body > frame_max(c))
		return "a frame that is too large";
	*out_size = (int64_t)body;
	return NULL;
}

const char *torap_zmtp_filled(struct torap_zmtp_connection *c, size_t size)
{
	c->body_filled += size;
	if (c->body_filled < c->body->size)
		return NULL;
	struct torap_buffer *body = c->body;
	c->body = NULL;
	c->body_filled = 0;
	const char *why = take_whole(c, body->data, body->size, &body);
	torap_buffer_unref(body);
	return why;
}

/* Whatever comes is not looked at. */
static bool is_deaf(const struct torap_zmtp_connection *c)
{
	return c->state == TORAP_ZMTP_REFUSED || c->state == TORAP_ZMTP_ENDED;
}

static const char *take_some(struct torap_zmtp_connection *c, uint8_t **data, size_t *size, unsigned *frames)
{
	int64_t wanted;
	if (!c->body) {
		const char *why = take_header(c, data, size, &wanted);
		if (why || wanted < 0)
			return why;
		if ((uint64_t)wanted <= *size) {
			uint8_t *whole = *data;
			struct torap_buffer *none = NULL;
			*data += wanted;
			*size -= (size_t)wanted;
			--*frames;
			return take_whole(c, whole, (size_t)wanted, &none);
		}
		c->body = torap_buffer_create((size_t)wanted);
		if (!c->body)
			return no_memory;
	}
	size_t part = c->body->size - c->body_filled;
	if (part > *size)
		part = *size;
	memcpy(c->body->data + c->body_filled, *data, part);
	*data += part;
	*size -= part;
	*frames -= c->body_filled + part == c->body->size;
	return torap_zmtp_filled(c, part);
}

const char *torap_zmtp_take(struct torap_zmtp_connection *c, uint8_t **data, size_t *size, unsigned *frames)
{
	const char *why = NULL;
	while (*size > 0 && *frames > 0 && !why && !is_deaf(c))
		why = take_some(c, data, size, frames);
	if (is_deaf(c))
		*size = 0;
	return why;
}

uint8_t *torap_zmtp_room(struct torap_zmtp_connection *c, size_t *out_size)
{
	if (!c->body || c->body->size - c->body_filled < ROOM_MIN)
		return NULL;
	*out_size = c->body->size - c->body_filled;
	return c->body->data + c->body_filled;
}

/* --- both --- */

int torap_zmtp_begin(struct torap_zmtp_connection *c, const struct torap_zmtp_manners *manners)
{
	*c = (struct torap_zmtp_connection){ .manners = manners, .known = manners->dials };
	return torap_zmtp_greet(c);
}

void torap_zmtp_end(struct torap_zmtp_connection *c)
{
	c->state = TORAP_ZMTP_ENDED;
}

void torap_zmtp_finish(struct torap_zmtp_connection *c)
{
	torap_zmtp_end(c);
	while (c->first)
		drop_first(c);
	forget_frames(c);
	torap_zmtp_forget_opening(c);
	c->body = torap_buffer_unref(c->body);
	sodium_memzero(&c->curve, sizeof c->curve);
}
