#include "node/unknown.h"

#include "tests/unit/node/fixture.h"

struct strangers {
	struct fixture f;
	struct node_unknown *unknown;
};

struct ticket {
	struct node_entry entry;
	struct node_account *account;
	bool reported;
};

static void open_unknown(struct strangers *s)
{
	struct torap_error err;
	struct node_unknown_options options = { s->f.batcher, 391010000 };
	cr_assert_eq(node_unknown_create(&s->unknown, &options, s->f.kv, s->f.now, &err), 0, "%s", err.text);
}

static void begin(struct strangers *s)
{
	fixture_begin(&s->f, 64 << 20);
	open_unknown(s);
}

static void end(struct strangers *s)
{
	fixture_settle(&s->f);
	s->unknown = node_unknown_destroy(s->unknown);
	fixture_end(&s->f);
}

static void on_done(struct node_entry *entry, enum node_entry_result result)
{
	struct ticket *t = (struct ticket *)entry;
	node_unknown_settle(t->account, t->reported, result == NODE_ENTRY_DURABLE);
	free(t);
}

static void see_by(struct strangers *s, const char *protocol, const char *address)
{
	Torap__Observation o = TORAP__OBSERVATION__INIT;
	struct ticket *t = calloc(1, sizeof *t);
	o.protocol = (char *)protocol;
	o.address = (char *)address;
	o.raw = (ProtobufCBinaryData){ 4, (uint8_t *)"word" };
	t->entry.done = on_done;
	t->account = node_unknown_see(s->unknown, &o, &t->entry, s->f.now);
	cr_assert_not_null(t->account);
	t->reported = t->entry.event != NULL;
	cr_assert_eq(node_batcher_add(s->f.batcher, &t->entry), 0);
}

static void see(struct strangers *s, const char *address)
{
	see_by(s, "dc09", address);
}

static void pass(struct strangers *s, int seconds)
{
	for (int i = 0; i < seconds; i++) {
		fixture_pass(&s->f, 1000);
		node_unknown_tick(s->unknown, s->f.now);
		fixture_settle(&s->f);
	}
}

/* What the events say, in order. */
struct seen {
	char address[8][80];
	uint32_t count[8]; /* 0: not told, so it is one */
	bool has_raw[8];
	size_t events;
};

static int on_event(void *hint, const struct torap_opened *e)
{
	struct seen *seen = hint;
	cr_assert_lt(seen->events, 8);
	cr_expect_eq(e->group->class.kind, TORAP__KIND__KIND_UNKNOWN_DEVICE);
	for (size_t i = 0; i < e->open->n_detail; i++) {
		const Torap__Field *f = e->open->detail[i];
		if (strcmp(f->name, "address") == 0)
			snprintf(seen->address[seen->events], 80, "%s", f->value);
		cr_expect_str_neq(f->name, "count", "the event has a field of its own for it");
	}
	seen->count[seen->events] = e->open->count;
	seen->has_raw[seen->events++] = e->personal && e->personal->raw.len == 4;
	return 0;
}

static struct seen look(struct strangers *s)
{
	struct seen seen = { 0 };
	node_batcher_flush(s->f.batcher);
	fixture_settle(&s->f);
	fixture_read(&s->f, NORMAL, on_event, &seen);
	return seen;
}

Test(unknown, tells_the_first_at_once_and_the_others_at_the_minute_s_end)
{
	struct strangers s;
	begin(&s);
	see(&s, "9999");
	for (int i = 0; i < 5; i++)
		see(&s, "9999");
	pass(&s, 59);
	struct seen seen = look(&s);
	cr_assert_eq(seen.events, 1);
	cr_expect_str_eq(seen.address[0], "9999");
	cr_expect_eq(seen.count[0], 0);
	cr_expect(seen.has_raw[0]);
	pass(&s, 1);
	seen = look(&s);
	cr_assert_eq(seen.events, 2);
	cr_expect_eq(seen.count[1], 5);
	cr_expect(seen.has_raw[1]);
	end(&s);
}

Test(unknown, lets_go_of_an_account_after_a_quiet_minute)
{
	struct strangers s;
	begin(&s);
	see(&s, "9999");
	pass(&s, 60);
	cr_expect_eq(node_unknown_accounts(s.unknown), 0);
	see(&s, "9999");
	cr_expect_eq(look(&s).events, 2, "told at once again");
	end(&s);
}

/* Counted means acknowledged: a crash within the minute must not lose the count. */
Test(unknown, keeps_its_counts_over_a_crash)
{
	struct strangers s;
	begin(&s);
	see(&s, "9999");
	see(&s, "9999");
	see(&s, "9999");
	fixture_settle(&s.f);
	fixture_crash(&s.f);
	node_unknown_destroy(s.unknown);
	fixture_open(&s.f);
	open_unknown(&s);
	see(&s, "9999"); /* the same minute still */
	pass(&s, 61);
	struct seen seen = look(&s);
	cr_assert_eq(seen.events, 2);
	cr_expect_eq(seen.count[1], 3);
	pass(&s, 61);
	cr_expect_eq(node_unknown_accounts(s.unknown), 0);
	end(&s);
}

/* Whoever scans all addresses must not fill the node's memory, nor drown those that are counted. */
Test(unknown, puts_a_flood_of_addresses_under_one_name)
{
	struct strangers s;
	char address[16];
	begin(&s);
	for (int i = 0; i < NODE_UNKNOWN_MAX + 100; i++) {
		snprintf(address, sizeof address, "%d", i);
		see(&s, address);
	}
	fixture_settle(&s.f);
	cr_expect_eq(node_unknown_accounts(s.unknown), NODE_UNKNOWN_MAX + 1);
	cr_expect_eq(node_batcher_next_seq(s.f.batcher, NORMAL), NODE_UNKNOWN_MAX + 2,
		"one event for all the rest");
	end(&s);
}

/* An agent names the protocol of each observation. */
Test(unknown, puts_a_flood_of_protocols_under_one_name)
{
	struct strangers s;
	char name[16];
	begin(&s);
	for (int i = 0; i < NODE_UNKNOWN_MAX + 3 * NODE_UNKNOWN_PROTOCOLS_MAX; i++) {
		snprintf(name, sizeof name, "p%d", i);
		see_by(&s, name, "1");
	}
	fixture_settle(&s.f);
	cr_expect_eq(node_unknown_accounts(s.unknown), NODE_UNKNOWN_MAX + NODE_UNKNOWN_PROTOCOLS_MAX + 1);
	pass(&s, 122);
	cr_expect_eq(node_unknown_accounts(s.unknown), 0);
	end(&s);
}
