/* torap-dc09 and its panels, for the battery. */
#include <stdio.h>

#include "tests/contract/stage.h"

static void write_config(const char *path, const char *endpoint, int port)
{
	FILE *f = fopen(path, "w");
	if (!f)
		abort();
	fprintf(f, "listen_tcp: 127.0.0.1:%d\nlisten_udp: 127.0.0.1:%d\nnode: %s\nlimits: { answer: 20s }\n",
		port, port, endpoint);
	fclose(f);
}

static size_t frame(uint8_t *out, const char *body)
{
	unsigned crc = 0;
	for (const char *c = body; *c; c++) {
		crc ^= (unsigned char)*c;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
	}
	return (size_t)snprintf(
		(char *)out, STAGE_MESSAGE_MAX, "\n%04X%04X%s\r", crc, (unsigned)strlen(body), body);
}

static size_t message(uint8_t out[static STAGE_MESSAGE_MAX], unsigned number)
{
	char body[200];
	snprintf(body, sizeof body, "\"SIA-DCS\"%04uR0L0#4001[#4001|Nri1/PA%u]_10:00:%02u,11-22-2026",
		number % 10000, number, number % 60);
	return frame(out, body);
}

static size_t acknowledgement(uint8_t out[static STAGE_MESSAGE_MAX], unsigned number)
{
	char body[100];
	snprintf(body, sizeof body, "\"ACK\"%04uR0L0#4001[]", number % 10000);
	return frame(out, body);
}

static size_t garbage(uint8_t out[static STAGE_MESSAGE_MAX], unsigned number)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
	static const uint8_t hello[] = { 0x16, 3, 1, 0, 0x31, 1, 0, 0, 0x2d, 3, 3, '"', '\n', '\r', 0xff, 0 };
	static const char cut[] = "\n12340034\"SIA-DCS\"0001L0#4001[#40";
	static const char wrong[] = "\nFFFF0012\"NULL\"0001L0#4001[]\r";
	static const char answer[] = "\n1BC10012\"ACK\"0001L0#1234[]\r";
	static const struct {
		const void *bytes;
		size_t size;
	} kinds[] = { { http, sizeof http - 1 }, { hello, sizeof hello }, { cut, sizeof cut - 1 },
		{ wrong, sizeof wrong - 1 }, { answer, sizeof answer - 1 } };
	if (number >= sizeof kinds / sizeof *kinds)
		return 0;
	memcpy(out, kinds[number].bytes, kinds[number].size);
	return kinds[number].size;
}

const struct contract_agent contract_agent = { "torap-dc09", write_config, message, acknowledgement,
	garbage };
