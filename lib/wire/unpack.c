#include "wire/unpack.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64BIT = 1, WIRE_BYTES = 2 };

enum {
	FIELDS_MAX = 31,
	LISTS_MAX = 2, /* all of the outermost message */
	DEPTH_MAX = 4,
	LIST_MAX = 64,       /* more is rare, and protobuf-c's */
	TEXTS_MAX = 1 << 16, /* likewise */
	SHORT_BITS = 35,     /* protobuf-c takes no tag or length of more than five bytes */
	NUMBER_BITS = 63, /* … and numbers of ten, which are negative ones, with a last bit of their own */
};

struct list {
	const ProtobufCFieldDescriptor *of;
	size_t count;
	void *items[LIST_MAX];
};

struct unpacking {
	struct torap_arena *arena;
	/* Where the next one goes: as much room as the message has bytes, for each has two before it. */
	char *texts;
	size_t texts_room;
	unsigned depth;
	unsigned lists_count;
	struct list lists[LISTS_MAX];
};

/* Inlined everywhere: nearly all tags and lengths are one byte.  False: at the end, or of too many bytes. */
static inline bool read_varint(struct torap_reader *r, unsigned bits, uint64_t *out)
{
	if (r->at < r->end && *r->at < 0x80) {
		*out = *r->at++;
		return true;
	}
	uint64_t value = 0;
	for (unsigned shift = 0; shift < bits && r->at < r->end; shift += 7) {
		uint8_t byte = *r->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*out = value;
			return true;
		}
	}
	return false;
}

static inline bool read_number(struct torap_reader *r, uint64_t *out)
{
	const uint8_t *begin = r->at;
	if (read_varint(r, NUMBER_BITS, out))
		return true;
	/* A negative number: nine bytes that go on, and a one. */
	if (r->at - begin != 9 || r->at == r->end || *r->at++ != 1)
		return false;
	*out = (uint64_t)1 << 63;
	for (unsigned i = 0; i < 9; i++)
		*out |= (uint64_t)(begin[i] & 0x7f) << 7 * i;
	return true;
}

static inline bool read_bytes(struct torap_reader *r, struct torap_bytes *out)
{
	uint64_t size;
	if (!read_varint(r, SHORT_BITS, &size) || size > (uint64_t)(r->end - r->at))
		return false;
	*out = torap_bytes(r->at, (size_t)size);
	r->at += size;
	return true;
}

static char *keep_text(struct unpacking *u, struct torap_bytes text)
{
	char *kept = u->texts;
	if (text.size >= u->texts_room)
		return NULL;
	torap_copy_short(kept, text.data, text.size);
	kept[text.size] = '\0';
	u->texts += text.size + 1;
	u->texts_room -= text.size + 1;
	return kept;
}

static void *unpack_message(
	struct unpacking *u, const ProtobufCMessageDescriptor *message, struct torap_bytes bytes);

static bool add_item(struct unpacking *u, const ProtobufCFieldDescriptor *f, void *item)
{
	unsigned i = 0;
	if (u->depth > 1)
		return false;
	while (i < u->lists_count && u->lists[i].of != f)
		i++;
	if (i == LISTS_MAX)
		return false;
	struct list *list = &u->lists[i];
	if (i == u->lists_count) {
		list->of = f;
		list->count = 0;
		u->lists_count++;
	}
	if (list->count == LIST_MAX)
		return false;
	list->items[list->count++] = item;
	return true;
}

static bool take_bytes(
	struct unpacking *u, const ProtobufCFieldDescriptor *f, void *member, struct torap_bytes bytes)
{
	void *made;
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		made = keep_text(u, bytes);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)member =
			(ProtobufCBinaryData){ bytes.size, bytes.size ? (uint8_t *)bytes.data : NULL };
		return true;
	case PROTOBUF_C_TYPE_MESSAGE:
		made = unpack_message(u, f->descriptor, bytes);
		break;
	default:
		return false;
	}
	if (!made)
		return false;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return add_item(u, f, made);
	*(void **)member = made;
	return true;
}

static bool take_number(const ProtobufCFieldDescriptor *f, void *member, uint64_t number)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
		*(uint32_t *)member = (uint32_t)number;
		return true;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		*(uint64_t *)member = number;
		return true;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)member = number != 0;
		return true;
	default:
		return false;
	}
}

