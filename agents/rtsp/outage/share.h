/* share.h: what is told of the cameras of an outage that have one audience: start, changes, end, each once; and again, what did not get through.  Inside
 * of outage.h.  A pointer to a share holds until the next rtsp_share_new(). */
#pragma once

#include "agents/rtsp/outage/outage.h"

/* Its start is due at once.  NULL: no memory.  Takes over a reference of `planned`. */
struct rtsp_share *rtsp_share_new(
	struct rtsp_outages *o, struct rtsp_outage *outage, uint64_t audience, struct kit_planned *planned);
/* Its place in the list. */
uint32_t rtsp_share_place(const struct rtsp_outages *o, const struct rtsp_share *share);
bool rtsp_share_is_open(const struct rtsp_share *share);

/* Who joined, and who is back, since it was last told of. */
void rtsp_share_change(struct rtsp_outages *o, struct rtsp_share *share);
/* Who stays dark is held again, and so explained by a smaller group, or told by itself. */
void rtsp_share_end(struct rtsp_outages *o, struct rtsp_share *share, struct rtsp_now now);
/* Its start or its end, if one is to be told and due.  True: it was told. */
bool rtsp_share_due(struct rtsp_outages *o, struct rtsp_share *share, struct rtsp_now now);
