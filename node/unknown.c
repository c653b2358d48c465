#include "node/unknown.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "node/batcher.h"
#include "node/own.h"
#include "node/tables.h"
#include "node/writes.h"
#include "store/kv.h"

enum {
	BUCKETS = 4096,
	KEY_MAX = 32 + TORAP_ADDRESS_MAX + 2,
	RAW_MAX = 1024, /* of what waits for the minute's end: 4096 accounts may do so */
};
static const char everyone_else[] = "*";

struct node_account {
	struct node_account *next; /* of its bucket */
	char key[KEY_MAX];         /* protocol, NUL, address, NUL */
	size_t key_size;           /* without the last NUL */
	const char *address;       /* in key */
	struct torap_mono minute;  /* began */
	uint32_t count;            /* since the last event */
	uint32_t pending;          /* entries on their way to the disk */
	bool open;                 /* a first event was told, or is on its way */
	uint8_t *raw;
	size_t raw_size;
};

struct node_unknown {
	struct node_unknown_options options;
	struct node_account *buckets[BUCKETS];
	size_t count;
};

/* The event at a minute's end, or the end of an account. */
struct report {
	struct node_entry entry;
	struct node_account *account;
	uint32_t count;
};

static struct torap_bytes key_of(const struct node_account *a)
{
	return torap_bytes(a->key, a->key_size);
}

static size_t bucket_of(struct torap_bytes key)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < key.size; i++)
		h = (h ^ key.data[i]) * 16777619u;
	return h % BUCKETS;
}

static size_t make_key(char key[static KEY_MAX], const char *protocol, const char *address)
{
	return (size_t)snprintf(key, KEY_MAX, "%s%c%s", protocol, 0, address);
}

static struct node_account *find(const struct node_unknown *u, struct torap_bytes key)
{
	struct node_account *a = u->buckets[bucket_of(key)];
	while (a && !torap_bytes_equal(key_of(a), key))
		a = a->next;
	return a;
}

static struct node_account *add(struct node_unknown *u, struct torap_bytes key)
{
	struct node_account *a = calloc(1, sizeof *a);
	if (!a)
		return NULL;
	assert(key.size < sizeof a->key);
	memcpy(a->key, key.data, key.size);
	a->key_size = key.size;
	a->address = a->key + strlen(a->key) + 1;
	struct node_account **bucket = &u->buckets[bucket_of(key)];
	a->next = *bucket;
	*bucket = a;
	u->count++;
	return a;
}

/* Unlinks the account that *at points to. */
static void remove_at(struct node_unknown *u, struct node_account **at)
{
	struct node_account *a = *at;
	*at = a->next;
	u->count--;
	free(a->raw);
	free(a);
}

static void record(
	const struct node_account *a, uint32_t count, struct torap_wall at, struct torap_writer *writes)
{
	struct torap_writer value = { 0 };
	torap_write_u32(&value, count);
	torap_write_u64(&value, (uint64_t)at.us);
	node_writes_put(writes, NODE_TABLE_UNKNOWN, key_of(a), torap_bytes(value.data, value.size));
	writes->failed = writes->failed || value.failed;
	torap_writer_finish(&value);
}

static struct node_event *make_event(const struct node_unknown *u, const struct node_account *a,
	uint32_t count, struct torap_bytes raw, struct torap_wall at, struct node_now now)
{
	struct node_own own = {
		.kind = TORAP__KIND__KIND_UNKNOWN_DEVICE, .at = at, .count = count, .raw = raw
	};
	node_fields_add(&own.detail, "address", a->address);
	node_fields_add(&own.detail, "protocol", a->key);
	return node_own_event(u->options.region, &own, now);
}

static void keep_raw(struct node_account *a, struct torap_bytes raw)
{
	uint8_t *kept = raw.size && raw.size <= RAW_MAX ? realloc(a->raw, raw.size) : NULL;
	if (!kept)
		return; /* The one before stands for all. */
	memcpy(kept, raw.data, raw.size);
	a->raw = kept;
	a->raw_size = raw.size;
}

/* NULL: memory ran out. */
static struct node_account *find_or_add(struct node_unknown *u, const Torap__Observation *o)
{
	const struct {
		const char *protocol, *address;
		size_t most; /* accounts, with it */
	} names[] = {
		{ o->protocol, o->address, NODE_UNKNOWN_MAX },
		{ o->protocol, everyone_else, NODE_UNKNOWN_MAX + NODE_UNKNOWN_PROTOCOLS_MAX },
		{ everyone_else, everyone_else, SIZE_MAX },
	};
	for (size_t i = 0;; i++) {
		char room[KEY_MAX];
		struct torap_bytes key =
			torap_bytes(room, make_key(room, names[i].protocol, names[i].address));
		struct node_account *a = find(u, key);
		if (a || u->count < names[i].most)
			return a ? a : add(u, key);
	}
}

