#include "agents/rtsp/sight/judge.h"

#include <math.h>

enum {
	GOOD_BEFORE_LEARNING = 3,
	STUCK_PICTURES = 2,
	STEPS_MAX = 4, /* luma values between neighbouring blocks of what covers a lens */
	SAME_BEFORE_HICCUP = 3,
	RECENT_S =
		1200, /* so long ago "just before" reaches: two samples of a camera that is seldom sampled */
	OTHER_LIGHT = 60,    /* luma values from usual: the hour's sharpness is not this light's */
	SAME_LIGHT = 40,     /* luma values from the reference: what is lost now is not lost to darkness */
	STRUCTURED_MIN = 10, /* blocks that a sharpness has to come from to be judged */
	NIGHT_MEAN = 45,
	FEW_REGIONS = 4,     /* fewer say nothing */
	SHIFTED_REGIONS = 8, /* with fewer, a scene may be one line */
};

struct bench { /* what one picture is judged by */
	struct rtsp_verdict *out;
	struct rtsp_sight *sight;
	const struct rtsp_measure *m;
	const struct rtsp_profile *profile;
	struct rtsp_usual usual;
	float likeness; /* of the usual likeness to the scene; 1: not compared */
	float usual_likeness;
	bool known_light;
	bool same_light; /* as the reference's */
	bool steady;     /* the reference is usually like itself */
	bool suspect;    /* in known light and much unlike the scene */
	bool unlike;     /* and nearly nothing of it is in its place: not to be learned from */
	bool blind;      /* so blurred that no other place can be told */
	bool vague;      /* what is seen is different each time: neither moved nor defocused */
};

/* Of the usual likeness. */
#define FAMILIAR          0.87f
#define WEAKENED          0.8f
#define CHANGED           0.75f
#define STRANGER          0.6f
#define HALF_ALIKE        0.55f
#define HALF_LOST         0.5f
#define LITTLE_ALIKE      0.45f
#define HARDLY_ALIKE      0.4f
#define NOTHING_IN_COMMON 0.25f
#define SHIFTED_MIN       0.6f
#define SHIFTED_GAIN      0.2f
#define SHIFTED_GAIN_MIN  0.1f
#define ROLLED_MIN        0.4f
#define ROLLED_GAIN       0.1f
#define ROLLED_GAIN_MIN   0.05f

#define MUCH_BRIGHT    0.6f /* of what a profile calls white */
#define PALE_MIN       0.98f
#define LIKENESS_MIN   0.75f
#define STEADY_MIN     0.74f /* a scene that is less like itself, in any light, has no edges of its own */
#define STILL_GAIN     0.04f /* of likeness */
#define WEAKENED_PART  0.9f  /* this and the next two of the drop that the profile wants */
#define HALF_LOST_PART 0.54f
#define FADED_PART     0.45f
#define BLIND_DROP     2.5f /* halvings of sharpness that another view hardly costs */
/* Sharpness that no blurred lens leaves: where there is as much to see as usual, four fifths of it, or little. */
#define CLEAR_MIN        0.9f
#define MOSTLY_CLEAR_MIN 1.1f
#define ALWAYS_CLEAR_MIN 1.3f

static bool seen_good_lately(const struct bench *b)
{
	const struct rtsp_history *h = &b->sight->history;
	return h->any_good && b->m->shot.arrived.us - h->good_at.us <= (int64_t)RECENT_S * TORAP_US_PER_S;
}

static bool is_black(struct bench *b)
{
	if (b->m->dark < b->profile->black_dark_min)
		return false;
	b->out->cause = RTSP_CAUSE_BROKEN;
	if (seen_good_lately(b) && b->sight->history.mean > NIGHT_MEAN)
		b->out->cause = RTSP_CAUSE_MASKED;
	else if (b->usual.count && !b->usual.foreign && b->usual.mean <= NIGHT_MEAN)
		b->out->cause = RTSP_CAUSE_POWER; /* of the lamps, or its own infrared light */
	return true;
}

/* Much of it is white, the rest pale, and it usually is not. */
static bool is_pale(const struct bench *b)
{
	bool brighter = b->usual.count && !b->usual.foreign && b->m->mean - b->usual.mean >= OTHER_LIGHT;
	return brighter && b->m->bright >= MUCH_BRIGHT * b->profile->white_bright_min &&
	       b->m->pale >= PALE_MIN;
}

static bool is_white(struct bench *b)
{
	if (b->m->bright < b->profile->white_bright_min && !is_pale(b))
		return false;
	b->out->cause = seen_good_lately(b) ? RTSP_CAUSE_MASKED : RTSP_CAUSE_BROKEN;
	return true;
}

