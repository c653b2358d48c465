#include "store/provenance.h"

#include "store/journal_rows.h"
#include "store/kv.h"
#include "store/kv_key.h"
#include "tests/unit/lib/store/stage.h"

TestSuite(provenance, .init = stage_make, .fini = stage_remove);

static struct torap_batch *seal_with(struct torap_sealer *s)
{
	cr_assert_eq(fixture_add(s, fixture_class(391010000, PANIC), "1", NULL, NULL), 0);
	return fixture_seal(s);
}

static struct torap_batch *append_new(void)
{
	struct torap_kv_txn txn;
	struct torap_batch *b = seal_with(sealer);
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_journal_append(&txn, b, (struct torap_wall){ 1000 }), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	return b;
}

static enum torap_provenance of(uint32_t number, const struct torap_batch *b, struct torap_sign_key *known)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	enum torap_provenance p = torap_provenance_of(&txn, number, b, fixture_lookup, known);
	torap_kv_abort(&txn);
	return p;
}

/* As it would be read with a bit of its signature flipped: it stands before the key's id, the last ten bytes. */
static struct torap_batch *with_a_flipped_bit(const struct torap_batch *b)
{
	struct torap_buffer *bytes = torap_buffer_copy(torap_buffer_bytes(b->signed_manifest));
	struct torap_batch *flipped = NULL;
	bytes->data[bytes->size - 20] ^= 1;
	cr_assert_eq(torap_batch_create(&flipped, bytes, NULL), 0);
	torap_buffer_unref(bytes);
	return flipped;
}

static void make_unreadable(uint64_t batch_no)
{
	static const uint8_t junk[40];
	struct torap_kv_key row = torap_rows_batch_key(1, batch_no);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	torap_kv_put(&txn, ROWS_MANIFESTS, torap_kv_key_bytes(&row), torap_bytes(junk, sizeof junk));
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

Test(provenance, shows_by_the_signature)
{
	struct torap_batch *one = append_new(), *two = append_new(), *flipped = with_a_flipped_bit(one);
	cr_expect_eq(of(1, one, &key), TORAP_PROVENANCE_SIGNED);
	cr_expect_eq(of(1, flipped, &key), TORAP_PROVENANCE_DAMAGED);
	make_unreadable(2);
	cr_expect_eq(of(1, one, &key), TORAP_PROVENANCE_SIGNED, "whatever stands behind it");
	torap_batch_destroy(one);
	torap_batch_destroy(two);
	torap_batch_destroy(flipped);
}

/* The key of its time has gone from the trust file, or a bit of key or date has flipped: the chain decides, if it can be read. */
Test(provenance, shows_by_the_chain_when_no_key_is_known)
{
	struct torap_sign_key strange = fixture_key(2);
	struct torap_sealer *others = fixture_sealer(LANE, &key);
	struct torap_batch *one = append_new(), *two = append_new(), *other = seal_with(others);
	cr_expect_eq(of(1, one, &strange), TORAP_PROVENANCE_SIGNED);
	cr_expect_eq(of(1, two, &strange), TORAP_PROVENANCE_SIGNED, "the head names the last");
	cr_expect_eq(of(1, other, &strange), TORAP_PROVENANCE_DAMAGED);
	cr_expect_eq(of(7, one, &strange), TORAP_PROVENANCE_DAMAGED, "another stream's row");
	make_unreadable(2);
	cr_expect_eq(of(1, one, &strange), TORAP_PROVENANCE_UNPROVEN);
	torap_batch_destroy(one);
	torap_batch_destroy(two);
	torap_batch_destroy(other);
	torap_sealer_destroy(others);
}
