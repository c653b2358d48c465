/* groups.h: which cameras have something in common that can fail: a switch, a recorder, a street, a site; and all of them this agent's own
 * network.  Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The most specific first. */
enum rtsp_common {
	RTSP_COMMON_SWITCH,
	RTSP_COMMON_RECORDER,
	RTSP_COMMON_STREET,
	RTSP_COMMON_SITE,
	RTSP_COMMON_ALL,
	RTSP_COMMONS,
};
/* "switch", "recorder", "street", "site", "all". */
const char *rtsp_common_name(enum rtsp_common common);
/* RTSP_COMMONS: none is called that. */
enum rtsp_common rtsp_common_parse(const char *name);

enum { RTSP_NO_GROUP = UINT32_MAX };

/* What a camera belongs to, by its slot; "" where that is not known, NULL where there is no camera. */
struct rtsp_belongs {
	const char *names[RTSP_COMMONS]; /* that of RTSP_COMMON_ALL is not looked at */
	uint64_t audience;               /* rtsp_audience() */
};

/* Who may read of a camera, as a number that a restart does not change: cameras of one audience may be named in one event.  An event goes by its class, so
 * they are of one region and facility; and what needs an owner's consent is left out by itself when that is withdrawn, so such a camera is
 * an audience of its own. */
uint64_t rtsp_audience(uint32_t region, uint16_t facility, bool private_owner, const char *address);

struct rtsp_group {
	enum rtsp_common common;
	const char *name;
	const uint32_t *members; /* slots, rising */
	uint32_t count;
};

struct rtsp_groups {             /* zeros: there are none */
	struct rtsp_group *list; /* owned, as is all */
	uint32_t count, room;
	uint32_t (*of)[RTSP_COMMONS]; /* by slot: its groups */
	uint32_t *members;
	char *text;
};

/* For slots 0 … room - 1.  0 or -ENOMEM; *out is then untouched. */
int rtsp_groups_make(struct rtsp_groups *out, const struct rtsp_belongs *belongs, uint32_t room);
void rtsp_groups_finish(struct rtsp_groups *g);
/* RTSP_NO_GROUP: nobody belongs to it any more. */
uint32_t rtsp_groups_find(const struct rtsp_groups *g, enum rtsp_common common, const char *name);
