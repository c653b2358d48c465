/* outage_state.h: open outages of many, which outlive a restart in a file of their own (STATE.outages), replaced as a whole: those that the node
 * knows of.  An agent that was restarted in the middle of one tells neither a second start nor its cameras one by one.
 *
 *     "torap-rtsp outages 3\n", a digest (16 bytes) of what follows, then for each share (outage.h) its outage's common, name, fault, cause, kind, began,
 *     how many were told before; audience, since, first camera, whether it has ended, who planned it and why, and its members: address, dark, since
 *     when, cause, outcome
 *
 * Version 2 is read, too: it has no fault, for there was no other than offline. */
#pragma once

#include <uv.h>

#include "agents/rtsp/cameras.h"
#include "agents/rtsp/outage/outage.h"
#include "base/bytes.h"
#include "base/error.h"

enum { RTSP_OUTAGE_STATE_SIZE_MAX = 64 << 20 };

/* What is durable of them, as the file has it. */
void rtsp_outage_state_encode(
	const struct rtsp_outages *o, const struct rtsp_cameras *cameras, struct torap_writer *w);
/* Puts them in: cameras that are dark are made so, their health too; those that the registry does not name any more are left out.
 * False: these bytes are none, or damaged, or of another version; then what was read until there is in. */
bool rtsp_outage_state_decode(struct rtsp_outages *o, const struct rtsp_cameras *cameras,
	struct torap_bytes bytes, struct rtsp_now now);
struct rtsp_outage_saving { /* zeros: nothing is being saved */
	bool active;
	uv_work_t work;
	struct torap_writer body;
	const char *path; /* borrowed */
	int result;
	struct torap_error err;
	void (*on_done)(void *hint, int result); /* 0 or a negative errno; NULL: nobody asks */
	void *hint;
};
/* Writes the file, on a thread of the loop's pool; loop NULL: at once.  Not while another is active. */
void rtsp_outage_state_save(struct rtsp_outage_saving *s, uv_loop_t *loop, const struct rtsp_outages *o,
	const struct rtsp_cameras *cameras, const char *path);
/* The same with a file.  0 also when there is none yet. */
int rtsp_outage_state_load(struct rtsp_outages *o, const struct rtsp_cameras *cameras, const char *path,
	struct rtsp_now now, struct torap_error *err);
