#include "node/dedup.h"

#include "node/writes.h"
#include "tests/unit/node/fixture.h"

static struct node_dedup *made(size_t most)
{
	struct node_dedup *d;
	struct torap_error err;
	cr_assert_eq(node_dedup_create(&d, most, &err), 0, "%s", err.text);
	return d;
}

static struct node_dedup_key key_of(int n)
{
	struct node_dedup_key key;
	node_dedup_key_make(&key, "dc09", "4001", torap_bytes(&n, sizeof n));
	return key;
}

static struct torap_wall at(int64_t s)
{
	return (struct torap_wall){ s * TORAP_US_PER_S };
}

static enum node_dedup_answer ask(const struct node_dedup *d, int n, int64_t s)
{
	void *original;
	struct node_dedup_key key = key_of(n);
	return node_dedup_find(d, &key, at(s), &original);
}

static void add(struct node_dedup *d, int n, bool dated, int64_t s, struct torap_writer *writes)
{
	struct node_dedup_key key = key_of(n);
	uint32_t place;
	cr_assert_eq(node_dedup_add(d, &key, dated, at(s), &key, writes, &place), 0);
	node_dedup_settle(d, place, true);
}

Test(dedup, calls_nothing_a_repeat_before_its_original_is_durable)
{
	struct node_dedup *d = made(100);
	struct torap_writer writes = { 0 };
	struct node_dedup_key key = key_of(1);
	int original;
	uint32_t place;
	void *found = NULL;
	cr_expect_eq(ask(d, 1, 0), NODE_DEDUP_NEW);
	node_dedup_add(d, &key, true, at(0), &original, &writes, &place);
	cr_expect_eq(node_dedup_find(d, &key, at(0), &found), NODE_DEDUP_PENDING);
	cr_expect_eq(found, &original);
	node_dedup_settle(d, place, true);
	cr_expect_eq(ask(d, 1, 0), NODE_DEDUP_DURABLE);
	torap_writer_finish(&writes);
	node_dedup_destroy(d);
}

Test(dedup, forgets_a_key_whose_event_was_not_kept)
{
	struct node_dedup *d = made(100);
	struct torap_writer writes = { 0 };
	struct node_dedup_key key = key_of(1);
	uint32_t place;
	node_dedup_add(d, &key, true, at(0), &key, &writes, &place);
	node_dedup_settle(d, place, false);
	cr_expect_eq(ask(d, 1, 0), NODE_DEDUP_NEW);
	cr_expect_eq(node_dedup_count(d), 0);
	torap_writer_finish(&writes);
	node_dedup_destroy(d);
}

/* More than it had room for at first, settled in another order than they came, while others expire. */
Test(dedup, settles_each_key_at_its_place)
{
	enum { KEYS = 3000 };
	static uint32_t places[KEYS];
	struct node_dedup *d = made(NODE_DEDUP_MAX);
	struct torap_writer writes = { 0 };
	for (int n = 0; n < KEYS; n++)
		add(d, KEYS + n, false, 0, &writes);
	for (int n = 0; n < KEYS; n++) {
		struct node_dedup_key key = key_of(n);
		cr_assert_eq(
			node_dedup_add(d, &key, false, at(n < KEYS / 2 ? 1 : 90), &key, &writes, &places[n]),
			0);
		if (n == KEYS / 2)
			while (node_dedup_prune(d, at(90), &writes))
				;
	}
	for (int n = KEYS - 1; n >= 0; n--)
		node_dedup_settle(d, places[n], n % 3 > 0);
	for (int n = 0; n < KEYS; n++)
		cr_assert_eq(ask(d, n, 60), n % 3 ? NODE_DEDUP_DURABLE : NODE_DEDUP_NEW, "key %d", n);
	cr_expect_eq(ask(d, KEYS, 60), NODE_DEDUP_NEW);
	torap_writer_finish(&writes);
	node_dedup_destroy(d);
}

