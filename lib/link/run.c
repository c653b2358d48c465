/* Runs are read and written by hand: the manifests in them must come out as the very bytes that they are. */
#include "link/run.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "wire/compress.h"

enum {
	MANIFEST_KEY = 1 << 3 | 2, /* Run.manifests: field 1, length-delimited */
	ZSTD_KEY = 2 << 3 | 2,     /* Run.zstd */
	ZSTD_HEAD_MAX = 1 + 4,     /* its key, and its length */

	/* Below, there is little to gain. */
	COMPRESS_SIZE_MIN = 512,
};

static int decode_manifests(struct torap_run *out, struct torap_bytes bytes, struct torap_error *err)
{
	struct torap_reader r = torap_reader(bytes);
	while (!torap_read_end(&r) && !r.failed) {
		if (torap_read_varint(&r) != MANIFEST_KEY)
			return torap_errorf(err, -EBADMSG, "a run holds something that is not a manifest");
		uint64_t size = torap_read_varint(&r);
		if (size > TORAP_MANIFEST_SIZE_MAX * 2)
			return torap_errorf(err, -EBADMSG, "a manifest of %" PRIu64 " bytes in a run", size);
		struct torap_bytes one = torap_read_bytes(&r, (size_t)size);
		if (out->count == TORAP_RUN_MANIFESTS_MAX)
			return torap_errorf(
				err, -EBADMSG, "more than %d manifests in a run", TORAP_RUN_MANIFESTS_MAX);
		out->manifests[out->count++] = one;
	}
	if (r.failed || out->count == 0)
		return torap_errorf(err, -EBADMSG, "a run is empty or cut short");
	return 0;
}

static int decompress(struct torap_buffer **out, struct torap_bytes zstd, struct torap_error *err)
{
	size_t size = torap_content_size(zstd);
	if (!size)
		return torap_errorf(
			err, -EBADMSG, "a run that is not a zstd frame of the form that is allowed");
	struct torap_buffer *content = torap_buffer_create(size);
	struct torap_decompressor *d = torap_decompressor_create();
	int r = 0;
	if (!content || !d)
		r = torap_errorf(err, -ENOMEM, "run: out of memory");
	else if (!torap_decompress(d, zstd, content->data, size))
		r = torap_errorf(err, -EBADMSG, "a run cannot be decompressed");
	torap_decompressor_destroy(d);
	*out = r ? torap_buffer_unref(content) : content;
	return r;
}

int torap_run_decode(struct torap_run *out, struct torap_bytes body, struct torap_error *err)
{
	out->count = 0;
	out->content = NULL;
	struct torap_reader r = torap_reader(body);
	if (torap_read_varint(&r) != ZSTD_KEY)
		return decode_manifests(out, body, err);
	struct torap_bytes zstd = torap_read_bytes(&r, torap_read_varint(&r));
	if (!torap_read_end(&r))
		return torap_errorf(err, -EBADMSG, "a compressed run is cut short, or more follows it");
	int result = decompress(&out->content, zstd, err);
	if (!result)
		result = decode_manifests(out, torap_buffer_bytes(out->content), err);
	if (result)
		torap_run_finish(out);
	return result;
}

void torap_run_finish(struct torap_run *r)
{
	r->content = torap_buffer_unref(r->content);
	r->count = 0;
}

struct torap_buffer *torap_run_encode(struct torap_buffer *const *signed_manifests, size_t count)
{
	struct torap_writer w = { 0 };
	for (size_t i = 0; i < count; i++) {
		torap_write_varint(&w, MANIFEST_KEY);
		torap_write_varint(&w, signed_manifests[i]->size);
		torap_write_bytes(&w, torap_buffer_bytes(signed_manifests[i]));
	}
	struct torap_buffer *b = w.failed ? NULL : torap_buffer_copy(torap_bytes(w.data, w.size));
	torap_writer_finish(&w);
	return b;
}

struct torap_buffer *torap_run_compress(struct torap_compressor *c, struct torap_buffer *run)
{
	struct torap_writer zstd = { 0 }, w = { 0 };
	struct torap_buffer *b = NULL;
	if (run->size < COMPRESS_SIZE_MIN || run->size > TORAP_CONTENT_SIZE_MAX)
		return torap_buffer_ref(run);
	size_t room = run->size - ZSTD_HEAD_MAX - 1;
	uint8_t *at = torap_write_room(&zstd, room);
	size_t size = at ? torap_compress(c, torap_buffer_bytes(run), at, room) : 0;
	if (size) {
		torap_write_varint(&w, ZSTD_KEY);
		torap_write_varint(&w, size);
		torap_write_bytes(&w, torap_bytes(at, size));
		b = w.failed ? NULL : torap_buffer_copy(torap_bytes(w.data, w.size));
	}
	torap_writer_finish(&zstd);
	torap_writer_finish(&w);
	return b ? b : torap_buffer_ref(run);
}
