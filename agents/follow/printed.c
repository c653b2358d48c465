#include "agents/follow/printed.h"

#include <errno.h>

#include "agents/follow/store.h"
#include "store/kv_key.h"

static struct torap_kv_key output_key(const char *output, const struct torap_stream_id *stream)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_kv_key k = { .size = 0 };
	torap_kv_key_text(&k, output);
	torap_kv_key_text(&k, " ");
	torap_kv_key_text(&k, torap_stream_id_format(stream, text));
	return k;
}

int follow_printed_put(struct torap_kv_txn *txn, const char *output, const struct torap_stream_id *stream,
	struct follow_printed at)
{
	struct torap_kv_key k = output_key(output, stream), row = { .size = 0 };
	torap_kv_key_u64(&row, at.next_batch);
	torap_kv_key_u64(&row, at.next_seq);
	return torap_kv_put(txn, FOLLOW_PRINTED, torap_kv_key_bytes(&k), torap_kv_key_bytes(&row));
}

int follow_printed_get(struct torap_kv_txn *txn, const char *output, const struct torap_stream_id *stream,
	struct follow_printed *out)
{
	struct torap_kv_key k = output_key(output, stream);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_PRINTED, torap_kv_key_bytes(&k), &row);
	if (r)
		return r;
	struct torap_reader v = torap_reader(row);
	*out = (struct follow_printed){ .next_batch = torap_read_u64(&v), .next_seq = torap_read_u64(&v) };
	return torap_read_end(&v) ? 0 : -EBADMSG;
}

static struct torap_kv_key length_key(const char *output)
{
	struct torap_kv_key k = { .size = 0 };
	torap_kv_key_text(&k, "length/");
	torap_kv_key_text(&k, output);
	return k;
}

int follow_printed_put_length(struct torap_kv_txn *txn, const char *output, uint64_t length)
{
	struct torap_kv_key k = length_key(output), row = { .size = 0 };
	torap_kv_key_u64(&row, length);
	return torap_kv_put(txn, FOLLOW_META, torap_kv_key_bytes(&k), torap_kv_key_bytes(&row));
}

int follow_printed_length(struct torap_kv_txn *txn, const char *output, uint64_t *out)
{
	struct torap_kv_key k = length_key(output);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_META, torap_kv_key_bytes(&k), &row);
	if (r)
		return r;
	struct torap_reader v = torap_reader(row);
	*out = torap_read_u64(&v);
	return torap_read_end(&v) ? 0 : -EBADMSG;
}
