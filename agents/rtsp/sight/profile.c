#include "agents/rtsp/sight/profile.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/sight/fault.h"
#include "base/error.h"
#include "base/time.h"
#include "conf/yaml.h"

enum { PROFILES_MAX = 256, S = TORAP_US_PER_S };

const struct rtsp_profile rtsp_profile_default = {
	.name = "default",
	.clock_off_us_max = 10 * S,
	.black_dark_min = 0.96f,
	.white_bright_min = 0.85f,
	.uniform_flat_min = 0.95f,
	.uniform_relief_max = 6,
	.defocus_drop_min = 1.1f,
	.moved_elsewhere_min = 0.5f,
	.moved_in_place_max = 0.2f,
	.learn_pictures = 20,
	.frozen_after_us = 60 * S,
	.frozen_blocks = 4,
	.start_pictures = 3,
	.end_pictures = 2,
	.start_after_us = 15 * S,
	.end_after_us = 10 * S,
	.offline_attempts = 2,
	.offline_after_us = 20 * S,
	.flap_starts = 4,
	.flap_window_us = 3600LL * S,
	.flap_calm_us = 900LL * S,
};

enum form {
	COUNT8,   /* 3 */
	COUNT16,  /* 1920 */
	SHARE,    /* 85% */
	NUMBER,   /* 1.2 */
	RATE,     /* 12.5, frames a second */
	DURATION, /* 30s */
};

/* key, its form, its member, least and most */
#define KEYS(X)                                                                                              \
	X(width, COUNT16, width_min, 0, 16384)                                                               \
	X(height, COUNT16, height_min, 0, 16384)                                                             \
	X(rate, RATE, rate_min_mhz, 0, 1000)                                                                 \
	X(clock, DURATION, clock_off_us_max, 1, 1e6)                                                         \
	X(black_dark, SHARE, black_dark_min, 50, 100)                                                        \
	X(white_bright, SHARE, white_bright_min, 50, 100)                                                    \
	X(uniform_flat, SHARE, uniform_flat_min, 50, 100)                                                    \
	X(uniform_relief, NUMBER, uniform_relief_max, 0, 100)                                                \
	X(defocus_drop, NUMBER, defocus_drop_min, 0.1, 10)                                                   \
	X(moved_elsewhere, SHARE, moved_elsewhere_min, 10, 100)                                              \
	X(moved_in_place, SHARE, moved_in_place_max, 0, 50)                                                  \
	X(learn_pictures, COUNT16, learn_pictures, 5, 10000)                                                 \
	X(frozen_after, DURATION, frozen_after_us, 1, 1e6)                                                   \
	X(frozen_blocks, COUNT8, frozen_blocks, 0, 72)                                                       \
	X(start_pictures, COUNT8, start_pictures, 1, 100)                                                    \
	X(end_pictures, COUNT8, end_pictures, 1, 100)                                                        \
	X(start_after, DURATION, start_after_us, 0, 1e6)                                                     \
	X(end_after, DURATION, end_after_us, 0, 1e6)                                                         \
	X(offline_attempts, COUNT8, offline_attempts, 1, 100)                                                \
	X(offline_after, DURATION, offline_after_us, 0, 1e6)                                                 \
	X(flap_starts, COUNT8, flap_starts, 2, 100)                                                          \
	X(flap_window, DURATION, flap_window_us, 1, 1e6)                                                     \
	X(flap_calm, DURATION, flap_calm_us, 1, 1e6)

/* The file as libcyaml gives it. */
struct raw_profile {
	char *name;
	char **ignore;
	unsigned ignore_count;
#define X(key, form, member, least, most) char *key;
	KEYS(X)
#undef X
};

