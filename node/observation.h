/* observation.h: does what an agent offers keep the contract's limits?  proto/README.md, "Limits". */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "proto/observation.pb-c.h"

/* NULL: it does.  Else the reason for its refusal, a constant.  Where its texts stand: as of torap_unpack(); no data: anywhere. */
const char *node_observation_fault(const Torap__Observation *o, struct torap_bytes texts);
bool node_text_is_utf8(const char *text);
