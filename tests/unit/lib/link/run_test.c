#include "link/run.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "kit/zstd_frame.h"
#include "proto/batch.pb-c.h"
#include "wire/compress.h"

/* "Manifests" are any bytes here: what stands in them is not the run's. */
enum { COUNT = 40, SIZE = 300 };

static struct torap_buffer *manifests[COUNT];
static struct torap_compressor *compressor;

static void make(void)
{
	compressor = torap_compressor_create();
	for (unsigned i = 0; i < COUNT; i++) {
		manifests[i] = torap_buffer_create(SIZE + i);
		memset(manifests[i]->data, 'm', SIZE + i);
		manifests[i]->data[i] = (uint8_t)i;
	}
}

static void drop(void)
{
	for (unsigned i = 0; i < COUNT; i++)
		torap_buffer_unref(manifests[i]);
	torap_compressor_destroy(compressor);
}

TestSuite(run, .init = make, .fini = drop);

static void check_same(const struct torap_buffer *body, size_t count)
{
	struct torap_run run;
	struct torap_error err = { "" };
	cr_assert_eq(torap_run_decode(&run, torap_buffer_bytes(body), &err), 0, "%s", err.text);
	cr_assert_eq(run.count, count);
	for (size_t i = 0; i < count; i++)
		cr_assert(torap_bytes_equal(run.manifests[i], torap_buffer_bytes(manifests[i])), "%zu", i);
	torap_run_finish(&run);
}

static void check_refused(struct torap_bytes body, const char *what)
{
	struct torap_run run;
	struct torap_error err = { "" };
	uint8_t *exact = malloc(body.size + 1); /* for ASan */
	memcpy(exact, body.data, body.size);
	cr_expect_eq(torap_run_decode(&run, torap_bytes(exact, body.size), &err), -EBADMSG, "%s", what);
	cr_expect_neq(err.text[0], '\0', "%s", what);
	free(exact);
}

Test(run, gives_back_the_very_bytes_of_its_manifests)
{
	struct torap_buffer *b = torap_run_encode(manifests, COUNT);
	check_same(b, COUNT);
	Torap__Run *same = torap__run__unpack(NULL, b->size, b->data);
	cr_assert(same == NULL || same->n_manifests == COUNT, "the form is protobuf's own");
	if (same)
		torap__run__free_unpacked(same, NULL);
	check_refused(torap_bytes(b->data, 0), "nothing");
	check_refused(torap_bytes(b->data, b->size - 1), "cut short");
	torap_buffer_unref(b);
}

Test(run, gives_them_back_compressed)
{
	struct torap_buffer *plain = torap_run_encode(manifests, COUNT);
	struct torap_buffer *b = torap_run_compress(compressor, plain);
	cr_assert_lt(b->size, plain->size / 4);
	check_same(b, COUNT);
	Torap__Run *same = torap__run__unpack(NULL, b->size, b->data);
	cr_assert(same && same->n_manifests == 0 && same->zstd.len == b->size - 3,
		"the form is protobuf's own");
	torap__run__free_unpacked(same, NULL);
	for (size_t size = 0; size < b->size; size++)
		check_refused(torap_bytes(b->data, size), "cut off");
	torap_buffer_unref(plain);
	torap_buffer_unref(b);
}

/* Small ones, and what does not shrink: the same buffer. */
Test(run, stays_as_it_is_when_compression_does_not_pay)
{
	struct torap_buffer *plain = torap_run_encode(manifests, 1);
	struct torap_buffer *b = torap_run_compress(compressor, plain);
	cr_expect_eq(b, plain);
	torap_buffer_unref(plain);
	torap_buffer_unref(b);

	uint32_t random = 7;
	for (unsigned i = 0; i < 4; i++)
		for (size_t j = 0; j < manifests[i]->size; j++) {
			random = random * 1664525 + 1013904223;
			manifests[i]->data[j] = (uint8_t)(random >> 24);
		}
	plain = torap_run_encode(manifests, 4);
	b = torap_run_compress(compressor, plain);
	cr_expect_eq(b, plain);
	torap_buffer_unref(plain);
	torap_buffer_unref(b);
}

