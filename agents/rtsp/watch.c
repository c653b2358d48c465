/* Sampled: a session is opened, one keyframe taken, and left as soon as its timestamps were seen to go on; only then is the picture
 * judged.  Held: a session lasts, and a keyframe is judged now and then; the others pass by undecoded.  A glance, between the looks of a sampled
 * one, is a session that ends when the camera has described its video.  One that fails is a failed attempt; one that is answered says nothing
 * of pictures, so neither health nor outages hear of it.
 *
 * When the workers have too much to do, a keyframe that is like the last one that was good is spared (impression.h): the attempt ends
 * well, and nothing is judged.  If it can be, it is peeked at before (peek.h), and looked at after all when that shows anything unusual.
 *
 * A look at a keyframe is on its way for some 10 ms, and meanwhile the session may end: `over` waits for the look, so that what
 * an attempt came to is concluded once. */
#include "agents/rtsp/watch.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/evidence/evidence.h"
#include "agents/rtsp/outage/tell.h"
#include "agents/rtsp/peek.h"
#include "base/log.h"
#include "loop/app.h"

enum {
	RATE_FRAMES = 8,
	RATE_US = 1 * TORAP_US_PER_S,
	ADVANCE_US = 5 * TORAP_US_PER_S,
	WHOLE_LOOKS =
		60, /* of so many looks one waits for the camera's clock, and sees the stream that is recorded */
	WHOLE_WRONG_LOOKS = 10, /* while these are wrong */
	SUB_FAILS = 2,          /* the smaller stream in succession, and the other one not in between */
	SUB_RESTS = 10,         /* then so many looks are by the other one */
	CLOCK_US =
		6 *
		TORAP_US_PER_S, /* the first sender report comes within 5 s or so (RFC 3550, section 6.2) */
	UNDECODED_MAX = 3,
	SUSPECT_PART =
		4, /* of `look`: no sooner, for there are cameras of which the size is never the same */
};

static struct rtsp_now clock_now(void)
{
	return (struct rtsp_now){ torap_app_mono(), torap_app_wall() };
}

/* One came, whether it was judged or spared. */
static void note_picture(struct rtsp_agent *a, struct rtsp_camera *c, struct torap_wall at)
{
	c->picture_at = at;
	if (c->supervision_s && kit_up(a->kit)) {
		rtsp_observe_alive(&a->scratch, c->address, at);
		(void)kit_offer(
			a->kit, &a->scratch.o, (struct kit_tag){ 0, 0 }); /* the next one comes soon */
	}
}

/* What is good and new is what the next keyframes are compared with.  A peek that could say nothing of it has to be deeper; one that took it for
 * frozen need not be repeated soon. */
static void make_familiar(struct rtsp_agent *a, struct rtsp_camera *c, const struct rtsp_seen *seen)
{
	if (!a->config.peek || !a->config.trust_us || seen->measure.shot.codec != RTSP_CODEC_H264) {
		free(c->familiar);
		c->familiar = NULL;
		return;
	}
	if (!c->familiar)
		c->familiar = calloc(1, sizeof *c->familiar);
	if (!c->familiar)
		return;
	rtsp_familiar_learn(c->familiar, &seen->upper, seen->measure.shot.arrived);
	if (seen->peeked && seen->likeness == RTSP_LIKENESS_NONE)
		rtsp_familiar_vague(c->familiar);
	if (seen->peeked && seen->likeness == RTSP_STANDS)
		rtsp_familiar_blind(c->familiar);
}

/* An outage may ask for what the smaller stream does not show.  When it asks for more than one, the next is not to be the same picture, sent again. */
static void answer(const struct rtsp_agent *a, struct rtsp_camera *c, const struct rtsp_shot *shot)
{
	if (shot->sub || shot->arrived.us < c->asked_at.us)
		return;
	c->asked--;
	c->asked_at.us = shot->arrived.us + a->schedule.limits.retry_us;
}

