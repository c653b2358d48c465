/* event.h: an event on its way from an observation into a batch: one allocation with its parts packed as they will
 * leave, and its row in the table `unsealed`; a row has the image behind the other parts, if there is one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/time.h"
#include "wire/seal.h"
#include "wire/taxonomy.h"

struct torap_error;

/* The moment in which the loop handles something: read once a turn by the process, told to every part. */
struct node_now {
	struct torap_mono mono;
	struct torap_wall wall;
	bool clock_known;
	int32_t clock_offset_ms;
};

/* A few fields by name, in the caller's memory.  Names and values are borrowed. */
enum { NODE_FIELDS_MAX = 8 };
struct node_fields {
	Torap__Field field[NODE_FIELDS_MAX];
	size_t count;
};
void node_fields_add(struct node_fields *f, const char *name, const char *value);

/* What an event is made of.  Everything is borrowed for the call; texts may be NULL. */
struct node_event_spec {
	struct torap_class class;
	const uint8_t *subject; /* TORAP_SUBJECT_SIZE bytes, or NULL */
	uint8_t state;          /* Torap__State */
	const char *site, *device, *area, *zone, *protocol, *code;
	struct torap_wall received_at, occurred_at, device_time;
	bool clock_known;
	int32_t clock_offset_ms;
	uint32_t count;
	const struct node_fields *detail; /* or NULL; stands before: */
	Torap__Field *const *fields;
	size_t fields_count;

	/* The personal part: made when any of it is there. */
	const char *user, *text;
	const Torap__Position *position;
	Torap__Field *const *personal;
	size_t personal_count;
	struct torap_bytes raw;

	/* The image part: made when there is a picture. */
	const char *image_type, *image_camera;
	struct torap_wall image_at;
	struct torap_bytes image;
};

struct node_event {
	struct torap_packed_event event; /* for the sealer; points into this block */
	struct node_event *next;         /* for whoever holds it in a list */
	uint64_t seq;                    /* once it has one */
	size_t room;                     /* for so many: */
	uint8_t bytes[];
};

struct node_event *node_event_create(const struct node_event_spec *spec); /* NULL: memory ran out */
/* One that was sealed already, once more.  NULL: memory ran out. */
struct node_event *node_event_copy(const struct torap_class *class, const uint8_t *subject,
	const Torap__EventOpen *open, const Torap__EventPersonal *personal, const Torap__EventImage *image);
struct node_event *node_event_destroy(struct node_event *e); /* accepts NULL, returns NULL */
uint32_t node_event_lane(const struct node_event *e);

/* The row, appended to `row`. */
void node_event_write(const struct node_event *e, struct torap_writer *row);
/* 0, -EBADMSG or -ENOMEM. */
int node_event_read(struct node_event **out, struct torap_bytes row, struct torap_error *err);
