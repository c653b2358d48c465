/* sia.h: the data of a SIA-DCS message, SIA DC-03: blocks separated by bars.
 *
 *     Nri1/id15/OP      new, area 1, user 15, code OP          NRP | Atest     a text of its own block
 *     Nri1BA503^text^   no slash before the code               Nri01^hall^/LX901^text^
 *
 * N is new, O is old; then modifiers (two lower-case letters and a value), then codes (two upper-case letters and a number). */
#pragma once

#include "agents/dc09/content.h"

void dc09_sia_decode(struct dc09_content *c, struct torap_bytes blocks);
