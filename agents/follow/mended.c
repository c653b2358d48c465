#include "agents/follow/mended.h"

#include <errno.h>
#include <string.h>

#include "agents/follow/store.h"
#include "store/kv_key.h"

#define HOLE   "hole/"
#define MENDED "mended/"

static struct torap_kv_key text_key(const char *prefix, const char *text)
{
	struct torap_kv_key k = { .size = 0 };
	torap_kv_key_text(&k, prefix);
	torap_kv_key_text(&k, text);
	return k;
}

/* Holes. */

static struct torap_kv_key hole_key(const struct torap_stream_id *stream, uint64_t batch_no)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_kv_key k = text_key(HOLE, torap_stream_id_format(stream, text));
	torap_kv_key_u8(&k, 0);
	torap_kv_key_u64(&k, batch_no);
	return k;
}

int follow_hole_put(struct torap_kv_txn *txn, const struct torap_stream_id *stream, uint64_t batch_no)
{
	struct torap_kv_key k = hole_key(stream, batch_no);
	return torap_kv_put(txn, FOLLOW_META, torap_kv_key_bytes(&k), torap_bytes("1", 1));
}

int follow_hole_delete(struct torap_kv_txn *txn, const struct torap_stream_id *stream, uint64_t batch_no)
{
	struct torap_kv_key k = hole_key(stream, batch_no);
	int r = torap_kv_delete(txn, FOLLOW_META, torap_kv_key_bytes(&k));
	return r == TORAP_KV_MISSING ? 0 : r;
}

int follow_hole_has(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, uint64_t batch_no, bool *out)
{
	struct torap_kv_key k = hole_key(stream, batch_no);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_META, torap_kv_key_bytes(&k), &row);
	*out = r == 0;
	return r == TORAP_KV_MISSING ? 0 : r;
}

struct holes_walk {
	int (*each)(void *hint, const struct torap_stream_id *stream, uint64_t batch_no);
	void *hint;
	int result;
};

/* Stops behind the last hole, which is not for each() to tell. */
static int on_hole(void *hint, struct torap_bytes key, struct torap_bytes row)
{
	struct holes_walk *w = hint;
	const size_t prefix = sizeof HOLE - 1;
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_stream_id stream;
	(void)row;
	if (key.size < prefix || memcmp(key.data, HOLE, prefix) != 0)
		return 1;
	size_t size = key.size - prefix;
	if (size < 9 || size - 9 >= sizeof text)
		return -EBADMSG;
	memcpy(text, key.data + prefix, size - 9);
	text[size - 9] = '\0';
	struct torap_reader r = torap_reader(torap_bytes(key.data + key.size - 8, 8));
	if (!torap_stream_id_parse(&stream, text))
		return -EBADMSG;
	w->result = w->each(w->hint, &stream, torap_read_u64(&r));
	return w->result ? 1 : 0;
}

int follow_holes(struct torap_kv_txn *txn,
	int (*each)(void *hint, const struct torap_stream_id *stream, uint64_t batch_no), void *hint)
{
	struct holes_walk w = { each, hint, 0 };
	struct torap_bytes from = torap_bytes(HOLE, sizeof HOLE - 1);
	int r = torap_kv_walk(txn, FOLLOW_META, from, on_hole, &w);
	return r < 0 ? r : w.result;
}

/* Merges. */

static struct torap_kv_key mended_key(uint64_t number)
{
	struct torap_kv_key k = text_key(MENDED, "");
	torap_kv_key_u64(&k, number);
	return k;
}

int follow_mended_last(struct torap_kv_txn *txn, uint64_t *out)
{
	struct torap_bytes key, row;
	int r = torap_kv_last(txn, FOLLOW_META, torap_bytes(MENDED, sizeof MENDED - 1), &key, &row);
	*out = 0;
	if (r)
		return r == TORAP_KV_MISSING ? 0 : r;
	struct torap_reader reader = torap_reader(key);
	torap_read_bytes(&reader, sizeof MENDED - 1);
	*out = torap_read_u64(&reader);
	return torap_read_end(&reader) ? 0 : -EBADMSG;
}

int follow_mended_add(struct torap_kv_txn *txn, const struct follow_mended *m)
{
	uint64_t last;
	int r = follow_mended_last(txn, &last);
	if (r)
		return r;
	struct torap_kv_key k = mended_key(last + 1);
	struct torap_writer row = { 0 };
	torap_write_u32(&row, m->stream_number);
	torap_write_u64(&row, m->batch_no);
	for (unsigned i = 0; i < TORAP_BATCH_FRAMES_MAX; i++) {
		if (!m->came[i])
			continue;
		torap_write_u8(&row, (uint8_t)(i >> 8));
		torap_write_u8(&row, (uint8_t)i);
	}
	r = row.failed
		    ? -ENOMEM
		    : torap_kv_put(txn, FOLLOW_META, torap_kv_key_bytes(&k), torap_bytes(row.data, row.size));
	torap_writer_finish(&row);
	return r;
}

int follow_mended_get(struct torap_kv_txn *txn, uint64_t number, struct follow_mended *out)
{
	struct torap_kv_key k = mended_key(number);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_META, torap_kv_key_bytes(&k), &row);
	if (r)
		return r;
	struct torap_reader v = torap_reader(row);
	*out = (struct follow_mended){ .stream_number = torap_read_u32(&v), .batch_no = torap_read_u64(&v) };
	while (!v.failed && !torap_read_end(&v)) {
		unsigned high = torap_read_u8(&v), frame = high << 8 | torap_read_u8(&v);
		if (frame >= TORAP_BATCH_FRAMES_MAX)
			return -EBADMSG;
		out->came[frame] = true;
	}
	return v.failed ? -EBADMSG : 0;
}

int follow_mended_put_seen(struct torap_kv_txn *txn, const char *output, uint64_t number)
{
	struct torap_kv_key k = text_key("seen/", output), value = { .size = 0 };
	torap_kv_key_u64(&value, number);
	return torap_kv_put(txn, FOLLOW_META, torap_kv_key_bytes(&k), torap_kv_key_bytes(&value));
}

int follow_mended_seen(struct torap_kv_txn *txn, const char *output, uint64_t *out)
{
	struct torap_kv_key k = text_key("seen/", output);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_META, torap_kv_key_bytes(&k), &row);
	*out = 0;
	if (r)
		return r == TORAP_KV_MISSING ? 0 : r;
	struct torap_reader v = torap_reader(row);
	*out = torap_read_u64(&v);
	return torap_read_end(&v) ? 0 : -EBADMSG;
}
