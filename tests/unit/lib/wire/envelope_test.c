#include "fixture.h"

#include <errno.h>

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

TestSuite(envelope, .init = make_batch, .fini = drop_batch);

static struct torap_envelope decoded(struct torap_buffer *take)
{
	struct torap_envelope e;
	struct torap_error err = { "" };
	cr_assert_not_null(take);
	cr_assert_eq(torap_envelope_decode(&e, torap_buffer_bytes(take), &err), 0, "%s", err.text);
	torap_buffer_unref(take);
	return e;
}

static int decode_message(const Torap__Envelope *message)
{
	uint8_t bytes[16384];
	struct torap_envelope e;
	cr_assert_leq(torap__envelope__get_packed_size(message), sizeof bytes);
	size_t size = torap__envelope__pack(message, bytes);
	return torap_envelope_decode(&e, torap_bytes(bytes, size), NULL);
}

Test(envelope, comes_back_as_it_was_written)
{
	struct torap_stream_id id = fixture_stream(TORAP__LANE__LANE_BULK);
	struct torap_envelope e = decoded(torap_envelope_plain(TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT));
	cr_expect_eq(e.type, TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT);
	cr_expect_not(e.has_stream);

	e = decoded(torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_RUN, &id, 77));
	cr_expect_eq(e.type, TORAP__MESSAGE_TYPE__MESSAGE_RUN);
	cr_expect(e.has_stream && torap_stream_id_equal(&e.stream, &id));
	cr_expect_eq(e.batch_no, 77);

	e = decoded(torap_envelope_stream(TORAP__MESSAGE_TYPE__MESSAGE_HEAD, &id, 0));
	cr_expect(e.has_stream);
}

Test(envelope, of_a_type_to_come_is_passed_on_for_the_receiver_to_ignore)
{
	struct torap_envelope e = decoded(torap_envelope_plain(4711));
	cr_expect_eq(e.type, 4711);
}

Test(envelope, names_the_frames_that_were_left_out_for_a_reason)
{
	batch->frames[1] = torap_buffer_unref(batch->frames[1]);
	batch->frames[3] = torap_buffer_unref(batch->frames[3]);
	batch->omissions[3] = TORAP__OMISSION_REASON__OMISSION_EXPIRED;
	struct torap_envelope e = decoded(torap_envelope_batch(batch));
	cr_assert_eq(e.omissions_count, 1, "what was not granted is not listed");
	cr_expect_eq(e.omissions[0].frame, 3);
	cr_expect_eq(e.omissions[0].reason, TORAP__OMISSION_REASON__OMISSION_EXPIRED);
}

Test(envelope, is_refused_when_it_cannot_be)
{
	Torap__Envelope e = TORAP__ENVELOPE__INIT;
	Torap__StreamId id = TORAP__STREAM_ID__INIT;
	Torap__Omission one = TORAP__OMISSION__INIT, two = TORAP__OMISSION__INIT;
	Torap__Omission *omissions[] = { &one, &two };
	struct torap_envelope out;
	cr_expect_eq(torap_envelope_decode(&out, torap_bytes(NULL, 0), NULL), -EBADMSG);
	cr_expect_eq(torap_envelope_decode(&out, torap_bytes("\xff\xff", 2), NULL), -EBADMSG);

	id.writer = (char *)"node";
	id.lane = TORAP__LANE__LANE_BULK;
	e.batch_no = 1;
	cr_expect_eq(decode_message(&e), -EBADMSG, "no type");
	e.type = TORAP__MESSAGE_TYPE__MESSAGE_BATCH;
	cr_expect_eq(decode_message(&e), -EBADMSG, "no stream");
	e.stream = &id;
	cr_expect_eq(decode_message(&e), 0);
	e.batch_no = 0;
	cr_expect_eq(decode_message(&e), -EBADMSG, "no number");
	e.batch_no = 1;
	id.lane = (Torap__Lane)4;
	cr_expect_eq(decode_message(&e), -EBADMSG, "no such lane");
	id.lane = TORAP__LANE__LANE_BULK;
	id.writer = (char *)"";
	cr_expect_eq(decode_message(&e), -EBADMSG, "no writer");
	id.writer = (char *)"node";

	e.omissions = omissions;
	e.n_omissions = 1;
	cr_expect_eq(decode_message(&e), -EBADMSG, "not granted is no reason");
	one.reason = two.reason = TORAP__OMISSION_REASON__OMISSION_ERASED;
	cr_expect_eq(decode_message(&e), 0);
	e.n_omissions = 2;
	cr_expect_eq(decode_message(&e), -EBADMSG, "the same frame twice");
	two.frame = TORAP_BATCH_FRAMES_MAX;
	cr_expect_eq(decode_message(&e), -EBADMSG, "past the last frame there can be");
	two.frame--;
	cr_expect_eq(decode_message(&e), 0);
}

