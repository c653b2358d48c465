/* Tables of rows, and changes of them that can be taken back and made again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/store.h"

struct torap_bytes store_row_key(const struct store_row *r)
{
	return torap_bytes(r->bytes, r->key_size);
}

struct torap_bytes store_row_value(const struct store_row *r)
{
	return torap_bytes(r->bytes + r->key_size, r->value_size);
}

struct store_row *store_row_create(struct torap_bytes key, size_t value_size)
{
	struct store_row *r = malloc(sizeof *r + key.size + value_size);
	assert(r);
	*r = (struct store_row){ .refs = 1, .key_size = key.size, .value_size = value_size };
	memcpy(r->bytes, key.data, key.size);
	return r;
}

struct store_row *store_row_ref(struct store_row *r)
{
	if (r)
		r->refs++;
	return r;
}

void store_row_unref(struct store_row *r)
{
	if (r && --r->refs == 0)
		free(r);
}

static int compare(struct torap_bytes a, struct torap_bytes b)
{
	int r = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
	return r ? r : (a.size > b.size) - (a.size < b.size);
}

size_t store_table_place(const struct store_table *t, struct torap_bytes key)
{
	size_t low = 0, high = t->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(store_row_key(t->list[middle]), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct store_row *row_at(const struct store_table *t, size_t i, struct torap_bytes key)
{
	return i < t->count && compare(store_row_key(t->list[i]), key) == 0 ? t->list[i] : NULL;
}

struct store_row *store_table_find(const struct store_table *t, struct torap_bytes key)
{
	return row_at(t, store_table_place(t, key), key);
}

void store_table_finish(struct store_table *t)
{
	for (size_t i = 0; i < t->count; i++)
		store_row_unref(t->list[i]);
	free(t->list);
}

/* Puts `row` (NULL: nothing) where the key stands.  Takes the reference, and gives that of what was there. */
static struct store_row *set(struct store_table *t, struct torap_bytes key, struct store_row *row)
{
	size_t i = store_table_place(t, key);
	struct store_row *before = row_at(t, i, key);
	if (before && row) {
		t->list[i] = row;
	} else if (before) {
		memmove(t->list + i, t->list + i + 1, (--t->count - i) * sizeof(struct store_row *));
	} else if (row) {
		if (t->count == t->room) {
			t->room = t->room ? 2 * t->room : 64;
			t->list = realloc(t->list, t->room * sizeof(struct store_row *));
			assert(t->list);
		}
		memmove(t->list + i + 1, t->list + i, (t->count++ - i) * sizeof(struct store_row *));
		t->list[i] = row;
	}
	return before;
}

void store_change(struct store_changes *c, struct store_table *tables, unsigned table, struct torap_bytes key,
	struct store_row *after)
{
	assert(!c->hidden);
	if (c->count == c->room) {
		c->room = c->room ? 2 * c->room : 64;
		c->list = realloc(c->list, c->room * sizeof *c->list);
		assert(c->list);
	}
	struct store_row *before = set(&tables[table], key, store_row_ref(after));
	c->list[c->count++] = (struct store_change){ table, before, after };
}

static void put_back(struct store_table *tables, const struct store_change *c, struct store_row *row)
{
	struct torap_bytes key = store_row_key(c->after ? c->after : c->before);
	store_row_unref(set(&tables[c->table], key, store_row_ref(row)));
}

void store_changes_show(struct store_changes *c, struct store_table *tables, bool shown)
{
	if (c->hidden == !shown)
		return;
	c->hidden = !shown;
	for (size_t i = 0; shown && i < c->count; i++)
		put_back(tables, &c->list[i], c->list[i].after);
	for (size_t i = c->count; !shown && i-- > 0;)
		put_back(tables, &c->list[i], c->list[i].before);
}

static bool is_changed_later(const struct store_changes *c, size_t i)
{
	const struct store_change *one = &c->list[i];
	struct torap_bytes key = store_row_key(one->after ? one->after : one->before);
	for (size_t k = i + 1; k < c->count; k++) {
		const struct store_change *other = &c->list[k];
		if (other->table == one->table &&
			compare(store_row_key(other->after ? other->after : other->before), key) == 0)
			return true;
	}
	return false;
}

bool store_changes_are_made(const struct store_changes *c, const struct store_table *tables)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct store_change *one = &c->list[i];
		const struct store_row *due = one->after;
		const struct store_row *is =
			store_table_find(&tables[one->table], store_row_key(due ? due : one->before));
		bool same = due && is ? compare(store_row_value(due), store_row_value(is)) == 0 : !due && !is;
		if (!same && !is_changed_later(c, i))
			return false;
	}
	return true;
}

void store_changes_forget(struct store_changes *c)
{
	for (size_t i = 0; i < c->count; i++) {
		store_row_unref(c->list[i].before);
		store_row_unref(c->list[i].after);
	}
	c->count = 0;
	c->hidden = false;
}
