#include "conf/trust.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/file.h"
#include "conf/trust_check.h"
#include "wire/arena.h"
#include "wire/taxonomy.h"

enum { ARENA_MAX = 64 << 20 }; /* what the largest file allowed decodes to, and some */

static bool verify(const Torap__SignedTrust *s, const uint8_t *root)
{
	if (s->signature.len != TORAP_SIGNATURE_SIZE)
		return false;
	size_t size = sizeof TORAP_TRUST_PREFIX + s->trust.len;
	uint8_t *message = malloc(size);
	if (!message)
		return false;
	memcpy(message, TORAP_TRUST_PREFIX, sizeof TORAP_TRUST_PREFIX);
	if (s->trust.len)
		memcpy(message + sizeof TORAP_TRUST_PREFIX, s->trust.data, s->trust.len);
	bool good = crypto_sign_verify_detached(s->signature.data, message, size, root) == 0;
	free(message);
	return good;
}

/* Memory of `count` things, one at least, so that NULL always means that there is none left. */
static void *room(size_t count, size_t size)
{
	return calloc(count ? count : 1, size);
}

struct torap_trust_curve {
	const uint8_t *key;
	const struct torap_trust_writer *writer;
};

static bool copy_writer(struct torap_trust_writer *to, const Torap__TrustedWriter *from)
{
	memcpy(to->id, from->id, strlen(from->id) + 1); /* checked: it fits */
	to->curve_keys = room(1 + from->n_more_curve_keys, sizeof *to->curve_keys);
	to->regions = room(from->n_regions, sizeof *to->regions);
	to->keys = room(from->n_keys, sizeof *to->keys);
	to->last_good = room(from->n_last_good, sizeof *to->last_good);
	if (!to->curve_keys || !to->regions || !to->keys || !to->last_good)
		return false;

	memcpy(to->curve_keys[0], from->curve_key.data, TORAP_CURVE_KEY_SIZE);
	to->curve_keys_count = 1 + from->n_more_curve_keys;
	for (size_t i = 0; i < from->n_more_curve_keys; i++)
		memcpy(to->curve_keys[i + 1], from->more_curve_keys[i].data, TORAP_CURVE_KEY_SIZE);

	to->regions_count = from->n_regions;
	if (from->n_regions)
		memcpy(to->regions, from->regions, from->n_regions * sizeof *to->regions);
	to->keys_count = from->n_keys;
	for (size_t i = 0; i < from->n_keys; i++) {
		memcpy(to->keys[i].key, from->keys[i]->key.data, TORAP_SIGN_KEY_SIZE);
		torap_key_id(to->keys[i].id, to->keys[i].key);
		to->keys[i].from.us = from->keys[i]->from_us;
		to->keys[i].until.us = from->keys[i]->until_us;
	}
	to->last_good_count = from->n_last_good;
	for (size_t i = 0; i < from->n_last_good; i++) {
		bool valid = torap_stream_id_decode(&to->last_good[i].stream, from->last_good[i]->stream);
		assert(valid);
		(void)valid;
		to->last_good[i].batch_no = from->last_good[i]->batch_no;
	}
	return true;
}

static int compare_ids(const void *a, const void *b)
{
	const struct torap_trust_writer *x = a, *y = b;
	return strcmp(x->id, y->id);
}

static int compare_curves(const void *a, const void *b)
{
	const struct torap_trust_curve *x = a, *y = b;
	return memcmp(x->key, y->key, TORAP_CURVE_KEY_SIZE);
}

static bool index_curves(struct torap_trust *t)
{
	size_t count = 0;
	for (size_t i = 0; i < t->writers_count; i++)
		count += t->writers[i].curve_keys_count;
	t->by_curve = room(count, sizeof *t->by_curve);
	if (!t->by_curve)
		return false;
	for (size_t i = 0; i < t->writers_count; i++)
		for (size_t k = 0; k < t->writers[i].curve_keys_count; k++)
			t->by_curve[t->by_curve_count++] =
				(struct torap_trust_curve){ t->writers[i].curve_keys[k], &t->writers[i] };
	qsort(t->by_curve, count, sizeof *t->by_curve, compare_curves);
	return true;
}

