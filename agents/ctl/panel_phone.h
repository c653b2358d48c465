/* panel_phone.h: one simulated panel and its line to the receiver.
 *
 * It tells one message at a time: sends, waits, sends the same again (same content, same sequence), gives up after its tries.  A NAK
 * sets its clock, and the message goes out anew with the right time.  TCP connections stay open and are made again when they are
 * lost; UDP is one socket a panel. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "agents/ctl/panel_frame.h"
#include "base/time.h"

struct ctl_panel_phone;

struct ctl_panel_line { /* shared by all panels; borrowed */
	uv_loop_t *loop;
	struct sockaddr_storage to;
	bool udp;
	unsigned tries;
	int64_t timeout_us;
	struct ctl_panel_key key;
	void *hint;
	void (*on_done)(void *hint, struct ctl_panel_phone *p, enum ctl_panel_answer answer);
};

struct ctl_panel_phone {
	const struct ctl_panel_line *line;
	struct ctl_panel_message message; /* the last; its account is the panel's */
	bool waiting;                     /* for the answer to it */
	unsigned tried, repeats;
	struct torap_mono asked, next_try; /* asked: when it was first sent */
	int64_t took_us;                   /* until it was acknowledged */
	int64_t clock_offset_us;           /* learnt from a NAK */
	uint64_t random;
	const char *trouble; /* why the last try did not go out; NULL */
	/* What a panel remembers between messages of the mix. */
	unsigned next_number;
	const struct ctl_panel_event *raised; /* an alarm that is not over */
	unsigned raised_number;
	/* private */
	union {
		uv_tcp_t tcp;
		uv_udp_t udp;
		uv_handle_t any;
	} handle;
	uv_connect_t connecting;
	bool open, connected, closing;
	size_t heard_size;
	uint8_t heard[CTL_PANEL_FRAME_MAX];
	char read_into[CTL_PANEL_FRAME_MAX];
};

void ctl_panel_phone_init(
	struct ctl_panel_phone *p, const struct ctl_panel_line *line, const char *account, uint64_t random);
/* `message` without account and time, which are the panel's own.  It must not be waiting. */
void ctl_panel_phone_tell(struct ctl_panel_phone *p, const struct ctl_panel_message *message);
/* At least every 50 ms while it waits. */
void ctl_panel_phone_tick(struct ctl_panel_phone *p, struct torap_mono now);
/* Hangs up for good. */
void ctl_panel_phone_close(struct ctl_panel_phone *p);
