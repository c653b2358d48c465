#include "agents/follow/verify.h"

#include "tests/unit/agents/follow/received.h"

/* Each test plants one damage into a directory that was complete, and wants it named. */

enum { MANIFESTS = 1, FRAMES = 2, STREAMS = 0, BATCHES = 5 };

static struct received t;

static struct {
	unsigned problems, lagging, omissions, unheard;
	struct follow_problem first;
	struct follow_omission omission; /* the last one */
	uint64_t behind;
	char unheard_writer[TORAP_WRITER_ID_MAX + 1];
	uint8_t unheard_lane;
} found;

static void make(void)
{
	received_make(&t);
	received_fill(&t, BATCHES);
}

static void clean(void)
{
	received_remove(&t);
}

TestSuite(verify, .init = make, .fini = clean);

static void on_problem(void *hint, const struct follow_problem *p)
{
	(void)hint;
	if (found.problems++ == 0)
		found.first = *p;
}

static void on_lagging(void *hint, const struct follow_lagging *l)
{
	(void)hint;
	found.lagging++;
	found.behind = l->batches;
}

static void on_omission(void *hint, const struct follow_omission *o)
{
	(void)hint;
	found.omissions++;
	found.omission = *o;
}

static void on_unheard(void *hint, const char *writer, uint8_t lane)
{
	(void)hint;
	found.unheard++;
	snprintf(found.unheard_writer, sizeof found.unheard_writer, "%s", writer);
	found.unheard_lane = lane;
}

static struct follow_verify_options options_of(const uint8_t root[static TORAP_SIGN_KEY_SIZE])
{
	return (struct follow_verify_options){ .root = root,
		.on_problem = on_problem,
		.on_lagging = on_lagging,
		.on_omission = on_omission,
		.on_unheard = on_unheard };
}

static struct follow_verified verify_with(struct follow_verify_options options)
{
	struct follow_verified v;
	struct torap_error err;
	memset(&found, 0, sizeof found);
	cr_assert_eq(follow_verify(&v, t.place.dir, &options, &err), 0, "%s", err.text);
	cr_assert_eq(v.problems, found.problems);
	return v;
}

static struct follow_verified verify(void)
{
	return verify_with(options_of(t.root.sign.public));
}

static struct torap_bytes key_of(uint64_t batch_no, int frame)
{
	static uint8_t key[14];
	memset(key, 0, sizeof key);
	key[3] = 1; /* the first stream */
	key[11] = (uint8_t)batch_no;
	key[13] = (uint8_t)frame;
	return torap_bytes(key, frame < 0 ? 12 : 14);
}

static void write_row(unsigned table, struct torap_bytes key, const struct torap_bytes *value)
{
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(value ? torap_kv_put(&txn, table, key, *value) : torap_kv_delete(&txn, table, key), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
}

static struct torap_buffer *read_row(unsigned table, struct torap_bytes key)
{
	struct torap_kv_txn txn;
	struct torap_bytes value;
	torap_kv_begin(&txn, t.kv, false);
	cr_assert_eq(torap_kv_get(&txn, table, key, &value), 0);
	struct torap_buffer *copy = torap_buffer_copy(value);
	torap_kv_abort(&txn);
	return copy;
}

static void flip(unsigned table, struct torap_bytes key, size_t byte)
{
	struct torap_buffer *row = read_row(table, key);
	row->data[byte < row->size ? byte : row->size - 1] ^= 1;
	struct torap_bytes bytes = torap_buffer_bytes(row);
	write_row(table, key, &bytes);
	torap_buffer_unref(row);
}

static void expect(const char *what, uint64_t batch_no, int frame)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	cr_assert_gt(found.problems, 0, "nothing was found");
	cr_assert_str_eq(found.first.what, what, "%s: %s", found.first.what, found.first.text);
	cr_assert_eq(found.first.batch_no, batch_no);
	cr_assert_eq(found.first.frame, frame);
	cr_assert(found.first.has_stream);
	cr_assert_str_eq(
		torap_stream_id_format(&found.first.stream, text), "node-kostanay/critical/00f3a9c4d2e1b687");
}