static bool fill(struct torap_trust *t, const Torap__Trust *from)
{
	t->version = from->version;
	t->valid_until.us = from->valid_until_us;
	t->writers = room(from->n_writers, sizeof *t->writers);
	if (!t->writers)
		return false;
	for (size_t i = 0; i < from->n_writers; i++) {
		t->writers_count++;
		if (!copy_writer(&t->writers[i], from->writers[i]))
			return false;
	}
	qsort(t->writers, t->writers_count, sizeof *t->writers, compare_ids);
	return index_curves(t);
}

static int create(struct torap_trust **out, const Torap__Trust *from, struct torap_bytes signed_trust,
	struct torap_error *err)
{
	struct torap_trust *t = calloc(1, sizeof *t);
	if (!t)
		return torap_errorf(err, -ENOMEM, "trust file: out of memory");
	atomic_init(&t->refs, 1);
	t->signed_bytes = torap_buffer_copy(signed_trust);
	if (!t->signed_bytes || !fill(t, from)) {
		torap_trust_unref(t);
		return torap_errorf(err, -ENOMEM, "trust file: out of memory");
	}
	int r = torap_retention_rules_decode(&t->retention, from->retention, from->n_retention, err);
	if (r) {
		torap_trust_unref(t);
		torap_error_prefix(err, "trust file: retention: ");
		return r;
	}
	*out = t;
	return 0;
}

static int check_trust(const Torap__Trust *t, struct torap_wall now, struct torap_error *err)
{
	char where[TORAP_TRUST_WHERE_SIZE], text[TORAP_WALL_TEXT_SIZE];
	int r = torap_trust_check(t, where, err);
	if (r) {
		torap_error_prefix(err, "trust file: %s: ", where);
		return r;
	}
	if (now.us >= t->valid_until_us)
		return torap_errorf(err, -EINVAL,
			"trust file: version %llu was valid until %s; a newer one is needed",
			(unsigned long long)t->version,
			torap_wall_format((struct torap_wall){ t->valid_until_us }, text));
	return 0;
}

int torap_trust_decode(struct torap_trust **out, struct torap_bytes signed_trust,
	const uint8_t root[static TORAP_SIGN_KEY_SIZE], struct torap_wall now, struct torap_error *err)
{
	if (signed_trust.size > TORAP_TRUST_SIZE_MAX)
		return torap_errorf(err, -EINVAL, "trust file: %zu bytes; the limit is %d", signed_trust.size,
			TORAP_TRUST_SIZE_MAX);

	struct torap_arena arena;
	torap_arena_init(&arena, ARENA_MAX);
	int r;
	const Torap__Trust *trust = NULL;
	const Torap__SignedTrust *outer =
		torap__signed_trust__unpack(&arena.allocator, signed_trust.size, signed_trust.data);
	if (!outer) {
		r = torap_errorf(err, -EINVAL, "trust file: is not a signed trust file");
		goto done;
	}
	if (!verify(outer, root)) {
		r = torap_errorf(
			err, -EINVAL, "trust file: is not signed by the root key of this configuration");
		goto done;
	}
	trust = torap__trust__unpack(&arena.allocator, outer->trust.len, outer->trust.data);
	if (!trust) {
		r = torap_errorf(err, -EINVAL, "trust file: is signed, but cannot be decoded");
		goto done;
	}
	r = check_trust(trust, now, err);
	if (!r)
		r = create(out, trust, signed_trust, err);
done:
	torap_arena_finish(&arena);
	return r;
}

int torap_trust_load(struct torap_trust **out, const char *path,
	const uint8_t root[static TORAP_SIGN_KEY_SIZE], struct torap_wall now, struct torap_error *err)
{
	struct torap_buffer *b = NULL;
	int r = torap_file_read(&b, path, TORAP_TRUST_SIZE_MAX, err);
	if (r)
		return r;
	r = torap_trust_decode(out, torap_buffer_bytes(b), root, now, err);
	if (r)
		torap_error_prefix(err, "%s: ", path);
	torap_buffer_unref(b);
	return r;
}

