/* retention.h: deletes frames of the store by the rules of the trust file, and tells of it.  Manifests stay.
 *
 * A `deletion` event for each reason and minute in which something went.  Its account stays in the store until the event is flushed; killed
 * in between, the event comes twice. */
#pragma once

#include "base/time.h"
#include "store/sweeper.h"

struct broker;
struct broker_retention;
struct torap_error;
struct torap_trust;

/* After the committer and the broker's own stream.  Blocks. */
int broker_retention_create(struct broker_retention **out, struct broker *b, struct torap_error *err);
/* After the committer has stopped.  Accepts NULL, returns NULL. */
struct broker_retention *broker_retention_destroy(struct broker_retention *r);
/* A trust file is in force: takes a reference. */
void broker_retention_rules(struct broker_retention *r, struct torap_trust *trust);
void broker_retention_stop(struct broker_retention *r); /* accepts NULL */
/* Several times a second. */
void broker_retention_tick(struct broker_retention *r, struct torap_mono mono, struct torap_wall wall);
struct torap_sweeper_counts broker_retention_counts(const struct broker_retention *r);
