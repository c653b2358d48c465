#include "agents/dc09/agent.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "agents/dc09/page.h"
#include "agents/dc09/tcp.h"
#include "agents/dc09/udp.h"
#include "base/error.h"
#include "base/log.h"
#include "loop/app.h"
#include "loop/http.h"

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
	if (kit_room(a->kit) < count)
		return 0; /* All or none. */
	for (unsigned i = 0; i < count; i++) {
		dc09_observe(&a->scratch, m, i, account->code_page, now.wall);
		/* One verdict will be missing then: the panel hears nothing and repeats. */
		if (kit_offer(a->kit, &a->scratch.o, tag))
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

static void on_link(void *hint, bool up, const char *reason)
{
	struct dc09_agent *a = hint;
	if (up)
		torap_notice("DC09-NODE-UP", "the node at %s takes observations", a->config.node);
	else if (!a->closing)
		torap_warn("DC09-NODE-DOWN",
			"the node at %s is away (%s); panels get no answers and will repeat", a->config.node,
			reason);
}

/* The clock. */

static void on_tick(uv_timer_t *timer)
{
	struct dc09_agent *a = timer->data;
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

static int open_all(struct dc09_agent *a, struct torap_error *err)
{
	struct kit_options options = {
		.agent = "torap-dc09",
		.protocol = "dc09",
		.endpoint = a->config.node,
		.hint = a,
		.on_verdict = on_verdict,
		.on_rows = on_rows,
		.on_link = on_link,
	};
	int r = kit_open(&a->kit, a->loop, &options, err);
	if (!r && a->config.metrics)
		r = torap_http_open(&a->http, a->loop, a->config.metrics, dc09_page_routes, a, err);
	if (!r && a->config.listen_tcp)
		r = dc09_tcp_open(&a->tcp, a, err);
	if (!r && a->config.listen_udp)
		r = dc09_udp_open(&a->udp, a, err);
	return r;
}

int dc09_agent_open(struct dc09_agent *a, uv_loop_t *loop, struct dc09_config *config, struct dc09_keys *keys,
	struct torap_error *err)
{
	memset(a, 0, sizeof *a);
	a->loop = loop;
	a->config = *config;
	a->keys = *keys;
	*config = (struct dc09_config){ 0 };
	*keys = (struct dc09_keys){ 0 };
	a->port = (struct dc09_port){ a, on_account, on_offer, on_send };
	int r = dc09_text_load(err);
	if (r)
		return r;
	if (dc09_talks_init(&a->talks, a->config.connections_max + a->config.datagrams_max))
		return torap_errorf(err, -ENOMEM, "no memory for %u connections", a->config.connections_max);
	r = open_all(a, err);
	if (r) {
		dc09_agent_close(a);
		return r;
	}
	uv_timer_init(loop, &a->timer);
	a->timer.data = a;
	a->timing = true;
	uv_timer_start(&a->timer, on_tick, TICK_MS, TICK_MS);
	return 0;
}

static bool differ(const char *a, const char *b)
{
	return !a != !b || (a && strcmp(a, b) != 0);
}

/* What a running process cannot change: it says so, and goes on with the old. */
static void warn_of_fixed(const struct dc09_agent *a, const struct dc09_config *config)
{
	const struct dc09_config *now = &a->config;
	if (differ(now->listen_tcp, config->listen_tcp) || differ(now->listen_udp, config->listen_udp) ||
		differ(now->node, config->node) || differ(now->metrics, config->metrics) ||
		a->talks.room < config->connections_max + config->datagrams_max)
		torap_warn("DC09-RESTART",
			"%s: addresses, node and higher limits of connections hold after a restart",
			config->path);
}

void dc09_agent_reload(struct dc09_agent *a)
{
	struct torap_error err;
	struct dc09_config config = { 0 };
	struct dc09_keys keys = { 0 };
	int r = dc09_config_load(&config, a->config.path, &err);
	if (!r && config.keys)
		r = dc09_keys_load(&keys, config.keys, &err);
	if (r) {
		torap_fail("DC09-RELOAD", "%s; the old configuration stays in force", err.text);
		a->reloads_refused++;
		dc09_config_finish(&config);
		return;
	}
	warn_of_fixed(a, &config);
	a->config.limits = config.limits; /* sessions look here */
	if (config.connections_max + config.datagrams_max <= a->talks.room) {
		a->config.connections_max = config.connections_max;
		a->config.datagrams_max = config.datagrams_max;
	}
	dc09_keys_finish(&a->keys);
	a->keys = keys;
	dc09_accounts_recount(&a->accounts, &a->keys);
	a->reloads++;
	torap_notice("DC09-RELOADED", "%s: limits and %zu keys are in force", config.path, keys.count);
	dc09_config_finish(&config);
}

void dc09_agent_close(struct dc09_agent *a)
{
	a->closing = true;
	dc09_tcp_close(a->tcp);
	dc09_udp_close(a->udp);
	torap_http_close(a->http);
	kit_close(a->kit, NULL, NULL);
	if (a->timing)
		uv_close((uv_handle_t *)&a->timer, NULL);
	a->tcp = NULL;
	a->udp = NULL;
	a->http = NULL;
	a->kit = NULL;
	a->timing = false;
}

void dc09_agent_finish(struct dc09_agent *a)
{
	dc09_talks_finish(&a->talks);
	dc09_accounts_finish(&a->accounts);
	dc09_keys_finish(&a->keys);
	dc09_config_finish(&a->config);
}
