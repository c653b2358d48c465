#include "node/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/time.h"
#include "conf/take.h"
#include "conf/yaml.h"
#include "zmtp/endpoint.h"
#include "node/batcher.h"
#include "node/retention.h"
#include "node/room.h"
#include "node/seal_limit.h"
#include "store/kv.h"
#include "proto/batch.pb-c.h"

enum {
	CANARY_US_DEFAULT = 30 * TORAP_US_PER_S,
	SEAL_NORMAL_MS = 200,
	SEAL_BULK_MS = 1000,
	RATE_MAX = 1000 * 1000,      /* in any unit */
	JOURNAL_SIZE_MIN = 16 << 20, /* a batch of the greatest size must fit */
	ENDPOINT_MAX = 256,
};
static const char ipc[] = "ipc://";
/* A canary must never become the load. */
static const struct torap_range canary_range = { 100 * TORAP_US_PER_MS, INT64_MAX,
	"canary is less than 100ms" };
static const struct torap_range seal_range = { 0, 60 * (int64_t)TORAP_US_PER_S,
	"the delay is more than 60s" };
static const struct torap_range lag_range = { TORAP_US_PER_S, INT64_MAX, "lag_max is less than 1s" };

enum broker_kind { KIND_REQUIRED, KIND_BEST_EFFORT };

struct file_broker {
	char *name, *endpoint, *key, *rate, *lag_max;
	enum broker_kind kind;
};

struct file_seal {
	char *normal, *bulk;
};

struct file_marks {
	char *bulk, *normal;
};

struct file {
	char *name, *region, *keys, *trust, *root, *journal, *journal_size, *intake, *sites, *devices,
		*mapping, *metrics, *canary, *keep;
	struct file_broker *brokers;
	uint32_t brokers_count;
	struct file_seal *seal;
	struct file_marks *marks;
	struct node_pictures_file *pictures;
};

static const cyaml_strval_t kinds[] = { { "required", KIND_REQUIRED }, { "best_effort", KIND_BEST_EFFORT } };

static const cyaml_schema_field_t broker_fields[] = {
	TORAP_YAML_TEXT("name", struct file_broker, name, 63),
	TORAP_YAML_TEXT("endpoint", struct file_broker, endpoint, ENDPOINT_MAX),
	TORAP_YAML_TEXT("key", struct file_broker, key, 4096),
	TORAP_YAML_MAY("rate", struct file_broker, rate, 64),
	TORAP_YAML_MAY("lag_max", struct file_broker, lag_max, 64),
	CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT, struct file_broker, kind, kinds, 2),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t broker_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct file_broker, broker_fields) };

static const cyaml_schema_field_t seal_fields[] = {
	TORAP_YAML_MAY("normal", struct file_seal, normal, 64),
	TORAP_YAML_MAY("bulk", struct file_seal, bulk, 64),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t marks_fields[] = {
	TORAP_YAML_MAY("bulk", struct file_marks, bulk, 64),
	TORAP_YAML_MAY("normal", struct file_marks, normal, 64),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t pattern_schema = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 64) };

static const cyaml_schema_field_t pictures_fields[] = {
	TORAP_YAML_MAY("severity", struct node_pictures_file, severity, 64),
	TORAP_YAML_MAY("interval", struct node_pictures_file, interval, 64),
	CYAML_FIELD_SEQUENCE("kinds", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct node_pictures_file,
		kinds, &pattern_schema, 0, 256),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t fields[] = {
	TORAP_YAML_TEXT("name", struct file, name, 256),
	TORAP_YAML_TEXT("region", struct file, region, 256),
	TORAP_YAML_TEXT("keys", struct file, keys, 4096),
	TORAP_YAML_TEXT("trust", struct file, trust, 4096),
	TORAP_YAML_TEXT("root", struct file, root, 4096),
	TORAP_YAML_TEXT("journal", struct file, journal, 4096),
	TORAP_YAML_TEXT("journal_size", struct file, journal_size, 64),
	TORAP_YAML_TEXT("intake", struct file, intake, 4096),
	TORAP_YAML_TEXT("sites", struct file, sites, 4096),
	TORAP_YAML_TEXT("devices", struct file, devices, 4096),
	TORAP_YAML_TEXT("mapping", struct file, mapping, 4096),
	TORAP_YAML_MAY("metrics", struct file, metrics, 256),
	TORAP_YAML_MAY("canary", struct file, canary, 64),
	TORAP_YAML_MAY("keep", struct file, keep, 64),
	CYAML_FIELD_SEQUENCE(
		"brokers", CYAML_FLAG_POINTER, struct file, brokers, &broker_schema, 1, NODE_BROKERS_MAX),
	CYAML_FIELD_MAPPING_PTR(
		"seal", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file, seal, seal_fields),
	CYAML_FIELD_MAPPING_PTR(
		"marks", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file, marks, marks_fields),
	CYAML_FIELD_MAPPING_PTR(
		"pictures", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file, pictures, pictures_fields),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file, fields) };

