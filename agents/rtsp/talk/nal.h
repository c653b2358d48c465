/* nal.h: the units of H.264 (RFC 6184, 5.2; ITU-T H.264, table 7-1) and H.265 (RFC 7798, 4.4; ITU-T H.265, table 7-1) that we tell apart. */
#pragma once

#include <stdint.h>

enum {
	H264_IDR = 5,
	H264_SPS = 7,
	H264_PPS = 8,
	H264_STAP_A = 24,
	H264_FU_A = 28,
	H265_IRAP_FIRST = 16,
	H265_IRAP_LAST = 21,
	H265_VPS = 32,
	H265_PPS = 34,
	H265_AP = 48,
	H265_FU = 49,
	FU_START = 0x80,
	FU_END = 0x40,
};

/* ITU-T H.264, annex B. */
static const uint8_t start_code[] = { 0, 0, 0, 1 };
