/* cameras.h: the registry's rows, each with what is known of its camera: what it is like, whether it is well, and where its session
 * stands.
 *
 * A camera has a slot for as long as the registry names it, and a number that no other one ever has: what comes back late, from a worker
 * or the node, finds nobody when its camera is gone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agents/kit/kit.h"
#include "agents/rtsp/impression.h"
#include "agents/rtsp/sight/familiar.h"
#include "agents/rtsp/sight/health.h"
#include "agents/rtsp/sight/judge.h"
#include "agents/rtsp/sight/profile.h"
#include "base/time.h"

struct rtsp_seen;
struct rtsp_stream;
struct rtsp_track;
struct rtsp_wish;

enum rtsp_why_not { /* it is not watched */
	RTSP_WATCHED,
	RTSP_TERM_OVER,     /* it may not be any more */
	RTSP_NO_CREDENTIAL, /* its key_name is not in the file; tried all the same, without */
};

struct rtsp_camera {
	uint64_t number; /* 0: the slot is free */
	char *text;      /* owned: all strings below */
	const char *address, *url, *sub_url, *profile_name, *key_name, *site, *switch_name, *recorder,
		*street, *device;
	uint32_t region;                    /* KATO */
	uint16_t facility;                  /* with the region its events' class */
	bool private_owner;                 /* no event of another device may name it */
	const struct rtsp_profile *profile; /* of the profiles in force */
	bool held, seen;
	uint32_t supervision_s;
	struct torap_wall term; /* 0: none */
	uint64_t
		view; /* another one when it was turned on purpose, or another sub-stream is looked at: what was learned is of this */
	uint32_t recorder_number;

	struct rtsp_sight sight;
	struct rtsp_health health;
	struct rtsp_impressions impressions;
	struct rtsp_familiar *familiar; /* owned; NULL: nothing is, or nobody peeks */
	uint32_t sessions;              /* so far: names them in shots */
	enum rtsp_outcome outcome;      /* of the last attempt that was not ANSWERED */
	unsigned status;                /* of the camera's last refusal */
	uint32_t rate_mhz;              /* of the last session; 0: too short to tell */
	struct torap_wall
		sender_clock; /* of the picture that was looked at, by the end of its session; 0: unknown */
	bool tried;           /* else `outcome` says nothing yet */
	bool tried_sub;       /* `outcome` is the smaller stream's */
	bool main_bad; /* the last picture of the other one showed a fault that the smaller one may not show */
	uint8_t sub_failed; /* attempts at the smaller stream, in succession, while the other one came */
	uint8_t sub_rests;  /* so that it is not tried for so many looks */
	bool sub_fails;     /* that was said */
	uint8_t asked;      /* an outage asks how it is: so many keyframes are judged, whatever they cost */
	struct torap_mono asked_at;              /* what came before says nothing of that */
	struct torap_wall picture_at, judged_at; /* the last that came, and the last that was judged */
	struct torap_wall peeked_at;             /* the last that was as usual as far as it was decoded */
	struct torap_mono seen_at;               /* the last that was judged or peeked at */
	struct torap_wall answered_at;           /* the last glance that was answered */

	/* The session that is open. */
	struct rtsp_stream *stream;
	bool glance;                   /* it is, or was, no more than that */
	bool sub;                      /* it is, or was, of the smaller stream */
	bool looking;                  /* a keyframe is with a worker */
	struct rtsp_impression peeked; /* of that keyframe, if it is only peeked at */
	bool clock_asked;              /* sampled: this look or the next is to wait for the camera's clock */
	bool over;                     /* sampled: the session has ended while a keyframe is with a worker */
	struct torap_wall spared_at;   /* sampled: its keyframe came then, and is not looked at; 0: it is */
	uint8_t undecoded;             /* held: keyframes in succession */
	uint32_t look_frames;          /* frames that had come when the keyframe was taken */
	struct torap_mono looked_at;
	uint32_t looked_rtp;      /* the picture's RTP time */
	struct rtsp_seen *shown;  /* owned; sampled: waits for the end of the session */
	struct rtsp_wish *wish;   /* evidence.h; NULL: nobody waits for a picture */
	struct rtsp_track *track; /* evidence.h; of a held one that clips are made of */

	/* What the node knows of it for certain: faults whose start is durable and whose end is not. */
	uint32_t told;         /* rtsp_fault_bit() */
	uint32_t told_excused; /* of these, such that were planned */
	uint32_t excused;      /* open faults of which the start was reported as planned: tell.h */
	int64_t told_since_us[RTSP_FAULTS];
	uint8_t told_cause[RTSP_FAULTS];
	uint64_t told_first, told_last; /* reports that are not durable yet: outbox.h; 0: none */
};

struct rtsp_cameras {
	struct rtsp_camera **slots; /* owned; NULL: never used */
	uint32_t room, count;
	uint32_t *by_address; /* owned: slots by address, `count` of them */
	uint32_t recorders;
	uint64_t next_number;
	size_t left_out; /* rows that no camera can be */
};

/* Takes the registry's rows over: known cameras keep what is known of them, new ones begin, others go.  `gone` is called for each
 * that goes, or whose session no longer fits its row (`stays`), before anything of it changes.  0, or -ENOMEM: what was there stays. */
int rtsp_cameras_set(struct rtsp_cameras *c, const struct kit_row *rows, size_t count, bool held,
	void (*gone)(void *hint, struct rtsp_camera *camera, bool stays), void *hint);
void rtsp_cameras_finish(struct rtsp_cameras *c);
/* NULL: it is gone. */
struct rtsp_camera *rtsp_cameras_find(const struct rtsp_cameras *c, uint64_t number);
struct rtsp_camera *rtsp_cameras_named(const struct rtsp_cameras *c, const char *address);
uint32_t rtsp_camera_slot(const struct rtsp_camera *camera);
/* What it sends is another stream, or shows another scene: what keyframes were like says nothing any more. */
void rtsp_camera_forget_looks(struct rtsp_camera *camera);
