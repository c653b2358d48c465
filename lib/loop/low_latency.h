/* low_latency.h: what a process asks of its machine so that an event passes soon.
 *
 * An event wakes some sixteen threads on its way.  An idle processor halts, and waking it takes 20 to 100 µs
 * on a virtual machine; a busy one first ends another thread's turn, which takes milliseconds.  Linux lets a
 * process say how long waking may take at most (Documentation/power/pm_qos_interface.rst), for the whole
 * machine and as long as it holds a file open; and lets threads go before others (sched(7), SCHED_RR). */
#pragma once

#include <uv.h>

#define TORAP_LOW_LATENCY_DEVICE "/dev/cpu_dma_latency"

struct torap_error;

/* Both, until the process ends, for the calling thread and those that it begins from now on.  Not for libuv's
 * workers (replays, searches), which this begins first: they shall not hold up the loop.  `loop` has nothing
 * on it yet; `device` is TORAP_LOW_LATENCY_DEVICE.
 *
 * Fails (negative errno), with nothing asked for, when the device is not there or may not be written, or the
 * process may not go first: that takes CAP_SYS_NICE, or a limit (RLIMIT_RTPRIO) of 1. */
int torap_low_latency(uv_loop_t *loop, const char *device, struct torap_error *err);
