#include "agents/rtsp/talk/rtp.h"

#include <string.h>

enum { SENDER_REPORT = 200, RECEIVER_REPORT = 201 };

bool rtsp_rtp_read(struct rtsp_rtp *out, struct torap_bytes packet)
{
	struct torap_reader r = torap_reader(packet);
	uint8_t first = torap_read_u8(&r), second = torap_read_u8(&r);
	uint8_t high = torap_read_u8(&r), low = torap_read_u8(&r);
	out->time = torap_read_u32(&r);
	out->source = torap_read_u32(&r);
	torap_read_bytes(&r, 4 * (size_t)(first & 15)); /* contributing sources */
	if (first & 0x10) {
		uint32_t extension = torap_read_u32(&r);
		torap_read_bytes(&r, 4 * (size_t)(extension & 0xffff));
	}
	if (r.failed || first >> 6 != 2)
		return false;
	size_t size = (size_t)(r.end - r.at);
	if (first & 0x20) { /* padding: its last byte says how much */
		if (!size || r.end[-1] > size || !r.end[-1])
			return false;
		size -= r.end[-1];
	}
	out->marker = second >> 7;
	out->payload = second & 127;
	out->sequence = (uint16_t)(high << 8 | low);
	out->body = torap_bytes(r.at, size);
	return true;
}

bool rtsp_sender_report_read(struct rtsp_sender_report *out, struct torap_bytes packet)
{
	const uint64_t seconds_1900_to_1970 = 2208988800u;
	struct torap_reader r = torap_reader(packet);
	while (!r.failed && r.at < r.end) {
		uint32_t head = torap_read_u32(&r);
		struct torap_bytes rest = torap_read_bytes(&r, 4 * (size_t)(head & 0xffff));
		if (r.failed || head >> 30 != 2)
			return false;
		if ((head >> 16 & 255) != SENDER_REPORT)
			continue;
		struct torap_reader report = torap_reader(rest);
		torap_read_u32(&report); /* source */
		uint64_t seconds = torap_read_u32(&report), fraction = torap_read_u32(&report);
		out->time = torap_read_u32(&report);
		if (report.failed || !seconds)
			return false;
		if (seconds < seconds_1900_to_1970 / 2)
			seconds += 1ull << 32; /* the era that begins in 2036 */
		out->clock.us = ((int64_t)seconds - (int64_t)seconds_1900_to_1970) * TORAP_US_PER_S +
				(int64_t)(fraction * TORAP_US_PER_S >> 32);
		return true;
	}
	return false;
}

void rtsp_receiver_report_write(uint8_t out[static RTSP_RECEIVER_REPORT_SIZE], uint32_t source)
{
	const uint8_t report[] = { 0x80, RECEIVER_REPORT, 0, 1, (uint8_t)(source >> 24),
		(uint8_t)(source >> 16), (uint8_t)(source >> 8), (uint8_t)source };
	memcpy(out, report, sizeof report);
}
