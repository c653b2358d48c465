/* From where a source is to send a stream: the first batch that is not whole and that it has not shown yet. */
#include "broker/source.h"

#include "broker/state.h"
#include "broker/streams.h"
#include "store/journal.h"
#include "store/journal_rows.h"
#include "store/kv.h"
#include "tests/unit/lib/store/place.h"
#include "tests/unit/lib/wire/fixture.h"

static struct place place;
static struct torap_kv *kv;
static struct torap_sign_key key;
static struct torap_sealer *sealer;
static struct broker_stream stream;
static const struct broker_source city = { .kind = BROKER_SOURCE_UPSTREAM, .name = "city" },
				  district = { .kind = BROKER_SOURCE_UPSTREAM, .name = "district" },
				  writer = { .kind = BROKER_SOURCE_WRITER, .name = "district" };

static void make(void)
{
	static const char *const tables[] = { BROKER_TABLE_NAMES, NULL };
	struct torap_kv_options options = { .tables = tables, .map_size = 64 << 20 };
	struct torap_error err;
	place_make(&place);
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), 0, "%s", err.text);
	key = fixture_key(1);
	sealer = fixture_sealer(TORAP__LANE__LANE_CRITICAL, &key);
	stream = (struct broker_stream){ .first_batch = 1, .flushed = { .next_batch = 1, .next_seq = 1 } };
}

static void clean(void)
{
	torap_sealer_destroy(sealer);
	kv = torap_kv_close(kv);
	place_remove(&place);
}

TestSuite(source, .init = make, .fini = clean);

/* A batch by `from`, whole or without its personal part. */
static void bring(const struct broker_source *from, bool whole)
{
	cr_assert_eq(
		fixture_add(sealer, fixture_class(391010000, TORAP__KIND__KIND_PANIC), "z", "anna", NULL), 0);
	struct torap_batch *b = fixture_seal(sealer);
	struct torap_kv_txn txn;
	if (!whole) {
		b->frames[1] = torap_buffer_unref(b->frames[1]);
		b->omissions[1] = TORAP__OMISSION_REASON__OMISSION_NOT_HELD;
	}
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(torap_journal_append(&txn, b, (struct torap_wall){ 1 }), 0);
	cr_assert_eq(broker_source_put(&txn, from, &b->manifest->stream, b->manifest->batch_no + 1), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	stream.id = b->manifest->stream;
	stream.stored = true;
	stream.number = 1;
	torap_position_advance(&stream.flushed, b->manifest);
	torap_batch_destroy(b);
}

static struct torap_position resume(const struct broker_source *source)
{
	struct torap_kv_txn txn;
	struct torap_position at;
	torap_kv_begin(&txn, kv, false);
	cr_assert_eq(broker_source_resume(&txn, source, &stream, &at), 0);
	torap_kv_abort(&txn);
	return at;
}

Test(source, goes_on_where_everything_is_whole)
{
	for (int i = 0; i < 5; i++)
		bring(&city, true);
	cr_expect_eq(resume(&city).next_batch, 6);
	cr_expect_eq(resume(&district).next_batch, 6);
	cr_expect_eq(resume(&writer).next_batch, 6);
}

Test(source, completes_what_another_left_out_and_is_not_asked_for_it_twice)
{
	bring(&city, true);
	for (int i = 0; i < 4; i++)
		bring(&city, false);
	cr_expect_eq(resume(&city).next_batch, 6, "it gave what it could");
	struct torap_position at = resume(&district);
	cr_expect_eq(at.next_batch, 2);
	cr_expect_eq(at.next_seq, 2);
	cr_expect(at.has_digest);

	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(broker_source_put(&txn, &district, &stream.id, 4), 0);
	cr_assert_eq(broker_source_put(&txn, &district, &stream.id, 3), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	cr_expect_eq(resume(&district).next_batch, 4, "a source never goes back");
	cr_expect_eq(resume(&writer).next_batch, 2, "a writer and an upstream of one name are two");
}

Test(source, begins_a_stream_that_is_not_here_at_its_begin)
{
	cr_expect_eq(resume(&city).next_batch, 1);
}

/* Batch 2 found no room and 3 did, in one flush: 2 is to come again, or what it would have completed never does. */
Test(source, does_not_pass_over_what_found_no_room)
{
	for (int i = 0; i < 4; i++)
		bring(&city, false);
	struct broker_source of_session = district;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(broker_source_put(&txn, &of_session, &stream.id, 2), 0);
	of_session.after = 3;
	cr_assert_eq(broker_source_put(&txn, &of_session, &stream.id, 4), 0);
	of_session.after = 4;
	cr_assert_eq(broker_source_put(&txn, &of_session, &stream.id, 5), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	cr_expect_eq(resume(&district).next_batch, 2);
	torap_kv_begin(&txn, kv, true);
	of_session.after = 2;
	cr_assert_eq(broker_source_put(&txn, &of_session, &stream.id, 3), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	cr_expect_eq(resume(&district).next_batch, 3);
}

/* The manifest before the first partial copy rots on the disk: what is missing behind it is asked for all the same, from where the chain says. */
Test(source, goes_on_behind_a_manifest_that_is_damaged)
{
	static const uint8_t junk[40];
	bring(&city, true);
	bring(&city, true);
	bring(&city, false);
	struct torap_position good = resume(&district);
	struct torap_kv_key row = torap_rows_batch_key(1, 2);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(
		torap_kv_put(&txn, ROWS_MANIFESTS, torap_kv_key_bytes(&row), torap_bytes(junk, sizeof junk)),
		0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	struct torap_position at = resume(&district);
	cr_expect_eq(at.next_batch, 3);
	cr_assert(at.has_digest);
	cr_expect_eq(memcmp(at.last_digest, good.last_digest, sizeof at.last_digest), 0);
}
