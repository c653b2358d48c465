/* signature.h: the shape that SignedManifest and SignedHead share: { bytes document = 1; signature = 2; key_id = 3 }.
 *
 * Signed is a prefix that names the document, and the document's bytes as they are.  They are never re-encoded. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"

struct torap_buffer;
struct torap_sign_key;

/* With the NUL that is part of them. */
#define TORAP_MANIFEST_PREFIX "torap manifest 1"
#define TORAP_HEAD_PREFIX     "torap head 1"

struct torap_signed {
	struct torap_bytes document;  /* borrowed from the input, as the others */
	struct torap_bytes signature; /* TORAP_SIGNATURE_SIZE bytes */
	struct torap_bytes key_id;    /* TORAP_KEY_ID_SIZE bytes */
};

enum {
	/* A signed document has fields of 4 + 66 + 10 bytes around it; the rest is room for fields to come. */
	TORAP_SIGNED_OVERHEAD_MAX = 256,
};

/* False: not of this shape, or larger than a manifest may be.  Copies nothing.  Unknown fields are skipped. */
bool torap_signed_decode(struct torap_signed *out, struct torap_bytes bytes);
/* Is the signature by this public key over `prefix`, its NUL and the document? */
bool torap_signed_verify(
	const struct torap_signed *s, const char *prefix, const uint8_t public[static TORAP_SIGN_KEY_SIZE]);
/* Signs and encodes.  The document is at most TORAP_MANIFEST_SIZE_MAX.  NULL when memory ran out. */
struct torap_buffer *torap_signed_encode(
	struct torap_bytes document, const char *prefix, const struct torap_sign_key *key);
