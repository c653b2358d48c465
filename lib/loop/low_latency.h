/* low_latency.h: what a process asks of its machine so that an event passes soon.
 *
 * An event wakes a thread some eight times on its way.  An idle processor halts, and waking it takes 20 to 100 µs
 * on a virtual machine; a busy one first ends another thread's turn, which takes milliseconds.  Linux lets a
 * process say how long waking may take at most (Documentation/power/pm_qos_interface.rst), for the whole
 * machine and as long as it holds a file open; and lets threads go before others (sched(7), SCHED_RR). */
#pragma once

#include <stdbool.h>

#define TORAP_LOW_LATENCY_DEVICE "/dev/cpu_dma_latency"

struct torap_error;

/* Both, until the process ends, for the calling thread and those that it begins from now on.  `device` is TORAP_LOW_LATENCY_DEVICE.
 *
 * Fails (negative errno), with nothing asked for, when the device is not there or may not be written, or the
 * process may not go first: that takes CAP_SYS_NICE, or a limit (RLIMIT_RTPRIO) of 1. */
int torap_low_latency(const char *device, struct torap_error *err);

/* True and false around what a worker of libuv's does (a replay, a search), so that it does not hold up the loop.  Not around more: libuv's
 * own code tells the loop of the end, and the loop spins until that is told (uv_async_send()); a thread that goes first would never let
 * one that stands behind come so far.  Without torap_low_latency() it does nothing. */
void torap_low_latency_behind(bool behind);