static void judge(struct rtsp_agent *a, struct rtsp_camera *c, const struct rtsp_seen *seen)
{
	struct rtsp_verdict verdict;
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	const struct rtsp_shot *shot = &seen->measure.shot;
	rtsp_judge(&verdict, &c->sight, &seen->measure, c->profile);
	a->counters.sights[verdict.sight]++;
	a->counters.confirmed += seen->peeked && verdict.faults;
	rtsp_impressions_judged(&c->impressions, &verdict, c->profile, shot->arrived);
	if (verdict.sight == RTSP_GOOD && !verdict.faults && !verdict.unchanged_us)
		make_familiar(a, c, seen);
	if (c->familiar)
		rtsp_familiar_saw(c->familiar, &seen->upper);
	/* New is also the first that is looked at of one that froze: the next tells. */
	if (seen->peeked && seen->likeness == RTSP_STANDS)
		c->impressions.good_at.us = 0;
	if (c->familiar && verdict.faults)
		c->familiar->blind = 0; /* what it was blind for is over */
	c->seen_at = shot->arrived;
	c->judged_at = shot->arrived_wall;
	if (c->asked)
		answer(a, c, shot);
	if (!shot->sub)
		c->main_bad = verdict.faults & rtsp_fault_bit(verdict.sight);
	rtsp_tell_seen(a, c, &verdict, shot->arrived);
	rtsp_tell(a, c, reports,
		rtsp_health_picture(
			&c->health, &verdict, *c->recorder != 0, c->profile, clock_now(), reports));
	note_picture(a, c, shot->arrived_wall);
}

/* Whether the camera is there the other one has to say.  If it is, and the smaller one has failed twice, that is left alone for a while. */
static void fail_sub(struct rtsp_agent *a, struct rtsp_camera *c)
{
	a->counters.sub_failures++;
	c->sub_failed += c->sub_failed < SUB_FAILS;
	c->sub_rests = c->sub_failed < SUB_FAILS ? 1 : SUB_RESTS;
	if (c->sub_failed == SUB_FAILS && !c->sub_fails) {
		c->sub_fails = true;
		torap_warn("SUB-STREAM-FAILS",
			"camera %s: its sub_url gives no picture (%s), its url does, and is looked at instead",
			c->address, rtsp_outcome_name(c->outcome));
	}
}

static void note_sub(struct rtsp_camera *c)
{
	if (c->sub_fails)
		torap_info("SUB-STREAM-BACK", "camera %s: its sub_url gives pictures again", c->address);
	c->sub_fails = false;
	c->sub_failed = c->sub_rests = 0;
}

static void fail(struct rtsp_agent *a, struct rtsp_camera *c, enum rtsp_outcome outcome)
{
	struct rtsp_report reports[RTSP_REPORTS_MAX];
	c->asked = 0;
	if (!c->sub_fails)
		c->sub_failed = c->sub_rests = 0; /* both fail */
	rtsp_tell_failed(a, c, outcome);
	rtsp_tell(a, c, reports,
		rtsp_health_failure(
			&c->health, outcome, *c->recorder != 0, c->profile, clock_now(), reports));
}

static void next_turn(struct rtsp_agent *a, struct rtsp_camera *c, bool failed)
{
	struct torap_mono now = torap_app_mono();
	bool soon = c->asked || rtsp_health_undecided(&c->health);
	rtsp_schedule_done(&a->schedule, rtsp_camera_slot(c), failed, soon, randombytes_random(), now);
	/* Meanwhile: of a glance, or a keyframe that was spared. */
	if (!failed && c->asked && torap_mono_reached(c->asked_at, now))
		rtsp_schedule_soon(&a->schedule, rtsp_camera_slot(c), now);
	if (c->wish && (c->glance || c->sub)) /* nobody tried for a picture yet */
		rtsp_schedule_hurry(&a->schedule, rtsp_camera_slot(c), torap_app_mono());
	else if (c->wish)
		rtsp_evidence_concluded(a->evidence, c, failed);
}