struct node_account *node_unknown_see(
	struct node_unknown *u, const Torap__Observation *o, struct node_entry *entry, struct node_now now)
{
	struct node_account *a = find_or_add(u, o);
	if (!a)
		return NULL;

	struct torap_bytes raw = torap_bytes(o->raw.data, o->raw.len);
	if (a->open) {
		keep_raw(a, raw);
		record(a, ++a->count, now.wall, &entry->writes);
	} else {
		struct torap_wall at = { o->received_at_us };
		entry->event = make_event(u, a, 1, raw, at, now);
		if (!entry->event)
			return NULL;
		a->open = true;
		a->minute = now.mono;
		record(a, 0, now.wall, &entry->writes);
	}
	a->pending++;
	return a;
}

void node_unknown_settle(struct node_account *a, bool reported, bool durable)
{
	assert(a->pending);
	a->pending--;
	if (durable)
		return;
	if (reported)
		a->open = false; /* The next one is told at once. */
	else if (a->count)
		a->count--;
}

static void on_report(struct node_entry *entry, enum node_entry_result result)
{
	struct report *report = (struct report *)entry;
	report->account->pending--;
	if (result != NODE_ENTRY_DURABLE) /* Told at the next minute's end. */
		report->account->count += report->count;
	free(report);
}

static void report(struct node_unknown *u, struct node_account *a, struct node_now now)
{
	struct report *r = calloc(1, sizeof *r);
	if (!r)
		return; /* Tried again in a second. */
	*r = (struct report){ .entry = { .done = on_report }, .account = a, .count = a->count };
	r->entry.event =
		make_event(u, a, a->count, torap_bytes(a->raw, a->raw_size), (struct torap_wall){ 0 }, now);
	record(a, 0, now.wall, &r->entry.writes);
	if (!r->entry.event || node_batcher_add(u->options.batcher, &r->entry)) {
		node_event_destroy(r->entry.event);
		torap_writer_finish(&r->entry.writes);
		free(r);
		return;
	}
	a->pending++;
	a->count = 0;
	a->minute = now.mono;
}

static void on_ended(struct node_entry *entry, enum node_entry_result result)
{
	(void)result; /* A row that stays is read at the next start, and ends then. */
	free(entry);
}

/* Returns whether the row's end is on its way. */
static bool end(struct node_unknown *u, const struct node_account *a)
{
	struct node_entry *entry = calloc(1, sizeof *entry);
	if (!entry)
		return false;
	entry->done = on_ended;
	node_writes_delete(&entry->writes, NODE_TABLE_UNKNOWN, key_of(a));
	if (node_batcher_add(u->options.batcher, entry) == 0)
		return true;
	torap_writer_finish(&entry->writes);
	free(entry);
	return false;
}

void node_unknown_tick(struct node_unknown *u, struct node_now now)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct node_account **at = &u->buckets[i]; *at;) {
			struct node_account *a = *at;
			bool over = torap_mono_reached(
				torap_mono_add_ms(a->minute, NODE_UNKNOWN_MINUTE_MS), now.mono);
			if (over && a->count) {
				report(u, a, now);
			} else if (over && a->pending == 0 && end(u, a)) {
				remove_at(u, at);
				continue;
			}
			at = &a->next;
		}
}

size_t node_unknown_accounts(const struct node_unknown *u)
{
	return u->count;
}

struct load {
	struct node_unknown *unknown;
	struct node_now now;
};

static int on_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	const struct load *load = hint;
	struct torap_reader reader = torap_reader(value);
	uint32_t count = torap_read_u32(&reader);
	int64_t age_us = load->now.wall.us - (int64_t)torap_read_u64(&reader);
	if (!torap_read_end(&reader) || key.size >= KEY_MAX || !memchr(key.data, 0, key.size))
		return -EBADMSG;
	struct node_account *a = add(load->unknown, key);
	if (!a)
		return -ENOMEM;
	int64_t minute_us = (int64_t)NODE_UNKNOWN_MINUTE_MS * TORAP_US_PER_MS;
	a->open = true;
	a->count = count;
	a->minute.us = load->now.mono.us - (age_us < 0 ? 0 : age_us < minute_us ? age_us : minute_us);
	return 0;
}

int node_unknown_create(struct node_unknown **out, const struct node_unknown_options *options,
	struct torap_kv *kv, struct node_now now, struct torap_error *err)
{
	struct node_unknown *u = calloc(1, sizeof *u);
	if (!u)
		return torap_errorf(err, -ENOMEM, "unknown devices: out of memory");
	u->options = *options;
	struct load load = { u, now };
	int r = node_table_read(kv, NODE_TABLE_UNKNOWN, on_row, &load, err);
	if (r) {
		node_unknown_destroy(u);
		return r;
	}
	*out = u;
	return 0;
}

struct node_unknown *node_unknown_destroy(struct node_unknown *u)
{
	if (u) {
		for (size_t i = 0; i < BUCKETS; i++)
			while (u->buckets[i])
				remove_at(u, &u->buckets[i]);
		free(u);
	}
	return NULL;
}
