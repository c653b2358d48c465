#include "store/kv_key.h"

#include <assert.h>
#include <string.h>

void torap_kv_key_add(struct torap_kv_key *key, struct torap_bytes bytes)
{
	assert(bytes.size <= sizeof key->data - key->size);
	if (bytes.size)
		memcpy(key->data + key->size, bytes.data, bytes.size);
	key->size += bytes.size;
}

static void add_number(struct torap_kv_key *key, uint64_t value, size_t size)
{
	assert(size <= sizeof key->data - key->size);
	for (size_t i = size; i-- > 0; value >>= 8)
		key->data[key->size + i] = (uint8_t)value;
	key->size += size;
}

void torap_kv_key_u8(struct torap_kv_key *key, uint8_t value)
{
	add_number(key, value, 1);
}

void torap_kv_key_u16(struct torap_kv_key *key, uint16_t value)
{
	add_number(key, value, 2);
}

void torap_kv_key_u32(struct torap_kv_key *key, uint32_t value)
{
	add_number(key, value, 4);
}

void torap_kv_key_u64(struct torap_kv_key *key, uint64_t value)
{
	add_number(key, value, 8);
}

void torap_kv_key_text(struct torap_kv_key *key, const char *text)
{
	torap_kv_key_add(key, torap_bytes(text, strlen(text)));
}
