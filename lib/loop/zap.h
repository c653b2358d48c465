/* zap.h: the ZAP handler (ZeroMQ RFC 27): who may finish a CURVE handshake on this process's listeners.
 *
 * Runs on the loop; open it before the first listener, close it after the last.  A refused peer's dialler asks again every 5 s, so
 * that admitting its key later is all that it takes.  An admitted peer's user id is its public key in hexadecimal; zsocket.h
 * gives it back as torap_zmessage.key. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/limits.h"

struct torap_error;
struct torap_zap;

#define TORAP_ZAP_ENDPOINT "inproc://zeromq.zap.01" /* as libzmq looks for it */

/* `address` is the peer's IP address, for logs. */
typedef bool (*torap_zap_admit)(
	void *hint, const uint8_t key[static TORAP_CURVE_KEY_SIZE], const char *address);

int torap_zap_open(struct torap_zap **out, uv_loop_t *loop, void *context, torap_zap_admit admit, void *hint,
	struct torap_error *err);
uint64_t torap_zap_refused(const struct torap_zap *zap); /* handshakes refused since the start */
/* Accepts NULL. */
void torap_zap_close(struct torap_zap *zap, void (*on_closed)(void *hint), void *hint);
