/* carried.h: one connection of a broker's (zmtp/connection.h), open, and who dialled it by hand (kit/zmtp_client.h): messages through both of its ways,
 * without a socket. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"

struct bench_carried;

/* `on_message` as of zmtp/connection.h: the frames are borrowed. */
struct bench_carried *bench_carried_open(
	void (*on_message)(void *hint, struct torap_buffer **frames, size_t count), void *hint);
void bench_carried_close(struct bench_carried *c);
/* A message comes: sealed by hand in bench_by_hand(), a part of the work that is not ours, then taken as a listener takes it. */
void bench_carried_come(struct bench_carried *c, struct torap_buffer *const *frames, size_t count);
/* A message goes: sealed as for the kernel, and no more.  Returns how many bytes that were. */
size_t bench_carried_go(struct bench_carried *c, struct torap_buffer *const *frames, size_t count);