Test(verify, says_complete_and_counts_what_is_there)
{
	struct follow_verified v = verify();
	cr_assert_eq(v.problems, 0, "%s: %s", found.first.what, found.first.text);
	cr_assert_eq(v.streams, 1);
	cr_assert_eq(v.batches, BATCHES);
	cr_assert_eq(v.events, 3 * BATCHES);
}

Test(verify, looks_while_another_process_has_the_directory_open_and_afterwards)
{
	cr_assert_eq(verify().problems, 0);
	received_close(&t);
	cr_assert_eq(verify().problems, 0);
}

Test(verify, names_a_frame_with_a_flipped_bit_and_who_signed_it)
{
	flip(FRAMES, key_of(3, 1), 25);
	struct follow_verified v = verify();
	expect("bad-digest", 3, 1);
	cr_assert_eq(v.problems, 1);
	cr_assert(found.first.has_signer);
	cr_assert_arr_eq(found.first.signer, t.key.id, TORAP_KEY_ID_SIZE);
}

Test(verify, names_a_manifest_with_a_flipped_bit)
{
	struct torap_buffer *row = read_row(MANIFESTS, key_of(2, -1));
	size_t size = row->size;
	torap_buffer_unref(row);
	flip(MANIFESTS, key_of(2, -1), size - 20); /* in the signature, or the key id after it */
	verify();
	cr_assert_gt(found.problems, 0);
	cr_assert_eq(found.first.batch_no, 2);
}

Test(verify, names_a_frame_that_is_gone)
{
	write_row(FRAMES, key_of(4, 0), NULL);
	verify();
	expect("missing-frame", 4, 0);
}

Test(verify, names_a_batch_that_is_gone)
{
	write_row(MANIFESTS, key_of(3, -1), NULL);
	struct follow_verified v = verify();
	expect("missing-batch", 3, -1);
	cr_assert_eq(v.problems, 1, "the rest still is checked, from the next batch on");
	cr_assert_eq(v.batches, BATCHES - 1);
}

/* The directory is put back to an older state, but for its cursor. */
Test(verify, names_what_was_cut_off_the_tail)
{
	struct torap_bytes stream = torap_bytes("\0\0\0\1", 4);
	struct torap_buffer *before = read_row(STREAMS, stream);
	received_fill(&t, 2);
	struct torap_bytes bytes = torap_buffer_bytes(before);
	write_row(STREAMS, stream, &bytes);
	torap_buffer_unref(before);
	struct follow_verified v = verify();
	expect("missing-batch", BATCHES + 1, -1);
	cr_assert_eq(v.problems, 1, "both in one");
	cr_assert_not_null(strstr(found.first.text, "up to batch 7"), "%s", found.first.text);
}

static void store_head_of(
	const struct torap_stream_id *stream, struct torap_sealer *sealer, struct torap_wall at)
{
	struct torap_buffer *head = torap_sealer_head(sealer, at);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_store_put_head(&txn, stream, torap_buffer_bytes(head)), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	torap_buffer_unref(head);
}

static void store_head(const struct torap_stream_id *stream, struct torap_sealer *sealer)
{
	store_head_of(stream, sealer, sealed_at);
}

Test(verify, says_how_far_a_head_is_ahead_without_calling_it_wrong)
{
	torap_batch_destroy(received_seal(&t, 1));
	torap_batch_destroy(received_seal(&t, 1));
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	store_head(&stream, t.sealer);
	cr_assert_eq(verify().problems, 0);
	cr_assert_eq(found.lagging, 1);
	cr_assert_eq(found.behind, 2);
}

/* A normal stream that is pinned and has no batch; its writer has sealed three, the last one at `head_at`, as it says then. */
static void pin_normal(uint64_t next_batch, bool late, struct torap_wall head_at)
{
	struct torap_sealer *other = fixture_sealer(TORAP__LANE__LANE_NORMAL, &t.key);
	struct torap_stream_position begin = { .stream = fixture_stream(TORAP__LANE__LANE_NORMAL) };
	struct torap_kv_txn txn;
	for (int i = 0; i < 3; i++) {
		struct torap_batch *b;
		struct torap_error err = { "" };
		cr_assert_eq(fixture_add(other, fixture_class(RECEIVED_REGION, TORAP__KIND__KIND_DISARMED),
				     "1", NULL, NULL),
			0);
		cr_assert_eq(
			torap_sealer_seal(other, i < 2 ? sealed_at : head_at, &b, &err), 0, "%s", err.text);
		torap_batch_destroy(b);
	}
	begin.at.next_batch = next_batch;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_store_put_started(&txn, TORAP__LANE__LANE_NORMAL, sealed_at), 0);
	cr_assert_eq(follow_store_pin(&txn, &begin, late), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	store_head_of(&begin.stream, other, head_at);
	torap_sealer_destroy(other);
}

