#include "node/subjects.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/registry.h"
#include "node/tables.h"
#include "node/writes.h"
#include "store/kv.h"

enum { BUCKETS = 4096 };

struct subject {
	struct subject *next_of_device, *next_of_bytes;
	bool saved;
	uint8_t bytes[TORAP_SUBJECT_SIZE];
	char device[NODE_REGISTRY_ID_MAX + 1];
};

struct node_subjects {
	struct subject *by_device[BUCKETS], *by_bytes[BUCKETS];
	size_t count;
};

static size_t bucket_of_device(const char *id)
{
	uint32_t h = 2166136261u;
	for (; *id; id++)
		h = (h ^ (uint8_t)*id) * 16777619u;
	return h % BUCKETS;
}

static size_t bucket_of_bytes(const uint8_t *bytes)
{
	return ((size_t)bytes[0] << 8 | bytes[1]) % BUCKETS;
}

static struct subject *find_device(const struct node_subjects *s, const char *id)
{
	struct subject *x = s->by_device[bucket_of_device(id)];
	while (x && strcmp(x->device, id) != 0)
		x = x->next_of_device;
	return x;
}

static struct subject *find_bytes(const struct node_subjects *s, const uint8_t *bytes)
{
	struct subject *x = s->by_bytes[bucket_of_bytes(bytes)];
	while (x && memcmp(x->bytes, bytes, sizeof x->bytes) != 0)
		x = x->next_of_bytes;
	return x;
}

static struct subject *add(struct node_subjects *s, struct torap_bytes device, const uint8_t *bytes)
{
	struct subject *x = device.size < sizeof x->device ? calloc(1, sizeof *x) : NULL;
	if (!x)
		return NULL;
	memcpy(x->device, device.data, device.size);
	memcpy(x->bytes, bytes, sizeof x->bytes);
	struct subject **of_device = &s->by_device[bucket_of_device(x->device)];
	struct subject **of_bytes = &s->by_bytes[bucket_of_bytes(bytes)];
	x->next_of_device = *of_device;
	*of_device = x;
	x->next_of_bytes = *of_bytes;
	*of_bytes = x;
	s->count++;
	return x;
}

const uint8_t *node_subjects_of(struct node_subjects *s, const char *device_id, struct torap_writer *writes)
{
	struct torap_bytes key = torap_bytes(device_id, strlen(device_id));
	struct subject *x = find_device(s, device_id);
	if (!x) {
		uint8_t bytes[TORAP_SUBJECT_SIZE];
		randombytes_buf(bytes, sizeof bytes);
		x = add(s, key, bytes);
	}
	if (!x)
		return NULL;
	if (!x->saved)
		node_writes_put(writes, NODE_TABLE_SUBJECTS, key, torap_bytes(x->bytes, sizeof x->bytes));
	return x->bytes;
}

const uint8_t *node_subjects_find(const struct node_subjects *s, const char *device_id)
{
	const struct subject *x = find_device(s, device_id);
	return x ? x->bytes : NULL;
}

void node_subjects_saved(struct node_subjects *s, const uint8_t subject[static TORAP_SUBJECT_SIZE])
{
	struct subject *x = find_bytes(s, subject);
	if (x)
		x->saved = true;
}

const char *node_subjects_device(
	const struct node_subjects *s, const uint8_t subject[static TORAP_SUBJECT_SIZE])
{
	const struct subject *x = find_bytes(s, subject);
	return x ? x->device : NULL;
}

size_t node_subjects_count(const struct node_subjects *s)
{
	return s->count;
}

static int on_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	if (value.size != TORAP_SUBJECT_SIZE || key.size > NODE_REGISTRY_ID_MAX)
		return -EBADMSG;
	struct subject *x = add(hint, key, value.data);
	if (!x)
		return -ENOMEM;
	x->saved = true;
	return 0;
}

int node_subjects_create(struct node_subjects **out, struct torap_kv *kv, struct torap_error *err)
{
	struct node_subjects *s = calloc(1, sizeof *s);
	if (!s)
		return torap_errorf(err, -ENOMEM, "subjects: out of memory");
	int r = node_table_read(kv, NODE_TABLE_SUBJECTS, on_row, s, err);
	if (r) {
		node_subjects_destroy(s);
		return r;
	}
	*out = s;
	return 0;
}

struct node_subjects *node_subjects_destroy(struct node_subjects *s)
{
	if (s) {
		for (size_t i = 0; i < BUCKETS; i++)
			while (s->by_device[i]) {
				struct subject *x = s->by_device[i];
				s->by_device[i] = x->next_of_device;
				free(x);
			}
		free(s);
	}
	return NULL;
}