/* The attempt is over, and so is the look at what it brought. */
static void conclude(struct rtsp_agent *a, struct rtsp_camera *c)
{
	bool spared = c->spared_at.us;
	c->over = false;
	if (c->outcome == RTSP_OUTCOME_PICTURE && !c->held && !c->shown && !spared)
		c->outcome = RTSP_OUTCOME_CORRUPT;
	bool failed = c->outcome != RTSP_OUTCOME_PICTURE;
	a->counters.outcomes[c->outcome]++;
	c->tried = true;
	c->tried_sub = c->sub;
	if (!failed && c->sub)
		note_sub(c);
	if (c->outcome == RTSP_OUTCOME_LOCAL)
		a->counters.local++; /* Ours is the fault, not the camera's. */
	else if (failed && c->sub)
		fail_sub(a, c);
	else if (failed)
		fail(a, c, c->outcome);
	else if (c->shown) {
		c->shown->measure.shot.rate_mhz = c->rate_mhz;
		c->shown->measure.shot.sender_clock = c->sender_clock;
		judge(a, c, c->shown);
	} else if (spared) {
		note_picture(a, c, c->spared_at);
	}
	free(c->shown);
	c->shown = NULL;
	c->spared_at.us = 0;
	c->clock_asked &= c->asked > 0;
	next_turn(a, c, failed);
}

/* A look is over before most cameras say what their clock shows; now and then one waits for that.  So it is with what the smaller stream does not
 * show.  And each look does while the fault is suspected, or that it is over. */
static bool wants_word_of(const struct rtsp_camera *c, enum rtsp_fault fault)
{
	const struct rtsp_trouble *t = &c->health.troubles[fault];
	unsigned looks = t->open ? WHOLE_WRONG_LOOKS : WHOLE_LOOKS;
	return (c->sessions + rtsp_camera_slot(c)) % looks == 1 || (t->open ? t->good : t->bad);
}

/* And while the clock of others of its group is wrong. */
static bool wants_clock(const struct rtsp_camera *c)
{
	return c->clock_asked || wants_word_of(c, RTSP_WRONG_CLOCK);
}

/* Does the smaller stream do?  What a picture shows is judged on 160×90 values of either.  Not for evidence, not to see whether what is recorded
 * has its size and rate, and not when that, or the camera, is in trouble: then it is the one that counts. */
static bool does_with_sub(const struct rtsp_camera *c)
{
	const struct rtsp_trouble *offline = &c->health.troubles[RTSP_OFFLINE];
	if (!*c->sub_url || c->held || c->wish || c->asked || c->sub_rests)
		return false;
	return !c->main_bad && !offline->bad && !offline->open && !wants_clock(c) &&
	       !wants_word_of(c, RTSP_WRONG_SIZE) && !wants_word_of(c, RTSP_WRONG_RATE);
}

static bool is_glance(const struct rtsp_agent *a, const struct rtsp_camera *c)
{
	return rtsp_schedule_glances(&a->schedule, rtsp_camera_slot(c)) && !c->held && !c->wish &&
	       !c->asked && !c->clock_asked;
}

void rtsp_watch_begin(struct rtsp_agent *a, struct rtsp_camera *c)
{
	struct torap_wall now = torap_app_wall();
	if (c->term.us && now.us >= c->term.us) { /* it may not be looked at any more */
		rtsp_schedule_done(&a->schedule, rtsp_camera_slot(c), false, false, 0, torap_app_mono());
		return;
	}
	const struct rtsp_credential *who =
		*c->key_name ? rtsp_credentials_find(&a->credentials, c->key_name) : NULL;
	struct rtsp_stream_options options = {
		.number = c->number,
		.user = who ? who->user : "",
		.password = who ? who->password : "",
		.transport = a->config.transport,
		.limits = &a->config.limits,
		.glance = is_glance(a, c),
	};
	c->glance = options.glance;
	c->sessions += !c->glance;
	c->sub = !c->glance && does_with_sub(c);
	c->sub_rests -= !c->glance && c->sub_rests;
	options.url = c->sub ? c->sub_url : c->url;
	c->looking = c->over = false;
	c->undecoded = 0;
	c->spared_at.us = 0;
	c->status = 0;
	a->counters.attempts++;
	if (rtsp_stream_open(&c->stream, &a->streams, &options)) {
		/* Ours is the fault, not the camera's. */
		a->counters.local++;
		c->stream = NULL;
		next_turn(a, c, true);
	}
}

/* What is open ends, and what comes of it is nobody's.  False: nothing was. */
static bool break_off(struct rtsp_agent *a, struct rtsp_camera *c)
{
	struct rtsp_stream *s = c->stream;
	bool open = s || c->over;
	c->stream = NULL;
	c->over = c->looking = false;
	free(c->shown);
	c->shown = NULL;
	c->spared_at.us = 0;
	if (s)
		rtsp_stream_leave(s);
	if (open)
		rtsp_schedule_done(&a->schedule, rtsp_camera_slot(c), false, true, 0, torap_app_mono());
	return open;
}

