#include "agents/kit/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "conf/take.h"
#include "conf/yaml.h"
#include "wire/taxonomy.h"

enum { TEXT_MAX = 255, REGION_DIGITS = 9 };

struct raw_outage {
	char *camera, *site, *recorder, *switch_name, *street, *region, *from, *until, *who, *why;
};

struct raw_plan {
	struct raw_outage *outages;
	unsigned outages_count;
};

#define SCOPE(key, m) TORAP_YAML_MAY(key, struct raw_outage, m, TEXT_MAX)
#define NEEDED(key)   TORAP_YAML_TEXT(#key, struct raw_outage, key, TEXT_MAX)

static const cyaml_schema_field_t outage_fields[] = {
	SCOPE("camera", camera),
	SCOPE("site", site),
	SCOPE("recorder", recorder),
	SCOPE("switch", switch_name),
	SCOPE("street", street),
	SCOPE("region", region),
	NEEDED(from),
	NEEDED(until),
	NEEDED(who),
	NEEDED(why),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t outage_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_outage, outage_fields) };

static const cyaml_schema_field_t plan_fields[] = {
	CYAML_FIELD_SEQUENCE_COUNT("outages", CYAML_FLAG_POINTER, struct raw_plan, outages, outages_count,
		&outage_schema, 0, KIT_PLAN_OUTAGES_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_plan, plan_fields) };

struct kit_planned *kit_planned_ref(struct kit_planned *p)
{
	if (p)
		p->refs++;
	return p;
}

struct kit_planned *kit_planned_unref(struct kit_planned *p)
{
	if (!p || --p->refs)
		return NULL;
	char *texts[] = { p->camera, p->site, p->recorder, p->switch_name, p->street, p->who, p->why };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		free(texts[i]);
	free(p);
	return NULL;
}

static bool fits(const char *wanted, const char *is)
{
	return !wanted || strcmp(wanted, is) == 0;
}

bool kit_planned_concerns(const struct kit_planned *p, const struct kit_place *place)
{
	return fits(p->camera, place->camera) && fits(p->site, place->site) &&
	       fits(p->recorder, place->recorder) && fits(p->switch_name, place->switch_name) &&
	       fits(p->street, place->street) &&
	       (!p->in_region || (place->region && torap_region_covers(p->region, place->region)));
}

static int judge_outage(struct kit_planned *out, const struct raw_outage *raw, size_t i, const char *path,
	struct torap_error *err)
{
	static const char list[] = "outages";
	struct torap_error why;
	if (!raw->camera && !raw->site && !raw->recorder && !raw->switch_name && !raw->street && !raw->region)
		return torap_yaml_refuse(err, path, torap_yaml_at(list, i, "from").text,
			"an outage names a camera, a switch, a recorder, a street, a site or a region");
	if (torap_wall_parse(&out->from, raw->from, &why))
		return torap_yaml_refuse(err, path, torap_yaml_at(list, i, "from").text, "%s", why.text);
	if (torap_wall_parse(&out->until, raw->until, &why))
		return torap_yaml_refuse(err, path, torap_yaml_at(list, i, "until").text, "%s", why.text);
	if (out->from.us >= out->until.us)
		return torap_yaml_refuse(
			err, path, torap_yaml_at(list, i, "until").text, "it ends before it begins");
	if (raw->region) {
		if (strlen(raw->region) != REGION_DIGITS ||
			strspn(raw->region, "0123456789") != REGION_DIGITS)
			return torap_yaml_refuse(err, path, torap_yaml_at(list, i, "region").text,
				"\"%s\" is no KATO code of 9 digits", raw->region);
		out->in_region = true;
		out->region = (uint32_t)strtoul(raw->region, NULL, 10);
	}
	return 0;
}

static void take_outage(
	struct torap_taking *t, struct kit_planned *out, const struct raw_outage *raw, size_t i)
{
	t->failed = judge_outage(out, raw, i, t->path, t->err);
	torap_take_text(t, &out->camera, raw->camera);
	torap_take_text(t, &out->site, raw->site);
	torap_take_text(t, &out->recorder, raw->recorder);
	torap_take_text(t, &out->switch_name, raw->switch_name);
	torap_take_text(t, &out->street, raw->street);
	torap_take_text(t, &out->who, raw->who);
	torap_take_text(t, &out->why, raw->why);
}

static int take(struct kit_plan *out, const struct raw_plan *raw, const char *path, struct torap_error *err)
{
	struct torap_taking t = { path, err, 0 };
	out->list = calloc(raw->outages_count + 1, sizeof *out->list);
	out->active = calloc(raw->outages_count + 1, sizeof *out->active);
	if (!out->list || !out->active)
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
	for (size_t i = 0; i < raw->outages_count && !t.failed; i++) {
		struct kit_planned *p = calloc(1, sizeof *p);
		if (!p)
			return torap_errorf(err, -ENOMEM, "%s: out of memory", path);
		p->refs = 1;
		out->list[out->count++] = p;
		take_outage(&t, p, &raw->outages[i], i);
	}
	return t.failed;
}

int kit_plan_load(struct kit_plan *out, const char *path, struct torap_error *err)
{
	struct raw_plan *raw = NULL;
	struct kit_plan p = { 0 };
	int r = path ? torap_yaml_load(path, &schema, (void **)&raw, err) : 0;
	if (r)
		return r;
	if (raw)
		r = take(&p, raw, path, err);
	torap_yaml_free(&schema, raw);
	if (r)
		kit_plan_finish(&p);
	else
		*out = p;
	return r;
}

void kit_plan_finish(struct kit_plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		kit_planned_unref(p->list[i]);
	free(p->list);
	free(p->active);
	*p = (struct kit_plan){ 0 };
}

void kit_plan_at(struct kit_plan *p, struct torap_wall now)
{
	p->active_count = 0;
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i]->from.us <= now.us && now.us < p->list[i]->until.us)
			p->active[p->active_count++] = p->list[i];
}

struct kit_planned *kit_plan_excuse(const struct kit_plan *p, const struct kit_place *place)
{
	for (size_t i = 0; i < p->active_count; i++)
		if (kit_planned_concerns(p->active[i], place))
			return p->active[i];
	return NULL;
}

struct kit_planned *kit_plan_then(
	const struct kit_plan *p, const struct kit_place *place, struct torap_wall when)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i]->from.us <= when.us && when.us < p->list[i]->until.us &&
			kit_planned_concerns(p->list[i], place))
			return p->list[i];
	return NULL;
}
