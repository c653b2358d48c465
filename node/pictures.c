#include "node/pictures.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "conf/yaml.h"
#include "proto/event.pb-c.h"
#include "wire/kind_set.h"
#include "wire/taxonomy.h"

enum { INTERVAL_US = 30 * TORAP_US_PER_S };
static const int64_t interval_us_min = TORAP_US_PER_S, interval_us_max = 3600 * (int64_t)TORAP_US_PER_S;

static bool add(struct node_pictures *p, const char *pattern)
{
	struct torap_kind_set set = { .count = 0 };
	if (!torap_kind_set_add(&set, pattern))
		return false;
	for (size_t i = 0; i < set.count; i++)
		if (set.list[i] < NODE_PICTURES_KINDS)
			p->kinds[set.list[i] / 8] |= (uint8_t)(1u << set.list[i] % 8);
	return true;
}

static int judge_severity(
	struct node_pictures *p, const char *text, const char *path, struct torap_error *err)
{
	int severity = strcmp(text, "none") == 0 ? 0 : torap_severity_number(text);
	if (severity < 0)
		return torap_yaml_refuse(
			err, path, "pictures.severity", "\"%s\" is neither a severity nor none", text);
	p->severity = (uint8_t)severity;
	return 0;
}

static int judge_interval(
	struct node_pictures *p, const char *text, const char *path, struct torap_error *err)
{
	struct torap_error why;
	if (torap_duration_parse(&p->interval_us, text, &why))
		return torap_yaml_refuse(err, path, "pictures.interval", "%s", why.text);
	if (p->interval_us < interval_us_min || p->interval_us > interval_us_max)
		return torap_yaml_refuse(
			err, path, "pictures.interval", "\"%s\" is not between 1s and 1h", text);
	return 0;
}

int node_pictures_judge(struct node_pictures *out, const struct node_pictures_file *file, const char *path,
	struct torap_error *err)
{
	struct node_pictures p = { .severity = TORAP__SEVERITY__SEVERITY_CRITICAL,
		.interval_us = INTERVAL_US };
	int r = 0;
	if (file && file->severity)
		r = judge_severity(&p, file->severity, path, err);
	if (r == 0 && file && file->interval)
		r = judge_interval(&p, file->interval, path, err);
	if (r)
		return r;
	if (!file || !file->kinds)
		add(&p, "alarm.*");
	for (uint32_t i = 0; file && i < file->kinds_count; i++)
		if (!add(&p, file->kinds[i]))
			return torap_yaml_refuse(
				err, path, "pictures.kinds", "\"%s\" fits no kind of event", file->kinds[i]);
	*out = p;
	return 0;
}

bool node_pictures_want(const struct node_pictures *p, uint32_t kind, uint32_t severity, uint32_t state)
{
	if (state == TORAP__STATE__STATE_END)
		return false;
	return (p->severity && severity >= p->severity) ||
	       (kind < NODE_PICTURES_KINDS && p->kinds[kind / 8] & 1u << kind % 8);
}
