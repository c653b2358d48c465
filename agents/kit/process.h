/* process.h: the process of an agent, from its command line to its exit status.
 *
 *     options → files (-n ends here) → the agent's parts, the kit, its page, the clock → ready
 *     SIGHUP: files again, all or none          SIGTERM: everything is closed
 *
 * What is the agent's own stands in a struct kit_agent.  All of its functions run on the loop. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "agents/kit/config.h"
#include "agents/kit/kit.h"
#include "loop/app.h"
#include "loop/http.h"

struct torap_error;

/* What runs.  The agent looks, and changes on_request only. */
struct kit_process {
	uv_loop_t *loop;
	struct kit *kit; /* NULL: not yet, or not any more */
	bool closing;
	uint64_t reloads, reloads_refused;
	/* As in kit.h.  Set before kit_process_connect() by who takes requests. */
	void (*on_request)(void *agent, const Torap__AgentRequest *request);
};

struct kit_agent {
	struct torap_app_options app; /* program, and what --help says */
	const char *protocol;         /* whose registry rows it wants */
	/* Its log lines: ids, and what is its own in the text. */
	struct {
		const char *start, *stop, *reload, *node_up, *node_down;
		const char *stopping; /* "stopping; panels that have no answer yet will repeat" */
		const char *takes;    /* the node at … takes "observations" */
		const char *away; /* the node at … is away (…); "panels get no answers and will repeat" */
	} log;
	const struct torap_http_route *routes; /* of its page; get the agent */
	uint64_t tick_ms;

	/* The files: the configuration and what it names, in a struct of this size, zeros at first.  load() gives 0 or a negative error
	 * with file, line and reason; unload() copes with zeros and with the half loaded. */
	size_t files_size;
	int (*load)(void *files, const char *path, struct torap_error *err);
	void (*unload)(void *files);

	/* Takes over the files (leaves zeros), opens its parts and says kit_process_connect() once.  After a failure close() follows. */
	int (*open)(void *agent, struct kit_process *p, void *files, struct torap_error *err);
	/* Takes over of new files what can change while it runs, and leaves the old or the rest, to be unloaded.  A negative error
	 * refuses them: then nothing has changed. */
	int (*reload)(void *agent, void *files, struct torap_error *err);
	/* Takes its parts off the loop, however many are open; the kit, the page and the clock follow. */
	void (*close)(void *agent);
	/* After the loop has ended: frees everything. */
	void (*finish)(void *agent);

	void (*on_tick)(void *agent);
	/* As in kit.h. */
	void (*on_verdict)(void *agent, struct kit_tag tag, enum kit_verdict verdict, const char *reason);
	void (*on_rows)(void *agent, const struct kit_row *rows, size_t count);
};

/* What main() does, once it has read its arguments by torap_app_arguments() and found no words of its own among them: the exit status.
 * `agent` is of the caller, and what the functions above get. */
int kit_process_main(const struct kit_agent *kind, void *agent, const struct torap_app_arguments *arguments);
/* Of open(): begins to dial the node, and shows the page if there is to be one. */
int kit_process_connect(struct kit_process *p, const struct kit_config *config, struct torap_error *err);
/* Prometheus lines that all agents have: reloads, under a name of the agent's, and kit_metrics(). */
void kit_process_metrics(
	const struct kit_process *p, struct torap_writer *body, const char *reloads, const char *help);
