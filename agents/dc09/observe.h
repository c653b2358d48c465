/* observe.h: a message as the observations that a node takes: one per code, in the panel's own terms.
 *
 * What may identify a person (user, text, position, addresses) goes into the personal fields, never into the open ones.
 *
 * The repeat key is equal for two tellings of one thing.  A dated message: account, content and the device's time, without the
 * sequence, because a panel that reconnects numbers anew.  An undated one: account, content and sequence.  A time that cannot be
 * believed, or that is 00:00:00 ("none", say some panels), dates nothing: two alarms must not become one. */
#pragma once

#include "agents/dc09/message.h"
#include "agents/dc09/text.h"
#include "base/time.h"
#include "proto/observation.pb-c.h"

enum { DC09_REPEAT_KEY_SIZE = 32, DC09_OBSERVATION_FIELDS_MAX = DC09_FIELDS_MAX + 8 };

struct dc09_observation {
	Torap__Observation o; /* points into what follows, and for `raw` into the message */
	Torap__Position position;
	Torap__Field pool[DC09_OBSERVATION_FIELDS_MAX];
	Torap__Field *fields[DC09_OBSERVATION_FIELDS_MAX], *personal[DC09_OBSERVATION_FIELDS_MAX];
	uint8_t repeat_key[DC09_REPEAT_KEY_SIZE];
	size_t used;
	uint8_t clear_raw[DC09_FRAME_SIZE_MAX];
	char arena[4 * DC09_FRAME_SIZE_MAX]; /* texts: three bytes for one, and the NULs */
};

/* How many observations a message makes: one per event; one, a sign of life, when there is no event. */
unsigned dc09_observations(const struct dc09_message *m);
/* Number `index` of them.  *out must not be moved afterwards. */
void dc09_observe(struct dc09_observation *out, const struct dc09_message *m, unsigned index,
	enum dc09_code_page page, struct torap_wall received);
