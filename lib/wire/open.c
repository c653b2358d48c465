/* Opening goes over the frames twice: first everything is decoded and checked and thrown away, only where each message lies is
 * kept; then each event is decoded again and shown.  Twice the work, but the memory is that of one event, whatever the batch; a
 * compressed one takes as much again as it holds. */
#include "wire/open.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "wire/arena.h"
#include "wire/compress.h"
#include "wire/unpack.h"

enum {
	PARTS = 3,
	/* An image of 8 MiB, or what the densest 60 KiB can bring. */
	DECODE_MEMORY_MAX = 32 << 20,
};

/* Where the messages of one event lie; a part with data NULL is not there. */
struct place {
	const struct torap_group *group; /* NULL: no part is there */
	struct torap_bytes parts[PARTS];
};

struct opening {
	const struct torap_batch *batch;
	struct torap_arena arena;
	struct torap_decompressor *decompressor;     /* of a compressed batch, as what follows */
	uint8_t *contents, *next_content;            /* the content of all open frames */
	struct place places[TORAP_BATCH_EVENTS_MAX]; /* by offset */
};

static const ProtobufCMessageDescriptor *const descriptors[PARTS] = {
	&torap__event_open__descriptor,
	&torap__event_personal__descriptor,
	&torap__event_image__descriptor,
};

static const size_t message_size_max[PARTS] = {
	TORAP_EVENT_PART_SIZE_MAX,
	TORAP_EVENT_PART_SIZE_MAX,
	TORAP_IMAGE_FRAME_SIZE_MAX,
};

static void *decode(struct opening *o, unsigned part, struct torap_bytes bytes)
{
	return torap_unpack(&o->arena, descriptors[part], bytes, NULL);
}

static uint32_t offset_of(const void *message, unsigned part)
{
	switch (part) {
	case 0:
		return ((const Torap__EventOpen *)message)->offset;
	case 1:
		return ((const Torap__EventPersonal *)message)->offset;
	default:
		return ((const Torap__EventImage *)message)->offset;
	}
}

/* Checks one message and keeps its place.  *least is the lowest offset that it may have. */
static int place_message(struct opening *o, const struct torap_group *g, unsigned part,
	struct torap_bytes bytes, uint32_t *least, struct torap_error *err)
{
	torap_arena_reset(&o->arena);
	const void *message = bytes.size <= message_size_max[part] ? decode(o, part, bytes) : NULL;
	if (!message)
		return torap_errorf(
			err, -EBADMSG, "a message of %zu bytes that cannot be decoded", bytes.size);
	uint32_t offset = offset_of(message, part);
	if (offset >= o->batch->manifest->count || offset < *least)
		return torap_errorf(err, -EBADMSG,
			"offset %" PRIu32 " in a batch of %" PRIu32 " events, due was %" PRIu32 " or more",
			offset, o->batch->manifest->count, *least);
	*least = offset + 1;

	struct place *p = &o->places[offset];
	if (p->group && p->group != g)
		return torap_errorf(err, -EBADMSG, "offset %" PRIu32 " is in two groups", offset);
	p->group = g;
	p->parts[part] = bytes;
	return 0;
}

/* What stands behind the salt; nothing when not even that is whole. */
static struct torap_bytes unsalted(const struct torap_buffer *frame)
{
	struct torap_reader r = torap_reader(torap_buffer_bytes(frame));
	torap_read_bytes(&r, TORAP_SALT_SIZE);
	return r.failed ? torap_bytes(NULL, 0) : torap_bytes(r.at, (size_t)(r.end - r.at));
}

/* Room for all that the open frames hold, which is no more than frames of a batch may hold without compression: nothing is
 * decompressed before that is known. */
static int begin_contents(struct opening *o, struct torap_error *err)
{
	const struct torap_batch *b = o->batch;
	size_t all = 0;
	for (unsigned i = 0; i < b->manifest->groups_count; i++) {
		unsigned n = b->manifest->groups[i].first_frame;
		if (!b->frames[n])
			continue;
		size_t size = torap_content_size(unsalted(b->frames[n]));
		if (!size)
			return torap_errorf(
				err, -EBADMSG, "frame %u: not a zstd frame of the form that is allowed", n);
		all += size;
	}
	if (all > TORAP_BATCH_SIZE_MAX)
		return torap_errorf(err, -EBADMSG, "frames that hold %zu bytes together", all);
	if (!all)
		return 0;
	o->contents = o->next_content = malloc(all);
	o->decompressor = torap_decompressor_create();
	return o->contents && o->decompressor ? 0 : torap_errorf(err, -ENOMEM, "open: out of memory");
}

