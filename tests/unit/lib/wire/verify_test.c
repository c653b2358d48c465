#include "fixture.h"

#include "kit/forge.h"
#include "wire/signature.h"

static struct torap_sign_key key;
static struct torap_batch *batch;

static void make_batch(void)
{
	key = fixture_key(1);
	batch = fixture_batch(&key);
}

static void drop_batch(void)
{
	torap_batch_destroy(batch);
}

TestSuite(verify, .init = make_batch, .fini = drop_batch);

static enum torap_verdict verdict(unsigned *bad_frame)
{
	return torap_verify_batch(batch, fixture_lookup, &key, bad_frame);
}

Test(verify, finds_every_flipped_bit_of_every_frame)
{
	for (unsigned i = 0; i < batch->manifest->frames_count; i++) {
		struct torap_buffer *f = batch->frames[i];
		for (size_t bit = 0; bit < 8 * f->size; bit++) {
			unsigned bad = 99;
			f->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			cr_assert_eq(verdict(&bad), TORAP_VERDICT_BAD_DIGEST, "frame %u, bit %zu", i, bit);
			cr_assert_eq(bad, i);
			f->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
	cr_expect_eq(verdict(NULL), TORAP_VERDICT_GOOD);
}

/* A flipped bit may make it malformed, name another key or break the signature; it is never good. */
Test(verify, finds_every_flipped_bit_of_the_signed_manifest)
{
	for (size_t bit = 0; bit < 8 * batch->signed_manifest->size; bit++) {
		struct torap_buffer *copy = torap_buffer_copy(torap_buffer_bytes(batch->signed_manifest));
		struct torap_batch *b = NULL;
		copy->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (torap_batch_create(&b, copy, NULL) == 0)
			cr_expect_neq(torap_verify_manifest(b, fixture_lookup, &key), TORAP_VERDICT_GOOD,
				"bit %zu", bit);
		torap_batch_destroy(b);
		torap_buffer_unref(copy);
	}
}

/* Also of a frame that was left out: what was signed is all of them. */
Test(verify, finds_every_flipped_bit_of_the_digests)
{
	batch->frames[1] = torap_buffer_unref(batch->frames[1]);
	for (size_t bit = 0; bit < 8 * batch->digests->size; bit++) {
		unsigned bad = 99;
		batch->digests->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(verdict(&bad), TORAP_VERDICT_BAD_DIGEST, "bit %zu", bit);
		cr_assert_eq(bad, batch->manifest->frames_count);
		cr_assert_not(torap_verify_digests(batch));
		batch->digests->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	cr_expect_eq(verdict(NULL), TORAP_VERDICT_GOOD);
}

Test(verify, believes_no_frame_without_the_digests)
{
	unsigned bad = 99;
	batch->digests = torap_buffer_unref(batch->digests);
	cr_expect(torap_verify_digests(batch));
	cr_expect_not(torap_verify_frame(batch, 2));
	cr_expect_eq(verdict(&bad), TORAP_VERDICT_BAD_DIGEST);
	cr_expect_eq(bad, 0);
	for (unsigned i = 0; i < batch->manifest->frames_count; i++)
		batch->frames[i] = torap_buffer_unref(batch->frames[i]);
	cr_expect_eq(verdict(NULL), TORAP_VERDICT_GOOD);
}

Test(verify, accepts_frames_that_were_left_out)
{
	batch->frames[0] = torap_buffer_unref(batch->frames[0]);
	batch->frames[3] = torap_buffer_unref(batch->frames[3]);
	cr_expect(torap_verify_frame(batch, 0));
	cr_expect_eq(verdict(NULL), TORAP_VERDICT_GOOD);
}

Test(verify, tells_a_swapped_frame)
{
	struct torap_buffer *first = batch->frames[0];
	unsigned bad = 99;
	batch->frames[0] = batch->frames[2];
	batch->frames[2] = first;
	cr_expect_eq(verdict(&bad), TORAP_VERDICT_BAD_DIGEST);
	cr_expect_eq(bad, 0);
}

Test(verify, tells_an_unknown_key_from_a_bad_signature)
{
	struct torap_sign_key other = fixture_key(2), liar = key;
	cr_expect_eq(torap_verify_batch(batch, fixture_lookup, &other, NULL), TORAP_VERDICT_UNKNOWN_KEY);

	/* Somebody else who writes our key's id on it. */
	memcpy(liar.secret, other.secret, sizeof liar.secret);
	struct torap_buffer *forged = forge_manifest(batch->signed_manifest, NULL, &liar);
	struct torap_batch *b = NULL;
	cr_assert_eq(torap_batch_create(&b, forged, NULL), 0);
	cr_expect_eq(torap_verify_manifest(b, fixture_lookup, &key), TORAP_VERDICT_BAD_SIGNATURE);
	torap_batch_destroy(b);
	torap_buffer_unref(forged);
}

/* The key is asked for at the moment of sealing, not of reading. */
static const uint8_t *expect_sealed_at(
	void *hint, const char *writer, const uint8_t key_id[static TORAP_KEY_ID_SIZE], struct torap_wall at)
{
	cr_expect_eq(at.us, sealed_at.us);
	return fixture_lookup(hint, writer, key_id, at);
}

Test(verify, asks_for_the_key_of_the_moment_of_sealing)
{
	cr_expect_eq(torap_verify_manifest(batch, expect_sealed_at, &key), TORAP_VERDICT_GOOD);
}

Test(verify, judges_the_chain)
{
	struct torap_manifest m = { .batch_no = 7, .first_seq = 100, .count = 5, .has_previous = true };
	memset(m.previous, 1, sizeof m.previous);
	memset(m.digest, 2, sizeof m.digest);
	struct torap_position at = { .next_batch = 7, .next_seq = 100, .has_digest = true };
	memset(at.last_digest, 1, sizeof at.last_digest);

	cr_expect_eq(torap_verify_chain(&at, &m), TORAP_VERDICT_GOOD);
	at.next_batch = 6;
	cr_expect_eq(torap_verify_chain(&at, &m), TORAP_VERDICT_GAP);
	at.next_batch = 8;
	cr_expect_eq(torap_verify_chain(&at, &m), TORAP_VERDICT_OLD);
	at.next_batch = 7;
	at.next_seq = 99;
	cr_expect_eq(torap_verify_chain(&at, &m), TORAP_VERDICT_BROKEN_CHAIN);
	at.next_seq = 101;
	cr_expect_eq(torap_verify_chain(&at, &m), TORAP_VERDICT_BROKEN_CHAIN);
	at.next_seq = 0; /* not known */
	cr_expect_eq(torap_verify_chain(&at, &m), TORAP_VERDICT_GOOD);
	at.last_digest[31]++;
	cr_expect_eq(torap_verify_chain(&at, &m), TORAP_VERDICT_BROKEN_CHAIN);
	m.has_previous = false;
	cr_expect_eq(torap_verify_chain(&at, &m), TORAP_VERDICT_BROKEN_CHAIN);
	at.has_digest = false;
	cr_expect_eq(torap_verify_chain(&at, &m), TORAP_VERDICT_GOOD);

	torap_position_advance(&at, &m);
	cr_expect_eq(at.next_batch, 8);
	cr_expect_eq(at.next_seq, 105);
	cr_expect(at.has_digest);
	cr_expect_arr_eq(at.last_digest, m.digest, sizeof m.digest);
}

Test(verify, refuses_heads_that_contradict_themselves)
{
	uint8_t digest[TORAP_DIGEST_SIZE] = { 1 };
	const struct {
		uint64_t last_batch, next_seq;
		size_t digest_size;
		const char *writer;
		enum torap_verdict due;
	} rows[] = {
		{ 0, 1, 0, "node-kostanay", TORAP_VERDICT_GOOD },
		{ 3, 4, 32, "node-kostanay", TORAP_VERDICT_GOOD },
		{ 3, 4, 32, "node-almaty", TORAP_VERDICT_UNKNOWN_KEY },
		{ 0, 2, 0, "node-kostanay", TORAP_VERDICT_MALFORMED },
		{ 0, 0, 0, "node-kostanay", TORAP_VERDICT_MALFORMED },
		{ 0, 1, 32, "node-kostanay", TORAP_VERDICT_MALFORMED },
		{ 3, 3, 32, "node-kostanay", TORAP_VERDICT_MALFORMED }, /* fewer events than batches */
		{ 3, 4, 31, "node-kostanay", TORAP_VERDICT_MALFORMED },
		{ 3, 4, 0, "node-kostanay", TORAP_VERDICT_MALFORMED },
		{ 3, 4, 32, "Node", TORAP_VERDICT_MALFORMED },
		{ UINT64_MAX, 0, 32, "node-kostanay", TORAP_VERDICT_MALFORMED },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		Torap__Head h = TORAP__HEAD__INIT;
		Torap__StreamId id = TORAP__STREAM_ID__INIT;
		struct torap_head out;
		uint8_t bytes[256];
		id.writer = (char *)rows[i].writer;
		id.lane = TORAP__LANE__LANE_BULK;
		h.stream = &id;
		h.last_batch = rows[i].last_batch;
		h.next_seq = rows[i].next_seq;
		h.last_digest = (ProtobufCBinaryData){ rows[i].digest_size, digest };
		struct torap_buffer *b = torap_signed_encode(
			torap_bytes(bytes, torap__head__pack(&h, bytes)), TORAP_HEAD_PREFIX, &key);
		cr_expect_eq(torap_verify_head(&out, torap_buffer_bytes(b), fixture_lookup, &key),
			rows[i].due, "row %zu", i);
		torap_buffer_unref(b);
	}
}

Test(verify, has_a_name_for_each_verdict)
{
	for (int v = TORAP_VERDICT_GOOD; v <= TORAP_VERDICT_BROKEN_CHAIN; v++)
		cr_expect_str_neq(torap_verdict_name((enum torap_verdict)v), "unknown");
}
