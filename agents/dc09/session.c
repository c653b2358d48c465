#include "agents/dc09/session.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agents/dc09/reply.h"

const struct dc09_limits dc09_limits_default = {
	.idle_us = 26 * 3600 * (int64_t)TORAP_US_PER_S, /* a daily test, and an hour or two late */
	.first_us = 30 * (int64_t)TORAP_US_PER_S,
	.cut_us = 10 * (int64_t)TORAP_US_PER_S,
	.answer_us = 4 * (int64_t)TORAP_US_PER_S,
	.noise_bytes = 2048,
};

enum { WRONG_FOR_NOISE = 16 }; /* bytes of wrong bodies are as much as one of noise */
enum answer { ANSWER_ACK, ANSWER_NAK, ANSWER_DUH };

struct dc09_pending {
	struct dc09_pending *next;
	uint64_t ticket;
	enum answer answer;
	unsigned waiting; /* verdicts still to come */
	bool refused;
	bool binary;
	struct dc09_key key; /* size 0: a plain answer */
	struct torap_mono since;
	size_t echo_size;
	uint8_t echo[DC09_ECHO_MAX];
};

const char *dc09_end_name(enum dc09_end end)
{
	static const char *const names[] = {
		[DC09_GOES_ON] = "goes-on",
		[DC09_END_IDLE] = "idle",
		[DC09_END_NEVER_SPOKE] = "never-spoke",
		[DC09_END_CUT_SHORT] = "cut-short",
		[DC09_END_NOISE] = "noise",
		[DC09_END_PANEL] = "panel",
		[DC09_END_BROKEN] = "broken",
	};
	return end < DC09_ENDS ? names[end] : NULL;
}

void dc09_session_init(struct dc09_session *s, const struct dc09_port *port, const struct dc09_limits *limits,
	struct dc09_counters *counters, uint64_t random, struct torap_mono now)
{
	*s = (struct dc09_session){
		.port = port,
		.limits = limits,
		.counters = counters,
		.random = random,
		.next_ticket = 1,
		.began = now,
		.last_bytes = now,
	};
}

static void forget_oldest(struct dc09_session *s)
{
	struct dc09_pending *p = s->oldest;
	s->oldest = p->next;
	if (!s->oldest)
		s->newest = NULL;
	s->pending_count--;
	sodium_memzero(&p->key, sizeof p->key);
	free(p);
}

void dc09_session_finish(struct dc09_session *s)
{
	while (s->oldest) {
		s->counters->silent[DC09_SILENT_GONE]++;
		forget_oldest(s);
	}
	dc09_splitter_finish(&s->splitter);
}

static void silence(struct dc09_session *s, enum dc09_silence why)
{
	s->counters->silent[why]++;
}

static void answer(struct dc09_session *s, const struct dc09_pending *p, struct dc09_now now)
{
	struct dc09_reply reply;
	struct torap_bytes echo = torap_bytes(p->echo, p->echo_size);
	switch (p->answer) {
	case ANSWER_ACK:
		s->random = s->random * 6364136223846793005u + 1442695040888963407u;
		if (!dc09_reply_ack(&reply, echo, p->binary, &p->key, now.wall, s->random)) {
			silence(s, DC09_SILENT_BROKEN);
			return;
		}
		s->counters->acked++;
		break;
	case ANSWER_NAK:
		dc09_reply_nak(&reply, p->binary, now.wall);
		s->counters->naked++;
		break;
	case ANSWER_DUH:
		dc09_reply_duh(&reply, echo, p->binary);
		s->counters->duh++;
		break;
	}
	s->port->send(s->port->hint, s, torap_bytes(reply.bytes, reply.size));
}

/* Answers in the order of the messages, as far as their verdicts are there. */
static void answer_ready(struct dc09_session *s, struct dc09_now now)
{
	while (s->oldest && !s->oldest->waiting) {
		if (s->oldest->refused)
			silence(s, DC09_SILENT_REFUSED);
		else
			answer(s, s->oldest, now);
		forget_oldest(s);
	}
}

static struct dc09_pending *await(
	struct dc09_session *s, const struct dc09_frame *frame, enum answer answer, struct dc09_now now)
{
	struct dc09_pending *p = calloc(1, sizeof *p);
	if (!p) {
		silence(s, DC09_SILENT_BROKEN);
		return NULL;
	}
	p->ticket = s->next_ticket++;
	p->answer = answer;
	p->binary = frame->binary;
	p->since = now.mono;
	p->echo_size = frame->echo.size;
	memcpy(p->echo, frame->echo.data, frame->echo.size);
	if (s->newest)
		s->newest->next = p;
	else
		s->oldest = p;
	s->newest = p;
	s->pending_count++;
	return p;
}

/* Takes back the newest, which was not offered after all. */
static void forget_newest(struct dc09_session *s)
{
	struct dc09_pending **at = &s->oldest, *before = NULL;
	while ((*at)->next) {
		before = *at;
		at = &(*at)->next;
	}
	sodium_memzero(&(*at)->key, sizeof(*at)->key);
	free(*at);
	*at = NULL;
	s->newest = before;
	s->pending_count--;
}

static void offer(struct dc09_session *s, const struct dc09_message *m, const struct dc09_account *account,
	struct dc09_now now)
{
	struct dc09_counters *count = s->counters;
	count->messages[m->vocabulary]++;
	count->encrypted += m->frame.encrypted;
	count->plain_with_key += !m->frame.encrypted && account->key.size;
	count->empty += (m->vocabulary == DC09_SIA || m->vocabulary == DC09_CID) && !m->content.events_count;

