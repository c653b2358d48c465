#include "loop/address.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

bool torap_address_parse(struct sockaddr_storage *out, const char *text)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	if (length == 0 || length >= sizeof host || colon[1] < '0' || colon[1] > '9')
		return false;
	char *end;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (port > UINT16_MAX || *end)
		return false;
	bool six = length > 2 && text[0] == '[' && text[length - 1] == ']';
	length -= six ? 2 : 0;
	memcpy(host, text + (six ? 1 : 0), length);
	host[length] = '\0';
	memset(out, 0, sizeof *out);
	return six ? uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)out) == 0
		   : uv_ip4_addr(host, (int)port, (struct sockaddr_in *)out) == 0;
}
