#include "agents/dc09/crc.h"

/* Bit by bit: a frame is some hundred bytes, and a printed table of this CRC is known to be wrong in one place. */
uint16_t dc09_crc_more(uint16_t crc, struct torap_bytes bytes)
{
	for (size_t i = 0; i < bytes.size; i++) {
		crc ^= bytes.data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? (uint16_t)(crc >> 1 ^ 0xa001) : (uint16_t)(crc >> 1);
	}
	return crc;
}

uint16_t dc09_crc(struct torap_bytes bytes)
{
	return dc09_crc_more(0, bytes);
}