/* Flat all over and in one plane, without steps; or nearly so, where there is usually much to see. */
static bool is_uniform(struct bench *b)
{
	const struct rtsp_measure *m = b->m;
	const struct rtsp_profile *p = b->profile;
	bool plane = m->flat >= p->uniform_flat_min && m->relief <= p->uniform_relief_max;
	bool poorer = b->usual.count && !b->usual.foreign && b->usual.flat < p->uniform_flat_min / 2 &&
		      m->flat >= p->uniform_flat_min - 0.05f && m->relief <= 2 * p->uniform_relief_max;
	b->out->cause = RTSP_CAUSE_MASKED;
	return (plane || poorer) && m->steps <= STEPS_MAX;
}

/* 90 kHz in 32 bits: what seems to be more than half a round back went ahead. */
static bool stands_still(const struct rtsp_history *h, const struct rtsp_shot *s)
{
	bool pts = h->pts_known && s->pts_known && s->pts_us <= h->pts_us;
	bool rtp = h->rtp_known && s->rtp_known && (int32_t)(s->rtp_time - h->rtp_time) <= 0;
	return h->any && h->session == s->session && (pts || rtp);
}

static uint8_t count_changes(const struct rtsp_history *h, const struct rtsp_marks *marks)
{
	uint8_t least = RTSP_BLOCKS;
	for (int k = 0; h->any && k < RTSP_SEEN; k++) {
		uint8_t changes = 0;
		for (int i = 0; i < RTSP_BLOCKS; i++)
			changes += h->seen[k].blocks[i] != marks->blocks[i];
		least = changes < least ? changes : least;
	}
	return least;
}

/* Of the other stream than the last: that it is another picture says nothing. */
static void remember(struct rtsp_history *h, const struct rtsp_marks *marks)
{
	h->seen[h->next] = *marks;
	h->next = (h->next + 1) % RTSP_SEEN;
}

/* A live picture never comes again.  A dead one does, but encoders now and then choose another step and write it a little
 * differently: so several of the last pictures are remembered, and one new one among old ones is no sign of life; two in
 * succession are. */
static void follow_changes(
	struct rtsp_history *h, bool is_new, const struct rtsp_marks *marks, struct torap_mono now)
{
	bool hiccup = is_new && h->any && !h->hiccup && h->same >= SAME_BEFORE_HICCUP;
	h->hiccup = hiccup;
	if (!is_new) {
		h->same += h->same < UINT16_MAX;
		return;
	}
	if (!hiccup) {
		h->changed_at = now;
		h->same = 0;
	}
	remember(h, marks);
}

/* Content or timestamps that stay as they are.  Timestamps alone: a server that repeats a packet. */
static bool is_frozen(struct bench *b)
{
	struct rtsp_history *h = &b->sight->history;
	const struct rtsp_shot *s = &b->m->shot;
	struct rtsp_verdict *out = b->out;
	bool other = h->any && h->sub != s->sub;
	out->changed = count_changes(h, &b->m->marks);
	bool is_new = !h->any || out->changed > b->profile->frozen_blocks;
	out->first = !h->any || (other && is_new);
	h->stuck = (uint8_t)(!stands_still(h, s) ? 0 : h->stuck < UINT8_MAX ? h->stuck + 1 : UINT8_MAX);
	if (other && is_new)
		remember(h, &b->m->marks);
	else
		follow_changes(h, is_new, &b->m->marks, s->arrived);
	out->unchanged_us = s->arrived.us - h->changed_at.us;
	out->stuck = h->stuck >= STUCK_PICTURES;
	h->any = true;
	h->sub = s->sub;
	h->session = s->session;
	h->pts_known = s->pts_known;
	h->pts_us = s->pts_us;
	h->rtp_known = s->rtp_known;
	h->rtp_time = s->rtp_time;
	return out->stuck || (h->same >= 2 && out->unchanged_us >= b->profile->frozen_after_us);
}

/* Hardly a block has contrast left of those that usually have, `usual_min` at least; and what is left is softer
 * than usual, which it is not beside a lorry, or little of the scene is left at all. */
static bool is_faded(const struct bench *b, float usual_min)
{
	const struct rtsp_measure *m = b->m;
	const struct rtsp_usual *u = &b->usual;
	bool soft = !m->structured ||
		    u->sharpness - m->sharpness >= FADED_PART * b->profile->defocus_drop_min ||
		    b->likeness < STRANGER;
	return u->structured >= usual_min && m->structured < u->structured / 3 && soft;
}