void rtsp_watch_end(struct rtsp_agent *a, struct rtsp_camera *c)
{
	rtsp_camera_forget_looks(c); /* it may be another stream from now on */
	if (!break_off(a, c))
		rtsp_schedule_soon(&a->schedule, rtsp_camera_slot(c), torap_app_mono());
}

/* Whose stream this is; NULL: it was taken from its camera. */
static struct rtsp_camera *camera_of(struct rtsp_agent *a, const struct rtsp_stream *s)
{
	struct rtsp_camera *c = rtsp_cameras_find(&a->cameras, rtsp_stream_number(s));
	return c && c->stream == s ? c : NULL;
}

/* Something depends on its verdict: a picture for an alarm, an outage that asks how this one is, a fault that begins, lasts or ends. */
static bool wants_verdict(const struct rtsp_camera *c)
{
	return c->wish || c->asked || (!c->held && wants_clock(c)) || rtsp_health_undecided(&c->health) ||
	       rtsp_health_open(&c->health);
}

struct treatment { /* of a keyframe */
	bool spared;
	size_t part; /* first, for a peek; 0: none */
};

static size_t peek_part(const struct rtsp_agent *a, const struct rtsp_camera *c,
	const struct rtsp_keyframe *k, const struct rtsp_impression *i)
{
	if (!a->config.peek || !c->familiar || !rtsp_familiar_ready(c->familiar, k->shot.arrived))
		return 0;
	return rtsp_peek_part(k->shot.codec, c->familiar, &c->impressions, i);
}

/* What may be spared is decoded all the same when there is time for it.  In the second half of its trust it goes before others, or all that were
 * judged in the same minutes, as after a start, would have to be decoded in the same minutes again; so does one of which too little is familiar yet.  But
 * peeks of others go before whoever can be peeked at. */
static enum rtsp_need need_of(
	const struct rtsp_camera *c, const struct rtsp_keyframe *k, int64_t trust_us, bool peekable)
{
	bool late = k->shot.arrived.us - c->impressions.good_at.us >= trust_us / 2;
	if (late)
		return peekable ? RTSP_NEED_SOME : RTSP_NEED_URGENT;
	return c->familiar && rtsp_familiar_lacks(c->familiar) ? RTSP_NEED_SOME : RTSP_NEED_NONE;
}

/* And peeked at when there is time for that: who was not seen at its last turn either goes before others. */
static enum rtsp_need need_of_peek(
	const struct rtsp_agent *a, const struct rtsp_camera *c, const struct rtsp_keyframe *k)
{
	int64_t turn_us = c->held ? a->config.look_us : a->config.schedule.period_us;
	return k->shot.arrived.us - c->seen_at.us >= turn_us + turn_us / 2 ? RTSP_NEED_URGENT
									   : RTSP_NEED_PEEK;
}

/* Only who is peeked at is believed for longer than the others. */
static bool is_to_be_seen(
	const struct rtsp_agent *a, const struct rtsp_camera *c, const struct rtsp_keyframe *k)
{
	return k->shot.arrived.us - c->impressions.good_at.us >= rtsp_trust_us(a) ||
	       !rtsp_pool_behind(a->pool, need_of_peek(a, c, k));
}

/* Spared or peeked at: it is like the last one that was good, and there is too much to do to see more of it. */
static struct treatment treat(struct rtsp_agent *a, struct rtsp_camera *c, const struct rtsp_keyframe *k)
{
	struct treatment t = { 0 };
	if (!a->config.trust_us)
		return t;
	struct rtsp_impression i = rtsp_impression_of(k->shot.codec, torap_bytes(k->data.data, k->data.size));
	size_t part = peek_part(a, c, k, &i);
	const int64_t trust_us = part ? rtsp_trust_peeked_us(a) : rtsp_trust_us(a);
	if (!rtsp_impressions_suffice(&c->impressions, &i, k->shot.arrived, trust_us) || wants_verdict(c) ||
		!rtsp_pool_behind(a->pool, need_of(c, k, trust_us, part > 0))) {
		rtsp_impressions_decode(&c->impressions, &i);
		return t;
	}
	t.spared = !part || !is_to_be_seen(a, c, k);
	t.part = t.spared ? 0 : part;
	c->peeked = i;
	return t;
}

