#include "store/proofs.h"

#include <string.h>

int torap_proof_put(struct torap_kv_txn *txn, unsigned table, const struct torap_stream_id *stream,
	enum torap_proof sort, uint64_t number, struct torap_bytes document)
{
	uint8_t key[TORAP_STREAM_TEXT_SIZE + 2 + 8];
	char text[TORAP_STREAM_TEXT_SIZE];
	size_t size = strlen(torap_stream_id_format(stream, text));
	memcpy(key, text, size);
	key[size++] = ' ';
	key[size++] = (uint8_t)sort;
	for (int shift = 56; shift >= 0; shift -= 8)
		key[size++] = (uint8_t)(number >> shift);
	return torap_kv_put(txn, table, torap_bytes(key, size), document);
}
