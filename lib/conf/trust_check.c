#include "conf/trust_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/trust.h"

/* Where the check is, and where it complains. */
struct check {
	char *where;
	struct torap_error *err;
};

/* A name or key together with its place, so that sorting brings equal ones together. */
struct claim {
	const uint8_t *bytes;
	size_t size;
	unsigned writer;
};

static int __attribute__((format(printf, 2, 3))) at(struct check *c, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(c->where, TORAP_TRUST_WHERE_SIZE, format, args);
	va_end(args);
	return -EINVAL;
}

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = memcmp(x->bytes, y->bytes, x->size < y->size ? x->size : y->size);
	if (order == 0)
		order = x->size < y->size ? -1 : x->size > y->size;
	return order ? order : x->writer < y->writer ? -1 : x->writer > y->writer;
}

static const struct claim *find_doubled(struct claim *claims, size_t count)
{
	qsort(claims, count, sizeof *claims, compare_claims);
	for (size_t i = 1; i < count; i++)
		if (claims[i].size == claims[i - 1].size &&
			memcmp(claims[i].bytes, claims[i - 1].bytes, claims[i].size) == 0)
			return &claims[i];
	return NULL;
}

static int compare_regions(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static int check_regions(
	struct check *c, const uint32_t *regions, size_t count, const char *of, unsigned index)
{
	uint32_t sorted[TORAP_TRUST_REGIONS_MAX];
	at(c, "%s[%u].regions", of, index);
	if (count > TORAP_TRUST_REGIONS_MAX)
		return torap_errorf(c->err, -EINVAL, "more than %d regions", TORAP_TRUST_REGIONS_MAX);
	if (count == 0)
		return 0;
	memcpy(sorted, regions, count * sizeof *sorted);
	qsort(sorted, count, sizeof *sorted, compare_regions);
	for (size_t i = 0; i < count; i++) {
		if (sorted[i] > TORAP_REGION_MAX)
			return torap_errorf(c->err, -EINVAL, "region %u has more than 9 digits", sorted[i]);
		if (i > 0 && sorted[i] == sorted[i - 1])
			return torap_errorf(c->err, -EINVAL, "region %09u stands twice", sorted[i]);
	}
	return 0;
}

static bool all_zero(ProtobufCBinaryData bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.data[i])
			return false;
	return true;
}

static int check_keys(struct check *c, const Torap__TrustedWriter *w, unsigned index)
{
	if (w->n_keys > TORAP_TRUST_KEYS_MAX) {
		at(c, "writers[%u].keys", index);
		return torap_errorf(
			c->err, -EINVAL, "writer \"%s\" has more than %d keys", w->id, TORAP_TRUST_KEYS_MAX);
	}
	for (unsigned i = 0; i < w->n_keys; i++) {
		const Torap__TrustedKey *k = w->keys[i];
		at(c, "writers[%u].keys[%u]", index, i);
		if (k->key.len != TORAP_SIGN_KEY_SIZE || all_zero(k->key))
			return torap_errorf(c->err, -EINVAL,
				"a key of writer \"%s\" is not %d bytes, or zero", w->id,
				TORAP_SIGN_KEY_SIZE);
		if (k->from_us < 0 || k->from_us >= k->until_us)
			return torap_errorf(c->err, -EINVAL,
				"a key of writer \"%s\" is valid from a time that is not before its until",
				w->id);
	}
	return 0;
}

static int check_last_good(struct check *c, const Torap__TrustedWriter *w, unsigned index)
{
	at(c, "writers[%u].last_good", index);
	if (w->n_last_good > TORAP_TRUST_LAST_GOOD_MAX)
		return torap_errorf(c->err, -EINVAL, "writer \"%s\" has more than %d last good batches",
			w->id, TORAP_TRUST_LAST_GOOD_MAX);
	for (unsigned i = 0; i < w->n_last_good; i++) {
		struct torap_stream_id stream, other;
		const Torap__LastGood *g = w->last_good[i];
		at(c, "writers[%u].last_good[%u]", index, i);
		if (!g->stream || !torap_stream_id_decode(&stream, g->stream))
			return torap_errorf(c->err, -EINVAL, "not a stream");
		if (strcmp(stream.writer, w->id) != 0)
			return torap_errorf(c->err, -EINVAL, "the stream is not one of writer \"%s\"", w->id);
		for (unsigned k = 0; k < i; k++)
			if (torap_stream_id_decode(&other, w->last_good[k]->stream) &&
				torap_stream_id_equal(&stream, &other))
				return torap_errorf(c->err, -EINVAL, "the stream stands twice");
	}
	return 0;
}

static int check_curve(struct check *c, const Torap__TrustedWriter *w, ProtobufCBinaryData key)
{
	if (key.len != TORAP_CURVE_KEY_SIZE || all_zero(key))
		return torap_errorf(c->err, -EINVAL, "a CURVE key of writer \"%s\" is not %d bytes, or zero",
			w->id, TORAP_CURVE_KEY_SIZE);
	return 0;
}

static int check_more_curves(struct check *c, const Torap__TrustedWriter *w, unsigned index)
{
	at(c, "writers[%u].more_curve_keys", index);
	if (w->n_more_curve_keys >= TORAP_TRUST_CURVE_KEYS_MAX)
		return torap_errorf(c->err, -EINVAL, "more than %d CURVE keys", TORAP_TRUST_CURVE_KEYS_MAX);
	int r = 0;
	for (unsigned i = 0; !r && i < w->n_more_curve_keys; i++) {
		at(c, "writers[%u].more_curve_keys[%u]", index, i);
		r = check_curve(c, w, w->more_curve_keys[i]);
	}
	return r;
}