static void spare(struct rtsp_agent *a, struct rtsp_camera *c, struct torap_wall arrived)
{
	a->counters.spared++;
	if (!c->held) { /* whether it counts is known when its timestamps went on */
		c->spared_at = arrived;
		return;
	}
	c->outcome = RTSP_OUTCOME_PICTURE;
	c->tried = true;
	note_picture(a, c, arrived);
}

void rtsp_watch_keyframe(void *hint, struct rtsp_stream *s, struct rtsp_keyframe *take)
{
	struct rtsp_agent *a = hint;
	struct rtsp_camera *c = camera_of(a, s);
	if (!c)
		return;
	if (c->wish && !c->sub)
		rtsp_evidence_keyframe(a->evidence, c, take);
	/* Of this session one is, or was, looked at: this was assembled for the wish alone. */
	if (c->looking || c->shown || c->spared_at.us) {
		rtsp_stream_want(s, false);
		return;
	}
	take->shot.session = c->sessions;
	take->shot.sub = c->sub;
	struct treatment t = treat(a, c, take);
	if (!t.spared && !rtsp_pool_peek(a->pool, c->number, &take->shot, &take->data, t.part, c->familiar)) {
		a->counters.skipped++;
		return; /* the next one, then */
	}
	c->looking = !t.spared;
	c->looked_at = take->shot.arrived;
	c->looked_rtp = take->shot.rtp_time;
	c->look_frames = rtsp_stream_session(s)->assembly.frames;
	rtsp_stream_want(s, false);
	if (c->held)
		rtsp_schedule_settle(&a->schedule, rtsp_camera_slot(c));
	if (t.spared)
		spare(a, c, take->shot.arrived_wall);
}

void rtsp_watch_packet(void *hint, struct rtsp_stream *s, const struct rtsp_rtp *packet)
{
	struct rtsp_agent *a = hint;
	struct rtsp_camera *c = camera_of(a, s);
	if (c && c->held)
		rtsp_evidence_packet(a->evidence, c, &rtsp_stream_session(s)->assembly.video, packet);
}

static void answered(struct rtsp_agent *a, struct rtsp_camera *c)
{
	a->counters.outcomes[RTSP_OUTCOME_ANSWERED]++;
	c->answered_at = torap_app_wall();
	next_turn(a, c, false);
}

void rtsp_watch_over(void *hint, struct rtsp_stream *s)
{
	struct rtsp_agent *a = hint;
	struct rtsp_camera *c = camera_of(a, s);
	if (!c)
		return;
	const struct rtsp_session *session = rtsp_stream_session(s);
	c->stream = NULL;
	c->status = session->status;
	if (session->outcome == RTSP_OUTCOME_ANSWERED) {
		answered(a, c);
		return;
	}
	c->outcome = session->outcome;
	c->rate_mhz = rtsp_assembly_rate(&session->assembly);
	c->sender_clock = rtsp_session_clock(session, c->looked_rtp);
	c->over = true;
	if (c->held)
		c->looking = false; /* its look comes too late to change anything */
	if (!c->looking)
		conclude(a, c);
}

/* A sample is complete when its timestamps went on, and for long enough to tell the frame rate: also one of a picture a second. */
static void tick_sampled(struct rtsp_camera *c, struct rtsp_stream *s, struct torap_mono now)
{
	const struct rtsp_session *session = rtsp_stream_session(s);
	if (!session->keyframes || session->assembly.wanted)
		return;
	uint32_t more = session->assembly.frames - c->look_frames;
	int64_t since = now.us - c->looked_at.us;
	bool rated = since >= RATE_US && rtsp_assembly_rated(&session->assembly);
	if (more >= RATE_FRAMES || (more && (rated || since >= ADVANCE_US))) {
		if (c->spared_at.us || !wants_clock(c) || session->has_report || since >= CLOCK_US)
			rtsp_stream_leave(s);
	} else if (since >=
		   ADVANCE_US) /* the same picture over and over, or nothing any more: nobody saw it live */
		rtsp_stream_fail(s, RTSP_OUTCOME_STALLED);
}

