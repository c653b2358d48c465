/* subjects.h: the opaque names under which devices with consent stand in manifests: 16 random bytes for each, for ever.
 *
 * A subject is recorded in the same commit as the first event that bears it, so an uplink can always tell whose frames it is about
 * to send.  Loop thread only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct torap_error;
struct torap_kv;
struct torap_writer;
struct node_subjects;

int node_subjects_create(struct node_subjects **out, struct torap_kv *kv, struct torap_error *err);
struct node_subjects *node_subjects_destroy(struct node_subjects *s); /* accepts NULL, returns NULL */

/* The device's subject.  Until one commit with its row was durable, each call records it in `writes`.  NULL: memory ran out. */
const uint8_t *node_subjects_of(struct node_subjects *s, const char *device_id, struct torap_writer *writes);
/* The same for one that has a subject already; NULL: it has none. */
const uint8_t *node_subjects_find(const struct node_subjects *s, const char *device_id);
/* A commit with the row was durable. */
void node_subjects_saved(struct node_subjects *s, const uint8_t subject[static TORAP_SUBJECT_SIZE]);
/* Whose it is; NULL: nobody's that this node knows. */
const char *node_subjects_device(
	const struct node_subjects *s, const uint8_t subject[static TORAP_SUBJECT_SIZE]);
size_t node_subjects_count(const struct node_subjects *s);