static void take_times(struct torap_taking *t, struct node_config *c, const struct file *f)
{
	int64_t normal_us = SEAL_NORMAL_MS * TORAP_US_PER_MS, bulk_us = SEAL_BULK_MS * TORAP_US_PER_MS;
	c->canary_us = CANARY_US_DEFAULT;
	torap_take_duration(t, &c->canary_us, f->canary, &canary_range, "canary");
	if (f->seal) {
		torap_take_duration(t, &normal_us, f->seal->normal, &seal_range, "seal.normal");
		torap_take_duration(t, &bulk_us, f->seal->bulk, &seal_range, "seal.bulk");
	}
	c->seal_delay_ms[TORAP__LANE__LANE_NORMAL] = (uint32_t)(normal_us / TORAP_US_PER_MS);
	c->seal_delay_ms[TORAP__LANE__LANE_BULK] = (uint32_t)(bulk_us / TORAP_US_PER_MS);
}

static int judge_keep(struct node_config *c, const struct file *f, struct torap_error *err)
{
	struct torap_error why;
	c->keep_us = NODE_KEEP_WHILE_ROOM;
	if (!f->keep)
		return 0;
	if (strcmp(f->keep, "forever") == 0) {
		c->keep_us = NODE_KEEP_FOR_EVER;
		return 0;
	}
	if (torap_duration_parse(&c->keep_us, f->keep, &why))
		return torap_yaml_refuse(err, c->path, "keep", "%s; or forever", why.text);
	if (c->keep_us < TORAP_US_PER_S)
		return torap_yaml_refuse(err, c->path, "keep", "\"%s\" is less than 1s", f->keep);
	return 0;
}

static int judge_mark(
	unsigned *out, const char *path, const char *where, const char *text, struct torap_error *err)
{
	char *end;
	if (!text)
		return 0;
	unsigned long n = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || strcmp(end, "%") != 0 || n < 1 || n > TORAP_KV_HIGH_PERCENT)
		return torap_yaml_refuse(err, path, where, "\"%s\" is not 1%% to %d%% of the journal's size",
			text, TORAP_KV_HIGH_PERCENT);
	*out = (unsigned)n;
	return 0;
}

/* What is shed first has the lower mark. */
static int judge_marks(struct node_config *c, const struct file *f, struct torap_error *err)
{
	c->bulk_percent = NODE_ROOM_BULK_PERCENT;
	c->normal_percent = NODE_ROOM_NORMAL_PERCENT;
	if (!f->marks)
		return 0;
	int r = judge_mark(&c->bulk_percent, c->path, "marks.bulk", f->marks->bulk, err);
	if (r == 0)
		r = judge_mark(&c->normal_percent, c->path, "marks.normal", f->marks->normal, err);
	if (r == 0 && c->bulk_percent > c->normal_percent)
		return torap_yaml_refuse(err, c->path, "marks",
			"normal would be shed at %u%%, before bulk at %u%%", c->normal_percent,
			c->bulk_percent);
	return r;
}

/* "512kbit", "1Mbit", "1Gbit": bits a second. */
static bool parse_rate(uint64_t *out_bits, const char *text)
{
	static const struct {
		const char *unit;
		uint64_t bits;
	} units[] = { { "kbit", 1000 }, { "Mbit", 1000 * 1000 }, { "Gbit", 1000 * 1000 * 1000 } };
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno || n == 0 || n > RATE_MAX)
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (strcmp(end, units[i].unit) == 0) {
			*out_bits = n * units[i].bits;
			return true;
		}
	return false;
}

