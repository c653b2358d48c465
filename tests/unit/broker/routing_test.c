/* Routing by the memo must find what asking every feed would find, whatever the classes and the rows. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/cut.h"
#include "broker/routing.h"

static uint64_t state;

static uint32_t rnd(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static const uint32_t regions[] = { 0, 750000000, 751310000, 390000000, 391000000, 391010000, 391610000,
	392000000, 392410000 };
enum { REGIONS = sizeof regions / sizeof *regions };

static void random_row(struct torap_grant_row *row)
{
	*row = (struct torap_grant_row){ .severity_min = (uint8_t)rnd(6) };
	row->parts[1] = true;
	row->parts[2] = rnd(2);
	row->parts[3] = rnd(2);
	if (rnd(3)) {
		row->regions_count = 1 + rnd(2);
		row->regions = calloc(row->regions_count, sizeof *row->regions);
		for (size_t i = 0; i < row->regions_count; i++)
			row->regions[i] = regions[rnd(REGIONS)];
	}
	if (rnd(2)) {
		row->facilities_count = 1 + rnd(3);
		row->facilities = calloc(row->facilities_count, sizeof *row->facilities);
		for (size_t i = 0; i < row->facilities_count; i++)
			row->facilities[i] = (uint16_t)rnd(6);
	}
	if (rnd(2)) {
		row->kinds_count = 1 + rnd(3);
		row->kinds = calloc(row->kinds_count, sizeof *row->kinds);
		for (size_t i = 0; i < row->kinds_count; i++)
			row->kinds[i] = (uint16_t)(1 + rnd(6));
	}
}

static struct broker_policy *random_policy(size_t feeds)
{
	struct broker_policy *p = calloc(1, sizeof *p);
	atomic_init(&p->refs, 1);
	p->feeds = calloc(feeds, sizeof *p->feeds);
	p->feeds_count = feeds;
	for (size_t i = 0; i < feeds; i++) {
		struct broker_policy_feed *f = &p->feeds[i];
		snprintf(f->name, sizeof f->name, "feed-%zu", i);
		f->rows_count = 1 + rnd(3);
		f->rows = calloc(f->rows_count, sizeof *f->rows);
		for (size_t k = 0; k < f->rows_count; k++)
			random_row(&f->rows[k]);
	}
	return p;
}

static struct torap_class random_class(void)
{
	return (struct torap_class){ .region = regions[rnd(REGIONS)],
		.facility = (uint16_t)rnd(6),
		.kind = (uint16_t)(rnd(20) ? 1 + rnd(6) : TORAP__KIND__KIND_CANARY_NORMAL),
		.severity = (uint8_t)rnd(6) };
}

static uint8_t by_force(const struct broker_policy_feed *f, const struct torap_class *c)
{
	bool parts[4];
	uint8_t bits = 0;
	torap_grant_parts(f->rows, f->rows_count, c, parts);
	for (int k = 1; k < 4; k++)
		bits |= (uint8_t)(parts[k] << k);
	return bits;
}

static void check_class(struct broker_routing *r, const struct broker_policy *p)
{
	struct torap_class class = random_class();
	bool ok;
	struct broker_routes routes = broker_routing_class(r, &class, &ok);
	cr_assert(ok);
	size_t at = 0;
	for (uint32_t i = 0; i < p->feeds_count; i++) {
		uint8_t expected = by_force(&p->feeds[i], &class);
		bool listed = at < routes.count && routes.list[at].feed == i;
		cr_assert_eq(listed, expected != 0, "feed %u", i);
		if (listed)
			cr_assert_eq(routes.list[at++].parts, expected);
	}
	cr_assert_eq(at, routes.count);
	for (uint32_t i = 0; i < p->feeds_count; i++)
		cr_assert_eq(broker_routing_parts(r, i, &class), by_force(&p->feeds[i], &class));
}

Test(routing, finds_by_the_memo_what_asking_every_feed_finds)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct broker_routing *r = NULL;
		state = seed;
		struct broker_policy *p = random_policy(1 + rnd(40));
		cr_assert_eq(broker_routing_create(&r, p, NULL), 0);
		for (int i = 0; i < 500; i++)
			check_class(r, p);
		struct broker_memo_stats stats = broker_routing_stats(r);
		cr_expect_gt(stats.hits, stats.misses);
		cr_expect_eq(stats.classes, stats.misses);
		broker_routing_destroy(r);
		broker_policy_unref(p);
	}
}

/* A memo that outlives its policy would route by revoked rights. */
Test(routing, forgets_everything_with_the_policy)
{
	struct broker_routing *r = NULL;
	state = 7;
	struct broker_policy *before = random_policy(30), *after = random_policy(20);
	cr_assert_eq(broker_routing_create(&r, before, NULL), 0);
	for (int i = 0; i < 200; i++)
		check_class(r, before);
	uint64_t version = broker_routing_version(r);
	cr_assert_eq(broker_routing_policy(r, after), 0);
	cr_expect_neq(broker_routing_version(r), version);
	cr_expect_eq(broker_routing_stats(r).classes, 0);
	for (int i = 0; i < 200; i++)
		check_class(r, after);
	broker_routing_destroy(r);
	broker_policy_unref(before);
	broker_policy_unref(after);
}