/* What is blurred is less like its scene, too, all of it; what stands in the way takes a part of the likeness, and
 * hardly any sharpness.  So with less of the one, less of the other is needed: by night, noise hides how much is
 * lost.  `lost` and `drop`: halvings of sharpness, those that were lost and those that tell of a blur by themselves. */
static bool is_weakened(const struct bench *b, float lost, float drop)
{
	if (b->likeness >= WEAKENED)
		return false;
	drop *= b->likeness < HALF_LOST ? HALF_LOST_PART : WEAKENED_PART;
	return (lost >= drop && b->m->structured >= STRUCTURED_MIN) || is_faded(b, STRUCTURED_MIN);
}

/* Less sharp than usual; or so blurred that hardly a block has contrast left, though the light is as usual. */
static bool is_defocused(struct bench *b)
{
	const struct rtsp_measure *m = b->m;
	const struct rtsp_usual *u = &b->usual;
	float drop = b->profile->defocus_drop_min;
	b->out->sharpness = b->out->sharpness_usual = m->sharpness;
	bool soft = u->sharpness < 0.5f && u->structured < 40; /* little detail, and none of it sharp */
	if (u->sharp < b->profile->learn_pictures || soft || b->vague)
		return false;
	b->out->sharpness_usual = u->sharpness;
	bool other_light = u->foreign || fabsf(m->mean - u->mean) > OTHER_LIGHT;
	if (other_light)
		drop += 1; /* Night and infrared are less sharp, and this one was never seen at night. */
	drop = fmaxf(drop, 5 * u->sharpness_spread);
	float lost = u->sharpness - m->sharpness;
	float doubt = 8.f / (float)(m->structured + 1); /* of few blocks */
	bool blurred = m->structured >= STRUCTURED_MIN && lost >= drop + doubt;
	bool faded = !other_light && is_faded(b, 2 * STRUCTURED_MIN);
	bool weakened = !other_light && is_weakened(b, lost - doubt / 2, drop);
	bool sudden = seen_good_lately(b) && b->sight->history.sharpness > u->sharpness - drop / 2;
	b->out->cause = sudden ? RTSP_CAUSE_TAMPER : RTSP_CAUSE_BROKEN;
	b->blind = lost >= BLIND_DROP && !(b->profile->ignored & rtsp_fault_bit(RTSP_DEFOCUSED));
	return blurred || faded || weakened;
}

/* Is this light that the camera was known in, so that what is gone is not gone for want of light? */
static bool is_known_light(const struct bench *b, const struct rtsp_reference *r)
{
	bool usual = !b->usual.foreign && b->m->mean >= b->usual.mean - OTHER_LIGHT;
	return usual || fabsf(b->m->mean - r->mean) <= SAME_LIGHT;
}

/* Edges that noise and encoder draw into an even surface are others in every light. */
static bool is_vague(const struct bench *b)
{
	bool vague = false;
	for (int i = 0; i < RTSP_SCENES; i++) {
		const struct rtsp_reference *r = &b->sight->baseline.scenes[i];
		if (r->count < b->profile->learn_pictures)
			continue;
		if (r->likeness >= STEADY_MIN)
			return false;
		vague = true;
	}
	return vague;
}

static void compare_scene(struct bench *b)
{
	const struct rtsp_reference *r = rtsp_baseline_reference(&b->sight->baseline, b->m);
	struct rtsp_scene_match *match = &b->out->match;
	b->vague = is_vague(b);
	if (!r || r->count < b->profile->learn_pictures || b->vague)
		return;
	/* A vague reference, of a dark night, is like everything. */
	float usual = fmaxf(r->likeness, LIKENESS_MIN);
	match->likeness = rtsp_scene_likeness(&r->scene, &b->m->scene);
	if (match->likeness < FAMILIAR * usual) { /* spares the search, nearly always */
		rtsp_scene_compare(match, &r->scene, &b->m->scene, usual);
		rtsp_roll_find(&b->out->roll, &r->scene, &b->m->scene);
	}
	b->usual_likeness = usual;
	b->likeness = match->likeness / usual;
	b->steady = r->likeness >= STEADY_MIN;
	b->known_light = is_known_light(b, r);
	b->same_light = fabsf(b->m->mean - r->mean) <= SAME_LIGHT && 2 * b->m->mean >= r->mean;
	b->suspect = b->likeness < STRANGER && b->known_light;
	b->unlike = b->suspect && 4 * match->in_place < match->judged;
}

/* Half of the scene is somewhere else, and what is not was hidden at most. */
static bool is_elsewhere(const struct bench *b)
{
	const struct rtsp_scene_match *match = &b->out->match;
	int visible = match->judged - match->hidden;
	return visible >= RTSP_REGIONS_MIN && 3 * match->in_place <= visible &&
	       (float)match->elsewhere >= b->profile->moved_elsewhere_min * (float)visible;
}