/* A little early: keyframes that come each 2 s are looked at each 10 s then, and not each 12 s. */
static int64_t look_again_us(const struct rtsp_agent *a)
{
	return a->config.look_us - a->config.look_us / 10;
}

/* One went by that is of another size: the next is looked at, and not first when its time has come. */
static bool is_suspect(const struct rtsp_agent *a, const struct rtsp_camera *c, const struct rtsp_stream *s)
{
	uint32_t passed = rtsp_stream_session(s)->assembly.passed;
	return a->config.trust_us && passed && c->impressions.good_at.us &&
	       rtsp_impressions_differ(&c->impressions, passed);
}

static bool is_due(const struct rtsp_agent *a, const struct rtsp_camera *c, const struct rtsp_stream *s,
	struct torap_mono now)
{
	int64_t since = now.us - c->looked_at.us, again = look_again_us(a);
	return !c->looking && c->looked_at.us &&
	       (since >= again || (since >= again / SUSPECT_PART && is_suspect(a, c, s)));
}

/* An alarm wants a picture of what is recorded; a look by the smaller stream gives none. */
static void look_for_wish(struct rtsp_agent *a, struct rtsp_camera *c)
{
	break_off(a, c);
	rtsp_schedule_hurry(&a->schedule, rtsp_camera_slot(c), torap_app_mono());
}

void rtsp_watch_tick(void *hint, struct rtsp_stream *s)
{
	struct rtsp_agent *a = hint;
	struct rtsp_camera *c = camera_of(a, s);
	struct torap_mono now = torap_app_mono();
	if (!c)
		return;
	if (c->term.us && torap_app_wall().us >= c->term.us)
		rtsp_watch_end(a, c);
	else if (c->wish && c->sub)
		look_for_wish(a, c);
	else if (!c->held)
		tick_sampled(c, s, now);
	else if (is_due(a, c, s, now))
		rtsp_stream_want(s, true);
}

static void look_of_held(struct rtsp_agent *a, struct rtsp_camera *c, const struct rtsp_look *look)
{
	if (look->decoded) {
		c->undecoded = 0;
		c->outcome = RTSP_OUTCOME_PICTURE;
		c->tried = true;
		judge(a, c, &look->seen);
	} else if (++c->undecoded >= UNDECODED_MAX && c->stream) {
		rtsp_stream_fail(c->stream, RTSP_OUTCOME_CORRUPT);
	} else if (c->stream) {
		rtsp_stream_want(c->stream, true);
	}
}

static void look_of_sampled(struct rtsp_camera *c, const struct rtsp_look *look)
{
	if (look->decoded) {
		c->shown = malloc(sizeof *c->shown);
		if (c->shown)
			*c->shown = look->seen;
	} else if (c->stream) { /* it does not get better by waiting for its timestamps */
		rtsp_stream_fail(c->stream, RTSP_OUTCOME_CORRUPT);
	}
}

/* A peek that showed what is usual makes no verdict; any other has become a look. */
static void look_of(struct rtsp_agent *a, struct rtsp_camera *c, const struct rtsp_look *look)
{
	if (look->alike) {
		c->peeked_at = look->shot.arrived_wall;
		c->seen_at = look->shot.arrived;
		if (c->familiar)
			rtsp_familiar_saw(c->familiar, &look->seen.upper);
		spare(a, c, look->shot.arrived_wall);
		return;
	}
	if (look->part)
		rtsp_impressions_decode(&c->impressions, &c->peeked);
	if (c->held)
		look_of_held(a, c, look);
	else
		look_of_sampled(c, look);
}

static void count_look(struct rtsp_counters *counters, const struct rtsp_look *look)
{
	counters->peeks += look->part > 0;
	counters->suspicions += look->part && !look->alike;
	counters->looks += !look->alike;
	counters->sub_looks += !look->alike && look->shot.sub;
	counters->undecoded += !look->alike && !look->decoded;
}

void rtsp_watch_look(void *hint, const struct rtsp_look *look)
{
	struct rtsp_agent *a = hint;
	struct rtsp_camera *c = rtsp_cameras_find(&a->cameras, look->number);
	count_look(&a->counters, look);
	/* Of a session before this one: nobody asked for it. */
	if (!c || !c->looking || look->shot.session != c->sessions)
		return;
	c->looking = false;
	look_of(a, c, look);
	if (c->over)
		conclude(a, c);
}