Test(dedup, holds_dated_keys_a_day_and_undated_ones_a_minute)
{
	struct node_dedup *d = made(100);
	struct torap_writer writes = { 0 };
	add(d, 1, false, 1000, &writes);
	add(d, 2, true, 1000, &writes);
	cr_expect_eq(ask(d, 1, 1059), NODE_DEDUP_DURABLE);
	cr_expect_eq(ask(d, 1, 1060), NODE_DEDUP_NEW);
	cr_expect_eq(ask(d, 2, 1000 + 86399), NODE_DEDUP_DURABLE);
	cr_expect_eq(ask(d, 2, 1000 + 86400), NODE_DEDUP_NEW);
	/* Told anew after its time it holds for another minute, and pruning the old one does not take the new one away. */
	add(d, 1, false, 1060, &writes);
	node_dedup_prune(d, at(1061), &writes);
	cr_expect_eq(ask(d, 1, 1119), NODE_DEDUP_DURABLE);
	cr_expect_eq(node_dedup_count(d), 2);
	torap_writer_finish(&writes);
	node_dedup_destroy(d);
}

Test(dedup, tells_protocol_address_and_key_apart)
{
	struct node_dedup_key a, b;
	node_dedup_key_make(&a, "dc09", "4001", torap_bytes("x", 1));
	node_dedup_key_make(&b, "dc094", "001", torap_bytes("x", 1));
	cr_expect_neq(memcmp(&a, &b, sizeof a), 0);
	node_dedup_key_make(&b, "dc09", "4001", torap_bytes("y", 1));
	cr_expect_neq(memcmp(&a, &b, sizeof a), 0);
	node_dedup_key_make(&b, "dc09", "4001", torap_bytes("x", 1));
	cr_expect_eq(memcmp(&a, &b, sizeof a), 0);
}

Test(dedup, forgets_the_oldest_when_it_is_full_and_counts_them)
{
	struct node_dedup *d = made(10);
	struct torap_writer writes = { 0 };
	for (int i = 0; i < 25; i++)
		add(d, i, true, i, &writes);
	cr_expect_eq(node_dedup_count(d), 10);
	cr_expect_eq(node_dedup_forgotten(d), 15);
	cr_expect_eq(ask(d, 14, 25), NODE_DEDUP_NEW);
	cr_expect_eq(ask(d, 15, 25), NODE_DEDUP_DURABLE);
	torap_writer_finish(&writes);
	node_dedup_destroy(d);
}

/* Against a plain list, over growth, expiry and refusals, so that no item is lost in the hash table's shifting. */
Test(dedup, agrees_with_a_plain_list)
{
	enum { KEYS = 3000, STEPS = 40000 };
	static int64_t until[KEYS];
	struct node_dedup *d = made(NODE_DEDUP_MAX);
	struct torap_writer writes = { 0 };
	uint64_t random = 88172645463325252u;
	int64_t now = 1000;
	for (int i = 0; i < STEPS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		int n = (int)(random % KEYS);
		bool fails = (random >> 20) % 8 == 0;
		now += (random >> 30) % 100 == 0;
		if (i % 500 == 0)
			node_dedup_prune(d, at(now), &writes);
		cr_assert_eq(ask(d, n, now) == NODE_DEDUP_DURABLE, until[n] > now, "key %d, step %d", n, i);
		if (until[n] > now)
			continue;
		struct node_dedup_key key = key_of(n);
		uint32_t place;
		node_dedup_add(d, &key, false, at(now), &key, &writes, &place);
		node_dedup_settle(d, place, !fails);
		until[n] = fails ? 0 : now + 60;
		writes.size = 0;
	}
	torap_writer_finish(&writes);
	node_dedup_destroy(d);
}

static int on_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	(void)key;
	(void)value;
	++*(int *)hint;
	return 0;
}

static int rows(struct torap_kv *kv)
{
	int count = 0;
	uint8_t zero = 0;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, false);
	torap_kv_walk(&txn, NODE_TABLE_REPEATS, torap_bytes(&zero, 1), on_row, &count);
	torap_kv_abort(&txn);
	return count;
}

