#include "broker/routing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { BUCKETS = 1 << 12 };

struct memo {
	struct memo *next;
	struct torap_class class;
	size_t count;
	struct broker_route list[];
};

struct broker_routing {
	struct broker_policy *policy;
	uint64_t version;
	struct broker_memo_stats stats;
	/* Of each feed the last question in which it was found, so that none is listed twice. */
	uint64_t *found, question;
	struct memo *buckets[BUCKETS];
};

static void drop(struct broker_routing *r)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		while (r->buckets[i]) {
			struct memo *m = r->buckets[i];
			r->buckets[i] = m->next;
			free(m);
		}
	}
	r->stats.classes = r->stats.bytes = 0;
}

int broker_routing_policy(struct broker_routing *r, struct broker_policy *policy)
{
	uint64_t *found = calloc(policy->feeds_count + 1, sizeof *found);
	if (!found)
		return -ENOMEM;
	free(r->found);
	r->found = found;
	drop(r);
	broker_policy_ref(policy);
	broker_policy_unref(r->policy);
	r->policy = policy;
	r->version++;
	return 0;
}

int broker_routing_create(struct broker_routing **out, struct broker_policy *policy, struct torap_error *err)
{
	struct broker_routing *r = calloc(1, sizeof *r);
	if (!r || broker_routing_policy(r, policy)) {
		free(r);
		return torap_errorf(err, -ENOMEM, "routing: out of memory");
	}
	*out = r;
	return 0;
}

struct broker_routing *broker_routing_destroy(struct broker_routing *r)
{
	if (!r)
		return NULL;
	drop(r);
	broker_policy_unref(r->policy);
	free(r->found);
	free(r);
	return NULL;
}

struct broker_policy *broker_routing_in_force(const struct broker_routing *r)
{
	return r->policy;
}

uint64_t broker_routing_version(const struct broker_routing *r)
{
	return r->version;
}

struct broker_memo_stats broker_routing_stats(const struct broker_routing *r)
{
	return r->stats;
}

static size_t bucket_of(const struct torap_class *c)
{
	uint64_t h = c->region;
	h = h * 0x9e3779b97f4a7c15u + c->facility;
	h = h * 0x9e3779b97f4a7c15u + c->kind;
	h = h * 0x9e3779b97f4a7c15u + c->severity;
	return (h * 0x9e3779b97f4a7c15u) >> 52;
}

static uint8_t granted(const struct broker_policy_feed *f, const struct torap_class *class)
{
	bool parts[4];
	uint8_t bits = 0;
	if (torap_grant_parts(f->rows, f->rows_count, class, parts))
		for (unsigned k = 1; k < 4; k++)
			bits |= (uint8_t)(parts[k] << k);
	return bits;
}

/* Asks every feed once; from then on the memo answers. */
static struct memo *ask(struct broker_routing *r, const struct torap_class *class)
{
	size_t count = 0, at = 0;
	for (size_t i = 0; i < r->policy->feeds_count; i++)
		count += granted(&r->policy->feeds[i], class) != 0;
	struct memo *m = malloc(sizeof *m + count * sizeof m->list[0]);
	if (!m)
		return NULL;
	*m = (struct memo){ .class = *class, .count = count };
	for (size_t i = 0; i < r->policy->feeds_count; i++) {
		uint8_t parts = granted(&r->policy->feeds[i], class);
		if (parts)
			m->list[at++] = (struct broker_route){ (uint32_t)i, parts };
	}
	return m;
}

static const struct memo *find(struct broker_routing *r, const struct torap_class *class)
{
	size_t bucket = bucket_of(class);
	for (struct memo *m = r->buckets[bucket]; m; m = m->next) {
		if (torap_class_equal(&m->class, class)) {
			r->stats.hits++;
			return m;
		}
	}
	r->stats.misses++;
	struct memo *m = ask(r, class);
	if (!m)
		return NULL;
	size_t bytes = sizeof *m + m->count * sizeof m->list[0];
	if (r->stats.bytes + bytes > BROKER_MEMO_BYTES_MAX) {
		drop(r);
		r->stats.drops++;
	}
	m->next = r->buckets[bucket];
	r->buckets[bucket] = m;
	r->stats.classes++;
	r->stats.bytes += bytes;
	return m;
}

struct broker_routes broker_routing_class(struct broker_routing *r, const struct torap_class *class, bool *ok)
{
	const struct memo *m = find(r, class);
	*ok = m != NULL;
	return m ? (struct broker_routes){ m->list, m->count } : (struct broker_routes){ NULL, 0 };
}

uint8_t broker_routing_parts(struct broker_routing *r, uint32_t feed, const struct torap_class *class)
{
	bool ok;
	struct broker_routes routes = broker_routing_class(r, class, &ok);
	if (!ok)
		return granted(&r->policy->feeds[feed], class);
	size_t low = 0, high = routes.count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (routes.list[middle].feed < feed)
			low = middle + 1;
		else
			high = middle;
	}
	return low < routes.count && routes.list[low].feed == feed ? routes.list[low].parts : 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

int broker_routing_batch(
	struct broker_routing *r, const struct torap_manifest *m, uint32_t **out, uint32_t *out_count)
{
	uint32_t *list = NULL;
	size_t count = 0, room = 0;
	r->question++;
	for (unsigned g = 0; g < m->groups_count; g++) {
		bool ok;
		struct broker_routes routes = broker_routing_class(r, &m->groups[g].class, &ok);
		if (!ok)
			goto fail;
		if (count + routes.count > room) {
			room = count + routes.count;
			uint32_t *grown = realloc(list, room * sizeof *list);
			if (!grown)
				goto fail;
			list = grown;
		}
		for (size_t i = 0; i < routes.count; i++) {
			uint32_t feed = routes.list[i].feed;
			if (r->found[feed] != r->question)
				list[count++] = feed;
			r->found[feed] = r->question;
		}
	}
	if (count > 1 && m->groups_count > 1)
		qsort(list, count, sizeof *list, by_number);
	*out = list;
	*out_count = (uint32_t)count;
	return 0;
fail:
	free(list);
	return -ENOMEM;
}
