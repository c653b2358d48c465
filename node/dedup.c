/* Items stand in one array; a hash table of their indexes finds them by key; two queues hold them in the order of their expiry,
 * which is that of their arrival, for a queue has one lifetime.  What is forgotten before its turn (its commit failed, or the
 * key came anew after its expiry) is only marked, and leaves when it reaches the front of its queue.
 *
 * Everything is looked up here and nothing in the table, which is only read at the start.  So its rows stand by their expiry: they
 * are written at one place of the tree and deleted at another, and a commit touches a few pages, however many keys there
 * are.  By their hash, each key of a commit would dirty a page of its own. */
#include "node/dedup.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "node/tables.h"
#include "node/writes.h"
#include "store/kv.h"
#include "store/kv_key.h"

enum {
	NONE = UINT32_MAX,
	ITEMS_MIN = 1024,
};

struct item {
	struct node_dedup_key key;
	int64_t until_us;
	int64_t row_us; /* until when its row says */
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
	size_t rows_owed; /* expired, gone from memory, and still in the table */
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

/* No two items have one key, so none is compared. */
static void fill_slots(struct node_dedup *d)
{
	enum { AHEAD = 16 };
	uint32_t mask = d->slots_count - 1;
	for (uint32_t i = 0; i < d->items_count; i++) {
		if (i + AHEAD < d->items_count)
			__builtin_prefetch(&d->slots[first_slot(d, &d->items[i + AHEAD].key)], 1);
		if (d->items[i].forgotten)
			continue;
		uint32_t slot = first_slot(d, &d->items[i].key);
		while (d->slots[slot] != NONE)
			slot = (slot + 1) & mask;
		d->slots[slot] = i;
	}
}

static int make_room_for(struct node_dedup *d, uint64_t count)
{
	uint32_t room = d->items_room ? d->items_room : ITEMS_MIN;
	while (room < count && room <= NONE / 4)
		room *= 2;
	uint32_t slots_count = room * 2;
	struct item *items = realloc(d->items, room * sizeof *items);
	if (!items)
		return -ENOMEM;
	d->items = items;
	uint32_t *slots = malloc(slots_count * sizeof *slots);
	if (!slots)
		return -ENOMEM;
	torap_memory_large(items, room * sizeof *items);
	torap_memory_large(slots, slots_count * sizeof *slots);
	memset(slots, 0xff, slots_count * sizeof *slots);
	free(d->slots);
	d->slots = slots;
	d->slots_count = slots_count;
	d->items_room = room;
	fill_slots(d);
	return 0;
}

static uint32_t take_unused(struct node_dedup *d)
{
	if (d->unused != NONE) {
		uint32_t i = d->unused;
		d->unused = d->items[i].next;
		return i;
	}
	if (d->items_count == d->items_room && make_room_for(d, (uint64_t)d->items_room + 1))
		return NONE;
	return d->items_count++;
}

static struct torap_kv_key row_key(int64_t until_us, const struct node_dedup_key *key)
{
	struct torap_kv_key row = { 0 };
	torap_kv_key_u64(&row, (uint64_t)until_us);
	torap_kv_key_add(&row, torap_bytes(key->bytes, sizeof key->bytes));
	return row;
}

/* Takes the first item of the queue away, and its row; it is unused from then on.  The row of the same key told anew is another
 * one, and that there is none, because its commit failed, is no failure. */
static void pop(struct node_dedup *d, struct queue *q, struct torap_writer *writes)
{
	uint32_t i = q->first;
	struct item *item = &d->items[i];
	struct torap_kv_key row = row_key(item->row_us, &item->key);
	node_writes_delete(writes, NODE_TABLE_REPEATS, torap_kv_key_bytes(&row));
	forget(d, item);
	q->first = item->next;
	if (q->first == NONE)
		q->last = NONE;
	item->next = d->unused;
	d->unused = i;
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
	d->forgotten_early += !d->items[q->first].forgotten;
	pop(d, q, writes);
	return true;
}

/* An item of the same key is forgotten: it has expired, and its row goes when its turn comes. */
static struct item *insert(struct node_dedup *d, struct queue *q, const struct node_dedup_key *key,
	int64_t until_us, int64_t row_us)
{
	uint32_t i = take_unused(d);
	if (i == NONE)
		return NULL;
	uint32_t slot = find_slot(d, key);
	if (d->slots[slot] != NONE) {
		forget(d, &d->items[d->slots[slot]]);
		slot = find_slot(d, key);
	}
	d->items[i] = (struct item){ .key = *key, .until_us = until_us, .row_us = row_us, .next = NONE };
	d->slots[slot] = i;
	d->count++;
	if (q->last == NONE)
		q->first = i;
	else
		d->items[q->last].next = i;
	q->last = i;
	return &d->items[i];
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
	void *original, struct torap_writer *writes, uint32_t *place)
{
	/* One that has expired makes room; its row goes when its turn comes.  Where there is room, insert() finds it. */
	struct item *old = d->count >= d->most ? find(d, key) : NULL;
	if (old)
		forget(d, old);
	while (d->count >= d->most && make_room(d, writes))
		;
	int64_t until_us = now.us + (dated ? NODE_DEDUP_DATED_US : NODE_DEDUP_UNDATED_US);
	struct item *item = insert(d, dated ? &d->dated : &d->undated, key, until_us, until_us);
	if (!item)
		return -ENOMEM;
	item->pending = true;
	item->original = original;
	*place = (uint32_t)(item - d->items);
	struct torap_kv_key row = row_key(until_us, key);
	node_writes_put(writes, NODE_TABLE_REPEATS, torap_kv_key_bytes(&row), torap_bytes(NULL, 0));
	return 0;
}

void node_dedup_settle(struct node_dedup *d, uint32_t place, bool durable)
{
	struct item *item = &d->items[place]; /* What is pending leaves no queue. */
	assert(place < d->items_count && item->pending);
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
		pop(d, q, writes);
		rows++;
	}
	return rows;
}

