#include "agents/archive/audit.h"

#include <assert.h>

static const int64_t day_us = (int64_t)24 * 3600 * TORAP_US_PER_S;
static const int64_t minute_us = (int64_t)60 * TORAP_US_PER_S;

const char *archive_verdict_name(enum archive_verdict v)
{
	static const char *const names[] = { "unknown", "compliant", "gaps", "below_term",
		"storing_nothing" };
	return names[v];
}

struct torap_wall archive_last_day(struct torap_wall now, int32_t utc_offset_s)
{
	int64_t local = now.us + (int64_t)utc_offset_s * TORAP_US_PER_S;
	int64_t today = local - local % day_us;
	return (struct torap_wall){ today - day_us - (int64_t)utc_offset_s * TORAP_US_PER_S };
}

static struct torap_wall add_us(struct torap_wall t, int64_t us)
{
	return (struct torap_wall){ t.us + us };
}

/* Recorded or excused, each moment once. */
static int64_t accounted(const struct archive_spans *held, const struct archive_spans *excused,
	struct torap_wall from, struct torap_wall until, int64_t *recorded)
{
	*recorded = archive_spans_within(held, from, until);
	int64_t sum = *recorded;
	for (size_t i = 0; excused && i < excused->count; i++) {
		struct torap_wall a = excused->items[i].from, b = excused->items[i].until;
		if (a.us < from.us)
			a = from;
		if (b.us > until.us)
			b = until;
		if (a.us < b.us)
			sum += b.us - a.us - archive_spans_within(held, a, b);
	}
	return sum;
}

static bool is_held(const struct archive_demand *d, int64_t sum, int64_t recorded)
{
	if (d->share_percent == 0)
		return recorded > 0 || sum == day_us;
	return sum >= day_us / 100 * d->share_percent;
}

static uint32_t minutes(int64_t us)
{
	return (uint32_t)((us + minute_us / 2) / minute_us);
}

/* A stretch from before 2010 says nothing at all: its recorder did not know the time when it began.  Nor does one from the future, but for
 * a day: some date by the local time.  What is older than the camera's service is not looked at. */
static void drop_unbelievable(struct archive_report *out, struct archive_spans *held,
	const struct archive_demand *demand, struct torap_wall now)
{
	const struct torap_wall never = { INT64_MAX };
	while (held->count && held->items[0].from.us < archive_believable.us) {
		struct archive_span first = held->items[0];
		out->earliest_unknown = true;
		archive_spans_remove(held, first.from, first.until);
	}
	archive_spans_remove(held, archive_believable, demand->since);
	const struct archive_span *last = held->count ? &held->items[held->count - 1] : NULL;
	if (last && last->from.us > now.us && last->until.us > now.us + day_us)
		out->earliest_unknown = true;
	archive_spans_remove(held, now, never);
}

void archive_audit(struct archive_report *out, struct archive_spans *held,
	const struct archive_spans *excused, const struct archive_demand *demand, struct torap_wall now)
{
	assert(demand->term_days > 0 && demand->term_days <= ARCHIVE_TERM_DAYS_MAX);
	struct torap_wall day = archive_last_day(now, demand->utc_offset_s), end = add_us(day, day_us);
	int64_t recorded;
	*out = (struct archive_report){ .day = day };
	drop_unbelievable(out, held, demand, now);
	archive_spans_join(held, (int64_t)demand->gap_s * TORAP_US_PER_S);

	int64_t sum = accounted(held, excused, day, end, &recorded);
	out->recorded_min = minutes(recorded);
	out->excused_min = minutes(sum) - out->recorded_min; /* rounded apart they could be more than a day */
	out->missing_min = 1440 - out->recorded_min - out->excused_min;

	bool first_held = true; /* the oldest day that is not held by excuse alone */
	for (uint32_t back = 0; back < demand->term_days; back++) {
		struct torap_wall from = add_us(day, -(int64_t)back * day_us);
		if (from.us < demand->since.us)
			break;
		sum = accounted(held, excused, from, add_us(from, day_us), &recorded);
		bool day_held = is_held(demand, sum, recorded);
		if (recorded > 0 || !day_held)
			first_held = day_held;
		out->asked_days++;
		out->held_days += day_held;
	}
	if (held->count) {
		out->earliest = held->items[0].from;
		if (out->earliest.us < end.us)
			out->depth_days = (uint32_t)((end.us - out->earliest.us) / day_us);
	}
	struct torap_wall oldest = add_us(end, -(int64_t)out->asked_days * day_us);
	bool nothing = archive_spans_within(held, oldest, end) == 0;
	if (out->asked_days == 0 || (out->earliest_unknown && nothing))
		out->verdict = ARCHIVE_UNKNOWN;
	else if (out->held_days == out->asked_days)
		out->verdict = ARCHIVE_COMPLIANT;
	else if (nothing)
		out->verdict = ARCHIVE_STORING_NOTHING;
	else if (first_held || out->earliest.us <= oldest.us)
		out->verdict = ARCHIVE_GAPS;
	else
		out->verdict = ARCHIVE_BELOW_TERM;
}
