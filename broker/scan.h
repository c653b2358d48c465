/* scan.h: reads the whole store slowly, on a worker thread, so that damage is found before anybody needs what is damaged.
 *
 * A step a second, of at most 1 MiB and 64 batches: frames by their digests, manifests by their signatures.  A round begins anew an hour
 * after the last one ended. */
#pragma once

#include <stdint.h>

#include "base/time.h"

struct broker;
struct broker_scan;

/* NULL when memory ran out. */
struct broker_scan *broker_scan_create(struct broker *b);
/* After the loop has run out.  Accepts NULL.  Returns NULL. */
struct broker_scan *broker_scan_destroy(struct broker_scan *s);
/* Once a second. */
void broker_scan_tick(struct broker_scan *s, struct torap_mono now);