/* A run's field `zstd` with a frame made by hand. */
static struct torap_buffer *compressed_by_hand(
	struct torap_bytes content, struct zstd_frame header, uint32_t said, const char *behind)
{
	struct torap_writer zstd = { 0 }, w = { 0 };
	zstd_frame_begin(&zstd, header, said);
	zstd_frame_raw(&zstd, content, true);
	torap_write_varint(&w, 2 << 3 | 2);
	torap_write_varint(&w, zstd.size);
	torap_write_bytes(&w, torap_bytes(zstd.data, zstd.size));
	torap_write_bytes(&w, torap_bytes(behind, strlen(behind)));
	struct torap_buffer *b = torap_buffer_copy(torap_bytes(w.data, w.size));
	torap_writer_finish(&zstd);
	torap_writer_finish(&w);
	return b;
}

static void check_by_hand(
	struct torap_bytes content, struct zstd_frame header, int more, const char *behind, const char *what)
{
	struct torap_buffer *b =
		compressed_by_hand(content, header, (uint32_t)((int)content.size + more), behind);
	check_refused(torap_buffer_bytes(b), what);
	torap_buffer_unref(b);
}

Test(run, that_lies_about_what_it_holds_is_refused)
{
	struct torap_buffer *plain = torap_run_encode(manifests, 3);
	struct torap_bytes content = torap_buffer_bytes(plain);
	struct zstd_frame usual = { 0 }, unsized = { .size_unknown = true }, named = { .dictionary_id = 1 };
	struct torap_buffer *good = compressed_by_hand(content, usual, (uint32_t)content.size, "");
	check_same(good, 3);
	check_by_hand(content, usual, 1, "", "a byte more than there is");
	check_by_hand(content, usual, -1, "", "a byte less than there is");
	check_by_hand(content, usual, TORAP_RUN_SIZE_MAX, "", "more than a run may hold");
	check_by_hand(content, unsized, 0, "", "no size");
	check_by_hand(content, named, 0, "", "a dictionary");
	check_by_hand(content, usual, 0, "\n\1m", "a manifest behind it");
	check_by_hand(
		torap_bytes(content.data, content.size - 1), usual, 0, "", "a manifest that is cut off");
	check_by_hand(torap_buffer_bytes(good), usual, 0, "", "compressed twice");
	struct torap_writer before = { 0 };
	torap_write_bytes(&before, content);
	torap_write_bytes(&before, torap_buffer_bytes(good));
	check_refused(torap_bytes(before.data, before.size), "manifests before it");
	torap_writer_finish(&before);
	torap_buffer_unref(plain);
	torap_buffer_unref(good);
}

/* A kilobyte that would become a gigabyte. */
Test(run, makes_no_more_of_it_than_a_run_may_hold)
{
	struct torap_writer zstd = { 0 }, w = { 0 };
	zstd_frame_begin(&zstd, (struct zstd_frame){ 0 }, TORAP_CONTENT_SIZE_MAX + 1);
	for (unsigned left = TORAP_CONTENT_SIZE_MAX + 1; left;) {
		unsigned block = left < 128 << 10 ? left : 128 << 10;
		left -= block;
		zstd_frame_repeat(&zstd, '\n', block, left == 0);
	}
	torap_write_varint(&w, 2 << 3 | 2);
	torap_write_varint(&w, zstd.size);
	torap_write_bytes(&w, torap_bytes(zstd.data, zstd.size));
	check_refused(torap_bytes(w.data, w.size), "one byte too many");
	torap_writer_finish(&zstd);
	torap_writer_finish(&w);
}

Test(run, of_more_manifests_than_it_may_hold_is_refused)
{
	struct torap_buffer *many[TORAP_RUN_MANIFESTS_MAX + 1];
	for (unsigned i = 0; i <= TORAP_RUN_MANIFESTS_MAX; i++)
		many[i] = manifests[0];
	struct torap_buffer *plain = torap_run_encode(many, TORAP_RUN_MANIFESTS_MAX + 1);
	struct torap_buffer *b = torap_run_compress(compressor, plain);
	check_refused(torap_buffer_bytes(plain), "257 manifests");
	check_refused(torap_buffer_bytes(b), "257 manifests, compressed");
	torap_buffer_unref(plain);
	torap_buffer_unref(b);
}
