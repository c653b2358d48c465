#include "node/consents.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/batcher.h"
#include "node/consent.h"
#include "node/registry.h"
#include "node/tables.h"
#include "node/writes.h"
#include "store/kv.h"

enum { BUCKETS = 4096 };

struct known {
	struct known *next;
	enum node_consent recorded;
	bool pending;
	char device[NODE_REGISTRY_ID_MAX + 1];
};

struct node_consents {
	struct node_batcher *batcher;
	struct known *buckets[BUCKETS];
};

struct record {
	struct node_entry entry;
	struct known *known;
	enum node_consent consent;
};

static struct known **bucket_of(struct node_consents *c, const char *id)
{
	uint32_t h = 2166136261u;
	for (; *id; id++)
		h = (h ^ (uint8_t)*id) * 16777619u;
	return &c->buckets[h % BUCKETS];
}

/* NULL: memory ran out. */
static struct known *find_or_add(struct node_consents *c, const char *id)
{
	struct known **bucket = bucket_of(c, id);
	for (struct known *k = *bucket; k; k = k->next)
		if (strcmp(k->device, id) == 0)
			return k;
	struct known *k = calloc(1, sizeof *k);
	if (!k)
		return NULL;
	snprintf(k->device, sizeof k->device, "%s", id);
	k->recorded = NODE_CONSENT_MISSING;
	k->next = *bucket;
	*bucket = k;
	return k;
}

static struct node_event *make_event(
	const struct node_device *device, enum node_consent consent, struct node_now now)
{
	struct node_fields detail = { 0 };
	node_fields_add(
		&detail, "what", consent == NODE_CONSENT_VALID ? "given" : node_consent_name(consent));
	node_fields_add(&detail, "ref", device->consent.ref);
	struct node_event_spec spec = {
		.class = { .region = device->site->region,
			.facility = device->site->facility,
			.kind = TORAP__KIND__KIND_CONSENT,
			.severity = (uint8_t)torap_kind_severity(TORAP__KIND__KIND_CONSENT) },
		.state = TORAP__STATE__STATE_PULSE,
		.site = device->site->id,
		.device = device->id,
		.received_at = now.wall,
		.occurred_at = now.wall,
		.clock_known = now.clock_known,
		.clock_offset_ms = now.clock_offset_ms,
		.detail = &detail,
	};
	return node_event_create(&spec);
}

static void on_recorded(struct node_entry *entry, enum node_entry_result result)
{
	struct record *r = (struct record *)entry;
	r->known->pending = false;
	if (result == NODE_ENTRY_DURABLE)
		r->known->recorded = r->consent;
	free(r); /* Not kept: the next tick sees the same change. */
}

static void record(struct node_consents *c, struct known *known, const struct node_device *device,
	enum node_consent consent, struct node_now now)
{
	struct record *r = calloc(1, sizeof *r);
	if (!r)
		return;
	uint8_t value = (uint8_t)consent;
	*r = (struct record){ .entry = { .done = on_recorded }, .known = known, .consent = consent };
	node_writes_put(&r->entry.writes, NODE_TABLE_CONSENTS, torap_bytes(device->id, strlen(device->id)),
		torap_bytes(&value, 1));
	r->entry.event = make_event(device, consent, now);
	if (r->entry.event && node_batcher_add(c->batcher, &r->entry) == 0) {
		known->pending = true;
		return;
	}
	node_event_destroy(r->entry.event);
	torap_writer_finish(&r->entry.writes);
	free(r);
}

void node_consents_tick(struct node_consents *c, const struct node_registry *registry, struct node_now now)
{
	for (const struct node_device *d = NULL; (d = node_registry_next(registry, NULL, d));) {
		if (!node_consent_needed(d))
			continue;
		enum node_consent consent = node_consent_at(d, now.wall);
		struct known *known = find_or_add(c, d->id);
		if (!known || known->pending || known->recorded == consent)
			continue;
		/* Until it was given once there is nothing to tell. */
		bool never = known->recorded == NODE_CONSENT_MISSING && consent != NODE_CONSENT_VALID;
		if (!never)
			record(c, known, d, consent, now);
	}
}

static int on_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	char id[NODE_REGISTRY_ID_MAX + 1] = "";
	if (key.size >= sizeof id || value.size != 1)
		return -EBADMSG;
	memcpy(id, key.data, key.size);
	struct known *k = find_or_add(hint, id);
	if (!k)
		return -ENOMEM;
	k->recorded = (enum node_consent)value.data[0];
	return 0;
}

int node_consents_create(struct node_consents **out, struct node_batcher *batcher, struct torap_kv *kv,
	struct torap_error *err)
{
	struct node_consents *c = calloc(1, sizeof *c);
	if (!c)
		return torap_errorf(err, -ENOMEM, "consents: out of memory");
	c->batcher = batcher;
	int r = node_table_read(kv, NODE_TABLE_CONSENTS, on_row, c, err);
	if (r) {
		node_consents_destroy(c);
		return r;
	}
	*out = c;
	return 0;
}

struct node_consents *node_consents_destroy(struct node_consents *c)
{
	if (c) {
		for (size_t i = 0; i < BUCKETS; i++)
			while (c->buckets[i]) {
				struct known *k = c->buckets[i];
				c->buckets[i] = k->next;
				free(k);
			}
		free(c);
	}
	return NULL;
}
