#include "store/proofs.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "store/kv_key.h"

/* Another document under a number that is taken has this of its digest behind it. */
enum { MARK_SIZE = 8 };

int torap_proof_put(struct torap_kv_txn *txn, unsigned table, const struct torap_stream_id *stream,
	enum torap_proof sort, uint64_t number, struct torap_bytes document)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	uint8_t mark[MARK_SIZE * 2]; /* libsodium's least */
	struct torap_kv_key key = { 0 };
	struct torap_bytes before;
	torap_kv_key_text(&key, torap_stream_id_format(stream, text));
	torap_kv_key_u8(&key, ' ');
	torap_kv_key_u8(&key, (uint8_t)sort);
	torap_kv_key_u64(&key, number);
	int r = torap_kv_get(txn, table, torap_kv_key_bytes(&key), &before);
	if (r && r != TORAP_KV_MISSING)
		return r;
	if (!r && torap_bytes_equal(before, document))
		return 0;
	if (!r) {
		crypto_generichash(mark, sizeof mark, document.data, document.size, NULL, 0);
		torap_kv_key_add(&key, torap_bytes(mark, MARK_SIZE));
	}
	return torap_kv_put(txn, table, torap_kv_key_bytes(&key), document);
}

struct walk {
	int (*each)(void *hint, const struct torap_proof_row *row);
	void *hint;
};

static int on_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	const struct walk *walk = hint;
	char text[TORAP_STREAM_TEXT_SIZE] = "";
	struct torap_proof_row row = { .document = value };
	const uint8_t *space = memchr(key.data, ' ', key.size);
	size_t size = space ? (size_t)(space - key.data) : sizeof text;
	size_t end = size + 2 + 8;
	if (size >= sizeof text || (key.size != end && key.size != end + MARK_SIZE))
		return -EBADMSG;
	memcpy(text, key.data, size);
	row.sort = (enum torap_proof)key.data[size + 1];
	for (size_t i = size + 2; i < end; i++)
		row.number = row.number << 8 | key.data[i];
	if (!torap_stream_id_parse(&row.stream, text))
		return -EBADMSG;
	return walk->each(walk->hint, &row);
}

int torap_proofs(struct torap_kv_txn *txn, unsigned table,
	int (*each)(void *hint, const struct torap_proof_row *row), void *hint)
{
	struct walk walk = { each, hint };
	return torap_kv_walk(txn, table, torap_bytes(NULL, 0), on_row, &walk);
}
