#include "agents/ctl/panel_fleet.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/ctl/command.h"
#include "loop/app.h"

enum { TICK_MS = 2, PATIENCE_MS = 50 };

static uint64_t draw(struct ctl_panel_fleet *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return f->random >> 11;
}

/* The log: what the receiver has acknowledged, for a comparison with what arrived elsewhere. */
static void write_log(struct ctl_panel_fleet *f, const struct ctl_panel_phone *p)
{
	const struct ctl_panel_message *m = &p->message;
	char code[16], area[16], zone[16], user[16], time[TORAP_WALL_TEXT_SIZE];
	ctl_panel_code(code, sizeof code, m);
	ctl_panel_area(area, sizeof area, m);
	ctl_panel_zone(zone, sizeof zone, m);
	ctl_panel_user(user, sizeof user, m);
	torap_wall_format((struct torap_wall){ m->time.us / TORAP_US_PER_S * TORAP_US_PER_S }, time);
	int r = fprintf(f->log,
		"{\"account\":\"%s\",\"event\":\"%s\",\"restore\":%s,\"vocabulary\":\"%s\",\"code\":\"%s\",\"area\":\"%s\",\"zone\":\"%s\",\"user\":\"%s\","
		"\"sequence\":\"%04u\",\"dated\":%s,\"time\":\"%s\",\"tries\":%u,\"took_us\":%lld}\n",
		m->account, m->event->name, m->restore ? "true" : "false",
		!m->event->sia ? "null"
		: m->cid       ? "adm-cid"
			       : "sia-dcs",
		code, area, zone, user, m->sequence, m->dated ? "true" : "false", m->dated ? time : "",
		p->tried, (long long)p->took_us);
	f->log_failed |= r < 0 || fflush(f->log) != 0; /* Flushed: whoever kills us can still compare. */
}

static void keep_latency(struct ctl_panel_result *r, int64_t took_us)
{
	if (r->acknowledged == r->took_room) {
		size_t room = r->took_room ? 2 * r->took_room : 1024;
		uint32_t *took = realloc(r->took_us, room * sizeof *took);
		if (!took)
			return; /* The percentiles then tell of fewer. */
		r->took_us = took;
		r->took_room = room;
	}
	r->took_us[r->acknowledged] = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;
}

static void end_when_done(struct ctl_panel_fleet *f)
{
	if (!f->ended || f->waiting || uv_is_closing((uv_handle_t *)&f->timer))
		return;
	f->result.lasted_us = torap_app_mono().us - f->began.us;
	for (size_t i = 0; i < f->options->accounts_count; i++)
		ctl_panel_phone_close(&f->phones[i]);
	uv_close((uv_handle_t *)&f->timer, NULL);
	for (int i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&f->signals[i], NULL);
}

/* Whatever was told gets its answer first, so that the log is the truth about what the receiver acknowledged. */
static void on_signal(uv_signal_t *signal, int number)
{
	struct ctl_panel_fleet *f = signal->data;
	if (f->interrupted)
		_exit(128 + number);
	f->interrupted = true;
}

static void on_done(void *hint, struct ctl_panel_phone *p, enum ctl_panel_answer answer)
{
	struct ctl_panel_fleet *f = hint;
	struct ctl_panel_result *r = &f->result;
	f->waiting--;
	r->repeated += p->repeats;
	if (answer == CTL_PANEL_ACK) {
		keep_latency(r, p->took_us);
		r->acknowledged++;
		r->nulls += !p->message.event->sia;
		if (f->log)
			write_log(f, p);
	} else if (answer == CTL_PANEL_NOTHING) {
		r->unanswered++;
		r->trouble = p->trouble;
	} else {
		r->refused++;
	}
	size_t count = f->options->accounts_count;
	f->idle[(f->idle_first + f->idle_count++) % count] = (size_t)(p - f->phones);
}

/* Something that this panel has not told within this second, so that two messages never look like a repeat. */
static struct ctl_panel_message draw_message(struct ctl_panel_fleet *f, struct ctl_panel_phone *p)
{
	const struct ctl_panel_options *o = f->options;
	struct ctl_panel_message m = { .cid = o->cid, .area = o->area, .dated = !o->undated };
	m.event = ctl_panel_event_draw(draw(f));
	if (p->raised && m.event->sia && draw(f) % 2) {
		m.event = p->raised;
		m.number = p->raised_number;
		m.restore = true;
		p->raised = NULL;
		return m;
	}
	m.number = p->next_number;
	p->next_number = p->next_number % 998 + 1;
	if (m.event->sia_end && !p->raised) {
		p->raised = m.event;
		p->raised_number = m.number;
	}
	return m;
}

