#include "agents/rtsp/evidence/occasion.h"

#include <string.h>

void rtsp_occasion_add(struct rtsp_occasion *o, const struct rtsp_alarm *alarm, uint32_t alarms,
	uint64_t request, struct rtsp_requests *requests)
{
	if (o->alarms_count < RTSP_ALARMS_MAX)
		o->alarms[o->alarms_count++] = *alarm;
	else
		o->more++;
	o->more += alarms ? alarms - 1 : 0;
	if (o->requests_count < RTSP_OCCASION_REQUESTS && rtsp_requests_hold(requests, request))
		o->requests[o->requests_count++] = request;
}

struct rtsp_occasion rtsp_occasion_copy(const struct rtsp_occasion *o, struct rtsp_requests *requests)
{
	struct rtsp_occasion copy = *o;
	copy.requests_count = 0;
	for (uint32_t i = 0; i < o->requests_count; i++)
		if (rtsp_requests_hold(requests, o->requests[i]))
			copy.requests[copy.requests_count++] = o->requests[i];
	return copy;
}

void rtsp_occasion_finish(struct rtsp_occasion *o, struct rtsp_requests *requests)
{
	for (uint32_t i = 0; i < o->requests_count; i++)
		rtsp_requests_release(requests, o->requests[i]);
	o->requests_count = 0;
}

void rtsp_occasion_describe(const struct rtsp_occasion *o, struct rtsp_item *item)
{
	memcpy(item->alarms, o->alarms, sizeof item->alarms);
	item->alarms_count = o->alarms_count;
	item->alarms_more = o->more;
}
