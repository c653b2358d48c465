#include "agents/rtsp/evidence/requests.h"

#include <assert.h>
#include <stddef.h>

static const int64_t forget_us = 600 * (int64_t)TORAP_US_PER_S;

static struct rtsp_request *find(struct rtsp_requests *r, uint64_t id)
{
	for (uint32_t i = 0; id && i < RTSP_REQUESTS_MAX; i++)
		if (r->list[i].id == id)
			return &r->list[i];
	return NULL;
}

static bool is_old(const struct rtsp_request *q, struct torap_mono now)
{
	return q->id && q->said && now.us - q->done_at.us > forget_us;
}

/* A free place, else that of the one which was done first. */
static struct rtsp_request *make_room(struct rtsp_requests *r, struct torap_mono now)
{
	struct rtsp_request *oldest = NULL;
	for (uint32_t i = 0; i < RTSP_REQUESTS_MAX; i++) {
		struct rtsp_request *q = &r->list[i];
		if (is_old(q, now)) {
			*q = (struct rtsp_request){ 0 };
			r->count--;
		}
		if (!q->id)
			return q;
		if (q->said && (!oldest || q->done_at.us < oldest->done_at.us))
			oldest = q;
	}
	if (oldest)
		r->count--;
	return oldest;
}

enum rtsp_requests_answer rtsp_requests_begin(struct rtsp_requests *r, uint64_t id, struct torap_mono now)
{
	struct rtsp_request *q = find(r, id);
	if (q) {
		r->unsaid += q->said;
		q->said = false;
		return RTSP_REQUEST_KNOWN;
	}
	q = make_room(r, now);
	if (!q) {
		r->full++;
		return RTSP_REQUEST_FULL;
	}
	*q = (struct rtsp_request){ .id = id, .open = 1 };
	r->count++;
	return RTSP_REQUEST_NEW;
}

bool rtsp_requests_hold(struct rtsp_requests *r, uint64_t id)
{
	struct rtsp_request *q = find(r, id);
	if (q)
		q->open++;
	return q != NULL;
}

void rtsp_requests_release(struct rtsp_requests *r, uint64_t id)
{
	struct rtsp_request *q = find(r, id);
	assert(q && q->open);
	if (--q->open == 0)
		r->unsaid++;
}

uint64_t rtsp_requests_next(const struct rtsp_requests *r)
{
	for (uint32_t i = 0; r->unsaid && i < RTSP_REQUESTS_MAX; i++)
		if (r->list[i].id && !r->list[i].open && !r->list[i].said)
			return r->list[i].id;
	return 0;
}

void rtsp_requests_said(struct rtsp_requests *r, uint64_t id, struct torap_mono now)
{
	struct rtsp_request *q = find(r, id);
	if (!q || q->open || q->said)
		return;
	q->said = true;
	q->done_at = now;
	r->unsaid--;
}
