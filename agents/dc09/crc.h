/* crc.h: the CRC of DC-09 frames: CRC-16/ARC (polynomial 0x8005 reflected, start 0, no final xor).
 *
 * "123456789" gives 0xBB3D. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

uint16_t dc09_crc(struct torap_bytes bytes);
/* Continues a CRC that was begun with dc09_crc(). */
uint16_t dc09_crc_more(uint16_t crc, struct torap_bytes bytes);