static struct torap_wall later(int seconds)
{
	return (struct torap_wall){ sealed_at.us + seconds * (int64_t)TORAP_US_PER_S };
}

/* A feed that was asked for from "now" on: what came before was never to be here. */
Test(verify, counts_a_stream_without_batches_from_where_it_was_to_begin)
{
	pin_normal(3, false, sealed_at);
	cr_assert_eq(verify().problems, 0);
	cr_expect_eq(found.lagging, 1);
	cr_expect_eq(found.behind, 1);
}

Test(verify, names_what_never_came_of_a_stream_that_began_late_and_has_no_batch)
{
	pin_normal(4, true, sealed_at);
	verify();
	cr_assert_eq(found.problems, 1);
	cr_assert_str_eq(found.first.what, "missing-batch");
	cr_assert_not_null(strstr(found.first.text, "up to batch 3"), "%s", found.first.text);
}

/* A broker that begins a stream beyond what its writer has sealed would hide all up to there. */
Test(verify, names_a_begin_beyond_what_the_writer_signed_later)
{
	pin_normal(5, false, later(3599));
	cr_assert_eq(verify().problems, 0, "its head may be of before");
	pin_normal(5, false, later(3601));
	cr_assert_eq(verify().problems, 1);
	cr_assert_str_eq(found.first.what, "cursor");
	cr_assert_not_null(strstr(found.first.text, "batch 5"), "%s", found.first.text);
	cr_assert_not_null(strstr(found.first.text, "sealed 3"), "%s", found.first.text);
}

Test(verify, tells_up_to_when_all_is_known_to_be_whole)
{
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	cr_assert_eq(verify().least.until.us, sealed_at.us, "of its last batch");
	store_head_of(&stream, t.sealer, later(10));
	struct follow_verified v = verify();
	cr_assert_eq(v.least.until.us, later(10).us);
	cr_assert_str_eq(v.least.writer, "node-kostanay");
	cr_assert_eq(v.least.lane, RECEIVED_LANE);
	cr_assert_eq(v.trust_version, 3);
	torap_batch_destroy(received_seal(&t, 1));
	store_head_of(&stream, t.sealer, later(20));
	cr_assert_eq(verify().least.until.us, sealed_at.us, "its head names what is not here");
}

Test(verify, asked_as_of_a_moment_takes_what_is_not_known_up_to_then_for_a_problem)
{
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	struct follow_verify_options options = options_of(t.root.sign.public);
	store_head_of(&stream, t.sealer, later(10));
	options.as_of = later(10);
	cr_assert_eq(verify_with(options).problems, 0, "%s", found.first.text);
	options.as_of = later(11);
	cr_assert_eq(verify_with(options).problems, 1);
	cr_assert_str_eq(found.first.what, "not-known");
	cr_assert_not_null(strstr(found.first.text, "node-kostanay, lane critical"), "%s", found.first.text);
}

/* Its keys end at the moment at which the trust file does. */
Test(verify, asked_as_of_a_moment_wants_a_trust_file_that_held_then_and_nothing_of_who_had_ended)
{
	struct follow_verify_options options = options_of(t.root.sign.public);
	options.as_of = t.trust->valid_until;
	options.as_of.us--;
	cr_assert_eq(verify_with(options).problems, 1);
	cr_assert_str_eq(found.first.what, "not-known");
	options.as_of.us++;
	cr_assert_eq(verify_with(options).problems, 0);
	options.as_of.us++;
	cr_assert_eq(verify_with(options).problems, 1);
	cr_assert_str_eq(found.first.what, "trust-ended");
}