/* Classes come from writers: one that invents them must not eat the memory. */
Test(routing, keeps_the_memo_within_its_limit)
{
	struct broker_routing *r = NULL;
	state = 3;
	struct broker_policy *p = random_policy(2000);
	for (size_t i = 0; i < p->feeds_count; i++) {
		torap_grant_rows_destroy(p->feeds[i].rows, p->feeds[i].rows_count);
		p->feeds[i].rows = calloc(1, sizeof *p->feeds[i].rows);
		p->feeds[i].rows_count = 1;
		p->feeds[i].rows[0].parts[1] = true;
	}
	cr_assert_eq(broker_routing_create(&r, p, NULL), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		struct torap_class class = { .region = 391010000, .kind = (uint16_t)(i + 1), .severity = 2 };
		bool ok;
		cr_assert_eq(broker_routing_class(r, &class, &ok).count, 2000);
		cr_assert_leq(broker_routing_stats(r).bytes, BROKER_MEMO_BYTES_MAX);
	}
	cr_expect_gt(broker_routing_stats(r).drops, 0);
	broker_routing_destroy(r);
	broker_policy_unref(p);
}

static struct torap_manifest *random_manifest(void)
{
	unsigned groups = 1 + rnd(8);
	struct torap_manifest *m = calloc(1, sizeof *m + groups * sizeof m->groups[0]);
	m->groups_count = groups;
	for (unsigned g = 0; g < groups; g++) {
		m->groups[g].class = random_class();
		m->groups[g].first_frame = m->frames_count;
		m->groups[g].parts_count = 1 + rnd(3);
		for (unsigned i = 0; i < m->groups[g].parts_count; i++)
			m->groups[g].parts[i].part = (uint8_t)(i + 1);
		m->frames_count += m->groups[g].parts_count;
	}
	return m;
}

Test(routing, lists_each_feed_of_a_batch_once_and_in_order)
{
	struct broker_routing *r = NULL;
	state = 11;
	struct broker_policy *p = random_policy(50);
	cr_assert_eq(broker_routing_create(&r, p, NULL), 0);
	for (int n = 0; n < 300; n++) {
		struct torap_manifest *m = random_manifest();
		uint32_t *list = NULL, count = 0, at = 0;
		cr_assert_eq(broker_routing_batch(r, m, &list, &count), 0);
		for (uint32_t i = 0; i < p->feeds_count; i++) {
			bool expected = false;
			for (unsigned g = 0; g < m->groups_count; g++)
				expected |= by_force(&p->feeds[i], &m->groups[g].class) != 0;
			bool listed = at < count && list[at] == i;
			cr_assert_eq(listed, expected);
			at += listed;
		}
		cr_assert_eq(at, count);
		free(list);
		free(m);
	}
	broker_routing_destroy(r);
	broker_policy_unref(p);
}

/* The last gate before the wire: no frame beyond the grant passes, and each granted one does or says why not. */
Test(cut, lets_through_exactly_the_granted_frames)
{
	struct broker_routing *r = NULL;
	static uint8_t bytes[] = "frame";
	state = 13;
	struct broker_policy *p = random_policy(25);
	cr_assert_eq(broker_routing_create(&r, p, NULL), 0);
	struct torap_buffer *manifest = torap_buffer_copy(torap_bytes("manifest", 8));
	struct torap_buffer *frame = torap_buffer_copy(torap_bytes(bytes, sizeof bytes));
	struct torap_buffer *digests = torap_buffer_copy(torap_bytes("digests", 7));
	for (int n = 0; n < 200; n++) {
		struct torap_batch *batch = calloc(1, sizeof *batch), *view = malloc(sizeof *view);
		batch->manifest = random_manifest();
		batch->signed_manifest = manifest;
		batch->digests = rnd(8) ? digests : NULL;
		for (unsigned i = 0; i < batch->manifest->frames_count; i++) {
			if (rnd(4))
				batch->frames[i] = frame;
			else
				batch->omissions[i] =
					(uint8_t)(rnd(2) ? TORAP__OMISSION_REASON__OMISSION_EXPIRED : 0);
		}
		uint32_t feed = rnd((uint32_t)p->feeds_count);
		size_t size = broker_cut_make(view, r, feed, batch), expected = manifest->size;
		bool any = false, any_frame = false;
		for (unsigned g = 0; g < batch->manifest->groups_count; g++) {
			const struct torap_group *group = &batch->manifest->groups[g];
			uint8_t parts = by_force(&p->feeds[feed], &group->class);
			any |= parts != 0;
			for (unsigned i = 0; i < group->parts_count; i++) {
				unsigned f = group->first_frame + i;
				if (!(parts >> group->parts[i].part & 1)) {
					cr_assert_null(view->frames[f]);
					cr_assert_eq(view->omissions[f], 0);
					continue;
				}
				cr_assert_eq(view->frames[f], batch->frames[f]);
				expected += batch->frames[f] ? frame->size : 0;
				any_frame |= batch->frames[f] != NULL;
				if (!batch->frames[f])
					cr_assert_eq(view->omissions[f],
						batch->omissions[f]
							? batch->omissions[f]
							: TORAP__OMISSION_REASON__OMISSION_NOT_HELD);
			}
		}
		cr_assert_eq(view->digests, batch->digests);
		expected += any_frame && batch->digests ? digests->size : 0;
		cr_assert_eq(size, expected);
		cr_assert_eq(broker_cut_size(r, feed, batch), expected);
		cr_assert_eq(broker_cut_matches(r, feed, batch), any);
		free(batch->manifest);
		free(batch);
		free(view);
	}
	torap_buffer_unref(manifest);
	torap_buffer_unref(frame);
	torap_buffer_unref(digests);
	broker_routing_destroy(r);
	broker_policy_unref(p);
}
