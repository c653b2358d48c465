/* config.h: the configuration of torap-archive.  deploy/archive/archive.yaml is an example with every key. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agents/archive/audit.h"
#include "agents/kit/config.h"
#include "agents/kit/plan.h"

struct torap_error;

enum { ARCHIVE_NAME_MAX = 63, ARCHIVE_PROFILES_MAX = 64, ARCHIVE_RECORDERS_MAX = 65536 };

/* What is asked of a site's recordings, by the profile of the registry's row. */
struct archive_profile {
	char *name;
	struct archive_demand demand; /* utc_offset_s and since are not set */
};

/* How a recorder is asked: one of url and folder. */
struct archive_recorder {
	char *name;    /* as the registry's column `recorder` has it */
	char *url;     /* ONVIF device service */
	char *key;     /* of user and password; NULL: none */
	char *folder;  /* {recording} in it stands for the row's column `recording` */
	char *pattern; /* NULL: the files' containers tell when they begin */
	uint32_t length_s;
};

struct archive_config {
	struct kit_config kit;
	char *keys;           /* file; NULL: no recorder asks who we are; owned, as are all strings */
	char *planned;        /* file; NULL: nothing is planned */
	struct kit_plan plan; /* what is missing then is excused */
	int32_t utc_offset_s;
	uint32_t at_s,
		over_s; /* of the day by the place's clock: when audits begin, and over which time they are spread */
	uint32_t connect_ms, answer_ms, patience_ms;
	struct archive_profile *profiles; /* the first is "default" */
	size_t profiles_count;
	struct archive_recorder *recorders; /* sorted by name */
	size_t recorders_count;
};

/* Names in the file are relative to its folder.  0, or a negative error with file, line and reason. */
int archive_config_load(struct archive_config *out, const char *path, struct torap_error *err);
void archive_config_finish(struct archive_config *c);

/* NULL or "": the default; NULL when there is none of that name. */
const struct archive_profile *archive_config_profile(const struct archive_config *c, const char *name);
const struct archive_recorder *archive_config_recorder(const struct archive_config *c, const char *name);