static void write_all(struct torap_kv *kv, struct torap_writer *writes)
{
	struct torap_error err;
	struct torap_kv_txn txn;
	torap_kv_begin(&txn, kv, true);
	cr_assert_eq(node_writes_apply(writes, &txn), 0);
	cr_assert_eq(torap_kv_commit(&txn, &err), 0, "%s", err.text);
	writes->size = 0;
}

/* The device repeats after the node was killed: still a repeat. */
Test(dedup, knows_after_a_restart_what_it_knew)
{
	struct fixture f;
	struct torap_writer writes = { 0 };
	struct torap_error err;
	fixture_begin(&f, 16 << 20);
	struct node_dedup *d = made(100);
	add(d, 1, true, 1000, &writes);
	add(d, 2, false, 1000, &writes);
	write_all(f.kv, &writes);
	node_dedup_destroy(d);

	d = made(100);
	cr_assert_eq(node_dedup_load(d, f.kv, at(1030), &err), 0, "%s", err.text);
	cr_expect_eq(ask(d, 1, 1030), NODE_DEDUP_DURABLE);
	cr_expect_eq(ask(d, 2, 1030), NODE_DEDUP_DURABLE);
	cr_expect_eq(ask(d, 2, 1060), NODE_DEDUP_NEW);
	cr_expect_eq(node_dedup_prune(d, at(1060), &writes), 1);
	write_all(f.kv, &writes);
	cr_expect_eq(rows(f.kv), 1, "the expired row is gone, the other stays");
	node_dedup_destroy(d);
	torap_writer_finish(&writes);
	fixture_end(&f);
}

/* As many as fill several of the steps in which they are loaded, and one more; every tenth is told anew later, so that two rows name it. */
Test(dedup, loads_every_row_however_many_and_the_later_of_two)
{
	enum { KEYS = 5001, TWICE = (KEYS + 9) / 10 };
	struct fixture f;
	struct torap_writer writes = { 0 };
	struct torap_error err;
	fixture_begin(&f, 16 << 20);
	struct node_dedup *d = made(NODE_DEDUP_MAX);
	for (int i = 0; i < KEYS; i++)
		add(d, i, false, 1000 + i / 1000, &writes);
	for (int i = 0; i < KEYS; i += 10)
		add(d, i, false, 1070, &writes);
	write_all(f.kv, &writes);
	node_dedup_destroy(d);
	cr_assert_eq(rows(f.kv), KEYS + TWICE);

	d = made(NODE_DEDUP_MAX);
	cr_assert_eq(node_dedup_load(d, f.kv, at(1000), &err), 0, "%s", err.text);
	cr_expect_eq(node_dedup_count(d), KEYS);
	for (int i = 0; i < KEYS; i++) {
		cr_assert_eq(ask(d, i, 1059), NODE_DEDUP_DURABLE, "key %d", i);
		cr_assert_eq(ask(d, i, 1129), i % 10 ? NODE_DEDUP_NEW : NODE_DEDUP_DURABLE, "key %d", i);
	}
	/* Each row goes by itself, in steps; the keys that were told anew stay. */
	while (node_dedup_prune(d, at(1069), &writes))
		write_all(f.kv, &writes);
	cr_expect_eq(rows(f.kv), TWICE);
	cr_expect_eq(node_dedup_count(d), TWICE);
	node_dedup_destroy(d);
	torap_writer_finish(&writes);
	fixture_end(&f);
}

/* The deletion of an expired key may be flushed after the key came anew: the new row must stay. */
Test(dedup, never_deletes_a_row_that_was_written_anew)
{
	struct fixture f;
	struct torap_writer deletion = { 0 }, writes = { 0 };
	fixture_begin(&f, 16 << 20);
	struct node_dedup *d = made(100);
	add(d, 1, false, 1000, &writes);
	write_all(f.kv, &writes);
	node_dedup_prune(d, at(2000), &deletion);
	add(d, 1, false, 2000, &writes);
	write_all(f.kv, &writes);
	write_all(f.kv, &deletion);
	cr_expect_eq(rows(f.kv), 1);
	node_dedup_destroy(d);
	torap_writer_finish(&writes);
	torap_writer_finish(&deletion);
	fixture_end(&f);
}

