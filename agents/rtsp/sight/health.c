#include "agents/rtsp/sight/health.h"

enum { VERSION = 1 };

/* Of the faults of sight, `cause` is the judge's. */
static enum rtsp_cause cause_of(enum rtsp_fault fault, const struct rtsp_verdict *v, bool recorder)
{
	switch (fault) {
	case RTSP_WRONG_RATE:
		return RTSP_CAUSE_NETWORK;
	case RTSP_FROZEN:
	case RTSP_WRONG_SIZE:
	case RTSP_WRONG_CLOCK:
		return recorder ? RTSP_CAUSE_RECORDER : RTSP_CAUSE_BROKEN;
	default:
		return v->cause;
	}
}

enum rtsp_cause rtsp_health_cause(enum rtsp_outcome outcome, bool recorder)
{
	switch (outcome) {
	case RTSP_OUTCOME_UNAUTHORISED:
		return RTSP_CAUSE_CREDENTIALS;
	case RTSP_OUTCOME_NO_ROUTE: /* nobody answers to its address: it has no power, or its cable is cut */
		return RTSP_CAUSE_POWER;
	case RTSP_OUTCOME_TIMEOUT_CONNECT:
	case RTSP_OUTCOME_NO_NAME:
	case RTSP_OUTCOME_STALLED:
		return RTSP_CAUSE_NETWORK;
	default: /* Something answers there, and wrongly. */
		return recorder ? RTSP_CAUSE_RECORDER : RTSP_CAUSE_BROKEN;
	}
}

/* How often and how long until it opens. */
struct patience {
	uint8_t count;
	int64_t us;
};

static bool is_over(uint8_t count, int64_t us, struct patience patience)
{
	return count >= patience.count && us >= patience.us;
}

static bool is_flapping(const struct rtsp_trouble *t, const struct rtsp_profile *p)
{
	return t->starts >= p->flap_starts;
}

/* Counts a start within the window that the first of them began. */
static void count_start(struct rtsp_trouble *t, const struct rtsp_profile *p, struct rtsp_now now)
{
	if (!t->starts || now.mono.us - t->window.us > p->flap_window_us) {
		t->starts = 0;
		t->window = now.mono;
	}
	t->starts += t->starts < UINT8_MAX;
}

/* One more bad one.  True: it opens. */
static bool is_starting(
	struct rtsp_trouble *t, struct patience patience, const struct rtsp_profile *p, struct rtsp_now now)
{
	bool returns = t->open && t->good >= p->end_pictures;
	t->good = 0;
	if (t->open) {
		t->times += returns && t->times < UINT16_MAX;
		return false;
	}
	if (!t->bad)
		t->bad_since = now;
	t->bad += t->bad < UINT8_MAX;
	if (!is_over(t->bad, now.mono.us - t->bad_since.mono.us, patience))
		return false;
	t->open = true;
	t->times = 1;
	count_start(t, p, now);
	return true;
}

/* One more good one.  True: it ends. */
static bool is_ending(struct rtsp_trouble *t, const struct rtsp_profile *p, struct rtsp_now now)
{
	t->bad = 0;
	if (!t->open)
		return false;
	if (!t->good)
		t->good_since = now.mono;
	t->good += t->good < UINT8_MAX;
	struct patience patience = { p->end_pictures, p->end_after_us };
	if (is_flapping(t, p) && patience.us < p->flap_calm_us)
		patience.us = p->flap_calm_us;
	if (!is_over(t->good, now.mono.us - t->good_since.us, patience))
		return false;
	t->open = false;
	t->good = 0;
	if (is_flapping(t, p))
		t->starts = 0; /* It was calm; counting begins anew. */
	return true;
}

static struct rtsp_report *report(struct rtsp_report *out, enum rtsp_fault fault, bool start,
	const struct rtsp_trouble *t, const struct rtsp_health *h, const struct rtsp_profile *p)
{
	*out = (struct rtsp_report){
		.fault = fault,
		.start = start,
		.flapping = start && is_flapping(t, p),
		.cause = t->cause,
		.outcome = h->outcome,
		.since = t->bad_since.wall,
		.times = t->times,
	};
	return out;
}

/* A picture that may be the old one still, for what was seen before a restart is forgotten: it ends nothing. */
static bool may_be_frozen(const struct rtsp_verdict *v, const struct rtsp_profile *profile)
{
	bool nothing = v->sight == RTSP_BLACK || v->sight == RTSP_WHITE || v->sight == RTSP_UNIFORM;
	return !nothing && !(profile->ignored & rtsp_fault_bit(RTSP_FROZEN)) &&
	       (v->first || v->unchanged_us > 0);
}

