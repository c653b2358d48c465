#include "wire/signature.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/buffer.h"
#include "wire/sign_key.h"

enum { PREFIX_SIZE_MAX = sizeof TORAP_MANIFEST_PREFIX };

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 }; /* protobuf's wire types */

static void skip(struct torap_reader *r, unsigned wire_type)
{
	switch (wire_type) {
	case VARINT:
		torap_read_varint(r);
		break;
	case FIXED64:
		torap_read_bytes(r, 8);
		break;
	case LENGTH:
		torap_read_bytes(r, torap_read_varint(r));
		break;
	case FIXED32:
		torap_read_bytes(r, 4);
		break;
	default:
		r->failed = true;
	}
}

bool torap_signed_decode(struct torap_signed *out, struct torap_bytes bytes)
{
	if (bytes.size == 0 || bytes.size > TORAP_MANIFEST_SIZE_MAX + TORAP_SIGNED_OVERHEAD_MAX)
		return false;
	struct torap_bytes fields[4] = { { NULL, 0 } }; /* by number; 0 is unused */
	struct torap_reader r = torap_reader(bytes);
	while (!r.failed && r.at < r.end) {
		uint64_t tag = torap_read_varint(&r);
		uint64_t number = tag >> 3;
		if (number >= 1 && number <= 3 && (tag & 7) == LENGTH)
			fields[number] = torap_read_bytes(&r, torap_read_varint(&r));
		else if (number >= 1)
			skip(&r, tag & 7);
		else
			r.failed = true;
	}
	if (!torap_read_end(&r) || fields[1].size == 0 || fields[1].size > TORAP_MANIFEST_SIZE_MAX ||
		fields[2].size != TORAP_SIGNATURE_SIZE || fields[3].size != TORAP_KEY_ID_SIZE)
		return false;
	*out = (struct torap_signed){ fields[1], fields[2], fields[3] };
	return true;
}

/* What Ed25519 sees, which must lie in one piece. */
static size_t put_together(uint8_t *message, const char *prefix, struct torap_bytes document)
{
	size_t prefix_size = strlen(prefix) + 1;
	assert(prefix_size <= PREFIX_SIZE_MAX && document.size <= TORAP_MANIFEST_SIZE_MAX);
	memcpy(message, prefix, prefix_size);
	memcpy(message + prefix_size, document.data, document.size);
	return prefix_size + document.size;
}

bool torap_signed_verify(
	const struct torap_signed *s, const char *prefix, const uint8_t public[static TORAP_SIGN_KEY_SIZE])
{
	uint8_t message[PREFIX_SIZE_MAX + TORAP_MANIFEST_SIZE_MAX];
	size_t size = put_together(message, prefix, s->document);
	return crypto_sign_verify_detached(s->signature.data, message, size, public) == 0;
}

static void write_field(struct torap_writer *w, unsigned number, struct torap_bytes bytes)
{
	torap_write_varint(w, number << 3 | LENGTH);
	torap_write_varint(w, bytes.size);
	torap_write_bytes(w, bytes);
}

struct torap_buffer *torap_signed_encode(
	struct torap_bytes document, const char *prefix, const struct torap_sign_key *key)
{
	uint8_t message[PREFIX_SIZE_MAX + TORAP_MANIFEST_SIZE_MAX];
	uint8_t signature[TORAP_SIGNATURE_SIZE];
	size_t size = put_together(message, prefix, document);
	crypto_sign_detached(signature, NULL, message, size, key->secret);

	struct torap_writer w = { 0 };
	write_field(&w, 1, document);
	write_field(&w, 2, torap_bytes(signature, sizeof signature));
	write_field(&w, 3, torap_bytes(key->id, sizeof key->id));
	struct torap_buffer *b = w.failed ? NULL : torap_buffer_copy(torap_bytes(w.data, w.size));
	torap_writer_finish(&w);
	return b;
}