/* The scene as a whole, what is left of it, is clearly likest somewhere else, though not half of its regions are: bars and bricks are
 * alike in many places.  Where a lorry hides a part, a line may seem to fit better elsewhere along itself: hardly, in few regions, and
 * most of it is as it was. */
static bool is_shifted(const struct bench *b)
{
	const struct rtsp_scene_match *match = &b->out->match;
	int visible = match->judged - match->hidden;
	float gain = (match->shifted - match->unshifted) / b->usual_likeness;
	bool part = 5 * match->elsewhere >= 2 * visible ||
		    (5 * match->elsewhere >= visible && b->likeness < CHANGED && b->known_light);
	return visible >= SHIFTED_REGIONS && match->shifted >= SHIFTED_MIN * b->usual_likeness &&
	       (gain >= SHIFTED_GAIN || (gain >= SHIFTED_GAIN_MIN && part));
}

/* Turned about its middle, the usual scene is likelier than upright: little, for the middle stays where it is.  What stands in the way
 * hardly ever does that. */
static bool is_rolled(const struct bench *b)
{
	const struct rtsp_roll *r = &b->out->roll;
	int visible = b->out->match.judged - b->out->match.hidden;
	float gain = (r->turned - r->otherwise) / b->usual_likeness;
	return b->steady && visible >= RTSP_REGIONS_MIN && r->turned >= ROLLED_MIN * b->usual_likeness &&
	       gain >= (b->suspect ? ROLLED_GAIN_MIN : ROLLED_GAIN);
}

/* Nearly; else it may be dark, or blurred. */
static bool is_all_visible(const struct rtsp_scene_match *match)
{
	return 4 * match->hidden < match->judged;
}

/* The scene as a whole is likest where it was, and some of it is: the rest is hidden by a lorry. */
static bool is_still_there(const struct bench *b)
{
	const struct rtsp_scene_match *match = &b->out->match;
	return match->shifted < match->unshifted - STILL_GAIN &&
	       10 * match->in_place > 3 * (match->judged - match->hidden);
}

/* In known light little is as it was: a third is elsewhere, or nearly nothing is in its place; something more may seem to be when
 * there is little in common at all.  Where little is to be seen, it has to be clear. */
static bool is_gone(const struct bench *b)
{
	const struct rtsp_scene_match *match = &b->out->match;
	float visible = (float)(match->judged - match->hidden), in_place = match->in_place;
	bool all = is_all_visible(match);
	if (!b->suspect || visible < FEW_REGIONS)
		return false;
	if (visible < RTSP_REGIONS_MIN)
		return all && b->likeness < HARDLY_ALIKE && 4 * in_place <= visible;
	bool part = (b->likeness < HALF_ALIKE && 3 * match->elsewhere >= visible &&
			    in_place <= 0.45f * visible) ||
		    (b->likeness < LITTLE_ALIKE && 2 * in_place <= visible && all);
	return (part && !is_still_there(b)) || (b->likeness < HARDLY_ALIKE && 3 * in_place <= visible) ||
	       in_place <= b->profile->moved_in_place_max * visible;
}

/* In the same light nothing of the scene is there, and what is there is sharp, so it is neither a blur nor the dark, however little it is. */
static bool is_stranger(const struct bench *b)
{
	return b->steady && b->same_light && b->likeness < NOTHING_IN_COMMON &&
	       b->out->match.judged >= RTSP_REGIONS_MIN && b->m->sharpness >= ALWAYS_CLEAR_MIN &&
	       b->m->structured >= STRUCTURED_MIN;
}

/* What is blurred is not found in its place either; but something of it is, much of it has no edges any more, and none is sharp. */
static bool is_other(const struct bench *b)
{
	const struct rtsp_measure *m = b->m;
	float richness = (float)m->structured / fmaxf(b->usual.structured, 1);
	bool clear = (m->sharpness >= CLEAR_MIN && richness >= 1) ||
		     (m->sharpness >= MOSTLY_CLEAR_MIN && richness >= 0.8f);
	return is_all_visible(&b->out->match) && (b->likeness < NOTHING_IN_COMMON || clear);
}

