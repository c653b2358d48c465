/* observation.h: does what an agent offers keep the contract's limits?  proto/README.md, "Limits". */
#pragma once

#include <stdbool.h>

#include "proto/observation.pb-c.h"

/* NULL: it does.  Else the reason for its refusal, a constant. */
const char *node_observation_fault(const Torap__Observation *o);
bool node_text_is_utf8(const char *text);
