#include "fixture.h"

#include <errno.h>

#include "kit/contradiction.h"
#include "wire/signature.h"

static struct torap_sign_key key;
static struct torap_batch *good;

static void make_batch(void)
{
	key = fixture_key(1);
	struct torap_sealer *s = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	cr_assert_eq(fixture_add(s, fixture_class(391010000, 1), "1", "anna", NULL), 0);
	cr_assert_eq(fixture_add(s, fixture_class(392410000, 4), "2", NULL, NULL), 0);
	good = fixture_seal(s);
	torap_sealer_destroy(s);
}

static void drop_batch(void)
{
	torap_batch_destroy(good);
}

TestSuite(manifest, .init = make_batch, .fini = drop_batch);

static int decode(const struct torap_buffer *signed_manifest, struct torap_error *err)
{
	struct torap_manifest *m = NULL;
	int r = torap_manifest_decode(&m, torap_buffer_bytes(signed_manifest), err);
	cr_expect_eq(r == 0, m != NULL);
	torap_manifest_destroy(m);
	return r;
}

Test(manifest, is_accepted_as_it_was_sealed_and_as_it_is_forged_unchanged)
{
	struct torap_error err = { "" };
	struct torap_buffer *again = forge_manifest(good->signed_manifest, NULL, &key);
	cr_expect_eq(decode(again, &err), 0, "%s", err.text);
	cr_expect(torap_bytes_equal(torap_buffer_bytes(again), torap_buffer_bytes(good->signed_manifest)));
	torap_buffer_unref(again);
}

/* Each signed by the right key: a valid signature is no excuse. */
Test(manifest, is_refused_with_a_reason_for_each_contradiction)
{
	for (const struct contradiction *c = contradictions; c->name; c++) {
		struct torap_error err = { "" };
		struct torap_buffer *bad = forge_manifest(good->signed_manifest, c->change, &key);
		cr_expect_eq(decode(bad, &err), -EBADMSG, "%s", c->what);
		cr_expect_neq(err.text[0], '\0', "%s", c->what);
		torap_buffer_unref(bad);
	}
}

Test(manifest, is_refused_wherever_it_is_cut_off)
{
	struct torap_bytes whole = torap_buffer_bytes(good->signed_manifest);
	for (size_t size = 0; size < whole.size; size++) {
		struct torap_buffer *cut =
			torap_buffer_copy(torap_bytes(whole.data, size)); /* exact, for ASan */
		cr_expect_neq(decode(cut, NULL), 0, "%zu bytes", size);
		torap_buffer_unref(cut);
	}
}

/* The densest protobuf there is: two bytes that become a structure each. */
Test(manifest, of_many_empty_groups_is_refused)
{
	struct torap_writer w = { 0 };
	for (unsigned i = 0; i < TORAP_MANIFEST_SIZE_MAX / 2; i++) {
		torap_write_u8(&w, 10 << 3 | 2);
		torap_write_u8(&w, 0);
	}
	struct torap_buffer *bad =
		torap_signed_encode(torap_bytes(w.data, w.size), TORAP_MANIFEST_PREFIX, &key);
	cr_expect_eq(decode(bad, NULL), -EBADMSG);
	torap_buffer_unref(bad);
	torap_writer_finish(&w);
}

static void beyond_the_last_batch(Torap__Manifest *m)
{
	static uint8_t previous[TORAP_DIGEST_SIZE];
	m->previous = (ProtobufCBinaryData){ sizeof previous, previous };
	m->batch_no = m->first_seq = UINT64_MAX - 5;
}

static void past_the_last_batch(Torap__Manifest *m)
{
	beyond_the_last_batch(m);
	m->batch_no = m->first_seq = UINT64_MAX;
}

static void past_the_last_event(Torap__Manifest *m)
{
	beyond_the_last_batch(m);
	m->first_seq = UINT64_MAX - 1;
}

static void fewer_events_than_batches(Torap__Manifest *m)
{
	beyond_the_last_batch(m);
	m->first_seq--;
}

static void first_seq_2(Torap__Manifest *m)
{
	m->first_seq = 2;
}

/* Numbers that wrap around would let a writer begin again at 0. */
Test(manifest, has_numbers_that_do_not_wrap_around)
{
	static const struct {
		forge_change change;
		int due;
	} rows[] = { { beyond_the_last_batch, 0 }, { past_the_last_batch, -EBADMSG },
		{ past_the_last_event, -EBADMSG }, { fewer_events_than_batches, -EBADMSG },
		{ first_seq_2, -EBADMSG } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct torap_buffer *b = forge_manifest(good->signed_manifest, rows[i].change, &key);
		cr_expect_eq(decode(b, NULL), rows[i].due, "row %zu", i);
		torap_buffer_unref(b);
	}
}