unsigned rtsp_health_picture(struct rtsp_health *h, const struct rtsp_verdict *verdict, bool recorder,
	const struct rtsp_profile *profile, struct rtsp_now now, struct rtsp_report *out)
{
	unsigned count = 0;
	h->outcome = RTSP_OUTCOME_PICTURE;
	for (int i = RTSP_OFFLINE; i < RTSP_FAULTS; i++) {
		struct rtsp_trouble *t = &h->troubles[i];
		bool bad = verdict->faults & rtsp_fault_bit(i), changes;
		if (verdict->unknown & rtsp_fault_bit(i))
			continue;
		if (bad) {
			if (!t->open && !t->bad)
				t->cause = cause_of(i, verdict, recorder);
			struct patience patience = { profile->start_pictures, profile->start_after_us };
			changes = is_starting(t, patience, profile, now);
		} else if (i == RTSP_FROZEN && t->open && may_be_frozen(verdict, profile)) {
			changes = false;
		} else {
			changes = is_ending(t, profile, now);
		}
		if (!changes)
			continue;
		struct rtsp_report *r = report(&out[count++], i, bad, t, h, profile);
		r->measured = true;
		r->verdict = *verdict;
	}
	return count;
}

unsigned rtsp_health_failure(struct rtsp_health *h, enum rtsp_outcome outcome, bool recorder,
	const struct rtsp_profile *profile, struct rtsp_now now, struct rtsp_report *out)
{
	struct rtsp_trouble *t = &h->troubles[RTSP_OFFLINE];
	struct patience patience = { profile->offline_attempts, profile->offline_after_us };
	h->outcome = outcome;
	if (profile->ignored & rtsp_fault_bit(RTSP_OFFLINE))
		return 0;
	if (!t->open)
		t->cause = rtsp_health_cause(outcome, recorder);
	if (!is_starting(t, patience, profile, now))
		return 0;
	report(out, RTSP_OFFLINE, true, t, h, profile);
	return 1;
}

bool rtsp_health_undecided(const struct rtsp_health *h)
{
	for (int i = RTSP_OFFLINE; i < RTSP_FAULTS; i++)
		if (h->troubles[i].open ? h->troubles[i].good : h->troubles[i].bad)
			return true;
	return false;
}

uint32_t rtsp_health_open(const struct rtsp_health *h)
{
	uint32_t open = 0;
	for (int i = RTSP_OFFLINE; i < RTSP_FAULTS; i++)
		if (h->troubles[i].open)
			open |= rtsp_fault_bit(i);
	return open;
}

/* version, number of open faults, then each: fault, cause, times, since when. */
void rtsp_health_encode(const struct rtsp_health *h, struct torap_writer *w)
{
	uint8_t open = 0;
	for (int i = RTSP_OFFLINE; i < RTSP_FAULTS; i++)
		open += h->troubles[i].open;
	torap_write_u8(w, VERSION);
	torap_write_u8(w, open);
	for (int i = RTSP_OFFLINE; i < RTSP_FAULTS; i++) {
		const struct rtsp_trouble *t = &h->troubles[i];
		if (!t->open)
			continue;
		torap_write_u8(w, (uint8_t)i);
		torap_write_u8(w, t->cause);
		torap_write_u8(w, t->starts);
		torap_write_u32(w, t->times);
		torap_write_u64(w, (uint64_t)t->bad_since.wall.us);
	}
}

bool rtsp_health_decode(struct rtsp_health *out, struct torap_bytes bytes, struct rtsp_now now)
{
	struct torap_reader r = torap_reader(bytes);
	*out = (struct rtsp_health){ 0 };
	bool known = torap_read_u8(&r) == VERSION;
	unsigned open = torap_read_u8(&r);
	known &= open < RTSP_FAULTS;
	for (unsigned i = 0; known && i < open; i++) {
		unsigned fault = torap_read_u8(&r), cause = torap_read_u8(&r);
		uint8_t starts = torap_read_u8(&r);
		uint32_t times = torap_read_u32(&r);
		uint64_t since = torap_read_u64(&r);
		known = !r.failed && fault >= RTSP_OFFLINE && fault < RTSP_FAULTS && cause < RTSP_CAUSES &&
			times > 0 && times <= UINT16_MAX && since <= INT64_MAX && !out->troubles[fault].open;
		if (!known)
			break;
		out->troubles[fault] = (struct rtsp_trouble){
			.open = true,
			.starts = starts,
			.times = (uint16_t)times,
			.bad_since = { now.mono, { (int64_t)since } },
			.window = now.mono,
			.cause = (enum rtsp_cause)cause,
		};
	}
	if (known && torap_read_end(&r))
		return true;
	*out = (struct rtsp_health){ 0 };
	return false;
}