/* The lane was busy, or the journal full: what has left the memory must leave the disk all the same. */
Test(dedup, deletes_later_what_could_not_be_deleted)
{
	enum { KEYS = NODE_DEDUP_STEP + 100 };
	struct fixture f;
	struct torap_writer writes = { 0 };
	fixture_begin(&f, 16 << 20);
	struct node_dedup *d = made(NODE_DEDUP_MAX);
	for (int i = 0; i < KEYS; i++)
		add(d, i, false, 1000, &writes);
	add(d, KEYS, true, 1000, &writes);
	write_all(f.kv, &writes);
	for (int step = 0; step < 3; step++) {
		size_t found = node_dedup_prune(d, at(1061), &writes);
		cr_expect_gt(found, 0);
		writes.size = 0;
		node_dedup_prune_failed(d, found);
	}
	cr_expect_eq(rows(f.kv), KEYS + 1);
	while (node_dedup_prune(d, at(1061), &writes))
		write_all(f.kv, &writes);
	cr_expect_eq(rows(f.kv), 1, "the one that holds for a day");
	node_dedup_destroy(d);
	torap_writer_finish(&writes);
	fixture_end(&f);
}

/* A key that comes anew after its expiry, before anything was pruned: its old row goes, the new one stays. */
Test(dedup, leaves_no_row_behind_when_a_key_comes_anew)
{
	struct fixture f;
	struct torap_writer writes = { 0 };
	struct torap_error err;
	fixture_begin(&f, 16 << 20);
	struct node_dedup *d = made(100);
	add(d, 1, false, 1000, &writes);
	add(d, 1, false, 1060, &writes);
	write_all(f.kv, &writes);
	node_dedup_destroy(d);

	/* Both rows are there at the restart, too. */
	d = made(100);
	cr_assert_eq(node_dedup_load(d, f.kv, at(1061), &err), 0, "%s", err.text);
	cr_expect_eq(node_dedup_count(d), 1);
	cr_expect_eq(node_dedup_prune(d, at(1061), &writes), 1);
	write_all(f.kv, &writes);
	cr_expect_eq(rows(f.kv), 1);
	cr_expect_eq(ask(d, 1, 1119), NODE_DEDUP_DURABLE);
	cr_expect_eq(node_dedup_prune(d, at(1120), &writes), 1);
	write_all(f.kv, &writes);
	cr_expect_eq(rows(f.kv), 0);
	node_dedup_destroy(d);
	torap_writer_finish(&writes);
	fixture_end(&f);
}

/* Written while the clock was a year ahead: held for a day at most, and then its row is found and deleted. */
Test(dedup, gets_rid_of_a_row_from_the_future)
{
	enum { YEAR_S = 365 * 86400, DAY_S = 86400 };
	struct fixture f;
	struct torap_writer writes = { 0 };
	struct torap_error err;
	fixture_begin(&f, 16 << 20);
	struct node_dedup *d = made(100);
	add(d, 1, true, YEAR_S, &writes);
	write_all(f.kv, &writes);
	node_dedup_destroy(d);

	d = made(100);
	cr_assert_eq(node_dedup_load(d, f.kv, at(1000), &err), 0, "%s", err.text);
	cr_expect_eq(ask(d, 1, 1000), NODE_DEDUP_DURABLE);
	cr_expect_eq(ask(d, 1, 1000 + DAY_S), NODE_DEDUP_NEW);
	cr_expect_eq(node_dedup_prune(d, at(1000 + DAY_S), &writes), 1);
	write_all(f.kv, &writes);
	cr_expect_eq(rows(f.kv), 0);
	node_dedup_destroy(d);
	torap_writer_finish(&writes);
	fixture_end(&f);
}
