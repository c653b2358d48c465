/* kv_key.h: a key, or a value of a few numbers, put together in place.
 *
 * Numbers are big endian, as torap_read_u64() reads them, so that LMDB's order is theirs.  A key of zeros is empty. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

enum { TORAP_KV_KEY_ROOM = 160 }; /* bytes: the name of an output and that of a stream; more is a bug */

struct torap_kv_key {
	size_t size;
	uint8_t data[TORAP_KV_KEY_ROOM];
};

void torap_kv_key_u8(struct torap_kv_key *key, uint8_t value);
void torap_kv_key_u16(struct torap_kv_key *key, uint16_t value);
void torap_kv_key_u32(struct torap_kv_key *key, uint32_t value);
void torap_kv_key_u64(struct torap_kv_key *key, uint64_t value);
void torap_kv_key_text(struct torap_kv_key *key, const char *text); /* without its NUL */
void torap_kv_key_add(struct torap_kv_key *key, struct torap_bytes bytes);

static inline struct torap_bytes torap_kv_key_bytes(const struct torap_kv_key *key)
{
	return torap_bytes(key->data, key->size);
}
