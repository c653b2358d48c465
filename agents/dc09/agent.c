#include "agents/dc09/agent.h"

#include <errno.h>
#include <stddef.h>

#include "agents/dc09/page.h"
#include "agents/dc09/tcp.h"
#include "agents/dc09/udp.h"
#include "base/error.h"
#include "base/log.h"
#include "conf/yaml.h"
#include "loop/app.h"

enum { TICK_MS = 500 };

struct dc09_now dc09_agent_now(void)
{
	return (struct dc09_now){ torap_app_mono(), torap_app_wall() };
}

/* The session's port. */

static void on_account(void *hint, const char *account, struct dc09_account *out)
{
	struct dc09_agent *a = hint;
	dc09_accounts_find(&a->accounts, &a->keys, account, out);
}

static unsigned on_offer(void *hint, struct dc09_session *s, uint64_t ticket, const struct dc09_message *m,
	const struct dc09_account *account, struct dc09_now now)
{
	struct dc09_agent *a = hint;
	struct dc09_talk *t = (struct dc09_talk *)((char *)s - offsetof(struct dc09_talk, session));
	struct kit_tag tag = { t->number, ticket };
	unsigned count = dc09_observations(m);
	if (kit_room(a->process->kit) < count)
		return 0; /* All or none. */
	for (unsigned i = 0; i < count; i++) {
		dc09_observe(&a->scratch, m, i, account->code_page, now.wall);
		/* One verdict will be missing then: the panel hears nothing and repeats. */
		if (kit_offer(a->process->kit, &a->scratch.o, tag))
			return i ? i + 1 : 0;
	}
	return count;
}

static void on_send(void *hint, struct dc09_session *s, struct torap_bytes reply)
{
	struct dc09_talk *t = (struct dc09_talk *)((char *)s - offsetof(struct dc09_talk, session));
	(void)hint;
	t->way->send(t, reply);
}

bool dc09_agent_begin(struct dc09_agent *a, struct dc09_talk *t, const struct dc09_talk_way *way)
{
	if (!dc09_talks_add(&a->talks, t))
		return false;
	t->way = way;
	dc09_session_init(&t->session, &a->port, &a->config.limits, &a->counters, uv_hrtime() ^ t->number,
		torap_app_mono());
	return true;
}

void dc09_agent_end(struct dc09_agent *a, struct dc09_talk *t)
{
	enum dc09_end end = dc09_session_end(&t->session);
	a->ends[end ? end : DC09_END_PANEL]++;
	dc09_talks_remove(&a->talks, t);
	dc09_session_finish(&t->session);
}

/* The node. */

static void on_verdict(void *hint, struct kit_tag tag, enum kit_verdict verdict, const char *reason)
{
	struct dc09_agent *a = hint;
	struct dc09_talk *t = dc09_talks_find(&a->talks, tag.who);
	(void)reason;
	if (!t)
		return; /* The panel has hung up.  It repeats, and the node knows a repeat. */
	dc09_session_verdict(&t->session, tag.what, kit_taken(verdict), dc09_agent_now());
	t->way->after(t);
}

static void on_rows(void *hint, const struct kit_row *rows, size_t count)
{
	struct dc09_agent *a = hint;
	if (dc09_accounts_set(&a->accounts, rows, count, &a->keys)) {
		torap_fail("DC09-ROWS", "no memory for %zu registry rows; the old ones stay in force", count);
		return;
	}
	const struct dc09_accounts *set = &a->accounts;
	torap_info("DC09-ROWS", "the node's registry has %zu accounts", set->count);
	if (set->left_out)
		torap_warn("DC09-ROWS",
			"%zu registry rows have an account or key name too long; their panels are unknown "
			"here",
			set->left_out);
	if (set->keyless)
		torap_warn("DC09-KEYLESS",
			"%zu accounts name a key that is not in the key file; what they encrypt gets no "
			"answer",
			set->keyless);
	if (set->unknown_pages)
		torap_warn("DC09-CODE-PAGE",
			"%zu accounts name a code page that is not known (cp1251, cp1252, kz1048, utf-8); it "
			"is guessed",
			set->unknown_pages);
}

/* The clock. */

static void on_tick(void *agent)
{
	struct dc09_agent *a = agent;
	struct dc09_now now = dc09_agent_now();
	for (uint32_t i = 0; i < a->talks.room; i++) {
		struct dc09_talk *t = a->talks.slots[i].talk;
		if (!t)
			continue;
		dc09_session_tick(&t->session, now);
		t->way->after(t);
	}
}

/* Begin, reload and end. */

