/* Items stand in one array; a hash table of their indexes finds them by key; two queues hold them in the order of their expiry,
 * which is that of their arrival, for a queue has one lifetime.  What is forgotten before its turn (its commit failed, or the
 * key came anew after its expiry) is only marked, and leaves when it reaches the front of its queue. */
#include "node/dedup.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "node/writes.h"
#include "store/kv.h"

enum {
	NONE = UINT32_MAX,
	ITEMS_MIN = 1024,
	VALUE_SIZE = 8,
};

struct item {
	struct node_dedup_key key;
	int64_t until_us;
	void *original; /* while pending */
	uint32_t next;  /* of its queue, or of the free ones */
	bool pending, forgotten;
};

struct queue {
	uint32_t first, last;
};

struct node_dedup {
	struct item *items;
	uint32_t items_count, items_room, unused; /* unused: list of free items */
	uint32_t *slots;                          /* open addressing; NONE: free */
	uint32_t slots_count;                     /* a power of two, at least twice the items */
	size_t most, count;                       /* count: in the table */
	struct queue dated, undated;
	uint64_t forgotten_early;
};

int node_dedup_create(struct node_dedup **out, size_t most, struct torap_error *err)
{
	struct node_dedup *d = calloc(1, sizeof *d);
	if (!d)
		return torap_errorf(err, -ENOMEM, "dedup: out of memory");
	d->most = most;
	d->unused = NONE;
	d->dated = d->undated = (struct queue){ NONE, NONE };
	*out = d;
	return 0;
}

struct node_dedup *node_dedup_destroy(struct node_dedup *d)
{
	if (d) {
		free(d->items);
		free(d->slots);
		free(d);
	}
	return NULL;
}

void node_dedup_key_make(
	struct node_dedup_key *out, const char *protocol, const char *address, struct torap_bytes repeat_key)
{
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, sizeof out->bytes);
	/* With their final NULs, so that no two pairs read alike. */
	crypto_generichash_update(&state, (const uint8_t *)protocol, strlen(protocol) + 1);
	crypto_generichash_update(&state, (const uint8_t *)address, strlen(address) + 1);
	crypto_generichash_update(&state, repeat_key.data, repeat_key.size);
	crypto_generichash_final(&state, out->bytes, sizeof out->bytes);
}

/* The key is a digest already, so any part of it will do. */
static uint32_t first_slot(const struct node_dedup *d, const struct node_dedup_key *key)
{
	uint32_t h;
	memcpy(&h, key->bytes, sizeof h);
	return h & (d->slots_count - 1);
}

static uint32_t find_slot(const struct node_dedup *d, const struct node_dedup_key *key)
{
	uint32_t i = first_slot(d, key);
	while (d->slots[i] != NONE && memcmp(&d->items[d->slots[i]].key, key, sizeof *key) != 0)
		i = (i + 1) & (d->slots_count - 1);
	return i;
}

static struct item *find(const struct node_dedup *d, const struct node_dedup_key *key)
{
	if (!d->slots_count)
		return NULL;
	uint32_t i = d->slots[find_slot(d, key)];
	return i == NONE ? NULL : &d->items[i];
}

/* Closes the gap, so that every item is found without passing a free slot. */
static void clear_slot(struct node_dedup *d, uint32_t gap)
{
	uint32_t mask = d->slots_count - 1;
	d->slots[gap] = NONE;
	for (uint32_t i = (gap + 1) & mask; d->slots[i] != NONE; i = (i + 1) & mask) {
		uint32_t home = first_slot(d, &d->items[d->slots[i]].key);
		if (((i - home) & mask) >= ((i - gap) & mask)) {
			d->slots[gap] = d->slots[i];
			d->slots[i] = NONE;
			gap = i;
		}
	}
}

static void forget(struct node_dedup *d, struct item *item)
{
	if (item->forgotten)
		return;
	clear_slot(d, find_slot(d, &item->key));
	item->forgotten = true;
	item->pending = false;
	item->original = NULL;
	d->count--;
}

