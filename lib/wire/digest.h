/* digest.h: the digest of the contract, BLAKE2b with 32 bytes of output and no key. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"

void torap_digest(uint8_t out[static TORAP_DIGEST_SIZE], struct torap_bytes bytes);