/* The slowest link decides: every broker gets the same batches. */
static int judge_rate(
	struct node_config *c, const struct file_broker *in, const char *where, struct torap_error *err)
{
	uint64_t bits;
	if (!in->rate)
		return 0;
	if (!parse_rate(&bits, in->rate))
		return torap_yaml_refuse(err, c->path, where,
			"\"%s\" is not a rate such as 512kbit, 1Mbit or 1Gbit", in->rate);
	size_t bytes = node_seal_limit_of((double)bits / 8);
	if (c->seal_bytes == 0 || bytes < c->seal_bytes)
		c->seal_bytes = bytes;
	return 0;
}

static int judge_broker(struct node_config *c, const struct file *f, size_t i, struct torap_error *err)
{
	const struct file_broker *in = &f->brokers[i];
	for (size_t before = 0; before < i; before++)
		if (strcmp(f->brokers[before].name, in->name) == 0)
			return torap_yaml_refuse(err, c->path, torap_yaml_at("brokers", i, "name").text,
				"broker \"%s\" is named twice", in->name);
	struct torap_yaml_step endpoint = torap_yaml_at("brokers", i, "endpoint");
	for (size_t before = 0; before < i; before++)
		if (strcmp(f->brokers[before].endpoint, in->endpoint) == 0)
			return torap_yaml_refuse(err, c->path, endpoint.text, "%s is that of \"%s\"",
				in->endpoint, f->brokers[before].name);
	if (torap_zmtp_check_dial(in->endpoint, NULL))
		return torap_yaml_refuse(
			err, c->path, endpoint.text, "\"%s\" is not tcp://HOST:PORT", in->endpoint);
	int r = judge_rate(c, in, torap_yaml_at("brokers", i, "rate").text, err);
	if (r == 0 && in->lag_max && in->kind == KIND_REQUIRED)
		r = torap_yaml_refuse(err, c->path, torap_yaml_at("brokers", i, "lag_max").text,
			"a required broker is never given up; lag_max is of best_effort");
	return r;
}

static void take_broker(struct torap_taking *t, struct node_config *c, const struct file *f, size_t i)
{
	const struct file_broker *in = &f->brokers[i];
	t->failed = judge_broker(c, f, i, t->err);
	struct node_config_broker *out = &c->brokers[c->brokers_count++];
	out->required = in->kind == KIND_REQUIRED;
	torap_take_duration(
		t, &out->lag_max_us, in->lag_max, &lag_range, torap_yaml_at("brokers", i, "lag_max").text);
	torap_take_text(t, &out->name, in->name);
	torap_take_text(t, &out->endpoint, in->endpoint);
	torap_take_path(t, &out->key, in->key);
}

/* "ipc://DIR/NAME", with the path against the folder of the file. */
static int judge_intake(struct node_config *c, const struct file *f, struct torap_error *err)
{
	if (strncmp(f->intake, ipc, sizeof ipc - 1) != 0 || !f->intake[sizeof ipc - 1])
		return torap_yaml_refuse(err, c->path, "intake", "\"%s\" is not ipc://PATH", f->intake);
	c->intake = torap_yaml_endpoint(c->path, f->intake);
	struct torap_error why;
	if (!c->intake)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", c->path);
	return torap_zmtp_check_local(c->intake, &why)
		       ? torap_yaml_refuse(err, c->path, "intake", "%s", why.text)
		       : 0;
}

static int judge(struct node_config *c, const struct file *f, struct torap_error *err)
{
	if (!torap_writer_id_valid(f->name))
		return torap_yaml_refuse(
			err, c->path, "name", "\"%s\" is not a writer id: up to 31 of a-z 0-9 -", f->name);
	strcpy(c->name, f->name);
	if (!torap_region_parse(&c->region, f->region))
		return torap_yaml_refuse(
			err, c->path, "region", "\"%s\" is not a region: 9 digits, in quotes", f->region);
	if (torap_size_parse(&c->journal_size, f->journal_size, NULL) || c->journal_size < JOURNAL_SIZE_MIN)
		return torap_yaml_refuse(err, c->path, "journal_size",
			"\"%s\" is not a size of at least 16MiB, as 8GiB or 512MiB", f->journal_size);
	int r = judge_keep(c, f, err);
	if (r == 0)
		r = judge_marks(c, f, err);
	if (r == 0)
		r = node_pictures_judge(&c->pictures, f->pictures, c->path, err);
	return r == 0 ? judge_intake(c, f, err) : r;
}