Test(envelope, holds_as_many_omissions_as_a_batch_has_frames)
{
	static Torap__Omission omissions[TORAP_BATCH_FRAMES_MAX + 1];
	static Torap__Omission *list[TORAP_BATCH_FRAMES_MAX + 1];
	Torap__Envelope e = TORAP__ENVELOPE__INIT;
	Torap__StreamId id;
	struct torap_stream_id stream = fixture_stream(TORAP__LANE__LANE_BULK);
	torap_stream_id_encode(&id, &stream);
	for (unsigned i = 0; i <= TORAP_BATCH_FRAMES_MAX; i++) {
		torap__omission__init(&omissions[i]);
		omissions[i].frame = i;
		omissions[i].reason = TORAP__OMISSION_REASON__OMISSION_DAMAGED;
		list[i] = &omissions[i];
	}
	e.type = TORAP__MESSAGE_TYPE__MESSAGE_BATCH;
	e.stream = &id;
	e.batch_no = UINT64_MAX;
	e.omissions = list;
	e.n_omissions = TORAP_BATCH_FRAMES_MAX;
	cr_expect_eq(decode_message(&e), 0);
	e.n_omissions++;
	cr_expect_eq(decode_message(&e), -EBADMSG);
}

/* The frames of a message, as many as `count`, and what comes of it. */
static int from_frames(
	struct torap_batch **out, const struct torap_envelope *e, unsigned empty_mask, size_t count)
{
	struct torap_buffer *frames[7] = { torap_buffer_ref(batch->signed_manifest),
		torap_buffer_ref(batch->digests) };
	for (unsigned i = 0; i < 5; i++)
		frames[2 + i] = i < 4 && !(empty_mask >> i & 1) ? torap_buffer_ref(batch->frames[i])
								: torap_buffer_create(0);
	int r = torap_batch_from_frames(out, e, frames, count, NULL);
	for (unsigned i = 0; i < 7; i++)
		torap_buffer_unref(frames[i]);
	return r;
}

Test(envelope, and_frames_make_the_batch_again)
{
	struct torap_envelope e = decoded(torap_envelope_batch(batch));
	struct torap_batch *b = NULL;
	e.omissions_count = 1;
	e.omissions[0].frame = 3;
	e.omissions[0].reason = TORAP__OMISSION_REASON__OMISSION_ERASED;
	cr_assert_eq(from_frames(&b, &e, 1 << 1 | 1 << 3, 6), 0);
	cr_expect_eq(b->digests, batch->digests, "the same buffer, not a copy");
	cr_expect_eq(b->frames[0], batch->frames[0], "the same buffer, not a copy");
	cr_expect_null(b->frames[1]);
	cr_expect_eq(b->omissions[1], TORAP__OMISSION_REASON__OMISSION_NOT_GRANTED);
	cr_expect_null(b->frames[3]);
	cr_expect_eq(b->omissions[3], TORAP__OMISSION_REASON__OMISSION_ERASED);
	cr_expect_eq(torap_verify_batch(b, fixture_lookup, &key, NULL), TORAP_VERDICT_GOOD);

	struct torap_batch *clone = torap_batch_clone(b);
	b = torap_batch_destroy(b);
	cr_expect_eq(clone->frames[0], batch->frames[0]);
	cr_expect_eq(clone->omissions[3], TORAP__OMISSION_REASON__OMISSION_ERASED);
	cr_expect_eq(torap_batch_size(clone), clone->signed_manifest->size + 4 * TORAP_DIGEST_SIZE +
						      clone->frames[0]->size + clone->frames[2]->size);
	cr_expect_eq(torap_verify_batch(clone, fixture_lookup, &key, NULL), TORAP_VERDICT_GOOD);
	torap_batch_destroy(clone);
}

