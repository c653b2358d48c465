#include "node/event.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void node_fields_add(struct node_fields *f, const char *name, const char *value)
{
	assert(f->count < NODE_FIELDS_MAX);
	Torap__Field *field = &f->field[f->count++];
	torap__field__init(field);
	field->name = (char *)name;
	field->value = (char *)value;
}

/* The block behind the struct: first pointers and fields, then texts. */
struct block {
	uint8_t *aligned, *bytes;
};

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static size_t field_texts_size(const Torap__Field *f)
{
	return text_size(f->name) + text_size(f->value);
}

static size_t spec_texts_size(const struct node_event_spec *s)
{
	size_t size = text_size(s->site) + text_size(s->device) + text_size(s->area) + text_size(s->zone) +
		      text_size(s->protocol) + text_size(s->code) + text_size(s->user) + text_size(s->text) +
		      s->raw.size;
	for (size_t i = 0; s->detail && i < s->detail->count; i++)
		size += field_texts_size(&s->detail->field[i]);
	for (size_t i = 0; i < s->fields_count; i++)
		size += field_texts_size(s->fields[i]);
	for (size_t i = 0; i < s->personal_count; i++)
		size += field_texts_size(s->personal[i]);
	return size;
}

/* protobuf-c knows an absent text by the address of its empty string. */
static char *keep_text(struct block *b, const char *text)
{
	if (!text || !*text)
		return (char *)protobuf_c_empty_string;
	size_t size = strlen(text) + 1;
	char *kept = memcpy(b->bytes, text, size);
	b->bytes += size;
	return kept;
}

static Torap__Field **keep_list(struct block *b, size_t count)
{
	Torap__Field **list = (Torap__Field **)(void *)b->aligned;
	b->aligned += count * sizeof *list;
	return list;
}

static Torap__Field *keep_field(struct block *b, const Torap__Field *f)
{
	Torap__Field *kept = (Torap__Field *)(void *)b->aligned;
	b->aligned += sizeof *kept;
	torap__field__init(kept);
	kept->name = keep_text(b, f->name);
	kept->value = keep_text(b, f->value);
	return kept;
}

static bool is_there(const char *text)
{
	return text && *text;
}

static bool has_personal(const struct node_event_spec *s)
{
	return is_there(s->user) || is_there(s->text) || s->position || s->personal_count || s->raw.size;
}

static void fill_open(Torap__EventOpen *open, const struct node_event_spec *s, struct block *b)
{
	torap__event_open__init(open);
	open->state = (Torap__State)s->state;
	open->site = keep_text(b, s->site);
	open->device = keep_text(b, s->device);
	open->received_at_us = s->received_at.us;
	open->occurred_at_us = s->occurred_at.us;
	open->device_time_us = s->device_time.us;
	open->clock_offset_ms = s->clock_offset_ms;
	open->clock_known = s->clock_known;
	open->area = keep_text(b, s->area);
	open->zone = keep_text(b, s->zone);
	open->protocol = keep_text(b, s->protocol);
	open->code = keep_text(b, s->code);
	open->count = s->count > 1 ? s->count : 0;

	size_t own = s->detail ? s->detail->count : 0;
	open->n_detail = own + s->fields_count;
	open->detail = keep_list(b, open->n_detail);
	for (size_t i = 0; i < own; i++)
		open->detail[i] = keep_field(b, &s->detail->field[i]);
	for (size_t i = 0; i < s->fields_count; i++)
		open->detail[own + i] = keep_field(b, s->fields[i]);
}

static void fill_personal(struct node_event *e, const struct node_event_spec *s, struct block *b)
{
	Torap__EventPersonal *personal = &e->personal;
	torap__event_personal__init(personal);
	personal->user = keep_text(b, s->user);
	personal->text = keep_text(b, s->text);
	if (s->position) {
		torap__position__init(&e->position);
		e->position.latitude = s->position->latitude;
		e->position.longitude = s->position->longitude;
		e->position.altitude_m = s->position->altitude_m;
		personal->position = &e->position;
	}
	personal->n_detail = s->personal_count;
	personal->detail = keep_list(b, s->personal_count);
	for (size_t i = 0; i < s->personal_count; i++)
		personal->detail[i] = keep_field(b, s->personal[i]);
	if (s->raw.size) {
		personal->raw.data = memcpy(b->bytes, s->raw.data, s->raw.size);
		personal->raw.len = s->raw.size;
		b->bytes += s->raw.size;
	}
}

