/* ports.h: the two UDP ports of a session: one for the picture, one for its control.  Only what comes from the camera's host is
 * taken. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/bytes.h"

struct rtsp_ports { /* zeros but for what the caller sets: hint, callbacks, buffer */
	void *hint;
	void (*on_packet)(void *hint, bool control, struct torap_bytes packet);
	void (*on_closed)(void *hint); /* for each of the two */
	char *buffer;                  /* borrowed: to read into */
	size_t buffer_size;
	/* private */
	uv_udp_t udp[2]; /* media, control */
	struct sockaddr_storage peer;
	uint16_t port, peer_control; /* 0: not yet */
};

/* Opens them, the first one even, for packets from the host of `peer`; the same ones when they are open.  Adds to *handles how
 * many on_closed will come.  0: there are none to be had. */
uint16_t rtsp_ports_open(
	struct rtsp_ports *p, uv_loop_t *loop, const struct sockaddr_storage *peer, unsigned *handles);
/* Greets the camera's ports, so that what stands between lets its packets through.  0: it did not say which. */
void rtsp_ports_meet(struct rtsp_ports *p, uint16_t media, uint16_t control, uint32_t source);
void rtsp_ports_send_control(struct rtsp_ports *p, struct torap_bytes report);
void rtsp_ports_close(struct rtsp_ports *p);
void rtsp_ports_set(struct sockaddr_storage *address, uint16_t port);