Test(envelope, that_differs_from_its_manifest_or_frames_is_refused)
{
	struct torap_envelope good = decoded(torap_envelope_batch(batch)), e = good;
	struct torap_batch *b = NULL;
	cr_expect_eq(from_frames(&b, &e, 0, 0), -EBADMSG);
	cr_expect_eq(from_frames(&b, &e, 0, 1), -EBADMSG);
	cr_expect_eq(from_frames(&b, &e, 0, 5), -EBADMSG);
	cr_expect_eq(from_frames(&b, &e, 0, 7), -EBADMSG);
	e.batch_no = 2;
	cr_expect_eq(from_frames(&b, &e, 0, 6), -EBADMSG);
	e = good;
	e.stream.incarnation++;
	cr_expect_eq(from_frames(&b, &e, 0, 6), -EBADMSG);
	e = good;
	e.type = TORAP__MESSAGE_TYPE__MESSAGE_RUN;
	cr_expect_eq(from_frames(&b, &e, 0, 6), -EBADMSG);
	e = good;
	e.omissions_count = 1;
	e.omissions[0].frame = 1;
	e.omissions[0].reason = TORAP__OMISSION_REASON__OMISSION_ERASED;
	cr_expect_eq(from_frames(&b, &e, 0, 6), -EBADMSG, "an omission of a frame that is there");
	e.omissions[0].frame = 4;
	cr_expect_eq(from_frames(&b, &e, 0, 6), -EBADMSG, "an omission past the last frame");
	cr_expect_null(b);
}

/* What comes of the message with these bytes as its digests; NULL: all frames are empty, too. */
static int from_digests(struct torap_batch **out, struct torap_bytes digests, bool frames_too)
{
	struct torap_envelope e = decoded(torap_envelope_batch(batch));
	struct torap_buffer *frames[6] = { batch->signed_manifest, torap_buffer_copy(digests) };
	struct torap_buffer *empty = torap_buffer_create(0);
	for (unsigned i = 0; i < 4; i++)
		frames[2 + i] = frames_too ? batch->frames[i] : empty;
	int r = torap_batch_from_frames(out, &e, frames, 6, NULL);
	torap_buffer_unref(frames[1]);
	torap_buffer_unref(empty);
	return r;
}

Test(envelope, frames_come_with_a_digest_for_each)
{
	struct torap_bytes all = torap_buffer_bytes(batch->digests);
	struct torap_batch *b = NULL;
	uint8_t more[5 * TORAP_DIGEST_SIZE] = { 0 };
	cr_assert_eq(all.size, 4 * TORAP_DIGEST_SIZE);
	memcpy(more, all.data, all.size);
	for (size_t size = 0; size <= sizeof more; size++)
		if (size != all.size)
			cr_expect_eq(
				from_digests(&b, torap_bytes(more, size), true), -EBADMSG, "%zu bytes", size);
	cr_expect_eq(from_digests(&b, torap_bytes(more, all.size - 1), false), -EBADMSG);
	cr_expect_null(b);

	cr_assert_eq(from_digests(&b, all, false), 0, "they may come alone");
	cr_expect(b->digests && !b->frames[0]);
	torap_batch_destroy(b);
	cr_assert_eq(
		from_digests(&b, torap_bytes(more, 0), false), 0, "where no frame is, they may be left out");
	cr_expect_null(b->digests);
	torap_batch_destroy(b);
}

/* They are half of what a batch without frames would take. */
Test(envelope, digests_are_not_sent_without_a_frame)
{
	struct torap_buffer *frames[TORAP_BATCH_MESSAGE_MAX];
	cr_assert_eq(torap_batch_to_frames(frames, batch), 7);
	cr_expect(frames[1] == batch->signed_manifest && frames[2] == batch->digests);
	for (unsigned i = 0; i < 4; i++)
		cr_expect_eq(frames[3 + i], batch->frames[i]);
	torap_buffer_unref(frames[0]);
	for (unsigned i = 0; i < 4; i++)
		batch->frames[i] = torap_buffer_unref(batch->frames[i]);
	cr_assert_eq(torap_batch_to_frames(frames, batch), 7);
	cr_expect_null(frames[2]);
	torap_buffer_unref(frames[0]);
}

Test(envelope, locates_each_frame_in_its_group)
{
	unsigned expected = 0;
	for (unsigned g = 0; g < batch->manifest->groups_count; g++)
		for (unsigned p = 0; p < batch->manifest->groups[g].parts_count; p++, expected++) {
			unsigned group = 99, part = 99;
			torap_batch_locate(batch, expected, &group, &part);
			cr_expect_eq(group, g);
			cr_expect_eq(part, p);
		}
	cr_expect_eq(expected, 4);
}
