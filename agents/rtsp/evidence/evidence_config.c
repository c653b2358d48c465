#include "agents/rtsp/evidence/evidence_config.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/time.h"
#include "conf/take.h"
#include "conf/yaml.h"

enum { NAME_MAX_SIZE = 4095 };
static const int64_t second_us = TORAP_US_PER_S, day_us = 86400 * (int64_t)TORAP_US_PER_S;

const cyaml_schema_field_t rtsp_evidence_fields[] = {
	TORAP_YAML_TEXT("folder", struct rtsp_evidence_file, folder, NAME_MAX_SIZE),
	TORAP_YAML_MAY("holds", struct rtsp_evidence_file, holds, NAME_MAX_SIZE),
	TORAP_YAML_MAY("keep", struct rtsp_evidence_file, keep, 32),
	TORAP_YAML_MAY("quota", struct rtsp_evidence_file, quota, 32),
	TORAP_YAML_MAY("snapshot_max", struct rtsp_evidence_file, snapshot_max, 32),
	TORAP_YAML_MAY("clips", struct rtsp_evidence_file, clips, 32),
	TORAP_YAML_MAY("before", struct rtsp_evidence_file, before, 32),
	TORAP_YAML_MAY("after", struct rtsp_evidence_file, after, 32),
	TORAP_YAML_MAY("memory", struct rtsp_evidence_file, memory, 32),
	CYAML_FIELD_END,
};

void rtsp_evidence_config_take(
	struct rtsp_evidence_config *out, const struct rtsp_evidence_file *file, struct torap_taking *t)
{
	static const char *const clips_of[] = { "held", "none", NULL };
	const struct torap_range keep = { second_us, 3650 * day_us, "must be between 1s and 3650d" },
				 before = { second_us, 60 * second_us, "must be between 1s and 60s" },
				 after = { second_us, 120 * second_us, "must be between 1s and 120s" },
				 quota = { 1 << 20, (int64_t)1 << 50, "must be between 1MiB and 1PiB" },
				 snapshot = { 16 << 10, TORAP_OBSERVATION_IMAGE_MAX,
					 "must be between 16KiB and 8MiB - 1KiB" },
				 memory = { 4 << 20, (int64_t)1 << 40, "must be between 4MiB and 1TiB" };
	uint64_t snapshot_bytes = 1 << 20, memory_bytes = 64 << 20;
	unsigned clips = 0;
	*out = (struct rtsp_evidence_config){ .keep_us = 30 * day_us,
		.quota = (uint64_t)20 << 30,
		.before_us = 10 * second_us,
		.after_us = 20 * second_us };
	if (!file)
		return;
	torap_take_duration(t, &out->keep_us, file->keep, &keep, "evidence.keep");
	torap_take_duration(t, &out->before_us, file->before, &before, "evidence.before");
	torap_take_duration(t, &out->after_us, file->after, &after, "evidence.after");
	torap_take_size(t, &out->quota, file->quota, &quota, "evidence.quota");
	torap_take_size(t, &snapshot_bytes, file->snapshot_max, &snapshot, "evidence.snapshot_max");
	torap_take_size(t, &memory_bytes, file->memory, &memory, "evidence.memory");
	torap_take_word(t, &clips, file->clips, clips_of, "evidence.clips");
	torap_take_path(t, &out->folder, file->folder);
	torap_take_path(t, &out->holds, file->holds);
	out->clips = clips == 0;
	out->snapshot_max = (size_t)snapshot_bytes;
	out->memory = (size_t)memory_bytes;
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