static enum rtsp_fault see(struct bench *b)
{
	bool frozen = is_frozen(b); /* first, for it keeps the history */
	if (is_black(b))
		return RTSP_BLACK;
	if (is_white(b))
		return RTSP_WHITE;
	if (is_uniform(b))
		return RTSP_UNIFORM;
	b->out->cause = RTSP_CAUSE_BROKEN;
	if (frozen)
		return RTSP_FROZEN;
	compare_scene(b);
	bool defocused = is_defocused(b);
	bool moved = is_elsewhere(b) || is_shifted(b) || is_rolled(b) || is_stranger(b) ||
		     (is_gone(b) && (!defocused || is_other(b)));
	if (moved && !(defocused && b->blind)) {
		b->out->cause = RTSP_CAUSE_TAMPER;
		return RTSP_MOVED;
	}
	if (defocused)
		return RTSP_DEFOCUSED;
	b->out->cause = RTSP_CAUSE_NONE;
	return RTSP_GOOD;
}

static uint32_t judge_stream(
	struct rtsp_verdict *out, const struct rtsp_shot *s, const struct rtsp_profile *p)
{
	uint32_t faults = 0;
	if (s->sub)
		out->unknown |= rtsp_fault_bit(RTSP_WRONG_SIZE);
	else if (s->width < p->width_min || s->height < p->height_min)
		faults |= rtsp_fault_bit(RTSP_WRONG_SIZE);
	if (s->sub || !s->rate_mhz)
		out->unknown |= rtsp_fault_bit(RTSP_WRONG_RATE);
	else if (s->rate_mhz < p->rate_min_mhz)
		faults |= rtsp_fault_bit(RTSP_WRONG_RATE);
	if (s->sender_clock.us && s->arrived_wall.us) {
		out->clock_off_us = s->sender_clock.us - s->arrived_wall.us;
		if (p->clock_off_us_max &&
			(out->clock_off_us > p->clock_off_us_max || out->clock_off_us < -p->clock_off_us_max))
			faults |= rtsp_fault_bit(RTSP_WRONG_CLOCK);
	} else {
		out->unknown |= rtsp_fault_bit(RTSP_WRONG_CLOCK);
	}
	return faults;
}

static void learn(struct bench *b)
{
	struct rtsp_history *h = &b->sight->history;
	if (b->out->sight != RTSP_GOOD) {
		h->good = 0;
		return;
	}
	h->good += h->good < UINT8_MAX;
	h->any_good = true;
	h->good_at = b->m->shot.arrived;
	h->mean = b->m->mean;
	h->sharpness = b->m->sharpness;
	if (h->good >= GOOD_BEFORE_LEARNING && !b->unlike)
		rtsp_baseline_learn(&b->sight->baseline, b->m);
}

void rtsp_judge(struct rtsp_verdict *out, struct rtsp_sight *sight, const struct rtsp_measure *m,
	const struct rtsp_profile *profile)
{
	*out = (struct rtsp_verdict){
		.mean = m->mean,
		.deviation = m->deviation,
		.noise = m->noise,
		.dark = m->dark,
		.bright = m->bright,
		.pale = m->pale,
		.flat = m->flat,
		.relief = m->relief,
		.steps = m->steps,
		.width = m->shot.width,
		.height = m->shot.height,
		.rate_mhz = m->shot.rate_mhz,
		.sub = m->shot.sub,
	};
	struct bench b = { .out = out,
		.sight = sight,
		.m = m,
		.profile = profile,
		.usual = rtsp_baseline_usual(&sight->baseline, m->shot.arrived_wall),
		.likeness = 1,
		.usual_likeness = 1 };
	out->learning = b.usual.count < profile->learn_pictures;
	out->sight = see(&b);
	learn(&b);
	out->faults = judge_stream(out, &m->shot, profile);
	if (out->sight != RTSP_GOOD)
		out->faults |= rtsp_fault_bit(out->sight);
	out->faults &= ~profile->ignored;
	out->unknown &= ~profile->ignored; /* What is ignored from now on ends. */
}

uint32_t rtsp_judge_unasked(const struct rtsp_verdict *verdict, const struct rtsp_profile *profile)
{
	uint32_t unasked = profile->ignored;
	if (!profile->width_min && !profile->height_min)
		unasked |= rtsp_fault_bit(RTSP_WRONG_SIZE);
	if (!profile->rate_min_mhz)
		unasked |= rtsp_fault_bit(RTSP_WRONG_RATE);
	if (!profile->clock_off_us_max)
		unasked |= rtsp_fault_bit(RTSP_WRONG_CLOCK);
	if (verdict->learning)
		unasked |= rtsp_fault_bit(RTSP_DEFOCUSED) | rtsp_fault_bit(RTSP_MOVED);
	return unasked & ~verdict->faults;
}

void rtsp_sight_forget(struct rtsp_sight *sight)
{
	*sight = (struct rtsp_sight){ 0 };
}
