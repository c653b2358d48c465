#include <sys/stat.h>

#include "agents/ctl/command.h"
#include "agents/ctl/trust_before.h"
#include "agents/ctl/trust_text.h"
#include "base/error.h"
#include "conf/keys.h"
#include "conf/trust.h"
#include "tests/unit/lib/store/place.h"

static struct place place;
static const struct torap_wall now = { 1795000000000000 };

static void make(void)
{
	place_make(&place);
}

static void clean(void)
{
	place_remove(&place);
}

TestSuite(trust, .init = make, .fini = clean);

/* A command line in which each % is the folder. */
static int run(int (*command)(int argc, char **argv), const char *line)
{
	static char words[32][PATH_MAX + 64];
	char *argv[32], copy[512];
	int argc = 0;
	snprintf(copy, sizeof copy, "%s", line);
	for (char *save, *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		snprintf(words[argc], sizeof words[argc], "%s%s", *w == '%' ? place.dir : "",
			*w == '%' ? w + 1 : w);
		argv[argc] = words[argc];
		argc++;
	}
	argv[argc] = NULL;
	return command(argc, argv);
}

static struct torap_trust *load(void)
{
	char path[PATH_MAX + 32];
	struct torap_keys root;
	struct torap_trust *t;
	struct torap_error err;
	snprintf(path, sizeof path, "%s/root.pub", place.dir);
	cr_assert_eq(torap_keys_load_public(&root, path, &err), 0, "%s", err.text);
	snprintf(path, sizeof path, "%s/trust.signed", place.dir);
	cr_assert_eq(torap_trust_load(&t, path, root.sign.public, now, &err), 0, "%s", err.text);
	return t;
}

