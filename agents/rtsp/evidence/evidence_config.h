/* evidence_config.h: `evidence` of the configuration: where evidence lies, how long, and what is made of an alarm. */
#pragma once

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct torap_taking;

struct rtsp_evidence_config {
	char *folder; /* owned; NULL: no evidence is made, and the node asks nobody here */
	char *holds;  /* owned; NULL: nothing is held beyond its time */
	int64_t keep_us;
	uint64_t quota;
	size_t snapshot_max; /* bytes of a picture */
	bool clips;          /* of held cameras */
	int64_t before_us, after_us;
	size_t memory; /* for what held cameras sent last, of all together */
};

struct rtsp_evidence_file { /* as libcyaml gives it */
	char *folder, *holds, *keep, *quota, *snapshot_max, *clips, *before, *after, *memory;
};
extern const cyaml_schema_field_t rtsp_evidence_fields[];

/* `file` NULL: none.  Complaints are the taking's. */
void rtsp_evidence_config_take(
	struct rtsp_evidence_config *out, const struct rtsp_evidence_file *file, struct torap_taking *t);
void rtsp_evidence_config_finish(struct rtsp_evidence_config *c);
/* What a reload may change: holds, keep, quota, snapshot_max. */
bool rtsp_evidence_config_fits(
	const struct rtsp_evidence_config *now, const struct rtsp_evidence_config *next);
