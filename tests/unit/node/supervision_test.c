#include "node/supervision.h"

#include "node/registry.h"
#include "node/subjects.h"
#include "tests/unit/node/fixture.h"

struct watchers {
	struct fixture f;
	struct node_subjects *subjects;
	struct node_supervision *supervision;
	struct node_registry *registry;
};

static const char sites[] = "id,name,facility,region,owner_kind\nschool-1,School,school,391010000,public\n";

static void take_registry(struct watchers *w, const char *rows)
{
	char devices[512];
	struct torap_error err;
	snprintf(devices, sizeof devices, "id,site,protocol,address,supervision\n%s", rows);
	node_registry_unref(w->registry);
	w->registry = NULL;
	cr_assert_eq(node_registry_parse(&w->registry, "s", torap_bytes(sites, strlen(sites)), "d",
			     torap_bytes(devices, strlen(devices)), NULL, &err),
		0, "%s", err.text);
	cr_assert_eq(node_supervision_registry(w->supervision, w->registry, w->f.now), 0);
}

static void open_watchers(struct watchers *w)
{
	struct torap_error err;
	cr_assert_eq(node_subjects_create(&w->subjects, w->f.kv, &err), 0, "%s", err.text);
	struct node_supervision_options options = { w->f.batcher, w->subjects };
	cr_assert_eq(node_supervision_create(&w->supervision, &options, w->f.kv, &err), 0, "%s", err.text);
}

static void close_watchers(struct watchers *w)
{
	w->supervision = node_supervision_destroy(w->supervision);
	w->subjects = node_subjects_destroy(w->subjects);
	w->registry = node_registry_unref(w->registry);
}

static void begin(struct watchers *w, const char *rows)
{
	*w = (struct watchers){ 0 };
	fixture_begin(&w->f, 16 << 20);
	open_watchers(w);
	take_registry(w, rows);
}

static void end(struct watchers *w)
{
	fixture_settle(&w->f);
	close_watchers(w);
	fixture_end(&w->f);
}

static void restart(struct watchers *w, const char *rows)
{
	close_watchers(w);
	fixture_crash(&w->f);
	fixture_open(&w->f);
	open_watchers(w);
	take_registry(w, rows);
}

static void pass(struct watchers *w, int s)
{
	for (int i = 0; i < s; i++) {
		fixture_pass(&w->f, 1000);
		node_supervision_tick(w->supervision, w->f.now);
		fixture_settle(&w->f);
	}
}

static void hear(struct watchers *w, const char *id)
{
	node_supervision_heard(w->supervision, node_registry_device(w->registry, id), w->f.now);
	fixture_settle(&w->f);
}

/* Events so far: starts and ends are the only ones here. */
static uint64_t events(const struct watchers *w)
{
	return node_batcher_next_seq(w->f.batcher, NORMAL) - 1;
}

static const char one[] = "a,school-1,dc09,4001,10s\nb,school-1,dc09,4002,\n";

Test(supervision, tells_a_silence_once_and_its_end_once)
{
	struct watchers w;
	begin(&w, one);
	cr_expect_eq(node_supervision_devices(w.supervision), 1, "b is not supervised");
	pass(&w, 9);
	cr_expect_eq(events(&w), 0);
	pass(&w, 1);
	cr_expect_eq(events(&w), 1);
	cr_expect_eq(node_supervision_silent(w.supervision), 1);
	pass(&w, 60);
	cr_expect_eq(events(&w), 1, "it stays one silence");
	hear(&w, "a");
	cr_expect_eq(events(&w), 2);
	cr_expect_eq(node_supervision_silent(w.supervision), 0);
	hear(&w, "a");
	cr_expect_eq(events(&w), 2);
	end(&w);
}

Test(supervision, lets_any_word_move_the_deadline)
{
	struct watchers w;
	begin(&w, one);
	for (int i = 0; i < 10; i++) {
		pass(&w, 9);
		hear(&w, "a");
	}
	cr_expect_eq(events(&w), 0);
	pass(&w, 10);
	cr_expect_eq(events(&w), 1);
	end(&w);
}

/* A restart of the node must not look like a thousand devices falling silent; nor is a silence forgotten, or told twice. */
Test(supervision, gives_a_period_of_grace_after_a_restart_and_remembers_the_silent)
{
	struct watchers w;
	begin(&w, "a,school-1,dc09,4001,10s\nc,school-1,dc09,4003,10s\n");
	pass(&w, 5);
	hear(&w, "c");
	pass(&w, 5);
	cr_expect_eq(events(&w), 1, "a alone is silent");
	restart(&w, "a,school-1,dc09,4001,10s\nc,school-1,dc09,4003,10s\n");
	cr_expect_eq(node_supervision_silent(w.supervision), 1);
	pass(&w, 9);
	cr_expect_eq(events(&w), 1, "c has its grace, and a was told before");
	pass(&w, 1);
	cr_expect_eq(events(&w), 2);
	hear(&w, "a");
	cr_expect_eq(events(&w), 3);
	end(&w);
}

Test(supervision, keeps_deadlines_over_a_reload)
{
	struct watchers w;
	begin(&w, one);
	pass(&w, 6);
	take_registry(&w, "z,school-1,dc09,4999,10s\na,school-1,dc09,4001,10s\n");
	pass(&w, 4);
	cr_expect_eq(events(&w), 1, "a's ten seconds are over, z's began with the reload");
	pass(&w, 6);
	cr_expect_eq(events(&w), 2);
	end(&w);
}

Test(supervision, ends_the_silence_of_a_device_that_is_no_longer_supervised)
{
	struct watchers w;
	begin(&w, one);
	pass(&w, 10);
	cr_expect_eq(events(&w), 1);
	take_registry(&w, "b,school-1,dc09,4002,\n");
	pass(&w, 1);
	cr_expect_eq(events(&w), 2);
	restart(&w, "b,school-1,dc09,4002,\n");
	pass(&w, 20);
	cr_expect_eq(events(&w), 2, "its row is gone");
	end(&w);
}

/* The same when the registry forgot it while the node was down. */
Test(supervision, ends_a_silence_that_only_the_store_remembers)
{
	struct watchers w;
	begin(&w, one);
	pass(&w, 10);
	restart(&w, "b,school-1,dc09,4002,\n");
	pass(&w, 1);
	cr_expect_eq(events(&w), 2);
	end(&w);
}
