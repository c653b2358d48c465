/* The process of a small agent: what becomes of its files at start, at SIGHUP and at SIGTERM, and its exit status. */
#include "agents/kit/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "conf/take.h"
#include "tests/kit/temporary.h"

struct files {
	struct kit_config kit;
	char *word;
};

struct raw {
	struct kit_config_file kit;
	char *word;
};

static const cyaml_schema_field_t fields[] = {
	KIT_CONFIG_FIELDS(struct raw, kit),
	TORAP_YAML_TEXT("word", struct raw, word, 32),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, fields) };

/* What the agent went through, and what it is to do. */
static struct agent {
	struct files files;
	struct kit_process *process;
	const char *next; /* the word of the file at SIGHUP; NULL: no SIGHUP */
	bool open_fails, reloading, stopping;
	unsigned opened, ticks, closed, finished, loaded, unloaded;
	char word[32], page[4096]; /* as they are before SIGTERM */
	bool closing;              /* as close() sees it */
} agent;
static char dir[64], path[96];

static void write_file(const char *word)
{
	FILE *f = fopen(path, "w");
	cr_assert(f && fprintf(f, "node: ipc://node.intake\nword: %s\n", word) > 0 && !fclose(f));
}

static int load(void *out, const char *from, struct torap_error *err)
{
	struct files *f = out;
	struct torap_taking t = { from, err, 0 };
	struct raw *raw = NULL;
	agent.loaded++;
	int r = torap_yaml_load(from, &schema, (void **)&raw, err);
	if (r)
		return r;
	kit_config_take(&t, &f->kit, &raw->kit);
	torap_take_text(&t, &f->word, raw->word);
	torap_yaml_free(&schema, raw);
	return t.failed;
}

static void unload(void *out)
{
	struct files *f = out;
	agent.unloaded++;
	kit_config_finish(&f->kit);
	free(f->word);
}

static void exchange(struct agent *a, struct files *f)
{
	struct files had = a->files;
	a->files = *f;
	*f = had;
}

static int begin(void *hint, struct kit_process *p, void *files, struct torap_error *err)
{
	struct agent *a = hint;
	a->opened++;
	a->process = p;
	exchange(a, files);
	return a->open_fails ? torap_errorf(err, -EIO, "no") : kit_process_connect(p, &a->files.kit, err);
}

static int reload(void *hint, void *files, struct torap_error *err)
{
	struct files *f = files;
	if (strcmp(f->word, "unwanted") == 0)
		return torap_errorf(err, -EINVAL, "word changes with a restart only");
	exchange(hint, f);
	return 0;
}

static void end(void *hint)
{
	struct agent *a = hint;
	a->closed++;
	a->closing = a->process->closing;
	cr_expect(!a->ticks || a->process->kit, "the kit goes after the agent's parts");
}

static void finish(void *hint)
{
	struct agent *a = hint;
	a->finished++;
	kit_config_finish(&a->files.kit);
	free(a->files.word);
}

static void show(const struct agent *a, char *page, size_t size)
{
	struct torap_writer body = { 0 };
	kit_process_metrics(a->process, &body, "torap_small_reloads_total", "Reloads.");
	snprintf(page, size, "%.*s", (int)body.size, (const char *)body.data);
	torap_writer_finish(&body);
}

static void on_tick(void *hint)
{
	struct agent *a = hint;
	a->ticks++;
	if (a->next && !a->reloading) {
		write_file(a->next);
		a->reloading = true;
		raise(SIGHUP);
	} else if (!a->stopping && (!a->next || a->process->reloads + a->process->reloads_refused)) {
		a->stopping = true; /* a second SIGTERM would end it at once */
		snprintf(a->word, sizeof a->word, "%s", a->files.word);
		show(a, a->page, sizeof a->page);
		raise(SIGTERM);
	}
}

static void on_verdict(void *hint, struct kit_tag tag, enum kit_verdict verdict, const char *reason)
{
	(void)hint, (void)tag, (void)verdict, (void)reason;
}