static void tell(struct ctl_panel_fleet *f)
{
	const struct ctl_panel_options *o = f->options;
	struct ctl_panel_phone *p = &f->phones[f->idle[f->idle_first]];
	f->idle_first = (f->idle_first + 1) % o->accounts_count;
	f->idle_count--;
	struct ctl_panel_message m = { .event = o->event,
		.restore = o->restore,
		.cid = o->cid,
		.area = o->area,
		.number = o->number,
		.dated = !o->undated };
	if (o->load)
		m = draw_message(f, p);
	f->waiting++;
	f->result.sent++;
	ctl_panel_phone_tell(p, &m);
}

/* How many messages should have been told by now. */
static uint64_t due(const struct ctl_panel_fleet *f, struct torap_mono now)
{
	if (!f->options->load)
		return 1;
	if (!f->options->rate)
		return UINT64_MAX;
	return (uint64_t)((double)(now.us - f->began.us) / TORAP_US_PER_S * f->options->rate) + 1;
}

static void on_tick(uv_timer_t *timer)
{
	struct ctl_panel_fleet *f = timer->data;
	struct torap_mono now = torap_app_mono();
	const struct ctl_panel_options *o = f->options;
	if (torap_mono_reached(torap_mono_add_ms(f->ticked, PATIENCE_MS), now)) {
		f->ticked = now;
		for (size_t i = 0; i < o->accounts_count; i++)
			ctl_panel_phone_tick(&f->phones[i], now);
	}
	f->ended = f->interrupted || (o->load ? now.us - f->began.us >= o->duration_us : f->result.sent > 0);
	uint64_t most = due(f, now);
	while (!f->ended && f->idle_count && f->result.sent < most)
		tell(f);
	end_when_done(f);
}

static int open_all(struct ctl_panel_fleet *f)
{
	const struct ctl_panel_options *o = f->options;
	f->phones = calloc(o->accounts_count, sizeof *f->phones);
	f->idle = calloc(o->accounts_count, sizeof *f->idle);
	if (!f->phones || !f->idle)
		return ctl_fail("no memory for %zu panels", o->accounts_count);
	if (o->log) {
		f->log = fopen(o->log, "a"); /* What was acknowledged earlier stays true. */
		if (!f->log)
			return ctl_fail("--log %s: %s", o->log, strerror(errno));
	}
	for (size_t i = 0; i < o->accounts_count; i++) {
		ctl_panel_phone_init(&f->phones[i], &f->line, o->accounts[i], draw(f));
		f->idle[f->idle_count++] = i;
	}
	return 0;
}

int ctl_panel_fleet_run(struct ctl_panel_fleet *f, const struct ctl_panel_options *options)
{
	memset(f, 0, sizeof *f);
	f->options = options;
	f->random = options->seed * 2 + 1;
	for (int i = 0; i < 16; i++) /* Small seeds begin with small numbers. */
		draw(f);
	f->line = (struct ctl_panel_line){ .loop = &f->loop,
		.to = *options->to,
		.udp = options->udp,
		.tries = options->tries,
		.timeout_us = options->timeout_us,
		.key = options->key,
		.hint = f,
		.on_done = on_done };
	int status = open_all(f);
	if (status)
		return status;
	int r = uv_loop_init(&f->loop);
	if (r)
		return ctl_fail("cannot make an event loop: %s", uv_strerror(r));
	uv_timer_init(&f->loop, &f->timer);
	f->timer.data = f;
	for (int i = 0; i < 2; i++) {
		uv_signal_init(&f->loop, &f->signals[i]);
		f->signals[i].data = f;
		uv_signal_start(&f->signals[i], on_signal, i ? SIGINT : SIGTERM);
	}
	f->began = f->ticked = torap_app_mono();
	uv_timer_start(&f->timer, on_tick, 0, TICK_MS);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	uv_loop_close(&f->loop);
	if (f->log && fclose(f->log) != 0)
		f->log_failed = true;
	f->log = NULL;
	return f->log_failed ? ctl_fail("--log %s: cannot be written", options->log) : 0;
}

void ctl_panel_fleet_finish(struct ctl_panel_fleet *f)
{
	if (f->log)
		fclose(f->log);
	free(f->phones);
	free(f->idle);
	free(f->result.took_us);
}