Test(verify, asked_as_of_a_moment_wants_nothing_that_is_granted_no_more_and_not_expected)
{
	uint32_t almaty = 751310000;
	struct follow_verify_options options = options_of(t.root.sign.public);
	struct torap_grant_row row = { .regions = &almaty, .regions_count = 1, .parts = { false, true } },
			       all = { .parts = { false, true } };
	struct follow_grant grant = { .number = 2, .since = sealed_at, .body = torap_grant_encode(&row, 1) };
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_grant_put(&txn, &grant), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	torap_buffer_unref(grant.body);
	options.as_of = later(10);
	struct follow_verified v = verify_with(options);
	cr_assert_eq(v.problems, 0, "%s", found.first.text);
	cr_assert_str_eq(v.least.writer, "");
	options.expected = &all;
	options.expected_count = 1;
	cr_assert_eq(verify_with(options).problems, 1);
	cr_assert_str_eq(found.first.what, "not-known");
}

Test(verify, wants_something_of_each_writer_that_is_named)
{
	static const char named[][TORAP_WRITER_ID_MAX + 1] = { "node-kostanay", "node-away" };
	struct follow_verify_options options = options_of(t.root.sign.public);
	options.writers = named;
	options.writers_count = 2;
	cr_assert_eq(verify_with(options).problems, 3, "two lanes of the one, all of the other");
	cr_assert_str_eq(found.first.what, "unheard");
	cr_assert_eq(found.unheard, 0);
}

Test(verify, names_lanes_of_which_nothing_came)
{
	cr_assert_eq(verify().unheard, 2, "normal and bulk");
	cr_assert_eq(found.unheard, 2);
	cr_assert_str_eq(found.unheard_writer, "node-kostanay");
	cr_assert_eq(found.unheard_lane, TORAP__LANE__LANE_BULK);
	pin_normal(3, false, sealed_at);
	cr_assert_eq(verify().unheard, 1);
}

