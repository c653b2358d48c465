/* audience.h: the open feed sessions by feed and lane, so that a batch finds those whose it is without looking at any other. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct broker_audience;
struct broker_feed;

/* Of a policy with so many feeds, empty.  NULL when memory ran out. */
struct broker_audience *broker_audience_create(size_t feeds_count);
struct broker_audience *broker_audience_destroy(struct broker_audience *a); /* accepts NULL, returns NULL */

/* Its first session; the others hang on broker_feed.next_same. */
struct broker_feed *broker_audience_first(const struct broker_audience *a, uint32_t feed, uint8_t lane);
void broker_audience_join(struct broker_audience *a, struct broker_feed *f);
void broker_audience_leave(
	struct broker_audience *a, struct broker_feed *f); /* one that is not there: nothing */