static void on_rows(void *hint, const struct kit_row *rows, size_t count)
{
	(void)hint, (void)rows, (void)count;
}

static const struct kit_agent kind = {
	.app = { .program = "small", .purpose = "is small" },
	.protocol = "small",
	.log = { "SMALL-START", "SMALL-STOP", "SMALL-RELOAD", "SMALL-UP", "SMALL-DOWN", "stopping", "all",
		"so" },
	.tick_ms = 1,
	.files_size = sizeof(struct files),
	.load = load,
	.unload = unload,
	.open = begin,
	.reload = reload,
	.close = end,
	.finish = finish,
	.on_tick = on_tick,
	.on_verdict = on_verdict,
	.on_rows = on_rows,
};

/* Runs it to its end.  Whatever happens, what was loaded was unloaded, and the agent was closed and finished as often as opened. */
static int run(const char *word, bool check_only)
{
	struct torap_app_arguments arguments = { .config = path, .check_only = check_only };
	temporary_dir(dir, sizeof dir, "process");
	snprintf(path, sizeof path, "%s/a.yaml", dir);
	write_file(word);
	int status = kit_process_main(&kind, &agent, &arguments);
	unlink(path);
	rmdir(dir);
	cr_expect_eq(agent.loaded, agent.unloaded);
	cr_expect_eq(agent.opened, agent.closed);
	cr_expect_eq(agent.opened, agent.finished);
	return status;
}

Test(process, runs_until_it_is_told_to_stop)
{
	cr_expect_eq(run("first", false), 0);
	cr_expect(agent.opened == 1 && agent.ticks && agent.closing);
	cr_expect_str_eq(agent.word, "first");
	cr_expect(strstr(agent.page, "torap_small_reloads_total{result=\"refused\"} 0"), "%s", agent.page);
	cr_expect(strstr(agent.page, "torap_agent_node_up 0"), "%s", agent.page);
}

Test(process, checks_its_files_and_begins_nothing)
{
	cr_expect_eq(run("first", true), 0);
	cr_expect(agent.loaded == 1 && !agent.opened);
}

Test(process, with_a_bad_file_does_not_begin)
{
	cr_expect_eq(run("\"\"", false), 1);
	cr_expect(agent.loaded == 1 && !agent.opened);
}

/* Half of its parts may be open then. */
Test(process, that_cannot_open_closes_and_says_so)
{
	agent.open_fails = true;
	cr_expect_eq(run("first", false), 1);
	cr_expect(agent.opened == 1 && !agent.ticks);
}

Test(process, takes_over_a_good_file)
{
	agent.next = "second";
	cr_expect_eq(run("first", false), 0);
	cr_expect_str_eq(agent.word, "second");
	cr_expect(strstr(agent.page, "torap_small_reloads_total{result=\"taken\"} 1"), "%s", agent.page);
}

/* One that does not load, and one that the agent refuses. */
Test(process, keeps_the_old_when_the_new_is_refused)
{
	static const char *const bad[] = { "\"\"", "unwanted" };
	for (size_t i = 0; i < 2; i++) {
		agent = (struct agent){ .next = bad[i] };
		cr_expect_eq(run("first", false), 0);
		cr_expect_str_eq(agent.word, "first");
		cr_expect(strstr(agent.page, "torap_small_reloads_total{result=\"refused\"} 1"), "%s",
			agent.page);
	}
}

Test(process, refuses_words_that_it_does_not_know_and_wants_a_file)
{
	char *word = (char *)"--unknown";
	const struct torap_app_arguments with = { .config = "a.yaml", .rest_count = 1, .rest = &word },
					 without = { 0 };
	cr_expect_eq(kit_process_main(&kind, &agent, &with), 2);
	cr_expect_eq(kit_process_main(&kind, &agent, &without), 2);
	cr_expect_eq(agent.loaded, 0);
}