/* The yardstick of who is entitled to more than a broker grants. */
Test(verify, names_what_is_expected_and_was_not_granted)
{
	struct follow_verify_options options = options_of(t.root.sign.public);
	struct torap_grant_row open_only = { .parts = { false, true, false, false } },
			       all = { .parts = { false, true, true, true } };
	struct follow_grant grant = {
		.number = 2, .since = sealed_at, .body = torap_grant_encode(&open_only, 1)
	};
	struct torap_batch *b = received_seal(&t, 1);
	struct torap_kv_txn txn;
	b->frames[1] = torap_buffer_unref(b->frames[1]);
	b->omissions[1] = NOT_GRANTED;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(follow_grant_put(&txn, &grant), 0);
	cr_assert_eq(follow_store_append(&txn, b, sealed_at, grant.number), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	options.expected = &all;
	options.expected_count = 1;
	cr_assert_eq(verify().problems, 0);
	verify_with(options);
	expect("ungranted-frame", BATCHES + 1, 1);
	torap_buffer_unref(grant.body);
	torap_batch_destroy(b);
}

Test(verify, tells_each_frame_that_is_left_out_for_a_reason)
{
	struct torap_batch *b = received_seal(&t, 1);
	b->frames[1] = torap_buffer_unref(b->frames[1]);
	b->omissions[1] = EXPIRED;
	cr_assert_eq(received_append(&t, b), 0);
	cr_assert_eq(verify().omitted, 1);
	cr_assert_eq(found.omissions, 1);
	cr_assert_eq(found.omission.batch_no, BATCHES + 1);
	cr_assert_eq(found.omission.frame, 1);
	cr_assert_str_eq(found.omission.part, "personal");
	cr_assert_eq(found.omission.reason, EXPIRED);
	torap_batch_destroy(b);
}

Test(verify, finds_a_fork_between_a_head_and_the_batch_of_its_number)
{
	struct torap_sealer *other = fixture_sealer(RECEIVED_LANE, &t.key);
	for (int i = 0; i < BATCHES - 1; i++) {
		cr_assert_eq(fixture_add(other, fixture_class(RECEIVED_REGION, PANIC), "1", NULL, NULL), 0);
		torap_batch_destroy(fixture_seal(other));
	}
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	store_head(&stream, other);
	torap_sealer_destroy(other);
	verify();
	expect("fork", BATCHES - 1, -1);
}

Test(verify, takes_a_frame_without_a_reason_for_withheld_and_one_with_a_reason_not)
{
	struct torap_batch *expired = received_seal(&t, 1), *withheld = received_seal(&t, 1);
	expired->frames[1] = torap_buffer_unref(expired->frames[1]);
	expired->omissions[1] = EXPIRED;
	withheld->frames[0] = torap_buffer_unref(withheld->frames[0]);
	withheld->frames[1] = torap_buffer_unref(withheld->frames[1]);
	withheld->omissions[0] = withheld->omissions[1] = NOT_GRANTED;
	cr_assert_eq(received_append(&t, expired), 0);
	cr_assert_eq(verify().problems, 0);
	cr_assert_eq(verify().omitted, 1);
	cr_assert_eq(received_append(&t, withheld), 0);
	cr_assert_eq(verify().problems, 2);
	expect("withheld-frame", BATCHES + 2, 0);
	torap_batch_destroy(expired);
	torap_batch_destroy(withheld);
}

Test(verify, names_a_cursor_that_does_not_say_what_is_there)
{
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	char text[TORAP_STREAM_TEXT_SIZE];
	torap_stream_id_format(&stream, text);
	struct torap_bytes key = torap_bytes(text, strlen(text));
	struct torap_buffer *row = read_row(FOLLOW_CURSOR, key);
	row->data[row->size - 1] ^= 1; /* the digest of its last manifest */
	struct torap_bytes bytes = torap_buffer_bytes(row);
	write_row(FOLLOW_CURSOR, key, &bytes);
	torap_buffer_unref(row);
	verify();
	expect("cursor", 0, -1);
}

Test(verify, reports_a_proof_that_was_kept)
{
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, t.kv, true);
	cr_assert_eq(
		follow_store_put_proof(&txn, &stream, TORAP_PROOF_HEAD, 7, torap_bytes("document", 8)), 0);
	cr_assert_eq(torap_kv_commit(&txn, NULL), 0);
	verify();
	expect("fork", 0, -1);
}

Test(verify, believes_nothing_under_another_root)
{
	struct torap_keys other;
	struct torap_error err = { "" };
	cr_assert_eq(torap_keys_create(&other, "other", &err), 0);
	struct follow_verify_options options = options_of(other.sign.public);
	struct follow_verified v;
	cr_assert_lt(follow_verify(&v, t.place.dir, &options, &err), 0);
	cr_assert_not_null(strstr(err.text, "root"), "%s", err.text);
}

Test(verify, names_frames_that_changed_their_places)
{
	struct torap_buffer *second = read_row(FRAMES, key_of(2, 0)), *third = read_row(FRAMES, key_of(3, 0));
	struct torap_bytes bytes = torap_buffer_bytes(third);
	write_row(FRAMES, key_of(2, 0), &bytes);
	bytes = torap_buffer_bytes(second);
	write_row(FRAMES, key_of(3, 0), &bytes);
	torap_buffer_unref(second);
	torap_buffer_unref(third);
	cr_assert_eq(verify().problems, 2);
	expect("bad-digest", 2, 0);
}

Test(verify, names_a_hole_of_many_batches_once)
{
	for (uint64_t n = 2; n < BATCHES; n++)
		write_row(MANIFESTS, key_of(n, -1), NULL);
	cr_assert_eq(verify().problems, 1);
	expect("missing-batch", 2, -1);
	cr_assert_not_null(strstr(found.first.text, "up to batch 4"), "%s", found.first.text);
}

/* A number that is damaged must not have each of 2^56 batches reported. */
Test(verify, comes_to_an_end_whatever_the_cursor_says)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_stream_id stream = fixture_stream(RECEIVED_LANE);
	torap_stream_id_format(&stream, text);
	flip(FOLLOW_CURSOR, torap_bytes(text, strlen(text)), 49); /* the first byte of where it stands */
	cr_assert_geq(verify().problems, 1);
	expect("missing-batch", BATCHES + 1, -1);
}
