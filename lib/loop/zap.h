/* zap.h: the ZAP handler (ZeroMQ RFC 27): who may finish a CURVE handshake on this process's listeners.
 *
 * Runs on the loop, on inproc://zeromq.zap.01; open it before the first listener, close it after the last.  A refused peer's dialler
 * asks again every 5 s, so that admitting its key later is all that it takes.  An admitted peer's user id is its public key in
 * hexadecimal; zsocket.h gives it back as torap_zmessage.key. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct torap_error;
struct torap_zap;

/* `address` is the peer's IP address, for logs. */
typedef bool (*torap_zap_admit)(void *hint, const uint8_t key[static 32], const char *address);

int torap_zap_open(struct torap_zap **out, uv_loop_t *loop, void *context, torap_zap_admit admit, void *hint,
	struct torap_error *err);
uint64_t torap_zap_refused(const struct torap_zap *zap); /* handshakes refused since the start */
/* Accepts NULL. */
void torap_zap_close(struct torap_zap *zap, void (*on_closed)(void *hint), void *hint);