static int check_writer(struct check *c, const Torap__TrustedWriter *w, unsigned index)
{
	at(c, "writers[%u].id", index);
	if (!torap_writer_id_valid(w->id))
		return torap_errorf(c->err, -EINVAL, "the id of a writer is 1 to %d of a-z, 0-9 and -",
			TORAP_WRITER_ID_MAX);
	at(c, "writers[%u].curve_key", index);
	int r = check_curve(c, w, w->curve_key);
	if (!r)
		r = check_more_curves(c, w, index);
	if (!r)
		r = check_regions(c, w->regions, w->n_regions, "writers", index);
	if (!r)
		r = check_keys(c, w, index);
	if (!r)
		r = check_last_good(c, w, index);
	return r;
}

/* An id, a CURVE key and a signing key say who speaks, so no two writers share one. */
static int check_doubled(struct check *c, const Torap__Trust *t)
{
	size_t room = 1, n = 0;
	for (size_t i = 0; i < t->n_writers; i++)
		room += t->writers[i]->n_keys + t->writers[i]->n_more_curve_keys + 1;
	struct claim *claims = calloc(room, sizeof *claims);
	if (!claims)
		return torap_errorf(c->err, -ENOMEM, "out of memory");

	int r = 0;
	const struct claim *doubled;
	for (unsigned i = 0; i < t->n_writers; i++) {
		const char *id = t->writers[i]->id;
		claims[i] = (struct claim){ (const uint8_t *)id, strlen(id), i };
	}
	if ((doubled = find_doubled(claims, t->n_writers))) {
		at(c, "writers[%u].id", doubled->writer);
		r = torap_errorf(
			c->err, -EINVAL, "writer \"%s\" stands twice", t->writers[doubled->writer]->id);
		goto done;
	}
	for (unsigned i = 0; i < t->n_writers; i++) {
		claims[n++] = (struct claim){ t->writers[i]->curve_key.data, TORAP_CURVE_KEY_SIZE, i };
		for (size_t k = 0; k < t->writers[i]->n_more_curve_keys; k++)
			claims[n++] = (struct claim){ t->writers[i]->more_curve_keys[k].data,
				TORAP_CURVE_KEY_SIZE, i };
	}
	if ((doubled = find_doubled(claims, n))) {
		at(c, "writers[%u].curve_key", doubled->writer);
		r = torap_errorf(c->err, -EINVAL,
			"a CURVE key of writer \"%s\" stands twice, here or with another writer",
			t->writers[doubled->writer]->id);
		goto done;
	}
	n = 0;
	for (unsigned i = 0; i < t->n_writers; i++)
		for (size_t k = 0; k < t->writers[i]->n_keys; k++)
			claims[n++] =
				(struct claim){ t->writers[i]->keys[k]->key.data, TORAP_SIGN_KEY_SIZE, i };
	if ((doubled = find_doubled(claims, n))) {
		at(c, "writers[%u].keys", doubled->writer);
		r = torap_errorf(c->err, -EINVAL, "a key of writer \"%s\" stands twice",
			t->writers[doubled->writer]->id);
	}
done:
	free(claims);
	return r;
}

static int check_rule(struct check *c, const Torap__RetentionRule *rule, unsigned index)
{
	if (rule->match) {
		int r = check_regions(c, rule->match->regions, rule->match->n_regions, "retention", index);
		if (r)
			return r;
	}
	at(c, "retention[%u]", index);
	if ((unsigned)rule->lane >= TORAP_LANES)
		return torap_errorf(c->err, -EINVAL, "a retention rule names lane %d", rule->lane);
	if (rule->keep_s == 0 && rule->at_most_s == 0)
		return torap_errorf(c->err, -EINVAL, "a retention rule needs keep or at_most");
	if (rule->at_most_s != 0 && rule->at_most_s < rule->keep_s)
		return torap_errorf(c->err, -EINVAL, "keep is longer than at_most");
	return 0;
}

int torap_trust_check(
	const Torap__Trust *t, char where[static TORAP_TRUST_WHERE_SIZE], struct torap_error *err)
{
	struct check c = { where, err };
	at(&c, "version");
	if (t->version == 0)
		return torap_errorf(err, -EINVAL, "versions begin at 1");
	at(&c, "valid_until");
	if (t->valid_until_us <= 0)
		return torap_errorf(err, -EINVAL, "valid_until is missing");
	at(&c, "writers");
	if (t->n_writers > TORAP_TRUST_WRITERS_MAX)
		return torap_errorf(err, -EINVAL, "more than %d writers", TORAP_TRUST_WRITERS_MAX);
	at(&c, "retention");
	if (t->n_retention > TORAP_TRUST_RULES_MAX)
		return torap_errorf(err, -EINVAL, "more than %d retention rules", TORAP_TRUST_RULES_MAX);
	int r = 0;
	for (unsigned i = 0; !r && i < t->n_writers; i++)
		r = check_writer(&c, t->writers[i], i);
	if (!r)
		r = check_doubled(&c, t);
	for (unsigned i = 0; !r && i < t->n_retention; i++)
		r = check_rule(&c, t->retention[i], i);
	return r;
}
