/* xdata.h: the extended data of a message: `[` letter, text `]`.  A letter that we do not know is kept under its name. */
#pragma once

#include "agents/dc09/content.h"

/* `block` stands between the brackets. */
void dc09_xdata_decode(struct dc09_content *c, struct torap_bytes block);
/* Makes a position of X and Y when both were there and in range. */
void dc09_xdata_place(struct dc09_content *c);