static bool take_double(struct torap_reader *r, const ProtobufCFieldDescriptor *f, void *member)
{
	if (f->type != PROTOBUF_C_TYPE_DOUBLE || r->end - r->at < 8)
		return false;
	uint64_t bits = 0;
	for (unsigned i = 0; i < 8; i++)
		bits |= (uint64_t)*r->at++ << 8 * i;
	memcpy(member, &bits, sizeof bits);
	return true;
}

/* *seen: bit by field. */
static bool take_field(struct unpacking *u, const ProtobufCMessageDescriptor *message, uint8_t *out,
	uint32_t *seen, struct torap_reader *r)
{
	uint64_t tag, number;
	struct torap_bytes bytes;
	if (!read_varint(r, SHORT_BITS, &tag) || tag >> 3 == 0 || tag >> 3 > message->n_fields)
		return false;
	const ProtobufCFieldDescriptor *f = &message->fields[(tag >> 3) - 1];
	const uint32_t bit = 1u << (tag >> 3);
	const bool plain = f->label == PROTOBUF_C_LABEL_NONE || f->type == PROTOBUF_C_TYPE_MESSAGE;
	if (!plain || f->flags || (*seen & bit && f->label != PROTOBUF_C_LABEL_REPEATED))
		return false;
	*seen |= bit;
	switch (tag & 7) {
	case WIRE_VARINT:
		return read_number(r, &number) && take_number(f, out + f->offset, number);
	case WIRE_64BIT:
		return take_double(r, f, out + f->offset);
	case WIRE_BYTES:
		return read_bytes(r, &bytes) && take_bytes(u, f, out + f->offset, bytes);
	default:
		return false;
	}
}

static void *unpack_message(
	struct unpacking *u, const ProtobufCMessageDescriptor *message, struct torap_bytes bytes)
{
	const bool gapless = message->n_fields <= FIELDS_MAX && message->n_field_ranges == 1 &&
			     message->field_ranges->start_value == 1;
	ProtobufCMessage *out =
		gapless && u->depth < DEPTH_MAX ? torap_arena_take(u->arena, message->sizeof_message) : NULL;
	if (!out)
		return NULL;
	u->depth++;
	message->message_init(out);
	struct torap_reader r = torap_reader(bytes);
	uint32_t seen = 0;
	while (r.at < r.end)
		if (!take_field(u, message, (uint8_t *)out, &seen, &r))
			return NULL;
	u->depth--;
	return out;
}

static bool keep_list(struct unpacking *u, uint8_t *out, const struct list *list)
{
	void **kept = torap_arena_take(u->arena, list->count * sizeof *kept);
	if (!kept)
		return false;
	memcpy(kept, list->items, list->count * sizeof *kept);
	*(void ***)(out + list->of->offset) = kept;
	*(size_t *)(out + list->of->quantifier_offset) = list->count;
	return true;
}

static void *unpack(struct torap_arena *arena, const ProtobufCMessageDescriptor *message,
	struct torap_bytes bytes, struct torap_bytes *texts)
{
	struct unpacking u;
	u.arena = arena; /* The lists are not worth zeroing for each message. */
	u.depth = u.lists_count = 0;
	u.texts_room = bytes.size < TEXTS_MAX ? bytes.size : TEXTS_MAX;
	const char *begin = u.texts = torap_arena_take(arena, u.texts_room);
	uint8_t *out = u.texts ? unpack_message(&u, message, bytes) : NULL;
	for (unsigned i = 0; out && i < u.lists_count; i++)
		if (!keep_list(&u, out, &u.lists[i]))
			return NULL;
	*texts = torap_bytes(begin, out ? (size_t)(u.texts - begin) : 0);
	return out;
}

void *torap_unpack(struct torap_arena *arena, const ProtobufCMessageDescriptor *message,
	struct torap_bytes bytes, struct torap_bytes *texts)
{
	struct torap_arena_mark before = torap_arena_mark(arena);
	struct torap_bytes here;
	void *out = unpack(arena, message, bytes, &here);
	if (texts)
		*texts = out ? here : torap_bytes(NULL, 0);
	if (out)
		return out;
	torap_arena_rewind(arena, before);
	return protobuf_c_message_unpack(message, &arena->allocator, bytes.size, bytes.data);
}
