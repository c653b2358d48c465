#include "agents/dc09/crc.h"

/* Half a byte at a time: small enough to check by hand (the table of 256 that DC-07 prints has a wrong entry), and quick enough for
 * garbage that looks like a frame at every tenth byte. */
static const uint16_t table[16] = {
	0x0000,
	0xcc01,
	0xd801,
	0x1400,
	0xf001,
	0x3c00,
	0x2800,
	0xe401,
	0xa001,
	0x6c00,
	0x7800,
	0xb401,
	0x5000,
	0x9c01,
	0x8801,
	0x4400,
};

uint16_t dc09_crc_more(uint16_t crc, struct torap_bytes bytes)
{
	for (size_t i = 0; i < bytes.size; i++) {
		crc ^= bytes.data[i];
		crc = (uint16_t)(crc >> 4 ^ table[crc & 15]);
		crc = (uint16_t)(crc >> 4 ^ table[crc & 15]);
	}
	return crc;
}

uint16_t dc09_crc(struct torap_bytes bytes)
{
	return dc09_crc_more(0, bytes);
}
