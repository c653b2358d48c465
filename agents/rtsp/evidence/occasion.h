/* occasion.h: why evidence is made: the alarms that it is for, and the node's requests that wait for it.  Both bounded; what comes beyond
 * is counted, and shares the evidence all the same. */
#pragma once

#include "agents/rtsp/evidence/item.h"
#include "agents/rtsp/evidence/requests.h"

enum { RTSP_OCCASION_REQUESTS = 8 };

struct rtsp_occasion {
	struct rtsp_alarm alarms[RTSP_ALARMS_MAX];
	uint32_t alarms_count, more;
	uint64_t requests[RTSP_OCCASION_REQUESTS];
	uint32_t requests_count;
};

/* An alarm that it is for, with `alarms` - 1 others of the site, and the request that asked (0: none), which it then holds open. */
void rtsp_occasion_add(struct rtsp_occasion *o, const struct rtsp_alarm *alarm, uint32_t alarms,
	uint64_t request, struct rtsp_requests *requests);
/* A copy that holds the requests open once more. */
struct rtsp_occasion rtsp_occasion_copy(const struct rtsp_occasion *o, struct rtsp_requests *requests);
/* Lets go of the requests. */
void rtsp_occasion_finish(struct rtsp_occasion *o, struct rtsp_requests *requests);
/* What the item says of it. */
void rtsp_occasion_describe(const struct rtsp_occasion *o, struct rtsp_item *item);