static int load(void *files, const char *path, struct torap_error *err)
{
	struct dc09_files *f = files;
	int r = dc09_config_load(&f->config, path, err);
	if (!r && f->config.keys)
		r = dc09_keys_load(&f->keys, f->config.keys, err);
	return r;
}

static void unload(void *files)
{
	struct dc09_files *f = files;
	dc09_keys_finish(&f->keys);
	dc09_config_finish(&f->config);
}

static int open_all(void *agent, struct kit_process *p, void *files, struct torap_error *err)
{
	struct dc09_agent *a = agent;
	struct dc09_files *f = files;
	a->process = p;
	a->config = f->config;
	a->keys = f->keys;
	*f = (struct dc09_files){ 0 };
	a->port = (struct dc09_port){ a, on_account, on_offer, on_send };
	int r = dc09_text_load(err);
	if (!r && dc09_talks_init(&a->talks, a->config.connections_max + a->config.datagrams_max))
		r = torap_errorf(err, -ENOMEM, "no memory for %u connections", a->config.connections_max);
	r = r ? r : kit_process_connect(p, &a->config.kit, err);
	if (!r && a->config.listen_tcp)
		r = dc09_tcp_open(&a->tcp, a, err);
	if (!r && a->config.listen_udp)
		r = dc09_udp_open(&a->udp, a, err);
	if (!r)
		torap_notice("DC09-START", "listening on TCP %s, UDP %s",
			a->config.listen_tcp ? a->config.listen_tcp : "none",
			a->config.listen_udp ? a->config.listen_udp : "none");
	return r;
}

/* What a running process cannot change: it says so, and goes on with the old. */
static void warn_of_fixed(const struct dc09_agent *a, const struct dc09_config *config)
{
	const struct dc09_config *now = &a->config;
	if (!torap_yaml_same(now->listen_tcp, config->listen_tcp) ||
		!torap_yaml_same(now->listen_udp, config->listen_udp) ||
		!torap_yaml_same(now->kit.node, config->kit.node) ||
		!torap_yaml_same(now->kit.metrics, config->kit.metrics) ||
		a->talks.room < config->connections_max + config->datagrams_max)
		torap_warn("DC09-RESTART",
			"%s: addresses, node and higher limits of connections hold after a restart",
			config->kit.path);
}

static int reload(void *agent, void *files, struct torap_error *err)
{
	struct dc09_agent *a = agent;
	struct dc09_files *f = files;
	struct dc09_keys old = a->keys;
	(void)err; /* Nothing of it is refused. */
	warn_of_fixed(a, &f->config);
	a->config.limits = f->config.limits; /* sessions look here */
	if (f->config.connections_max + f->config.datagrams_max <= a->talks.room) {
		a->config.connections_max = f->config.connections_max;
		a->config.datagrams_max = f->config.datagrams_max;
	}
	a->keys = f->keys;
	f->keys = old;
	dc09_accounts_recount(&a->accounts, &a->keys);
	torap_notice(
		"DC09-RELOADED", "%s: limits and %zu keys are in force", f->config.kit.path, a->keys.count);
	return 0;
}

static void close_all(void *agent)
{
	struct dc09_agent *a = agent;
	dc09_tcp_close(a->tcp);
	dc09_udp_close(a->udp);
	a->tcp = NULL;
	a->udp = NULL;
}

static void finish(void *agent)
{
	struct dc09_agent *a = agent;
	dc09_talks_finish(&a->talks);
	dc09_accounts_finish(&a->accounts);
	dc09_keys_finish(&a->keys);
	dc09_config_finish(&a->config);
}

const struct kit_agent dc09_kit_agent = {
	.app = { .program = "torap-dc09",
		.purpose = "receives alarm panels that speak SIA DC-09, for a node on this host",
		.extra = "SIGHUP reads the configuration's limits and the key file again.",
		.low_latency = true },
	.protocol = "dc09",
	.log = { .start = "DC09-START",
		.stop = "DC09-STOP",
		.reload = "DC09-RELOAD",
		.node_up = "DC09-NODE-UP",
		.node_down = "DC09-NODE-DOWN",
		.stopping = "stopping; panels that have no answer yet will repeat",
		.takes = "observations",
		.away = "panels get no answers and will repeat" },
	.routes = dc09_page_routes,
	.tick_ms = TICK_MS,
	.files_size = sizeof(struct dc09_files),
	.load = load,
	.unload = unload,
	.open = open_all,
	.reload = reload,
	.close = close_all,
	.finish = finish,
	.on_tick = on_tick,
	.on_verdict = on_verdict,
	.on_rows = on_rows,
};