static int grow(struct node_dedup *d)
{
	uint32_t room = d->items_room ? d->items_room * 2 : ITEMS_MIN;
	uint32_t slots_count = room * 2;
	struct item *items = realloc(d->items, room * sizeof *items);
	if (!items)
		return -ENOMEM;
	d->items = items;
	uint32_t *slots = malloc(slots_count * sizeof *slots);
	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, slots_count * sizeof *slots);
	free(d->slots);
	d->slots = slots;
	d->slots_count = slots_count;
	d->items_room = room;
	for (uint32_t i = 0; i < d->items_count; i++)
		if (!items[i].forgotten)
			slots[find_slot(d, &items[i].key)] = i;
	return 0;
}

static uint32_t take_unused(struct node_dedup *d)
{
	if (d->unused != NONE) {
		uint32_t i = d->unused;
		d->unused = d->items[i].next;
		return i;
	}
	if (d->items_count == d->items_room && grow(d))
		return NONE;
	return d->items_count++;
}

/* Takes the first item of the queue away; it is unused from then on. */
static void pop(struct node_dedup *d, struct queue *q)
{
	uint32_t i = q->first;
	struct item *item = &d->items[i];
	forget(d, item);
	q->first = item->next;
	if (q->first == NONE)
		q->last = NONE;
	item->next = d->unused;
	d->unused = i;
}

static void record_delete(const struct item *item, struct torap_writer *writes)
{
	struct torap_writer value = { 0 };
	torap_write_u64(&value, (uint64_t)item->until_us);
	node_writes_delete_same(writes, NODE_TABLE_REPEATS,
		torap_bytes(item->key.bytes, sizeof item->key.bytes), torap_bytes(value.data, value.size));
	writes->failed = writes->failed || value.failed;
	torap_writer_finish(&value);
}

/* The oldest of those that are settled: one whose event is on its way to the disk has somebody waiting. */
static bool make_room(struct node_dedup *d, struct torap_writer *writes)
{
	struct queue *q = &d->undated;
	if (q->first == NONE ||
		(d->dated.first != NONE && d->items[d->dated.first].until_us < d->items[q->first].until_us))
		q = &d->dated;
	if (q->first == NONE || d->items[q->first].pending)
		return false;
	if (!d->items[q->first].forgotten) {
		record_delete(&d->items[q->first], writes);
		d->forgotten_early++;
	}
	pop(d, q);
	return true;
}

static int insert(struct node_dedup *d, struct queue *q, const struct node_dedup_key *key, int64_t until_us)
{
	uint32_t i = take_unused(d);
	if (i == NONE)
		return -ENOMEM;
	d->items[i] = (struct item){ .key = *key, .until_us = until_us, .next = NONE };
	uint32_t slot = find_slot(d, key);
	assert(d->slots[slot] == NONE);
	d->slots[slot] = i;
	d->count++;
	if (q->last == NONE)
		q->first = i;
	else
		d->items[q->last].next = i;
	q->last = i;
	return 0;
}

enum node_dedup_answer node_dedup_find(
	const struct node_dedup *d, const struct node_dedup_key *key, struct torap_wall now, void **original)
{
	const struct item *item = find(d, key);
	if (!item)
		return NODE_DEDUP_NEW;
	if (item->pending) {
		*original = item->original;
		return NODE_DEDUP_PENDING;
	}
	return item->until_us <= now.us ? NODE_DEDUP_NEW : NODE_DEDUP_DURABLE;
}