Test(trust, goes_from_nothing_to_a_signed_file_that_brokers_take)
{
	cr_assert_eq(run(ctl_trust, "trust init % --valid-until 2031-01-01"), 0);
	cr_assert_eq(run(ctl_keys, "keys new node-a -d %"), 0);
	cr_assert_eq(run(ctl_keys, "keys new node-b -d %"), 0);
	cr_assert_eq(
		run(ctl_trust,
			"trust add -f %/trust.yaml --writer node-a --region 391010000,392410000 --pub %/node-a.pub "
			"--from 2026-01-01 --until 2028-01-01"),
		0);
	cr_assert_eq(
		run(ctl_trust,
			"trust add -f %/trust.yaml --writer node-b --region 000000000 --pub %/node-b.pub "
			"--from 2026-01-01 --until 2028-01-01"),
		0);
	cr_assert_eq(run(ctl_trust, "trust sign -f %/trust.yaml --root %/root.key -o %/trust.signed"), 0);
	cr_assert_eq(run(ctl_trust, "trust check %/trust.signed --root %/root.pub"), 0);
	cr_assert_eq(run(ctl_trust, "trust check %/trust.signed --root %/node-a.pub"), 1, "another root");

	struct torap_trust *t = load();
	cr_assert_eq(t->version, 1);
	cr_assert_eq(t->writers_count, 2);
	const struct torap_trust_writer *w = torap_trust_writer(t, "node-a");
	cr_assert_not_null(w);
	cr_assert_eq(w->regions_count, 2);
	cr_assert(torap_trust_may_speak(w, 392410000));
	cr_assert_not(torap_trust_may_speak(w, 751310000));
	torap_trust_unref(t);

	cr_assert_eq(
		run(ctl_trust, "trust sign -f %/trust.yaml --root %/root.key -o %/trust.signed --version 9"),
		0);
	t = load();
	cr_assert_eq(t->version, 9);
	torap_trust_unref(t);
	char key[PATH_MAX + 32];
	struct stat st;
	snprintf(key, sizeof key, "%s/root.key", place.dir);
	cr_assert_eq(stat(key, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
}

static const char sign_again[] = "trust sign -f %/trust.yaml --root %/root.key -o %/trust.signed";

static void add_writer(const char *id)
{
	char line[256];
	snprintf(line, sizeof line, "keys new %s -d %%", id);
	cr_assert_eq(run(ctl_keys, line), 0);
	snprintf(line, sizeof line,
		"trust add -f %%/trust.yaml --writer %s --region 391010000 --pub %%/%s.pub", id, id);
	cr_assert_eq(run(ctl_trust, line), 0);
}

/* Subscribers that have seen a version do not take another file of that version. */
Test(trust, is_not_signed_again_as_a_version_that_said_something_else)
{
	char higher[128];
	cr_assert_eq(run(ctl_trust, "trust init % --valid-until 2031-01-01"), 0);
	add_writer("node-a");
	cr_assert_eq(run(ctl_trust, sign_again), 0);
	cr_assert_eq(run(ctl_trust, sign_again), 0, "all is as it was");
	add_writer("node-b");
	cr_assert_eq(run(ctl_trust, sign_again), 1);
	struct torap_trust *t = load();
	cr_assert_eq(t->writers_count, 1, "the old one stays");
	torap_trust_unref(t);
	snprintf(higher, sizeof higher, "%s --version 7", sign_again);
	cr_assert_eq(run(ctl_trust, higher), 0);
	snprintf(higher, sizeof higher, "%s --version 6", sign_again);
	cr_assert_eq(run(ctl_trust, higher), 1, "nobody would take it");
}

static unsigned sentences;
static char last_sentence[256];

static void on_sentence(const char *sentence)
{
	sentences++;
	snprintf(last_sentence, sizeof last_sentence, "%s", sentence);
}

Test(trust, tells_of_writers_that_are_gone_with_the_next_version)
{
	char path[PATH_MAX + 32];
	struct torap_keys root;
	struct torap_error err;
	cr_assert_eq(run(ctl_trust, "trust init % --valid-until 2031-01-01"), 0);
	snprintf(path, sizeof path, "%s/root.pub", place.dir);
	cr_assert_eq(torap_keys_load_public(&root, path, &err), 0, "%s", err.text);
	add_writer("node-a");
	cr_assert_eq(run(ctl_trust, sign_again), 0);
	struct torap_trust *one = load();
	one->version = 3; /* signed later */
	add_writer("node-b");
	cr_assert_eq(
		run(ctl_trust, "trust sign -f %/trust.yaml --root %/root.key -o %/trust.signed --version 2"),
		0);
	snprintf(path, sizeof path, "%s/trust.signed", place.dir);
	cr_assert_eq(
		ctl_trust_judge_before(path, one, root.sign.public, on_sentence, &err), 0, "%s", err.text);
	cr_assert_eq(sentences, 1);
	cr_assert_not_null(strstr(last_sentence, "writer node-b is gone"), "%s", last_sentence);
	torap_trust_unref(one);
}

Test(trust, refuses_what_would_spoil_the_text_and_leaves_it_alone)
{
	cr_assert_eq(run(ctl_trust, "trust init % --valid-until 2031-01-01"), 0);
	cr_assert_eq(run(ctl_keys, "keys new node-a -d %"), 0);
	const char *add = "trust add -f %/trust.yaml --writer node-a --region 391010000 --pub %/node-a.pub";
	cr_assert_eq(run(ctl_trust, add), 0);
	cr_assert_eq(run(ctl_trust, add), 1, "twice");
	cr_assert_eq(run(ctl_trust,
			     "trust add -f %/trust.yaml --writer Node --region 391010000 --pub %/node-a.pub"),
		1);
	cr_assert_eq(
		run(ctl_trust, "trust add -f %/trust.yaml --writer b --region 39101 --pub %/node-a.pub"), 1);
	cr_assert_eq(run(ctl_trust, "trust init %"), 1, "it would replace the root key");
	cr_assert_eq(run(ctl_trust, "trust sign -f %/trust.yaml --root %/root.key -o %/trust.signed"), 0);
	struct torap_trust *t = load();
	cr_assert_eq(t->writers_count, 1);
	torap_trust_unref(t);
}

Test(trust, keeps_the_comments_and_the_indentation_of_the_text)
{
	struct torap_keys keys = { 0 };
	const char *region = "391010000";
	struct ctl_writer w = { "new", &region, 1, &keys, "2026-01-01", "2027-01-01" };
	struct torap_error err;
	char *text = ctl_trust_text_add(
		"# ours\nversion: 1\nwriters:\n    # the first\n    - id: old\nretention: []\n", &w, &err);
	cr_assert_not_null(text);
	cr_assert_eq(
		strncmp(text, "# ours\nversion: 1\nwriters:\n    - id: new\n      regions: [\"391010000\"]\n",
			70),
		0, "%s", text);
	cr_assert_not_null(strstr(text, "\n    # the first\n    - id: old\nretention: []\n"), "%s", text);
	free(text);
	cr_assert_null(ctl_trust_text_add("version: 1\n", &w, &err));
	text = ctl_trust_text_version("a: 1\nversion: 1 # now\nb: 2\n", 12, &err);
	cr_assert_str_eq(text, "a: 1\nversion: 12\nb: 2\n");
	free(text);
}