struct node_event *node_event_create(const struct node_event_spec *spec)
{
	static_assert(alignof(Torap__Field) <= alignof(struct node_event), "fields stand behind the struct");
	static_assert(alignof(Torap__Field *) <= alignof(Torap__Field), "lists and fields are mixed");
	size_t fields = (spec->detail ? spec->detail->count : 0) + spec->fields_count + spec->personal_count;
	size_t aligned = fields * (sizeof(Torap__Field) + sizeof(Torap__Field *));
	struct node_event *e = malloc(sizeof *e + aligned + spec_texts_size(spec));
	if (!e)
		return NULL;
	struct block b = { .aligned = (uint8_t *)(e + 1), .bytes = (uint8_t *)(e + 1) + aligned };
	e->next = NULL;
	e->seq = 0;
	e->event = (struct torap_event){ .class = spec->class, .open = &e->open };
	fill_open(&e->open, spec, &b);
	if (has_personal(spec)) {
		fill_personal(e, spec, &b);
		e->event.personal = &e->personal;
	}
	if (spec->subject) {
		e->event.has_subject = true;
		memcpy(e->event.subject, spec->subject, TORAP_SUBJECT_SIZE);
	}
	return e;
}

struct node_event *node_event_destroy(struct node_event *e)
{
	free(e);
	return NULL;
}

uint32_t node_event_lane(const struct node_event *e)
{
	return torap_class_lane(&e->event.class);
}

static void write_message(struct torap_writer *row, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	torap_write_u32(row, (uint32_t)size);
	uint8_t *room = torap_write_room(row, size);
	if (room)
		protobuf_c_message_pack(message, room);
}

void node_event_write(const struct node_event *e, struct torap_writer *row)
{
	const struct torap_class *c = &e->event.class;
	torap_write_u32(row, c->region);
	torap_write_u32(row, c->facility);
	torap_write_u32(row, c->kind);
	torap_write_u8(row, c->severity);
	torap_write_u8(row, e->event.has_subject);
	if (e->event.has_subject)
		torap_write_bytes(row, torap_bytes(e->event.subject, TORAP_SUBJECT_SIZE));
	write_message(row, &e->open.base);
	if (e->event.personal)
		write_message(row, &e->personal.base);
	else
		torap_write_u32(row, 0);
}

static void spec_of_open(struct node_event_spec *s, const Torap__EventOpen *open)
{
	s->state = (uint8_t)open->state;
	s->site = open->site;
	s->device = open->device;
	s->received_at.us = open->received_at_us;
	s->occurred_at.us = open->occurred_at_us;
	s->device_time.us = open->device_time_us;
	s->clock_offset_ms = open->clock_offset_ms;
	s->clock_known = open->clock_known;
	s->area = open->area;
	s->zone = open->zone;
	s->protocol = open->protocol;
	s->code = open->code;
	s->count = open->count;
	s->fields = open->detail;
	s->fields_count = open->n_detail;
}

static void spec_of_personal(struct node_event_spec *s, const Torap__EventPersonal *personal)
{
	s->user = personal->user;
	s->text = personal->text;
	s->position = personal->position;
	s->personal = personal->detail;
	s->personal_count = personal->n_detail;
	s->raw = torap_bytes(personal->raw.data, personal->raw.len);
}

struct node_event *node_event_copy(const struct torap_class *class, const uint8_t *subject,
	const Torap__EventOpen *open, const Torap__EventPersonal *personal)
{
	struct node_event_spec spec = { .class = *class, .subject = subject };
	spec_of_open(&spec, open);
	if (personal)
		spec_of_personal(&spec, personal);
	return node_event_create(&spec);
}

int node_event_read(struct node_event **out, struct torap_bytes row, struct torap_error *err)
{
	struct torap_reader r = torap_reader(row);
	struct node_event_spec spec = { 0 };
	spec.class.region = torap_read_u32(&r);
	spec.class.facility = (uint16_t)torap_read_u32(&r);
	spec.class.kind = (uint16_t)torap_read_u32(&r);
	spec.class.severity = torap_read_u8(&r);
	if (torap_read_u8(&r))
		spec.subject = torap_read_bytes(&r, TORAP_SUBJECT_SIZE).data;
	uint32_t open_size = torap_read_u32(&r);
	struct torap_bytes open_bytes = torap_read_bytes(&r, open_size);
	uint32_t personal_size = torap_read_u32(&r);
	struct torap_bytes personal_bytes = torap_read_bytes(&r, personal_size);
	if (!torap_read_end(&r))
		return torap_errorf(err, -EBADMSG, "a row of the table unsealed cannot be read");

	int result = torap_errorf(err, -EBADMSG, "an event of the table unsealed cannot be read");
	Torap__EventPersonal *personal = NULL;
	Torap__EventOpen *open = torap__event_open__unpack(NULL, open_bytes.size, open_bytes.data);
	if (!open)
		return result;
	if (personal_size) {
		personal = torap__event_personal__unpack(NULL, personal_bytes.size, personal_bytes.data);
		if (!personal)
			goto end;
		spec_of_personal(&spec, personal);
	}
	spec_of_open(&spec, open);
	struct node_event *e = node_event_create(&spec);
	if (e) {
		*out = e;
		result = 0;
	} else {
		result = torap_errorf(err, -ENOMEM, "out of memory");
	}
end:
	torap__event_open__free_unpacked(open, NULL);
	if (personal)
		torap__event_personal__free_unpacked(personal, NULL);
	return result;
}