size_t node_dedup_prune(struct node_dedup *d, struct torap_wall now, struct torap_writer *writes)
{
	size_t rows = prune_queue(d, &d->undated, now, NODE_DEDUP_STEP, writes);
	rows += prune_queue(d, &d->dated, now, NODE_DEDUP_STEP - rows, writes);
	size_t owed = d->rows_owed < NODE_DEDUP_STEP ? d->rows_owed : NODE_DEDUP_STEP;
	if (owed) { /* They stand before all that has not expired. */
		struct torap_kv_key expired = { 0 };
		torap_kv_key_u64(&expired, (uint64_t)now.us);
		node_writes_delete_below(
			writes, NODE_TABLE_REPEATS, torap_kv_key_bytes(&expired), NODE_DEDUP_STEP);
		d->rows_owed -= owed;
	}
	return rows + owed;
}

void node_dedup_prune_failed(struct node_dedup *d, size_t rows)
{
	d->rows_owed += rows;
}

/* Rows at once: each key falls somewhere in a table that no cache holds, and what is asked of the memory for all of them comes for all
 * in the time of one. */
enum { LOAD_ROWS = 32 };

struct load {
	struct node_dedup *dedup;
	struct torap_wall now;
	struct row {
		struct node_dedup_key key;
		int64_t until_us;
	} rows[LOAD_ROWS];
	unsigned count;
};

/* An expiry further away than any can be was written under a clock that was wrong: it would keep its queue from moving. */
static int64_t believable(int64_t until_us, struct torap_wall now)
{
	int64_t latest = now.us + NODE_DEDUP_DATED_US;
	return until_us < latest ? until_us : latest;
}

static int insert_rows(struct load *load)
{
	struct node_dedup *d = load->dedup;
	for (unsigned i = 0; i < load->count; i++)
		__builtin_prefetch(&d->slots[first_slot(d, &load->rows[i].key)]);
	for (unsigned i = 0; i < load->count; i++) {
		uint32_t other = d->slots[first_slot(d, &load->rows[i].key)];
		if (other != NONE)
			__builtin_prefetch(&d->items[other].key);
	}
	for (unsigned i = 0; i < load->count; i++) {
		const struct row *row = &load->rows[i];
		if (!insert(d, &d->dated, &row->key, believable(row->until_us, load->now), row->until_us))
			return -ENOMEM;
	}
	load->count = 0;
	return 0;
}

/* Rows come in the order of their expiry, as a queue wants them; of one key that was told anew the later one counts. */
static int on_row(void *hint, struct torap_bytes bytes, struct torap_bytes value)
{
	struct load *load = hint;
	struct row *row = &load->rows[load->count];
	struct torap_reader reader = torap_reader(bytes);
	row->until_us = (int64_t)torap_read_u64(&reader);
	struct torap_bytes hash = torap_read_bytes(&reader, NODE_DEDUP_KEY_SIZE);
	if (!torap_read_end(&reader) || value.size)
		return -EBADMSG;
	memcpy(row->key.bytes, hash.data, sizeof row->key.bytes);
	return ++load->count == LOAD_ROWS ? insert_rows(load) : 0;
}

static int make_room_for_all(struct node_dedup *d, struct torap_kv *kv, struct torap_error *err)
{
	uint64_t count = 0;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	int r = torap_kv_count(&txn, NODE_TABLE_REPEATS, &count);
	torap_kv_abort(&txn);
	if (!r)
		r = make_room_for(d, count);
	return r ? torap_errorf(err, r, "journal: no memory for %llu repeat keys", (unsigned long long)count)
		 : 0;
}

int node_dedup_load(struct node_dedup *d, struct torap_kv *kv, struct torap_wall now, struct torap_error *err)
{
	struct load load = { .dedup = d, .now = now };
	int r = make_room_for_all(d, kv, err);
	if (!r)
		r = node_table_read(kv, NODE_TABLE_REPEATS, on_row, &load, err);
	if (!r && insert_rows(&load))
		r = torap_errorf(err, -ENOMEM, "journal: no memory for the repeat keys");
	return r;
}

size_t node_dedup_count(const struct node_dedup *d)
{
	return d->count;
}

uint64_t node_dedup_forgotten(const struct node_dedup *d)
{
	return d->forgotten_early;
}
