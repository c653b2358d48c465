/* observe.h: a report as the observation that a node takes: vocabulary "torap-rtsp", code "black start" or "black end"; deploy/mapping has
 * its table.  Nothing in it identifies a person. */
#pragma once

#include "agents/rtsp/sight/health.h"
#include "base/time.h"
#include "proto/observation.pb-c.h"

enum { RTSP_OBSERVATION_FIELDS_MAX = 24, RTSP_REPEAT_KEY_SIZE = 32 };

struct kit_planned;    /* agents/kit/plan.h */
struct rtsp_mass_note; /* mass.h */

struct rtsp_observation {
	Torap__Observation o; /* points into what follows, and at the address */
	Torap__Field pool[RTSP_OBSERVATION_FIELDS_MAX];
	Torap__Field *fields[RTSP_OBSERVATION_FIELDS_MAX];
	char texts[RTSP_OBSERVATION_FIELDS_MAX][40];
	char code[40];
	uint8_t repeat_key[RTSP_REPEAT_KEY_SIZE];
	Torap__Field personal_pool[2];
	Torap__Field *personal[2];
};

/* `at`: when it was decided.  *out must not be moved afterwards; `address` is borrowed. */
void rtsp_observe(struct rtsp_observation *out, const char *address, const struct rtsp_report *report,
	struct torap_wall at);
/* Told in the name of its first camera, whose address it is. */
void rtsp_observe_mass(struct rtsp_observation *out, const char *address, const struct rtsp_mass_note *note,
	struct torap_wall at);
/* After either: it was planned, and so is excused: the vocabulary is "torap-rtsp-planned".  `planned`: by whom and why, personal, for it
 * may name people; borrowed; NULL: not known any more. */
void rtsp_observe_excuse(struct rtsp_observation *out, const struct kit_planned *planned);
/* A sign of life: a good picture came. */
void rtsp_observe_alive(struct rtsp_observation *out, const char *address, struct torap_wall at);
