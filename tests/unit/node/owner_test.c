#include "node/owner.h"

#include "tests/unit/node/fixture.h"

static void begin_with_an_event(struct fixture *f)
{
	struct told told;
	fixture_begin(f, 64 << 20);
	fixture_add(f, &told, TORAP__KIND__KIND_PANIC, TORAP__SEVERITY__SEVERITY_CRITICAL, 1);
	fixture_settle(f);
	cr_assert_eq(told.result, NODE_ENTRY_DURABLE);
}

/* Under another name its streams would be passed over in silence. */
Test(owner, refuses_the_journal_of_another_name_and_names_both)
{
	struct fixture f;
	struct torap_error err = { "" };
	begin_with_an_event(&f);
	cr_expect_eq(node_owner_check(f.kv, f.dir, "node-test", &err), 0, "%s", err.text);
	cr_expect_lt(node_owner_check(f.kv, f.dir, "node-other", &err), 0);
	cr_expect_not_null(strstr(err.text, "\"node-test\""), "%s", err.text);
	cr_expect_not_null(strstr(err.text, "\"node-other\""), "%s", err.text);
	cr_expect_not_null(strstr(err.text, f.dir), "%s", err.text);
	fixture_end(&f);
}

Test(owner, reads_a_closed_journal_and_makes_none)
{
	struct fixture f;
	struct torap_error err = { "" };
	char empty[96];
	begin_with_an_event(&f);
	fixture_crash(&f);
	cr_expect_eq(node_owner_check_dir(f.dir, "node-test", &err), 0, "%s", err.text);
	cr_expect_lt(node_owner_check_dir(f.dir, "node-other", &err), 0);
	snprintf(empty, sizeof empty, "%s/none", f.dir);
	cr_expect_eq(node_owner_check_dir(empty, "node-other", &err), 0, "%s", err.text);
	cr_expect_neq(access(empty, F_OK), 0, "a check made a directory");
	fixture_open(&f);
	fixture_end(&f);
}
