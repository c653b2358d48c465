/* tls.h: TLS of rtsps, between bytes that came and bytes that go.  No I/O.
 *
 * Certificates of cameras are their own makers' or nobody's, so none is verified: it keeps a password from whoever listens, not from
 * whoever stands between. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct rtsp_tls;

enum rtsp_tls_state { RTSP_TLS_SHAKING, RTSP_TLS_READY, RTSP_TLS_BROKEN };

/* `host` for servers of several names; addresses are not told.  0 or -ENOMEM. */
int rtsp_tls_open(struct rtsp_tls **out, const char *host);
/* Accepts NULL. */
void rtsp_tls_close(struct rtsp_tls *t);
/* What came; nothing begins the handshake. */
enum rtsp_tls_state rtsp_tls_incoming(struct rtsp_tls *t, struct torap_bytes bytes);
/* What is to be sent; 0: nothing more. */
size_t rtsp_tls_outgoing(struct rtsp_tls *t, uint8_t *out, size_t room);
/* In the clear.  False: it is broken. */
bool rtsp_tls_write(struct rtsp_tls *t, struct torap_bytes bytes);
size_t rtsp_tls_read(struct rtsp_tls *t, uint8_t *out, size_t room);
