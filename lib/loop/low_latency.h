/* low_latency.h: what a process asks of the machine so that an event passes as soon as it can.
 *
 * An event wakes some sixteen threads on its way.  An idle processor halts, and to wake it takes 20 to 100 µs on a virtual machine; a busy one first ends
 * another thread's turn, which takes milliseconds.  Linux lets a process say how long waking may take at most (Documentation/power/pm_qos_interface.rst),
 * for the whole machine and as long as it holds a file open; and lets its threads go first (sched(7), SCHED_RR). */
#pragma once

#define TORAP_LOW_LATENCY_DEVICE "/dev/cpu_dma_latency"

struct torap_error;

/* Both, until the process ends, for all threads that it begins from now on.  `device` is TORAP_LOW_LATENCY_DEVICE.  Fails (negative errno), with nothing
 * asked for, when it is not there or may not be written, or when the process may not go first (CAP_SYS_NICE, or a limit RLIMIT_RTPRIO of 1). */
int torap_low_latency(const char *device, struct torap_error *err);
