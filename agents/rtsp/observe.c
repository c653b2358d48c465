#include "agents/rtsp/observe.h"

#include "agents/kit/plan.h"
#include "agents/rtsp/outage/mass.h"

#include <assert.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add_text(struct rtsp_observation *out, const char *name, const char *value)
{
	size_t i = out->o.n_fields;
	assert(i < RTSP_OBSERVATION_FIELDS_MAX);
	torap__field__init(&out->pool[i]);
	out->pool[i].name = (char *)name;
	out->pool[i].value = (char *)value;
	out->fields[i] = &out->pool[i];
	out->o.n_fields++;
}

static void add(struct rtsp_observation *out, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void add(struct rtsp_observation *out, const char *name, const char *format, ...)
{
	size_t i = out->o.n_fields;
	assert(i < RTSP_OBSERVATION_FIELDS_MAX);
	va_list args;
	va_start(args, format);
	vsnprintf(out->texts[i], sizeof out->texts[i], format, args);
	va_end(args);
	add_text(out, name, out->texts[i]);
}

static void begin(struct rtsp_observation *out, const char *address, struct torap_wall at)
{
	torap__observation__init(&out->o);
	out->o.fields = out->fields;
	out->o.protocol = (char *)"rtsp";
	out->o.address = (char *)address;
	out->o.received_at_us = at.us;
}

/* What the picture that decided was like. */
static void add_measurements(struct rtsp_observation *out, const struct rtsp_report *r)
{
	const struct rtsp_verdict *v = &r->verdict;
	add(out, "mean", "%.1f", (double)v->mean);
	add(out, "deviation", "%.1f", (double)v->deviation);
	add(out, "dark", "%.3f", (double)v->dark);
	add(out, "bright", "%.3f", (double)v->bright);
	add(out, "flat", "%.3f", (double)v->flat);
	if (r->fault == RTSP_WHITE)
		add(out, "pale", "%.3f", (double)v->pale);
	if (r->fault == RTSP_DEFOCUSED) {
		add(out, "sharpness", "%.2f", (double)v->sharpness);
		add(out, "sharpness_usual", "%.2f", (double)v->sharpness_usual);
	}
	if (r->fault == RTSP_MOVED) {
		add(out, "regions", "%u", v->match.judged);
		add(out, "regions_elsewhere", "%u", v->match.elsewhere);
		add(out, "regions_lost", "%u", v->match.lost);
		add(out, "likeness", "%.2f", (double)v->match.likeness);
		if (v->roll.turned > v->roll.otherwise)
			add(out, "turned", "%d", v->roll.degrees);
	}
	if (r->fault == RTSP_FROZEN) {
		add(out, "unchanged_s", "%.1f", (double)v->unchanged_us / TORAP_US_PER_S);
		add(out, "timestamps", "%s", v->stuck ? "stuck" : "advance");
	}
	if (r->fault == RTSP_WRONG_CLOCK)
		add(out, "clock_off_s", "%.3f", (double)v->clock_off_us / TORAP_US_PER_S);
	if (v->sub)
		add(out, "stream", "sub");
	if (v->width)
		add(out, "size", "%ux%u", v->width, v->height);
	if (v->rate_mhz)
		add(out, "rate", "%.2f", v->rate_mhz / 1000.0);
}

/* Two tellings of one change are one thing, whatever a restart made of the rest. */
static void set_repeat_key(struct rtsp_observation *out, struct torap_wall when)
{
	char text[256];
	int size = snprintf(text, sizeof text, "%s\n%s\n%s\n%lld", out->o.address, out->o.code, out->o.zone,
		(long long)when.us);
	crypto_generichash(
		out->repeat_key, sizeof out->repeat_key, (const uint8_t *)text, (size_t)size, NULL, 0);
	out->o.repeat_key = (ProtobufCBinaryData){ sizeof out->repeat_key, out->repeat_key };
	out->o.dated = true;
}

void rtsp_observe(struct rtsp_observation *out, const char *address, const struct rtsp_report *report,
	struct torap_wall at)
{
	char text[TORAP_WALL_TEXT_SIZE];
	const char *fault = rtsp_fault_name(report->fault);
	begin(out, address, at);
	snprintf(out->code, sizeof out->code, "%s %s", fault, report->start ? "start" : "end");
	out->o.vocabulary = (char *)"torap-rtsp";
	out->o.code = out->code;
	out->o.zone = (char *)fault; /* two faults of one kind are two */
	out->o.device_time_us = report->start ? report->since.us : at.us;
	if (report->cause != RTSP_CAUSE_NONE)
		add(out, "cause", "%s", rtsp_cause_name(report->cause));
	add(out, "since", "%s", torap_wall_format(report->since, text));
	if (report->fault == RTSP_OFFLINE && report->start)
		add(out, "outcome", "%s", rtsp_outcome_name(report->outcome));
	if (report->flapping)
		add(out, "flapping", "yes");
	if (!report->start && report->times > 1)
		add(out, "times", "%u", report->times);
	if (report->measured)
		add_measurements(out, report);
	set_repeat_key(out, report->start ? report->since : at);
}

void rtsp_observe_mass(struct rtsp_observation *out, const char *address, const struct rtsp_mass_note *note,
	struct torap_wall at)
{
	begin(out, address, at);
	out->o.vocabulary = (char *)"torap-rtsp";
	out->o.code = (char *)note->code;
	out->o.zone = (char *)note->zone;
	out->o.device_time_us = note->state == RTSP_MASS_START ? note->since.us : at.us;
	for (unsigned i = 0; i < note->count; i++)
		add_text(out, note->fields[i].name, note->fields[i].value);
	set_repeat_key(out, note->state == RTSP_MASS_START ? note->since : at);
}

static void add_personal(struct rtsp_observation *out, const char *name, const char *value)
{
	size_t i = out->o.n_personal++;
	torap__field__init(&out->personal_pool[i]);
	out->personal_pool[i].name = (char *)name;
	out->personal_pool[i].value = (char *)value;
	out->personal[i] = &out->personal_pool[i];
	out->o.personal = out->personal;
}

void rtsp_observe_excuse(struct rtsp_observation *out, const struct kit_planned *planned)
{
	out->o.vocabulary = (char *)"torap-rtsp-planned";
	add_text(out, "planned", "yes");
	out->repeat_key[0] ^= 0x80; /* another thing than the same without an excuse */
	if (!planned)
		return;
	add_personal(out, "excused_by", planned->who);
	add_personal(out, "excused_why", planned->why);
}

void rtsp_observe_alive(struct rtsp_observation *out, const char *address, struct torap_wall at)
{
	begin(out, address, at);
	out->o.sort = TORAP__OBSERVATION__SORT__SORT_ALIVE;
}
