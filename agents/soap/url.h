/* url.h: addresses that a device names, at the host that the operator named. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* http:// or https://, a host, at most 511 bytes, nothing but visible ASCII, no user or password in it. */
bool soap_url_valid(const char *url);
/* Path and query of `named`, scheme, host and port of `configured`: a device behind NAT names an address of its own, and one that was
 * taken over might name a stranger's.  False: `named` is no such address, or there is no room. */
bool soap_url_at_host(char *out, size_t room, const char *named, const char *configured);