struct torap_trust *torap_trust_ref(struct torap_trust *t)
{
	unsigned before = atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	assert(before > 0);
	(void)before;
	return t;
}

struct torap_trust *torap_trust_unref(struct torap_trust *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	for (size_t i = 0; i < t->writers_count; i++) {
		free(t->writers[i].curve_keys);
		free(t->writers[i].regions);
		free(t->writers[i].keys);
		free(t->writers[i].last_good);
	}
	free(t->writers);
	free(t->by_curve);
	torap_retention_rules_finish(&t->retention);
	torap_buffer_unref(t->signed_bytes);
	free(t);
	return NULL;
}

bool torap_trust_contradicts(const struct torap_trust *a, const struct torap_trust *b)
{
	return a->version == b->version &&
	       !torap_bytes_equal(torap_buffer_bytes(a->signed_bytes), torap_buffer_bytes(b->signed_bytes));
}

static int compare_with_id(const void *id, const void *writer)
{
	const struct torap_trust_writer *w = writer;
	return strcmp(id, w->id);
}

const struct torap_trust_writer *torap_trust_writer(const struct torap_trust *t, const char *id)
{
	return bsearch(id, t->writers, t->writers_count, sizeof *t->writers, compare_with_id);
}

static int compare_with_curve(const void *key, const void *place)
{
	const struct torap_trust_curve *c = place;
	return memcmp(key, c->key, TORAP_CURVE_KEY_SIZE);
}

const struct torap_trust_writer *torap_trust_writer_by_curve(
	const struct torap_trust *t, const uint8_t curve_key[static TORAP_CURVE_KEY_SIZE])
{
	const struct torap_trust_curve *place =
		bsearch(curve_key, t->by_curve, t->by_curve_count, sizeof *t->by_curve, compare_with_curve);
	return place ? place->writer : NULL;
}

bool torap_trust_has_curve(
	const struct torap_trust_writer *w, const uint8_t curve_key[static TORAP_CURVE_KEY_SIZE])
{
	for (size_t i = 0; i < w->curve_keys_count; i++)
		if (memcmp(w->curve_keys[i], curve_key, TORAP_CURVE_KEY_SIZE) == 0)
			return true;
	return false;
}

bool torap_trust_may_speak(const struct torap_trust_writer *w, uint32_t region)
{
	return torap_regions_cover(w->regions, w->regions_count, region);
}

bool torap_trust_believes(
	const struct torap_trust_writer *w, const struct torap_stream_id *stream, uint64_t batch_no)
{
	for (size_t i = 0; i < w->last_good_count; i++)
		if (torap_stream_id_equal(&w->last_good[i].stream, stream))
			return batch_no <= w->last_good[i].batch_no;
	return true;
}

bool torap_trust_date_key(const struct torap_trust *t, const char *writer, struct torap_sign_key *key)
{
	const struct torap_trust_writer *w = torap_trust_writer(t, writer);
	for (size_t i = 0; w && i < w->keys_count; i++) {
		if (memcmp(w->keys[i].key, key->public, TORAP_SIGN_KEY_SIZE) != 0)
			continue;
		key->from = w->keys[i].from;
		key->until = w->keys[i].until;
		return true;
	}
	return false;
}

const uint8_t *torap_trust_lookup(
	void *trust, const char *writer, const uint8_t key_id[static TORAP_KEY_ID_SIZE], struct torap_wall at)
{
	const struct torap_trust_writer *w = torap_trust_writer(trust, writer);
	for (size_t i = 0; w && i < w->keys_count; i++) {
		const struct torap_trust_key *k = &w->keys[i];
		if (memcmp(k->id, key_id, TORAP_KEY_ID_SIZE) == 0 && at.us >= k->from.us &&
			at.us < k->until.us)
			return k->key;
	}
	return NULL;
}