static void take_paths(struct torap_taking *t, struct node_config *c, const struct file *f)
{
	torap_take_text(t, &c->path, t->path);
	torap_take_path(t, &c->keys, f->keys);
	torap_take_path(t, &c->trust, f->trust);
	torap_take_path(t, &c->root, f->root);
	torap_take_path(t, &c->journal, f->journal);
	torap_take_path(t, &c->sites, f->sites);
	torap_take_path(t, &c->devices, f->devices);
	torap_take_path(t, &c->mapping, f->mapping);
	torap_take_metrics(t, &c->metrics, f->metrics);
}

static int take(struct node_config *c, const struct file *f, const char *path, struct torap_error *err)
{
	struct torap_taking t = { path, err, 0 };
	take_paths(&t, c, f);
	if (!t.failed)
		t.failed = judge(c, f, err);
	take_times(&t, c, f);
	for (size_t i = 0; i < f->brokers_count && !t.failed; i++)
		take_broker(&t, c, f, i);
	return t.failed;
}

int node_config_load(struct node_config *out, const char *path, struct torap_error *err)
{
	void *file = NULL;
	int r = torap_yaml_load(path, &schema, &file, err);
	if (r)
		return r;
	struct node_config c = { 0 };
	r = take(&c, file, path, err);
	torap_yaml_free(&schema, file);
	if (r)
		node_config_finish(&c);
	else
		*out = c;
	return r;
}

static bool same_brokers(const struct node_config *a, const struct node_config *b)
{
	for (size_t i = 0; i < a->brokers_count && i < b->brokers_count; i++)
		if (strcmp(a->brokers[i].name, b->brokers[i].name) != 0 ||
			a->brokers[i].required != b->brokers[i].required ||
			a->brokers[i].lag_max_us != b->brokers[i].lag_max_us)
			return false;
	return a->brokers_count == b->brokers_count;
}

int node_config_judge_reload(
	const struct node_config *now, const struct node_config *next, struct torap_error *err)
{
	const struct torap_yaml_fixed fixed[] = {
		{ "name", strcmp(now->name, next->name) == 0 },
		{ "region", now->region == next->region },
		{ "root", strcmp(now->root, next->root) == 0 },
		{ "journal", strcmp(now->journal, next->journal) == 0 },
		{ "journal_size", now->journal_size == next->journal_size },
		{ "intake", strcmp(now->intake, next->intake) == 0 },
		{ "metrics", torap_yaml_same(now->metrics, next->metrics) },
		{ "canary", now->canary_us == next->canary_us },
		{ "keep", now->keep_us == next->keep_us },
		{ "seal", memcmp(now->seal_delay_ms, next->seal_delay_ms, sizeof now->seal_delay_ms) == 0 },
		{ "marks", now->bulk_percent == next->bulk_percent &&
				   now->normal_percent == next->normal_percent },
	};
	int r = torap_yaml_judge_fixed(fixed, sizeof fixed / sizeof *fixed, next->path, err);
	if (r)
		return r;
	if (!same_brokers(now, next))
		return torap_yaml_refuse(err, next->path, "brokers",
			"which brokers there are, their names, kinds and lag_max change with a restart only");
	return 0;
}

static void swap(char **a, char **b)
{
	char *was = *a;
	*a = *b;
	*b = was;
}

void node_config_take(struct node_config *now, struct node_config *next)
{
	swap(&now->keys, &next->keys);
	swap(&now->trust, &next->trust);
	swap(&now->sites, &next->sites);
	swap(&now->devices, &next->devices);
	swap(&now->mapping, &next->mapping);
	for (size_t i = 0; i < now->brokers_count; i++) {
		swap(&now->brokers[i].endpoint, &next->brokers[i].endpoint);
		swap(&now->brokers[i].key, &next->brokers[i].key);
	}
	now->seal_bytes = next->seal_bytes;
	now->pictures = next->pictures;
}

void node_config_finish(struct node_config *c)
{
	char *texts[] = { c->path, c->keys, c->trust, c->root, c->journal, c->intake, c->sites, c->devices,
		c->mapping, c->metrics };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		free(texts[i]);
	for (size_t i = 0; i < c->brokers_count; i++) {
		free(c->brokers[i].name);
		free(c->brokers[i].endpoint);
		free(c->brokers[i].key);
	}
	*c = (struct node_config){ 0 };
}
