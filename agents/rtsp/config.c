#include "agents/rtsp/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "conf/yaml.h"

enum { NAME_MAX_SIZE = 4095, PARALLEL = 200, PER_RECORDER = 4, WORKERS = 2 };

/* The file as libcyaml gives it. */
struct raw_watch {
	char *mode, *transport, *period, *retry, *retry_max, *look, *save;
	unsigned *parallel, *per_recorder, *workers;
};

struct raw_limits {
	char *connect, *answer, *first, *stall;
};

struct raw_outage {
	unsigned *cameras, *share, *back;
	char *hold, *settle, *join;
};

struct raw_config {
	char *node, *credentials, *profiles, *planned, *state, *metrics;
	struct raw_watch *watch;
	struct raw_limits *limits;
	struct raw_outage *outage;
	struct rtsp_evidence_file *evidence;
};

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t watch_fields[] = {
	CYAML_FIELD_STRING_PTR("mode", OPTIONAL, struct raw_watch, mode, 1, 32),
	CYAML_FIELD_STRING_PTR("transport", OPTIONAL, struct raw_watch, transport, 1, 32),
	CYAML_FIELD_STRING_PTR("period", OPTIONAL, struct raw_watch, period, 1, 32),
	CYAML_FIELD_STRING_PTR("retry", OPTIONAL, struct raw_watch, retry, 1, 32),
	CYAML_FIELD_STRING_PTR("retry_max", OPTIONAL, struct raw_watch, retry_max, 1, 32),
	CYAML_FIELD_STRING_PTR("look", OPTIONAL, struct raw_watch, look, 1, 32),
	CYAML_FIELD_STRING_PTR("save", OPTIONAL, struct raw_watch, save, 1, 32),
	CYAML_FIELD_UINT_PTR("parallel", OPTIONAL, struct raw_watch, parallel),
	CYAML_FIELD_UINT_PTR("per_recorder", OPTIONAL, struct raw_watch, per_recorder),
	CYAML_FIELD_UINT_PTR("workers", OPTIONAL, struct raw_watch, workers),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
	CYAML_FIELD_STRING_PTR("connect", OPTIONAL, struct raw_limits, connect, 1, 32),
	CYAML_FIELD_STRING_PTR("answer", OPTIONAL, struct raw_limits, answer, 1, 32),
	CYAML_FIELD_STRING_PTR("first", OPTIONAL, struct raw_limits, first, 1, 32),
	CYAML_FIELD_STRING_PTR("stall", OPTIONAL, struct raw_limits, stall, 1, 32),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t outage_fields[] = {
	CYAML_FIELD_UINT_PTR("cameras", OPTIONAL, struct raw_outage, cameras),
	CYAML_FIELD_UINT_PTR("share", OPTIONAL, struct raw_outage, share),
	CYAML_FIELD_UINT_PTR("back", OPTIONAL, struct raw_outage, back),
	CYAML_FIELD_STRING_PTR("hold", OPTIONAL, struct raw_outage, hold, 1, 32),
	CYAML_FIELD_STRING_PTR("settle", OPTIONAL, struct raw_outage, settle, 1, 32),
	CYAML_FIELD_STRING_PTR("join", OPTIONAL, struct raw_outage, join, 1, 32),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
	CYAML_FIELD_STRING_PTR("node", CYAML_FLAG_POINTER, struct raw_config, node, 1, NAME_MAX_SIZE),
	CYAML_FIELD_STRING_PTR("credentials", OPTIONAL, struct raw_config, credentials, 1, NAME_MAX_SIZE),
	CYAML_FIELD_STRING_PTR("profiles", OPTIONAL, struct raw_config, profiles, 1, NAME_MAX_SIZE),
	CYAML_FIELD_STRING_PTR("planned", OPTIONAL, struct raw_config, planned, 1, NAME_MAX_SIZE),
	CYAML_FIELD_STRING_PTR("state", OPTIONAL, struct raw_config, state, 1, NAME_MAX_SIZE),
	CYAML_FIELD_STRING_PTR("metrics", OPTIONAL, struct raw_config, metrics, 1, 255),
	CYAML_FIELD_MAPPING_PTR("watch", OPTIONAL, struct raw_config, watch, watch_fields),
	CYAML_FIELD_MAPPING_PTR("limits", OPTIONAL, struct raw_config, limits, limits_fields),
	CYAML_FIELD_MAPPING_PTR("outage", OPTIONAL, struct raw_config, outage, outage_fields),
	CYAML_FIELD_MAPPING_PTR("evidence", OPTIONAL, struct raw_config, evidence, rtsp_evidence_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_config, config_fields) };

/* Remembers the first complaint: after it nothing more is looked at. */
struct taking {
	const char *path;
	struct torap_error *err;
	int failed;
};

static void take_duration(struct taking *t, int64_t *out, const char *text, const char *where)
{
	struct torap_error reason;
	if (t->failed || !text)
		return;
	if (torap_duration_parse(out, text, &reason))
		t->failed = torap_yaml_refuse(t->err, t->path, where, "%s", reason.text);
	else if (*out < 100 * TORAP_US_PER_MS || *out > 86400 * (int64_t)TORAP_US_PER_S)
		t->failed = torap_yaml_refuse(t->err, t->path, where, "must be between 100ms and 24h");
}

static void take_number(
	struct taking *t, unsigned *out, const unsigned *number, unsigned most, const char *where)
{
	if (t->failed || !number)
		return;
	*out = *number;
	if (!*number || *number > most)
		t->failed = torap_yaml_refuse(t->err, t->path, where, "must be 1 to %u", most);
}

static unsigned take_word(struct taking *t, const char *text, const char *const *words, const char *where)
{
	unsigned i = 0;
	if (t->failed || !text)
		return 0;
	while (words[i] && strcmp(words[i], text) != 0)
		i++;
	if (!words[i])
		t->failed = torap_yaml_refuse(t->err, t->path, where, "\"%s\" is none of %s, %s%s%s", text,
			words[0], words[1], words[2] ? ", " : "", words[2] ? words[2] : "");
	return words[i] ? i : 0;
}

static void take_watch(struct taking *t, struct rtsp_config *c, const struct raw_watch *raw)
{
	static const char *const modes[] = { "sampled", "held", NULL };
	static const char *const transports[] = { "any", "tcp", "udp", NULL };
	c->held = take_word(t, raw->mode, modes, "watch.mode") == 1;
	c->transport = (enum rtsp_transport)take_word(t, raw->transport, transports, "watch.transport");
	take_duration(t, &c->schedule.period_us, raw->period, "watch.period");
	take_duration(t, &c->schedule.retry_us, raw->retry, "watch.retry");
	take_duration(t, &c->schedule.retry_us_max, raw->retry_max, "watch.retry_max");
	take_duration(t, &c->look_us, raw->look, "watch.look");
	take_duration(t, &c->save_us, raw->save, "watch.save");
	take_number(t, &c->schedule.parallel, raw->parallel, 4096, "watch.parallel");
	take_number(t, &c->schedule.per_recorder, raw->per_recorder, 4096, "watch.per_recorder");
	take_number(t, &c->workers, raw->workers, 64, "watch.workers");
	if (!t->failed && c->schedule.retry_us > c->schedule.retry_us_max)
		t->failed = torap_yaml_refuse(t->err, t->path, "watch.retry_max", "is shorter than retry");
}

static void take_limits(struct taking *t, struct rtsp_limits *l, const struct raw_limits *raw)
{
	take_duration(t, &l->connect_us, raw->connect, "limits.connect");
	take_duration(t, &l->answer_us, raw->answer, "limits.answer");
	take_duration(t, &l->first_us, raw->first, "limits.first");
	take_duration(t, &l->stall_us, raw->stall, "limits.stall");
}

static void take_percent(struct taking *t, float *out, const unsigned *number, const char *where)
{
	unsigned percent = (unsigned)(*out * 100);
	take_number(t, &percent, number, 100, where);
	if (number)
		*out = (float)percent / 100;
}

static void take_outage(struct taking *t, struct rtsp_outage_limits *o, const struct raw_outage *raw)
{
	if (!t->failed && raw->cameras && *raw->cameras == 1)
		t->failed = torap_yaml_refuse(t->err, t->path, "outage.cameras",
			"one camera is no outage of many: 2 or more, or 0 to tell each by itself");
	if (raw->cameras)
		o->cameras = *raw->cameras;
	take_percent(t, &o->share, raw->share, "outage.share");
	take_percent(t, &o->back, raw->back, "outage.back");
	take_duration(t, &o->hold_us, raw->hold, "outage.hold");
	take_duration(t, &o->settle_us, raw->settle, "outage.settle");
	take_duration(t, &o->join_us, raw->join, "outage.join");
	if (!t->failed && o->share <= 0.5f)
		t->failed = torap_yaml_refuse(t->err, t->path, "outage.share", "must be more than 50");
}

static bool take_path(char **out, const char *path, const char *name)
{
	*out = name ? torap_yaml_path(path, name) : NULL;
	return !name || *out;
}

static int take(
	struct rtsp_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	struct taking t = { path, err, 0 };
	if (strncmp(raw->node, "ipc://", 6) != 0 || !raw->node[6])
		return torap_yaml_refuse(err, path, "node", "\"%s\" is no ipc:// endpoint", raw->node);
	c->schedule = (struct rtsp_schedule_limits){ .period_us = 60 * TORAP_US_PER_S,
		.retry_us = 5 * TORAP_US_PER_S,
		.retry_us_max = 60 * TORAP_US_PER_S,
		.parallel = PARALLEL,
		.per_recorder = PER_RECORDER };
	c->look_us = 10 * TORAP_US_PER_S;
	c->save_us = 300 * TORAP_US_PER_S;
	c->workers = WORKERS;
	c->limits = rtsp_limits_default;
	if (raw->watch)
		take_watch(&t, c, raw->watch);
	if (raw->limits)
		take_limits(&t, &c->limits, raw->limits);
	c->outage = rtsp_outage_limits_default;
	if (raw->outage)
		take_outage(&t, &c->outage, raw->outage);
	if (!t.failed)
		t.failed = rtsp_evidence_config_take(&c->evidence, raw->evidence, path, err);
	if (t.failed)
		return t.failed;
	c->path = strdup(path);
	c->node = torap_yaml_endpoint(path, raw->node);
	c->metrics = raw->metrics ? strdup(raw->metrics) : NULL;
	bool all = c->path && c->node && (!raw->metrics || c->metrics);
	all = take_path(&c->credentials, path, raw->credentials) && all;
	all = take_path(&c->profiles, path, raw->profiles) && all;
	all = take_path(&c->planned, path, raw->planned) && all;
	all = take_path(&c->state, path, raw->state) && all;
	return all ? 0 : torap_errorf(err, -ENOMEM, "%s: out of memory", path);
}

int rtsp_config_load(struct rtsp_config *out, const char *path, struct torap_error *err)
{
	struct raw_config *raw = NULL;
	int r = torap_yaml_load(path, &schema, (void **)&raw, err);
	if (r)
		return r;
	struct rtsp_config c = { 0 };
	r = take(&c, raw, path, err);
	torap_yaml_free(&schema, raw);
	if (r) {
		rtsp_config_finish(&c);
		return r;
	}
	*out = c;
	return 0;
}

void rtsp_config_finish(struct rtsp_config *c)
{
	free(c->path);
	free(c->node);
	free(c->credentials);
	free(c->profiles);
	free(c->planned);
	free(c->state);
	free(c->metrics);
	rtsp_evidence_config_finish(&c->evidence);
	*c = (struct rtsp_config){ 0 };
}
