#include "node/event.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/pack.h"

void node_fields_add(struct node_fields *f, const char *name, const char *value)
{
	assert(f->count < NODE_FIELDS_MAX);
	Torap__Field *field = &f->field[f->count++];
	torap__field__init(field);
	field->name = (char *)name;
	field->value = (char *)value;
}

/* Blocks of one size, kept for the next ones.  Events are made and let go of by the loop alone. */
enum {
	BLOCK_ROOM = 512 - sizeof(struct node_event), /* enough for nearly every event */
	MORE_ROOM = 512,
#ifdef __SANITIZE_ADDRESS__
	SPARE_BLOCKS = 0, /* It shall see who holds one too long. */
#else
	SPARE_BLOCKS = 16 << 10, /* 8 MiB */
#endif
};
static struct {
	struct node_event *first;
	size_t count;
} spare;

static struct node_event *take_block(size_t room)
{
	struct node_event *e = spare.first;
	if (!e || room != BLOCK_ROOM)
		return malloc(sizeof *e + room);
	spare.first = e->next;
	spare.count--;
	return e;
}

/* One part, as far as there is room. */
static struct torap_bytes pack(struct torap_put *p, const struct node_event_spec *spec,
	void (*put)(struct torap_put *p, const struct node_event_spec *spec))
{
	const uint8_t *begin = p->at;
	put(p, spec);
	return torap_bytes(begin, (size_t)(p->at - begin));
}

/* NULL: memory ran out.  *full: it takes more room. */
static struct node_event *create(const struct node_event_spec *spec, size_t room, bool *full)
{
	struct node_event *e = take_block(room);
	if (!e)
		return NULL;
	*e = (struct node_event){ .event.class = spec->class, .room = room };
	struct torap_put p = { .at = e->bytes, .end = e->bytes + room };
	e->event.parts[0] = pack(&p, spec, node_pack_open);
	if (node_pack_has_personal(spec))
		e->event.parts[1] = pack(&p, spec, node_pack_personal);
	if (spec->image.size)
		e->event.parts[2] = pack(&p, spec, node_pack_image);
	if (spec->subject) {
		e->event.has_subject = true;
		memcpy(e->event.subject, spec->subject, TORAP_SUBJECT_SIZE);
	}
	*full = p.full;
	return e;
}

struct node_event *node_event_create(const struct node_event_spec *spec)
{
	bool full;
	struct node_event *e = create(spec, BLOCK_ROOM, &full);
	for (size_t more = MORE_ROOM; e && full; more *= 2) {
		node_event_destroy(e);
		e = create(spec, spec->raw.size + spec->image.size + more, &full);
	}
	return e;
}

struct node_event *node_event_destroy(struct node_event *e)
{
	if (!e || e->room != BLOCK_ROOM || spare.count == SPARE_BLOCKS) {
		free(e);
		return NULL;
	}
	e->next = spare.first;
	spare.first = e;
	spare.count++;
	return NULL;
}

uint32_t node_event_lane(const struct node_event *e)
{
	return torap_class_lane(&e->event.class);
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
	for (unsigned part = 0; part < 2 + (e->event.parts[2].size > 0); part++) {
		torap_write_u32(row, (uint32_t)e->event.parts[part].size);
		torap_write_bytes(row, e->event.parts[part]);
	}
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

static void spec_of_image(struct node_event_spec *s, const Torap__EventImage *image)
{
	s->image_type = image->media_type;
	s->image_camera = image->camera;
	s->image_at.us = image->taken_at_us;
	s->image = torap_bytes(image->data.data, image->data.len);
}

struct node_event *node_event_copy(const struct torap_class *class, const uint8_t *subject,
	const Torap__EventOpen *open, const Torap__EventPersonal *personal, const Torap__EventImage *image)
{
	struct node_event_spec spec = { .class = *class, .subject = subject };
	spec_of_open(&spec, open);
	if (personal)
		spec_of_personal(&spec, personal);
	if (image)
		spec_of_image(&spec, image);
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
	struct torap_bytes personal_bytes = torap_read_bytes(&r, personal_size), image_bytes = { 0 };
	if (!r.failed && r.at < r.end)
		image_bytes = torap_read_bytes(&r, torap_read_u32(&r));
	if (!torap_read_end(&r))
		return torap_errorf(err, -EBADMSG, "a row of the table unsealed cannot be read");

	int result = torap_errorf(err, -EBADMSG, "an event of the table unsealed cannot be read");
	Torap__EventPersonal *personal = NULL;
	Torap__EventImage *image = NULL;
	Torap__EventOpen *open = torap__event_open__unpack(NULL, open_bytes.size, open_bytes.data);
	if (!open)
		return result;
	if (personal_size) {
		personal = torap__event_personal__unpack(NULL, personal_bytes.size, personal_bytes.data);
		if (!personal)
			goto end;
		spec_of_personal(&spec, personal);
	}
	if (image_bytes.size) {
		image = torap__event_image__unpack(NULL, image_bytes.size, image_bytes.data);
		if (!image)
			goto end;
		spec_of_image(&spec, image);
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
	if (image)
		torap__event_image__free_unpacked(image, NULL);
	return result;
}