	struct dc09_pending *p = await(s, &m->frame, ANSWER_ACK, now);
	if (!p)
		return;
	if (m->frame.encrypted)
		p->key = account->key;
	p->waiting = s->port->offer(s->port->hint, s, p->ticket, m, account, now);
	if (!p->waiting) {
		silence(s, DC09_SILENT_AWAY);
		forget_newest(s);
	}
}

static void take_frame(
	struct dc09_session *s, const struct dc09_cut *cut, enum dc09_crc_form form, struct dc09_now now)
{
	s->counters->frames[form]++;
	s->spoke = true;
	s->half_since = now.mono; /* what follows it in the same bytes begins now */
	struct dc09_frame frame;
	if (dc09_frame_decode(&frame, cut, form)) {
		silence(s, DC09_SILENT_UNREADABLE);
		return;
	}
	char name[DC09_ACCOUNT_MAX + 1];
	dc09_message_account(name, &frame);
	struct dc09_account account = { 0 };
	if (name[0])
		s->port->account(s->port->hint, name, &account);

	struct dc09_message m;
	int answer = dc09_message_decode(&m, &frame, &account.key, now.wall);
	if (answer != DC09_MESSAGE_REPLY) {
		s->noise_before = s->splitter.noise;
		s->wrong_before = s->splitter.wrong;
	}
	switch (answer) {
	case 0:
		if (!name[0])
			s->port->account(s->port->hint, m.account, &account);
		offer(s, &m, &account, now);
		break;
	case DC09_MESSAGE_REPLY:
		silence(s, DC09_SILENT_REPLY);
		break;
	case DC09_MESSAGE_NO_ACCOUNT:
		await(s, &frame, ANSWER_DUH, now);
		break;
	case DC09_MESSAGE_NO_KEY:
		silence(s, DC09_SILENT_NO_KEY);
		break;
	case DC09_MESSAGE_NOISE:
		silence(s, DC09_SILENT_NOISE);
		break;
	case DC09_MESSAGE_FOREIGN:
		silence(s, DC09_SILENT_FOREIGN);
		break;
	case DC09_MESSAGE_OUT_OF_TIME:
		await(s, &frame, ANSWER_NAK, now);
		break;
	}
}

bool dc09_session_hungry(const struct dc09_session *s)
{
	return s->pending_count < DC09_PENDING_MAX && !s->end && !s->hung_up;
}

/* A wrong body is looked at anew from each header inside it: that is work, and no panel makes so much of it. */
static bool is_noisy(const struct dc09_session *s)
{
	return s->splitter.noise - s->noise_before > s->limits->noise_bytes ||
	       s->splitter.wrong - s->wrong_before > WRONG_FOR_NOISE * s->limits->noise_bytes;
}

static void work(struct dc09_session *s, struct dc09_now now)
{
	enum dc09_split split = DC09_SPLIT_FRAME;
	while (!s->end && s->pending_count < DC09_PENDING_MAX) {
		struct dc09_cut cut;
		enum dc09_crc_form form;
		uint64_t noise = s->splitter.noise;
		split = dc09_splitter_next(&s->splitter, &cut, &form);
		s->counters->noise_bytes += s->splitter.noise - noise;
		if (split == DC09_SPLIT_NONE)
			break;
		if (split == DC09_SPLIT_BAD)
			silence(s, DC09_SILENT_BAD_CRC);
		else
			take_frame(s, &cut, form, now);
		answer_ready(s, now);
		if (is_noisy(s))
			s->end = DC09_END_NOISE;
	}
	if (!s->end && split == DC09_SPLIT_NONE && is_noisy(s))
		s->end = DC09_END_NOISE;
	if (!s->end && s->hung_up && split == DC09_SPLIT_NONE && !s->pending_count)
		s->end = DC09_END_PANEL;
}

void dc09_session_bytes(struct dc09_session *s, struct torap_bytes bytes, struct dc09_now now)
{
	if (s->end || s->hung_up)
		return;
	s->last_bytes = now.mono;
	if (!dc09_splitter_waiting(&s->splitter))
		s->half_since = now.mono;
	if (dc09_splitter_feed(&s->splitter, bytes)) {
		s->end = DC09_END_BROKEN;
		return;
	}
	work(s, now);
}

void dc09_session_hang_up(struct dc09_session *s, struct dc09_now now)
{
	s->hung_up = true;
	dc09_splitter_end(&s->splitter);
	work(s, now);
}

void dc09_session_verdict(struct dc09_session *s, uint64_t ticket, bool taken, struct dc09_now now)
{
	struct dc09_pending *p = s->oldest;
	while (p && p->ticket != ticket)
		p = p->next;
	if (!p || !p->waiting)
		return;
	p->waiting--;
	p->refused |= !taken;
	answer_ready(s, now);
	work(s, now);
}

static bool passed(struct torap_mono since, int64_t us, struct dc09_now now)
{
	return now.mono.us - since.us >= us;
}

void dc09_session_tick(struct dc09_session *s, struct dc09_now now)
{
	if (s->end)
		return;
	while (s->oldest && passed(s->oldest->since, s->limits->answer_us, now)) {
		silence(s, DC09_SILENT_LATE);
		forget_oldest(s);
		answer_ready(s, now);
	}
	work(s, now);
	if (s->end || s->pending_count)
		return;
	if (!s->spoke && passed(s->began, s->limits->first_us, now))
		s->end = DC09_END_NEVER_SPOKE;
	else if (dc09_splitter_waiting(&s->splitter) && passed(s->half_since, s->limits->cut_us, now))
		s->end = DC09_END_CUT_SHORT;
	else if (passed(s->last_bytes, s->limits->idle_us, now))
		s->end = DC09_END_IDLE;
}
