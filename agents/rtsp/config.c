#include "agents/rtsp/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "conf/take.h"

enum { NAME_MAX_SIZE = 4095, PARALLEL = 1000, PER_RECORDER = 4, WORKERS = 2 };
static const struct torap_range usual = { 100 * TORAP_US_PER_MS, 86400 * (int64_t)TORAP_US_PER_S,
	"must be between 100ms and 24h" };

/* The file as libcyaml gives it. */
struct raw_watch {
	char *mode, *transport, *period, *alive, *retry, *retry_max, *look, *trust, *peek, *save;
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
	struct kit_config_file kit;
	char *credentials, *profiles, *planned, *state;
	struct raw_watch *watch;
	struct raw_limits *limits;
	struct raw_outage *outage;
	struct rtsp_evidence_file *evidence;
};

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t watch_fields[] = {
	TORAP_YAML_MAY("mode", struct raw_watch, mode, 32),
	TORAP_YAML_MAY("transport", struct raw_watch, transport, 32),
	TORAP_YAML_MAY("period", struct raw_watch, period, 32),
	TORAP_YAML_MAY("alive", struct raw_watch, alive, 32),
	TORAP_YAML_MAY("retry", struct raw_watch, retry, 32),
	TORAP_YAML_MAY("retry_max", struct raw_watch, retry_max, 32),
	TORAP_YAML_MAY("look", struct raw_watch, look, 32),
	TORAP_YAML_MAY("trust", struct raw_watch, trust, 32),
	TORAP_YAML_MAY("peek", struct raw_watch, peek, 32),
	TORAP_YAML_MAY("save", struct raw_watch, save, 32),
	TORAP_YAML_MAY_NUMBER("parallel", struct raw_watch, parallel),
	TORAP_YAML_MAY_NUMBER("per_recorder", struct raw_watch, per_recorder),
	TORAP_YAML_MAY_NUMBER("workers", struct raw_watch, workers),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
	TORAP_YAML_MAY("connect", struct raw_limits, connect, 32),
	TORAP_YAML_MAY("answer", struct raw_limits, answer, 32),
	TORAP_YAML_MAY("first", struct raw_limits, first, 32),
	TORAP_YAML_MAY("stall", struct raw_limits, stall, 32),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t outage_fields[] = {
	TORAP_YAML_MAY_NUMBER("cameras", struct raw_outage, cameras),
	TORAP_YAML_MAY_NUMBER("share", struct raw_outage, share),
	TORAP_YAML_MAY_NUMBER("back", struct raw_outage, back),
	TORAP_YAML_MAY("hold", struct raw_outage, hold, 32),
	TORAP_YAML_MAY("settle", struct raw_outage, settle, 32),
	TORAP_YAML_MAY("join", struct raw_outage, join, 32),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
	KIT_CONFIG_FIELDS(struct raw_config, kit),
	TORAP_YAML_MAY("credentials", struct raw_config, credentials, NAME_MAX_SIZE),
	TORAP_YAML_MAY("profiles", struct raw_config, profiles, NAME_MAX_SIZE),
	TORAP_YAML_MAY("planned", struct raw_config, planned, NAME_MAX_SIZE),
	TORAP_YAML_MAY("state", struct raw_config, state, NAME_MAX_SIZE),
	CYAML_FIELD_MAPPING_PTR("watch", OPTIONAL, struct raw_config, watch, watch_fields),
	CYAML_FIELD_MAPPING_PTR("limits", OPTIONAL, struct raw_config, limits, limits_fields),
	CYAML_FIELD_MAPPING_PTR("outage", OPTIONAL, struct raw_config, outage, outage_fields),
	CYAML_FIELD_MAPPING_PTR("evidence", OPTIONAL, struct raw_config, evidence, rtsp_evidence_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_config, config_fields) };

/* A duration for what can be left out: 0. */
static void take_optional(struct torap_taking *t, int64_t *out_us, const char *text, const char *key)
{
	static const struct torap_range any = { 0, 86400 * (int64_t)TORAP_US_PER_S,
		"must be 0 (never), or between 100ms and 24h" };
	int64_t us = *out_us;
	bool never = text && strcmp(text, "0") == 0;
	torap_take_duration(t, &us, never ? "0s" : text, &any, key);
	if (!t->failed && us && us < usual.least)
		t->failed = torap_yaml_refuse(t->err, t->path, key, "%s", any.complaint);
	else
		*out_us = us;
}

static void take_watch(struct torap_taking *t, struct rtsp_config *c, const struct raw_watch *raw)
{
	static const char *const modes[] = { "sampled", "held", NULL };
	static const char *const transports[] = { "any", "tcp", "udp", NULL };
	static const char *const answers[] = { "false", "true", NULL };
	unsigned mode = 0, transport = 0, peek = c->peek;
	torap_take_word(t, &mode, raw->mode, modes, "watch.mode");
	torap_take_word(t, &transport, raw->transport, transports, "watch.transport");
	c->held = mode == 1;
	c->transport = (enum rtsp_transport)transport;
	torap_take_duration(t, &c->schedule.period_us, raw->period, &usual, "watch.period");
	take_optional(t, &c->schedule.alive_us, raw->alive, "watch.alive");
	torap_take_duration(t, &c->schedule.retry_us, raw->retry, &usual, "watch.retry");
	torap_take_duration(t, &c->schedule.retry_us_max, raw->retry_max, &usual, "watch.retry_max");
	torap_take_duration(t, &c->look_us, raw->look, &usual, "watch.look");
	take_optional(t, &c->trust_us, raw->trust, "watch.trust");
	torap_take_word(t, &peek, raw->peek, answers, "watch.peek");
	c->peek = peek == 1;
	torap_take_duration(t, &c->save_us, raw->save, &usual, "watch.save");
	torap_take_number(t, &c->schedule.parallel, raw->parallel, 4096, "watch.parallel");
	torap_take_number(t, &c->schedule.per_recorder, raw->per_recorder, 4096, "watch.per_recorder");
	torap_take_number(t, &c->workers, raw->workers, 64, "watch.workers");
	if (!t->failed && c->schedule.retry_us > c->schedule.retry_us_max)
		t->failed = torap_yaml_refuse(t->err, t->path, "watch.retry_max", "is shorter than retry");
}

static void take_limits(struct torap_taking *t, struct rtsp_limits *l, const struct raw_limits *raw)
{
	torap_take_duration(t, &l->connect_us, raw->connect, &usual, "limits.connect");
	torap_take_duration(t, &l->answer_us, raw->answer, &usual, "limits.answer");
	torap_take_duration(t, &l->first_us, raw->first, &usual, "limits.first");
	torap_take_duration(t, &l->stall_us, raw->stall, &usual, "limits.stall");
}

static void take_percent(struct torap_taking *t, float *out, const unsigned *number, const char *where)
{
	unsigned percent = (unsigned)(*out * 100);
	torap_take_number(t, &percent, number, 100, where);
	if (number)
		*out = (float)percent / 100;
}

static void take_outage(struct torap_taking *t, struct rtsp_outage_limits *o, const struct raw_outage *raw)
{
	if (!t->failed && raw->cameras && *raw->cameras == 1)
		t->failed = torap_yaml_refuse(t->err, t->path, "outage.cameras",
			"one camera is no outage of many: 2 or more, or 0 to tell each by itself");
	if (raw->cameras)
		o->cameras = *raw->cameras;
	take_percent(t, &o->share, raw->share, "outage.share");
	take_percent(t, &o->back, raw->back, "outage.back");
	torap_take_duration(t, &o->hold_us, raw->hold, &usual, "outage.hold");
	torap_take_duration(t, &o->settle_us, raw->settle, &usual, "outage.settle");
	torap_take_duration(t, &o->join_us, raw->join, &usual, "outage.join");
	if (!t->failed && o->share <= 0.5f)
		t->failed = torap_yaml_refuse(t->err, t->path, "outage.share", "must be more than 50");
}

static int take(
	struct rtsp_config *c, const struct raw_config *raw, const char *path, struct torap_error *err)
{
	struct torap_taking t = { path, err, 0 };
	kit_config_take(&t, &c->kit, &raw->kit);
	torap_take_path(&t, &c->credentials, raw->credentials);
	torap_take_path(&t, &c->profiles, raw->profiles);
	torap_take_path(&t, &c->planned, raw->planned);
	torap_take_path(&t, &c->state, raw->state);
	c->schedule = (struct rtsp_schedule_limits){ .period_us = 40 * TORAP_US_PER_S,
		.alive_us = 20 * TORAP_US_PER_S,
		.retry_us = 4 * TORAP_US_PER_S,
		.retry_us_max = 60 * TORAP_US_PER_S,
		.parallel = PARALLEL,
		.per_recorder = PER_RECORDER };
	c->look_us = 10 * TORAP_US_PER_S;
	c->trust_us = 180 * TORAP_US_PER_S;
	c->peek = true;
	c->save_us = 300 * TORAP_US_PER_S;
	c->workers = WORKERS;
	c->limits = rtsp_limits_default;
	c->outage = rtsp_outage_limits_default;
	if (raw->watch)
		take_watch(&t, c, raw->watch);
	if (raw->limits)
		take_limits(&t, &c->limits, raw->limits);
	if (raw->outage)
		take_outage(&t, &c->outage, raw->outage);
	rtsp_evidence_config_take(&c->evidence, raw->evidence, &t);
	return t.failed;
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
	kit_config_finish(&c->kit);
	free(c->credentials);
	free(c->profiles);
	free(c->planned);
	free(c->state);
	rtsp_evidence_config_finish(&c->evidence);
	*c = (struct rtsp_config){ 0 };
}
