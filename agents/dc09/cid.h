/* cid.h: the data of an ADM-CID message, Ademco Contact ID (DC-05): `QEEE PP ZZZ`.
 *
 * Q is 1 new or disarmed, 3 restored or armed, 6 still present; EEE the event, PP the partition, ZZZ the zone, or the user for
 * the events 400 to 499 that tell who did something.  The code is "EEE qQ". */
#pragma once

#include "agents/dc09/content.h"

void dc09_cid_decode(struct dc09_content *c, struct torap_bytes blocks);