/* The messages of a frame. */
static int content_of(struct opening *o, unsigned part, const struct torap_buffer *frame,
	struct torap_bytes *out, struct torap_error *err)
{
	*out = unsalted(frame);
	if (!out->data)
		return torap_errorf(err, -EBADMSG, "a salt that is cut off");
	if (part != 0 || !o->batch->manifest->compressed)
		return 0;
	size_t size = torap_content_size(*out);
	if (!torap_decompress(o->decompressor, *out, o->next_content, size))
		return torap_errorf(err, -EBADMSG, "cannot be decompressed");
	*out = torap_bytes(o->next_content, size);
	o->next_content += size;
	return 0;
}

static int place_messages(struct opening *o, const struct torap_group *g, unsigned part,
	struct torap_bytes content, struct torap_error *err)
{
	struct torap_reader r = torap_reader(content);
	uint32_t least = 0, count = 0;
	while (!r.failed && r.at < r.end) {
		struct torap_bytes message = torap_read_bytes(&r, torap_read_varint(&r));
		if (r.failed)
			break;
		int code = place_message(o, g, part, message, &least, err);
		if (code)
			return code;
		count++;
	}
	if (!torap_read_end(&r))
		return torap_errorf(err, -EBADMSG, "a message that is cut off");
	if (count > g->count || (part == 0 && count != g->count))
		return torap_errorf(err, -EBADMSG, "%" PRIu32 " messages in a group of %" PRIu32 " events",
			count, g->count);
	return 0;
}

/* An event has an open part, so where that frame is there, other parts may not name further events. */
static int check_parts(const struct opening *o, const struct torap_group *g, struct torap_error *err)
{
	if (!o->batch->frames[g->first_frame])
		return 0;
	for (uint32_t i = 0; i < o->batch->manifest->count; i++)
		if (o->places[i].group == g && !o->places[i].parts[0].data)
			return torap_errorf(err, -EBADMSG, "offset %" PRIu32 " has no open part", i);
	return 0;
}

static int place_group(struct opening *o, const struct torap_group *g, struct torap_error *err)
{
	bool more = false;
	for (unsigned i = 0; i < g->parts_count; i++) {
		const struct torap_buffer *frame = o->batch->frames[g->first_frame + i];
		unsigned part = g->parts[i].part - TORAP__PART_KIND__PART_OPEN;
		if (!frame)
			continue;
		struct torap_bytes content;
		int r = content_of(o, part, frame, &content, err);
		if (!r)
			r = place_messages(o, g, part, content, err);
		if (r) {
			torap_error_prefix(err, "frame %u: ", g->first_frame + i);
			return r;
		}
		more |= part != 0;
	}
	return more ? check_parts(o, g, err) : 0;
}

static int show(struct opening *o, uint32_t offset, int (*each)(void *hint, const struct torap_opened *event),
	void *hint, struct torap_error *err)
{
	const struct place *p = &o->places[offset];
	void *messages[PARTS] = { NULL };
	torap_arena_reset(&o->arena);
	for (unsigned i = 0; i < PARTS; i++) {
		if (!p->parts[i].data)
			continue;
		messages[i] = decode(o, i, p->parts[i]);
		if (!messages[i]) /* it was decoded before, so only memory can be missing */
			return torap_errorf(err, -ENOMEM, "open: out of memory");
	}
	const struct torap_opened event = {
		.seq = o->batch->manifest->first_seq + offset,
		.group = p->group,
		.open = messages[0],
		.personal = messages[1],
		.image = messages[2],
	};
	return each(hint, &event);
}

int torap_batch_open(const struct torap_batch *b, int (*each)(void *hint, const struct torap_opened *event),
	void *hint, struct torap_error *err)
{
	struct opening *o = calloc(1, sizeof *o);
	if (!o)
		return torap_errorf(err, -ENOMEM, "open: out of memory");
	o->batch = b;
	torap_arena_init(&o->arena, DECODE_MEMORY_MAX);
	int r = b->manifest->compressed ? begin_contents(o, err) : 0;
	for (unsigned i = 0; r == 0 && i < b->manifest->groups_count; i++)
		r = place_group(o, &b->manifest->groups[i], err);
	o->arena.limit = PARTS * DECODE_MEMORY_MAX; /* now all parts of an event at once */
	for (uint32_t i = 0; r == 0 && i < b->manifest->count; i++)
		if (o->places[i].group)
			r = show(o, i, each, hint, err);
	torap_arena_finish(&o->arena);
	torap_decompressor_destroy(o->decompressor);
	free(o->contents);
	free(o);
	return r;
}
