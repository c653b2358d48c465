#include "loop/clock.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/timex.h>

#include "base/time.h"
#include "loop/http.h"

enum { NAME_SIZE = 64, LABELS_SIZE = 64, NS_PER_US = 1000 };

const char *torap_clock_source_name(enum torap_clock_source source)
{
	static const char *const names[TORAP_CLOCK_SOURCES] = {
		[TORAP_CLOCK_NONE] = "none",
		[TORAP_CLOCK_PROGRAM] = "program",
		[TORAP_CLOCK_PLL] = "pll",
		[TORAP_CLOCK_FLL] = "fll",
		[TORAP_CLOCK_PPS] = "pps",
	};
	assert(source < TORAP_CLOCK_SOURCES);
	return names[source];
}

static enum torap_clock_source source_of(int status)
{
	if ((status & STA_PPSSIGNAL) && (status & (STA_PPSFREQ | STA_PPSTIME)))
		return TORAP_CLOCK_PPS;
	if (!(status & STA_PLL))
		return TORAP_CLOCK_PROGRAM;
	return status & STA_FLL ? TORAP_CLOCK_FLL : TORAP_CLOCK_PLL;
}

struct torap_app_clock torap_clock_judge(int state, const struct timex *t)
{
	if (state < 0)
		return (struct torap_app_clock){ 0 };
	struct torap_app_clock clock = {
		.error_s = (double)t->esterror / TORAP_US_PER_S,
		.error_max_s = (double)t->maxerror / TORAP_US_PER_S,
	};
	if (state == TIME_ERROR || (t->status & STA_UNSYNC))
		return clock;
	clock.known = true;
	clock.source = source_of(t->status);
	clock.has_offset = clock.source != TORAP_CLOCK_PROGRAM;
	if (!clock.has_offset)
		return clock;
	int64_t per_us = t->status & STA_NANO ? NS_PER_US : 1;
	int64_t ms = t->offset / (per_us * TORAP_US_PER_MS);
	clock.offset_ms = (int32_t)(ms > INT32_MAX ? INT32_MAX : ms < INT32_MIN ? INT32_MIN : ms);
	clock.offset_s = (double)t->offset / (double)(per_us * TORAP_US_PER_S);
	return clock;
}

struct torap_app_clock torap_app_clock(void)
{
	struct timex t = { .modes = 0 };
	int state = ntp_adjtime(&t);
	return torap_clock_judge(state, &t);
}

struct json_t *torap_clock_json(const struct torap_app_clock *clock)
{
	json_t *json = json_pack("{s:b, s:i, s:s, s:f, s:f}", "known", (int)clock->known, "offset_ms",
		(int)clock->offset_ms, "source", torap_clock_source_name(clock->source), "error_seconds",
		clock->error_s, "error_max_seconds", clock->error_max_s);
	if (json && clock->has_offset &&
		json_object_set_new(json, "offset_seconds", json_real(clock->offset_s))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static const char *head(struct torap_writer *body, char name[static NAME_SIZE], const char *prefix,
	const char *rest, const char *help)
{
	snprintf(name, NAME_SIZE, "%s_clock_%s", prefix, rest);
	torap_metric_head(body, name, "gauge", help);
	return name;
}

void torap_clock_metrics(struct torap_writer *body, const char *prefix, const struct torap_app_clock *clock)
{
	char name[NAME_SIZE], labels[LABELS_SIZE];
	head(body, name, prefix, "known", "1: the host's clock is synchronised.");
	torap_metric(body, name, NULL, clock->known);
	if (clock->has_offset) {
		head(body, name, prefix, "offset_seconds", "What the kernel has still to correct.");
		torap_metric(body, name, NULL, clock->offset_s);
	}
	head(body, name, prefix, "error_seconds", "How far off the clock may be, by the kernel's word.");
	torap_metric(body, name, "what=\"estimated\"", clock->error_s);
	torap_metric(body, name, "what=\"max\"", clock->error_max_s);
	head(body, name, prefix, "source", "1: by what the kernel is kept in time; none: not synchronised.");
	for (enum torap_clock_source source = 0; source < TORAP_CLOCK_SOURCES; source++) {
		torap_metric_label(labels, sizeof labels, "source", torap_clock_source_name(source));
		torap_metric(body, name, labels, clock->source == source);
	}
}
