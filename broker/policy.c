#include "broker/policy.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "wire/taxonomy.h"

struct broker_policy *broker_policy_ref(struct broker_policy *p)
{
	unsigned before = atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	assert(before > 0);
	return p;
}

struct broker_policy *broker_policy_unref(struct broker_policy *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	for (size_t i = 0; i < p->feeds_count; i++) {
		struct broker_policy_feed *f = &p->feeds[i];
		torap_grant_rows_destroy(f->rows, f->rows_count);
		free(f->legal_basis);
		free(f->keys);
	}
	for (size_t i = 0; i < p->writers_count; i++)
		free(p->writers[i].regions);
	free(p->by_name);
	free(p->by_key);
	free(p->feeds);
	free(p->writers);
	free(p);
	return NULL;
}

static int order(const void *a, const void *b)
{
	return (a > b) - (a < b);
}

static int compare_names(const void *a, const void *b)
{
	const struct broker_policy_feed *x = *(const struct broker_policy_feed *const *)a,
					*y = *(const struct broker_policy_feed *const *)b;
	int r = strcmp(x->name, y->name);
	return r ? r : order(x, y);
}

static int compare_keys(const void *a, const void *b)
{
	const struct broker_policy_key *x = a, *y = b;
	int r = memcmp(x->key, y->key, TORAP_CURVE_KEY_SIZE);
	if (!r)
		r = order(x->feed, y->feed);
	return r ? r : order(x->key, y->key);
}

int broker_policy_index(struct broker_policy *p)
{
	size_t keys = 0;
	for (size_t i = 0; i < p->feeds_count; i++)
		keys += p->feeds[i].keys_count;
	/* One more than needed: calloc(0) may return NULL. */
	p->by_name = calloc(p->feeds_count + 1, sizeof *p->by_name);
	p->by_key = calloc(keys + 1, sizeof *p->by_key);
	if (!p->by_name || !p->by_key)
		return -ENOMEM;
	for (size_t i = 0; i < p->feeds_count; i++) {
		const struct broker_policy_feed *f = p->by_name[i] = &p->feeds[i];
		for (size_t k = 0; k < f->keys_count; k++)
			p->by_key[p->keys_count++] = (struct broker_policy_key){ f->keys[k], f };
	}
	qsort(p->by_name, p->feeds_count, sizeof *p->by_name, compare_names);
	qsort(p->by_key, p->keys_count, sizeof *p->by_key, compare_keys);
	return 0;
}

static int compare_with_name(const void *name, const void *feed)
{
	return strcmp(name, (*(const struct broker_policy_feed *const *)feed)->name);
}

int broker_policy_find(const struct broker_policy *p, const char *name)
{
	const struct broker_policy_feed **found =
		bsearch(name, p->by_name, p->feeds_count, sizeof *p->by_name, compare_with_name);
	return found ? (int)(*found - p->feeds) : -1;
}

bool broker_policy_feed_has(
	const struct broker_policy_feed *f, const uint8_t key[static TORAP_CURVE_KEY_SIZE])
{
	for (size_t i = 0; i < f->keys_count; i++)
		if (memcmp(f->keys[i], key, TORAP_CURVE_KEY_SIZE) == 0)
			return true;
	return false;
}

bool broker_policy_feed_valid(const struct broker_policy_feed *f, struct torap_wall now)
{
	return f->from.us <= now.us && now.us < f->until.us;
}

static int compare_with_key(const void *key, const void *entry)
{
	return memcmp(key, ((const struct broker_policy_key *)entry)->key, TORAP_CURVE_KEY_SIZE);
}

bool broker_policy_knows_key(
	const struct broker_policy *p, const uint8_t key[static TORAP_CURVE_KEY_SIZE], struct torap_wall now)
{
	const struct broker_policy_key *found =
		bsearch(key, p->by_key, p->keys_count, sizeof *p->by_key, compare_with_key);
	return found && broker_policy_feed_valid(found->feed, now);
}

const struct broker_policy_writer *broker_policy_writer(const struct broker_policy *p, const char *id)
{
	for (size_t i = 0; i < p->writers_count; i++)
		if (strcmp(p->writers[i].id, id) == 0)
			return &p->writers[i];
	return NULL;
}

bool broker_policy_may_speak(const struct broker_policy_writer *w, uint32_t region)
{
	return w->regions_count == 0 || torap_regions_cover(w->regions, w->regions_count, region);
}

static bool same(const void *a, size_t a_count, const void *b, size_t b_count, size_t size)
{
	return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * size) == 0);
}

bool broker_policy_same_rows(const struct broker_policy_feed *a, const struct broker_policy_feed *b)
{
	if (a->rows_count != b->rows_count)
		return false;
	for (size_t i = 0; i < a->rows_count; i++) {
		const struct torap_grant_row *x = &a->rows[i], *y = &b->rows[i];
		if (x->severity_min != y->severity_min || memcmp(x->parts, y->parts, sizeof x->parts) != 0 ||
			!same(x->regions, x->regions_count, y->regions, y->regions_count,
				sizeof *x->regions) ||
			!same(x->facilities, x->facilities_count, y->facilities, y->facilities_count,
				sizeof *x->facilities) ||
			!same(x->kinds, x->kinds_count, y->kinds, y->kinds_count, sizeof *x->kinds))
			return false;
	}
	return true;
}
