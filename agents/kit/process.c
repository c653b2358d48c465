#include "agents/kit/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

struct inside {
	struct kit_process p; /* the first member, so that one leads to the other */
	const struct kit_agent *kind;
	void *agent;
	const char *path; /* of the configuration */
	char *node;       /* owned */
	struct torap_app app;
	struct torap_http *http;
	uv_timer_t timer;
	bool ticking;
};

/* The node. */

static void on_verdict(void *hint, struct kit_tag tag, enum kit_verdict verdict, const char *reason)
{
	struct inside *i = hint;
	i->kind->on_verdict(i->agent, tag, verdict, reason);
}

static void on_rows(void *hint, const struct kit_row *rows, size_t count)
{
	struct inside *i = hint;
	i->kind->on_rows(i->agent, rows, count);
}

static void on_request(void *hint, const Torap__AgentRequest *request)
{
	struct inside *i = hint;
	i->p.on_request(i->agent, request);
}

static void on_link(void *hint, bool up, const char *reason)
{
	const struct inside *i = hint;
	if (up)
		torap_notice(i->kind->log.node_up, "the node at %s takes %s", i->node, i->kind->log.takes);
	else
		torap_warn(i->kind->log.node_down, "the node at %s is away (%s); %s", i->node, reason,
			i->kind->log.away);
}

int kit_process_connect(struct kit_process *p, const struct kit_config *config, struct torap_error *err)
{
	struct inside *i = (struct inside *)p;
	const struct kit_options options = {
		.agent = i->kind->app.program,
		.protocol = i->kind->protocol,
		.endpoint = config->node,
		.hint = i,
		.on_verdict = on_verdict,
		.on_rows = on_rows,
		.on_link = on_link,
		.on_request = p->on_request ? on_request : NULL,
	};
	i->node = strdup(config->node);
	if (!i->node)
		return torap_errorf(err, -ENOMEM, "out of memory");
	int r = kit_open(&p->kit, p->loop, &options, err);
	if (!r && config->metrics)
		r = torap_http_open(&i->http, p->loop, config->metrics, i->kind->routes, i->agent, err);
	return r;
}

void kit_process_metrics(
	const struct kit_process *p, struct torap_writer *body, const char *reloads, const char *help)
{
	torap_metric_head(body, reloads, "counter", help);
	torap_metric_labelled(body, reloads, "result", "taken", (double)p->reloads);
	torap_metric_labelled(body, reloads, "result", "refused", (double)p->reloads_refused);
	if (p->kit)
		kit_metrics(p->kit, body);
}

/* Start, reload and stop. */

static void on_tick(uv_timer_t *timer)
{
	const struct inside *i = timer->data;
	i->kind->on_tick(i->agent);
}

static int start(struct inside *i, void *files, struct torap_error *err)
{
	int r = i->kind->open(i->agent, &i->p, files, err);
	if (r)
		return r;
	uv_timer_init(i->p.loop, &i->timer);
	i->timer.data = i;
	i->ticking = true;
	uv_timer_start(&i->timer, on_tick, i->kind->tick_ms, i->kind->tick_ms);
	return 0;
}

static int load(const struct kit_agent *kind, void **out, const char *path, struct torap_error *err)
{
	*out = calloc(1, kind->files_size);
	return *out ? kind->load(*out, path, err) : torap_errorf(err, -ENOMEM, "%s: out of memory", path);
}

static void unload(const struct kit_agent *kind, void *files)
{
	if (files)
		kind->unload(files);
	free(files);
}

static void on_reload(void *hint)
{
	struct inside *i = hint;
	struct torap_error err;
	void *files;
	int r = load(i->kind, &files, i->path, &err);
	r = r ? r : i->kind->reload(i->agent, files, &err);
	if (r)
		torap_fail(i->kind->log.reload, "%s; the old configuration stays in force", err.text);
	i->p.reloads += r == 0;
	i->p.reloads_refused += r != 0;
	unload(i->kind, files);
}

static void shut(struct inside *i)
{
	i->p.closing = true;
	i->kind->close(i->agent);
	torap_http_close(i->http);
	kit_close(i->p.kit, NULL, NULL);
	if (i->ticking)
		uv_close((uv_handle_t *)&i->timer, NULL);
	i->http = NULL;
	i->p.kit = NULL;
	i->ticking = false;
}

static void on_stop(void *hint)
{
	struct inside *i = hint;
	torap_notice(i->kind->log.stop, "%s", i->kind->log.stopping);
	shut(i);
}

static int run(
	const struct kit_agent *kind, void *agent, const struct torap_app_arguments *arguments, void *files)
{
	struct inside i = { .kind = kind, .agent = agent, .path = arguments->config };
	struct torap_error err;
	i.app = (struct torap_app){
		.hint = &i, .on_reload = on_reload, .on_stop = on_stop, .low_latency = arguments->low_latency
	};
	i.p.loop = &i.app.loop;
	if (torap_app_init(&i.app, &err)) {
		torap_fail(kind->log.start, "%s", err.text);
		return EXIT_FAILURE;
	}
	int status = EXIT_FAILURE;
	if (start(&i, files, &err)) {
		torap_fail(kind->log.start, "%s", err.text);
		shut(&i);
	} else {
		torap_app_ready();
		status = torap_app_run(&i.app);
	}
	torap_app_finish(&i.app);
	kind->finish(agent);
	free(i.node);
	return status;
}

int kit_process_main(const struct kit_agent *kind, void *agent, const struct torap_app_arguments *arguments)
{
	const char *program = kind->app.program, *path = arguments->config;
	struct torap_error err;
	void *files;
	if (arguments->rest_count) {
		fprintf(stderr, "%s: no such option or argument: %s; see --help\n", program,
			arguments->rest[0]);
		return 2;
	}
	if (!path) {
		fprintf(stderr, "%s: -c FILE is needed; see --help\n", program);
		return 2;
	}
	int status = EXIT_SUCCESS;
	if (load(kind, &files, path, &err)) {
		fprintf(stderr, "%s: %s\n", program, err.text);
		status = EXIT_FAILURE;
	} else if (arguments->check_only) {
		printf("%s: good\n", path);
	} else {
		status = run(kind, agent, arguments, files);
	}
	unload(kind, files);
	return status;
}