struct raw_profiles {
	struct raw_profile *profiles;
	unsigned profiles_count;
};

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_schema_value_t word = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 32) };
static const cyaml_schema_field_t profile_fields[] = {
	CYAML_FIELD_STRING_PTR(
		"name", CYAML_FLAG_POINTER, struct raw_profile, name, 1, RTSP_PROFILE_NAME_MAX),
	CYAML_FIELD_SEQUENCE("ignore", OPTIONAL, struct raw_profile, ignore, &word, 0, RTSP_FAULTS),
#define X(key, form, member, least, most)                                                                    \
	CYAML_FIELD_STRING_PTR(#key, OPTIONAL, struct raw_profile, key, 1, 32),
	KEYS(X)
#undef X
		CYAML_FIELD_END,
};
static const cyaml_schema_value_t profile_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_DEFAULT, struct raw_profile, profile_fields) };
static const cyaml_schema_field_t file_fields[] = {
	CYAML_FIELD_SEQUENCE("profiles", CYAML_FLAG_POINTER, struct raw_profiles, profiles, &profile_schema,
		1, PROFILES_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t file_schema = { CYAML_VALUE_MAPPING(
	CYAML_FLAG_POINTER, struct raw_profiles, file_fields) };

/* One value on its way in. */
struct loading {
	const char *path;
	unsigned index; /* of the profile */
	const char *key;
	struct torap_error *err;
};

static int refuse(const struct loading *l, const char *reason)
{
	char where[64];
	snprintf(where, sizeof where, "profiles[%u].%s", l->index, l->key);
	return torap_yaml_refuse(l->err, l->path, where, "%s: %s", l->key, reason);
}

static int read_number(const struct loading *l, double *out, const char *text, enum form form)
{
	char *end, reason[96];
	*out = strtod(text, &end);
	if (form == SHARE && *end == '%')
		end++;
	else if (form == SHARE)
		end = (char *)text;
	bool whole = form != COUNT8 && form != COUNT16;
	if (end != text && !*end && isfinite(*out) && (whole || *out == floor(*out)))
		return 0;
	snprintf(reason, sizeof reason, "\"%s\" is not %s", text,
		form == SHARE ? "a share; write 85%"
		: whole       ? "a number"
			      : "a whole number");
	return refuse(l, reason);
}

static int read_duration(const struct loading *l, int64_t *out_us, const char *text)
{
	struct torap_error reason;
	return torap_duration_parse(out_us, text, &reason) ? refuse(l, reason.text) : 0;
}

static int read_value(
	const struct loading *l, void *member, const char *text, enum form form, double least, double most)
{
	double value;
	int64_t us;
	char reason[96];
	int r = form == DURATION ? read_duration(l, &us, text) : read_number(l, &value, text, form);
	if (r)
		return r;
	if (form == DURATION)
		value = (double)us / S;
	if (value < least || value > most) {
		snprintf(reason, sizeof reason, "must be %g to %g%s", least, most,
			form == SHARE      ? " %"
			: form == DURATION ? " seconds"
					   : "");
		return refuse(l, reason);
	}
	switch (form) {
	case COUNT8:
		*(uint8_t *)member = (uint8_t)value;
		break;
	case COUNT16:
		*(uint16_t *)member = (uint16_t)value;
		break;
	case SHARE:
		*(float *)member = (float)value / 100;
		break;
	case NUMBER:
		*(float *)member = (float)value;
		break;
	case RATE:
		*(uint32_t *)member = (uint32_t)lrint(value * 1000);
		break;
	case DURATION:
		*(int64_t *)member = us;
		break;
	}
	return 0;
}

static int read_ignored(struct loading *l, uint32_t *out, const struct raw_profile *raw)
{
	l->key = "ignore";
	for (unsigned i = 0; i < raw->ignore_count; i++) {
		enum rtsp_fault fault = rtsp_fault_parse(raw->ignore[i]);
		char reason[96];
		snprintf(reason, sizeof reason, "\"%s\" is no fault", raw->ignore[i]);
		if (fault == RTSP_FAULTS || fault == RTSP_GOOD)
			return refuse(l, reason);
		*out |= rtsp_fault_bit(fault);
	}
	return 0;
}

static int read_profile(struct loading *l, struct rtsp_profile *out, const struct raw_profile *raw)
{
	*out = rtsp_profile_default;
	snprintf(out->name, sizeof out->name, "%s", raw->name);
#define X(key_name, form, member, least, most)                                                               \
	l->key = #key_name;                                                                                  \
	if (raw->key_name && read_value(l, &out->member, raw->key_name, form, least, most))                  \
		return -EINVAL;
	KEYS(X)
#undef X
	return read_ignored(l, &out->ignored, raw);
}

static struct rtsp_profile *find(const struct rtsp_profiles *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->list[i].name, name) == 0)
			return &p->list[i];
	return NULL;
}

/* The first is "default", also when the file has one of that name further down, or none. */
static int read_profiles(
	struct rtsp_profiles *p, const struct raw_profiles *raw, const char *path, struct torap_error *err)
{
	bool given = false;
	for (unsigned i = 0; raw && i < raw->profiles_count; i++) {
		struct loading l = { path, i, "name", err };
		struct rtsp_profile profile;
		const char *name = raw->profiles[i].name;
		bool is_default = strcmp(name, rtsp_profile_default.name) == 0;
		if (is_default ? given : find(p, name) != NULL)
			return refuse(&l, "there is one of that name already");
		int r = read_profile(&l, &profile, &raw->profiles[i]);
		if (r)
			return r;
		given |= is_default;
		p->list[is_default ? 0 : p->count++] = profile;
	}
	return 0;
}

int rtsp_profiles_load(struct rtsp_profiles *out, const char *path, struct torap_error *err)
{
	struct raw_profiles *raw = NULL;
	int r = path ? torap_yaml_load(path, &file_schema, (void **)&raw, err) : 0;
	if (r)
		return r;
	size_t room = 1 + (raw ? raw->profiles_count : 0);
	struct rtsp_profiles p = { .list = calloc(room, sizeof *p.list), .count = 1 };
	if (!p.list) {
		torap_yaml_free(&file_schema, raw);
		return torap_errorf(err, -ENOMEM, "%s: out of memory", path ? path : "profiles");
	}
	p.list[0] = rtsp_profile_default;
	r = read_profiles(&p, raw, path, err);
	torap_yaml_free(&file_schema, raw);
	if (r) {
		rtsp_profiles_finish(&p);
		return r;
	}
	*out = p;
	return 0;
}

void rtsp_profiles_finish(struct rtsp_profiles *p)
{
	free(p->list);
	*p = (struct rtsp_profiles){ 0 };
}

const struct rtsp_profile *rtsp_profiles_find(const struct rtsp_profiles *p, const char *name)
{
	return find(p, name && *name ? name : rtsp_profile_default.name);
}
