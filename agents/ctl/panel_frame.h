/* panel_frame.h: a panel's own encoder of DC-09, and its reading of answers.
 *
 * Written from the standard, apart from the receiver's decoder, so that each tests the other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agents/ctl/panel_event.h"
#include "base/time.h"

enum { CTL_PANEL_FRAME_MAX = 512, CTL_PANEL_ACCOUNT_MAX = 16, CTL_PANEL_KEY_MAX = 32 };

struct ctl_panel_key {
	size_t size; /* 0: in the clear */
	uint8_t bytes[CTL_PANEL_KEY_MAX];
};

struct ctl_panel_message {
	char account[CTL_PANEL_ACCOUNT_MAX + 1];
	const struct ctl_panel_event *event;
	bool restore, cid;
	unsigned area, number; /* the number is a zone or a user */
	unsigned sequence;     /* 0 to 9999 */
	bool dated;
	struct torap_wall time; /* by the panel's clock; whole seconds count */
};

/* Code, area, zone and user as a receiver will read them: "PA" or "120 q1"; for logs. */
void ctl_panel_code(char *out, size_t size, const struct ctl_panel_message *m);
void ctl_panel_area(char *out, size_t size, const struct ctl_panel_message *m);
void ctl_panel_zone(char *out, size_t size, const struct ctl_panel_message *m);
void ctl_panel_user(char *out, size_t size, const struct ctl_panel_message *m);

/* Returns the size of the frame; 0 when encryption failed.  `random` fills the pad. */
size_t ctl_panel_encode(uint8_t out[static CTL_PANEL_FRAME_MAX], const struct ctl_panel_message *m,
	const struct ctl_panel_key *key, uint64_t random);

enum ctl_panel_answer {
	CTL_PANEL_NOTHING, /* not a whole answer yet */
	CTL_PANEL_ACK,
	CTL_PANEL_NAK, /* *time is the receiver's */
	CTL_PANEL_DUH,
	CTL_PANEL_STRANGE, /* an answer to something else, or broken */
};

/* Judges the first answer in `bytes`, as one to `m`; *used says how many bytes belong to it. */
enum ctl_panel_answer ctl_panel_read_answer(const uint8_t *bytes, size_t size, size_t *used,
	const struct ctl_panel_message *m, const struct ctl_panel_key *key, struct torap_wall *time);
