#include "node/faults.h"

#include "tests/unit/node/fixture.h"

struct faulty {
	struct fixture f;
	struct node_faults *faults;
	struct torap_stream_id stream;
};

static void begin(struct faulty *k)
{
	struct torap_error err;
	fixture_begin(&k->f, 64 << 20);
	struct node_faults_options options = { k->f.batcher, 391010000 };
	cr_assert_eq(node_faults_create(&k->faults, &options, &err), 0, "%s", err.text);
	cr_assert(torap_stream_id_make(&k->stream, "node-test", BULK, 5));
}

static void end(struct faulty *k)
{
	fixture_end(&k->f);
	node_faults_destroy(k->faults);
}

struct seen {
	char text[8][160]; /* of each event: its details in order */
	size_t count;
};

static int on_event(void *hint, const struct torap_opened *e)
{
	struct seen *seen = hint;
	cr_assert_lt(seen->count, 8);
	cr_expect_eq(e->group->class.kind, TORAP__KIND__KIND_STORAGE_FAULT);
	char *text = seen->text[seen->count++];
	for (size_t i = 0; i < e->open->n_detail; i++) {
		strcat(text, i ? " " : "");
		strcat(text, e->open->detail[i]->value);
	}
	return 0;
}

/* So many seconds, and what was told until then. */
static struct seen after(struct faulty *k, int seconds)
{
	struct seen seen = { .count = 0 };
	for (int i = 0; i < 10 * seconds; i++) {
		node_faults_tick(k->faults, k->f.now);
		fixture_pass(&k->f, 100);
		fixture_settle(&k->f);
	}
	fixture_read(&k->f, NORMAL, on_event, &seen);
	return seen;
}

Test(faults, are_told_once_each_with_stream_and_batch)
{
	struct faulty k;
	begin(&k);
	cr_expect(node_faults_idle(k.faults));
	cr_expect(node_faults_add(k.faults, NODE_FAULT_DAMAGED, &k.stream, 7));
	cr_expect_not(node_faults_add(k.faults, NODE_FAULT_DAMAGED, &k.stream, 7));
	cr_expect_not(node_faults_idle(k.faults));
	struct seen seen = after(&k, 2);
	cr_assert_eq(seen.count, 1);
	cr_expect_str_eq(seen.text[0], "damaged node-test/bulk/0000000000000005 7 1");
	cr_expect_not(node_faults_add(k.faults, NODE_FAULT_DAMAGED, &k.stream, 7));
	cr_expect(node_faults_idle(k.faults));
	cr_expect(node_faults_add(k.faults, NODE_FAULT_UNREADABLE, &k.stream, 7));
	seen = after(&k, 2);
	cr_assert_eq(seen.count, 2);
	cr_expect_str_eq(seen.text[1], "unreadable node-test/bulk/0000000000000005 7 1");
	cr_expect_eq(node_faults_count(k.faults, NODE_FAULT_DAMAGED), 1);
	cr_expect_eq(node_faults_count(k.faults, NODE_FAULT_UNREADABLE), 1);
	end(&k);
}

/* A disk that rots must not fill the journal with what it has to say. */
Test(faults, are_summed_up_to_one_event_a_second)
{
	struct faulty k;
	struct torap_stream_id other;
	begin(&k);
	cr_assert(torap_stream_id_make(&other, "node-test", BULK, 6));
	for (uint64_t batch = 1; batch <= 2000; batch++) {
		node_faults_add(k.faults, NODE_FAULT_DAMAGED, &k.stream, batch);
		node_faults_add(k.faults, NODE_FAULT_DAMAGED, &other, batch);
	}
	struct seen seen = after(&k, 1);
	cr_expect_eq(seen.count, 1);
	seen = after(&k, 3);
	cr_assert_eq(seen.count, 2);
	cr_expect_str_eq(seen.text[0], "damaged node-test/bulk/0000000000000005 2000 2000");
	cr_expect_str_eq(seen.text[1], "damaged node-test/bulk/0000000000000006 2000 2000");
	end(&k);
}

/* Held back, not lost. */
Test(faults, wait_for_room)
{
	struct faulty k;
	begin(&k);
	k.f.limit_percent[NORMAL] = 1;
	fixture_crash(&k.f);
	fixture_open(&k.f);
	node_faults_destroy(k.faults);
	struct torap_error err;
	struct node_faults_options options = { k.f.batcher, 391010000 };
	cr_assert_eq(node_faults_create(&k.faults, &options, &err), 0, "%s", err.text);
	enum { TEXT = 50 << 10 };
	char *text = calloc(1, TEXT + 1);
	memset(text, 'x', TEXT);
	for (int i = 0; i < 30; i++) { /* past 1 % of 64 MiB */
		struct told told = { .entry.done = fixture_on_told, .result = -1 };
		told.entry.event = fixture_event(
			&k.f, TORAP__KIND__KIND_PANIC, TORAP__SEVERITY__SEVERITY_CRITICAL, "1", text);
		cr_assert_eq(node_batcher_add(k.f.batcher, &told.entry), 0);
		fixture_settle(&k.f);
	}
	free(text);
	node_faults_add(k.faults, NODE_FAULT_DAMAGED, &k.stream, 1);
	cr_expect_eq(after(&k, 1).count, 0);
	cr_expect_not(node_faults_idle(k.faults));
	end(&k);
}
