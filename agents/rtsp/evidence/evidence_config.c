#include "agents/rtsp/evidence/evidence_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/size.h"
#include "base/time.h"
#include "conf/yaml.h"

enum { NAME_MAX_SIZE = 4095 };
static const int64_t day_us = 86400 * (int64_t)TORAP_US_PER_S;

#define OPTIONAL(key, member, most)                                                                          \
	CYAML_FIELD_STRING_PTR(                                                                              \
		key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct rtsp_evidence_file, member, 1, most)

const cyaml_schema_field_t rtsp_evidence_fields[] = {
	CYAML_FIELD_STRING_PTR(
		"folder", CYAML_FLAG_POINTER, struct rtsp_evidence_file, folder, 1, NAME_MAX_SIZE),
	OPTIONAL("holds", holds, NAME_MAX_SIZE),
	OPTIONAL("keep", keep, 32),
	OPTIONAL("quota", quota, 32),
	OPTIONAL("snapshot_max", snapshot_max, 32),
	OPTIONAL("clips", clips, 32),
	OPTIONAL("before", before, 32),
	OPTIONAL("after", after, 32),
	OPTIONAL("memory", memory, 32),
	CYAML_FIELD_END,
};

/* Remembers the first complaint. */
struct taking {
	const char *path;
	struct torap_error *err;
	int failed;
};

static void take_duration(struct taking *t, int64_t *out, const char *text, int64_t least, int64_t most,
	const char *where, const char *range)
{
	struct torap_error reason;
	if (t->failed || !text)
		return;
	if (torap_duration_parse(out, text, &reason))
		t->failed = torap_yaml_refuse(t->err, t->path, where, "%s", reason.text);
	else if (*out < least || *out > most)
		t->failed = torap_yaml_refuse(t->err, t->path, where, "must be between %s", range);
}

static void take_size(struct taking *t, uint64_t *out, const char *text, uint64_t least, uint64_t most,
	const char *where, const char *range)
{
	struct torap_error reason;
	if (t->failed || !text)
		return;
	if (torap_size_parse(out, text, &reason))
		t->failed = torap_yaml_refuse(t->err, t->path, where, "%s", reason.text);
	else if (*out < least || *out > most)
		t->failed = torap_yaml_refuse(t->err, t->path, where, "must be between %s", range);
}

int rtsp_evidence_config_take(struct rtsp_evidence_config *out, const struct rtsp_evidence_file *file,
	const char *path, struct torap_error *err)
{
	struct taking t = { path, err, 0 };
	uint64_t snapshot_max = 1 << 20, memory = 64 << 20;
	*out = (struct rtsp_evidence_config){ .keep_us = 30 * day_us,
		.quota = (uint64_t)20 << 30,
		.clips = true,
		.before_us = 10 * TORAP_US_PER_S,
		.after_us = 20 * TORAP_US_PER_S };
	if (!file)
		return 0;
	take_duration(&t, &out->keep_us, file->keep, TORAP_US_PER_S, 3650 * day_us, "evidence.keep",
		"1s and 3650d");
	take_duration(&t, &out->before_us, file->before, TORAP_US_PER_S, 60 * (int64_t)TORAP_US_PER_S,
		"evidence.before", "1s and 60s");
	take_duration(&t, &out->after_us, file->after, TORAP_US_PER_S, 120 * (int64_t)TORAP_US_PER_S,
		"evidence.after", "1s and 120s");
	take_size(
		&t, &out->quota, file->quota, 1 << 20, (uint64_t)1 << 50, "evidence.quota", "1MiB and 1PiB");
	take_size(&t, &snapshot_max, file->snapshot_max, 16 << 10, TORAP_OBSERVATION_IMAGE_MAX,
		"evidence.snapshot_max", "16KiB and 8MiB - 1KiB");
	take_size(&t, &memory, file->memory, 4 << 20, (uint64_t)1 << 40, "evidence.memory", "4MiB and 1TiB");
	if (!t.failed && file->clips && strcmp(file->clips, "held") != 0 && strcmp(file->clips, "none") != 0)
		t.failed = torap_yaml_refuse(
			err, path, "evidence.clips", "\"%s\" is none of held, none", file->clips);
	if (t.failed)
		return t.failed;
	out->clips = !file->clips || strcmp(file->clips, "held") == 0;
	out->snapshot_max = (size_t)snapshot_max;
	out->memory = (size_t)memory;
	out->folder = torap_yaml_path(path, file->folder);
	out->holds = file->holds ? torap_yaml_path(path, file->holds) : NULL;
	return out->folder && (out->holds || !file->holds)
		       ? 0
		       : torap_errorf(err, -ENOMEM, "%s: out of memory", path);
}

void rtsp_evidence_config_finish(struct rtsp_evidence_config *c)
{
	free(c->folder);
	free(c->holds);
	*c = (struct rtsp_evidence_config){ 0 };
}

bool rtsp_evidence_config_fits(
	const struct rtsp_evidence_config *now, const struct rtsp_evidence_config *next)
{
	return torap_yaml_same(now->folder, next->folder) && now->clips == next->clips &&
	       now->before_us == next->before_us && now->after_us == next->after_us &&
	       now->memory == next->memory;
}
