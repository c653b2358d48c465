#include "store/proofs.h"

#include <errno.h>
#include <string.h>

#include "store/kv_key.h"

int torap_proof_put(struct torap_kv_txn *txn, unsigned table, const struct torap_stream_id *stream,
	enum torap_proof sort, uint64_t number, struct torap_bytes document)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_kv_key key = { 0 };
	torap_kv_key_text(&key, torap_stream_id_format(stream, text));
	torap_kv_key_u8(&key, ' ');
	torap_kv_key_u8(&key, (uint8_t)sort);
	torap_kv_key_u64(&key, number);
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
	if (size >= sizeof text || key.size != size + 2 + 8)
		return -EBADMSG;
	memcpy(text, key.data, size);
	row.sort = (enum torap_proof)key.data[size + 1];
	for (size_t i = size + 2; i < key.size; i++)
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