int node_dedup_add(struct node_dedup *d, const struct node_dedup_key *key, bool dated, struct torap_wall now,
	void *original, struct torap_writer *writes)
{
	struct item *old = find(d, key);
	if (old)
		forget(d, old); /* Expired; its row is overwritten. */
	while (d->count >= d->most && make_room(d, writes))
		;
	int64_t until_us = now.us + (dated ? NODE_DEDUP_DATED_US : NODE_DEDUP_UNDATED_US);
	int r = insert(d, dated ? &d->dated : &d->undated, key, until_us);
	if (r)
		return r;
	struct item *item = find(d, key);
	item->pending = true;
	item->original = original;
	struct torap_writer value = { 0 };
	torap_write_u64(&value, (uint64_t)until_us);
	node_writes_put(writes, NODE_TABLE_REPEATS, torap_bytes(key->bytes, sizeof key->bytes),
		torap_bytes(value.data, value.size));
	writes->failed = writes->failed || value.failed;
	torap_writer_finish(&value);
	return 0;
}

void node_dedup_settle(struct node_dedup *d, const struct node_dedup_key *key, bool durable)
{
	struct item *item = find(d, key);
	assert(item && item->pending);
	item->pending = false;
	item->original = NULL;
	if (!durable)
		forget(d, item);
}

static size_t prune_queue(struct node_dedup *d, struct queue *q, struct torap_wall now, size_t most,
	struct torap_writer *writes)
{
	size_t rows = 0;
	while (rows < most && q->first != NONE) {
		struct item *item = &d->items[q->first];
		if (item->pending || (!item->forgotten && item->until_us > now.us))
			break;
		if (!item->forgotten) {
			record_delete(item, writes);
			rows++;
		}
		pop(d, q);
	}
	return rows;
}

size_t node_dedup_prune(struct node_dedup *d, struct torap_wall now, struct torap_writer *writes)
{
	size_t rows = prune_queue(d, &d->undated, now, NODE_DEDUP_STEP, writes);
	return rows + prune_queue(d, &d->dated, now, NODE_DEDUP_STEP - rows, writes);
}

struct loaded {
	struct node_dedup_key key;
	int64_t until_us;
};

struct load {
	struct loaded *rows;
	size_t count, room;
};

static int on_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	struct load *load = hint;
	struct torap_reader reader = torap_reader(value);
	struct loaded row = { .until_us = (int64_t)torap_read_u64(&reader) };
	if (!torap_read_end(&reader) || key.size != sizeof row.key.bytes)
		return -EBADMSG;
	memcpy(row.key.bytes, key.data, key.size);
	if (load->count == load->room) {
		size_t room = load->room ? load->room * 2 : ITEMS_MIN;
		struct loaded *more = realloc(load->rows, room * sizeof *more);
		if (!more)
			return -ENOMEM;
		load->rows = more;
		load->room = room;
	}
	load->rows[load->count++] = row;
	return 0;
}

static int by_expiry(const void *a, const void *b)
{
	const struct loaded *x = a, *y = b;
	return (x->until_us > y->until_us) - (x->until_us < y->until_us);
}

/* An expiry further away than any can be was written under a clock that was wrong: it would keep its queue from moving. */
static int64_t believable(int64_t until_us, struct torap_wall now)
{
	int64_t latest = now.us + NODE_DEDUP_DATED_US;
	return until_us < latest ? until_us : latest;
}

int node_dedup_load(struct node_dedup *d, struct torap_kv *kv, struct torap_wall now, struct torap_error *err)
{
	struct load load = { 0 };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	uint8_t zero = 0;
	int r = torap_kv_walk(&txn, NODE_TABLE_REPEATS, torap_bytes(&zero, 1), on_row, &load);
	torap_kv_abort(&txn);
	if (load.count)
		qsort(load.rows, load.count, sizeof *load.rows, by_expiry);
	for (size_t i = 0; i < load.count && r == 0; i++)
		r = insert(d, &d->dated, &load.rows[i].key, believable(load.rows[i].until_us, now));
	free(load.rows);
	return r ? torap_errorf(err, r < 0 ? r : -EIO, "journal: the table repeats cannot be read: %s",
			   strerror(abs(r)))
		 : 0;
}

size_t node_dedup_count(const struct node_dedup *d)
{
	return d->count;
}

uint64_t node_dedup_forgotten(const struct node_dedup *d)
{
	return d->forgotten_early;
}
