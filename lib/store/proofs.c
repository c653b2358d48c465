#include "store/proofs.h"

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
