/* What a broker must remember, over restarts. */
#include <sys/stat.h>

#include "base/error.h"
#include "broker/state.h"
#include "store/kv.h"
#include "tests/unit/lib/store/place.h"

static struct place place;

static void make(void)
{
	place_make(&place);
}

static void clean(void)
{
	place_remove(&place);
}

TestSuite(state, .init = make, .fini = clean);

static struct torap_kv *open_kv(void)
{
	static const char *const tables[] = { BROKER_TABLE_NAMES, NULL };
	struct torap_kv_options options = { .tables = tables, .map_size = 16 << 20 };
	struct torap_error err = { "" };
	struct torap_kv *kv = NULL;
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), 0, "%s", err.text);
	return kv;
}

Test(state, gives_a_new_store_an_incarnation_and_keeps_it)
{
	struct torap_error err = { "" };
	struct broker_state first, again;
	struct torap_kv *kv = open_kv();
	cr_assert_eq(broker_state_open(&first, kv, &err), 0, "%s", err.text);
	cr_expect_eq(first.trust_version, 0);
	torap_kv_close(kv);
	kv = open_kv();
	cr_assert_eq(broker_state_open(&again, kv, &err), 0, "%s", err.text);
	cr_expect_eq(again.incarnation, first.incarnation);
	torap_kv_close(kv);
}

Test(state, tells_the_version_of_the_trust_file_without_a_lock)
{
	struct torap_error err = { "" };
	struct broker_state s;
	cr_expect_eq(broker_state_peek_trust(place.dir), 0, "of a store that is not there");
	cr_assert_eq(mkdir(place.dir, 0700), 0);
	cr_expect_eq(broker_state_peek_trust(place.dir), 0, "of an empty folder");
	cr_expect_eq(rmdir(place.dir), 0, "looking left a file");
	struct torap_kv *kv = open_kv();
	cr_assert_eq(broker_state_open(&s, kv, &err), 0, "%s", err.text);
	torap_kv_close(kv);
	cr_expect_eq(broker_state_peek_trust(place.dir), 0, "of a store that saw none");
	kv = open_kv();
	cr_assert_eq(broker_state_trust(&s, kv, 7, &err), 0, "%s", err.text);
	torap_kv_close(kv);
	cr_expect_eq(broker_state_peek_trust(place.dir), 7);
}

Test(state, keeps_the_highest_version_of_the_trust_file)
{
	struct torap_error err = { "" };
	struct broker_state s;
	struct torap_kv *kv = open_kv();
	cr_assert_eq(broker_state_open(&s, kv, &err), 0, "%s", err.text);
	cr_assert_eq(broker_state_trust(&s, kv, 7, &err), 0, "%s", err.text);
	cr_assert_eq(broker_state_trust(&s, kv, 3, &err), 0, "%s", err.text);
	cr_expect_eq(s.trust_version, 7);
	torap_kv_close(kv);
	kv = open_kv();
	cr_assert_eq(broker_state_open(&s, kv, &err), 0, "%s", err.text);
	cr_expect_eq(s.trust_version, 7);
	torap_kv_close(kv);
}
