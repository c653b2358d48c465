/* desk.h: a session on a desk: what it offers and sends is kept, verdicts are given by hand.
 *
 * Everything is in the header, so that each test stays one file. */
#pragma once

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/dc09/crc.h"
#include "agents/dc09/observe.h"
#include "agents/dc09/session.h"

enum { DESK_SEEN_MAX = 256, DESK_SENT_MAX = 1 << 16 };

struct desk_seen {
	uint64_t ticket;
	bool alive, dated, has_position;
	double latitude, longitude;
	char vocabulary[16], code[24], address[40], area[24], zone[24], user[24], text[128], device_time[32];
	char fields[1024], personal[1024]; /* "name=value;" each */
	int64_t device_time_us;
	uint8_t repeat_key[DC09_REPEAT_KEY_SIZE];
	size_t repeat_key_size;
	enum dc09_crc_form form;
};

struct desk {
	struct dc09_session s;
	struct dc09_port port;
	struct dc09_limits limits;
	struct dc09_counters counters;
	struct dc09_now now;
	struct dc09_account account; /* what every account gets */
	bool away;                   /* the node takes nothing */
	bool by_hand; /* verdicts come from the test; else each is taken at once, in desk_feed() */
	struct desk_seen seen[DESK_SEEN_MAX];
	unsigned seen_count, judged;
	uint8_t sent[DESK_SENT_MAX];
	size_t sent_size;
};

static inline void on_account(void *hint, const char *account, struct dc09_account *out)
{
	(void)account;
	*out = ((struct desk *)hint)->account;
}

static inline void list_fields(char *out, size_t room, Torap__Field *const *fields, size_t count)
{
	size_t used = 0;
	out[0] = 0;
	for (size_t i = 0; i < count && used < room; i++)
		used += (size_t)snprintf(
			out + used, room - used, "%s=%s;", fields[i]->name, fields[i]->value);
}

static inline void keep(struct desk *d, uint64_t ticket, enum dc09_crc_form form, const Torap__Observation *o)
{
	cr_assert(d->seen_count < DESK_SEEN_MAX);
	struct desk_seen *s = &d->seen[d->seen_count++];
	s->ticket = ticket;
	s->form = form;
	s->alive = o->sort == TORAP__OBSERVATION__SORT__SORT_ALIVE;
	s->dated = o->dated;
	s->device_time_us = o->device_time_us;
	s->has_position = o->position != NULL;
	if (o->position) {
		s->latitude = o->position->latitude;
		s->longitude = o->position->longitude;
	}
	snprintf(s->vocabulary, sizeof s->vocabulary, "%s", o->vocabulary);
	snprintf(s->code, sizeof s->code, "%s", o->code);
	snprintf(s->address, sizeof s->address, "%s", o->address);
	snprintf(s->area, sizeof s->area, "%s", o->area);
	snprintf(s->zone, sizeof s->zone, "%s", o->zone);
	snprintf(s->user, sizeof s->user, "%s", o->user);
	snprintf(s->text, sizeof s->text, "%s", o->text);
	list_fields(s->fields, sizeof s->fields, o->fields, o->n_fields);
	list_fields(s->personal, sizeof s->personal, o->personal, o->n_personal);
	s->repeat_key_size = o->repeat_key.len;
	memcpy(s->repeat_key, o->repeat_key.data ? o->repeat_key.data : s->repeat_key, o->repeat_key.len);
	cr_assert(torap__observation__get_packed_size(o) < 64 << 10);
}

static inline unsigned on_offer(void *hint, struct dc09_session *s, uint64_t ticket,
	const struct dc09_message *m, const struct dc09_account *account, struct dc09_now now)
{
	struct desk *d = hint;
	(void)s;
	if (d->away)
		return 0;
	static struct dc09_observation o;
	unsigned count = dc09_observations(m);
	for (unsigned i = 0; i < count; i++) {
		dc09_observe(&o, m, i, account->code_page, now.wall);
		keep(d, ticket, m->frame.form, &o.o);
	}
	return count;
}

static inline void on_send(void *hint, struct dc09_session *s, struct torap_bytes reply)
{
	struct desk *d = hint;
	(void)s;
	cr_assert(d->sent_size + reply.size <= DESK_SENT_MAX);
	memcpy(d->sent + d->sent_size, reply.data, reply.size);
	d->sent_size += reply.size;
}

static inline void desk_clock(struct desk *d, const char *rfc3339)
{
	cr_assert_eq(torap_wall_parse(&d->now.wall, rfc3339, NULL), 0);
}

/* The clock stands at 2026-11-22 12:00:00. */
static inline struct desk *desk_open(void)
{
	cr_assert_eq(dc09_text_load(NULL), 0);
	struct desk *d = calloc(1, sizeof *d);
	cr_assert(d);
	d->port = (struct dc09_port){ d, on_account, on_offer, on_send };
	d->limits = dc09_limits_default;
	d->now.mono.us = 1000000;
	desk_clock(d, "2026-11-22T12:00:00Z");
	dc09_session_init(&d->s, &d->port, &d->limits, &d->counters, 7, d->now.mono);
	return d;
}

static inline void desk_close(struct desk *d)
{
	dc09_session_finish(&d->s);
	free(d);
}

static inline void desk_later(struct desk *d, int64_t ms)
{
	d->now.mono.us += ms * TORAP_US_PER_MS;
	d->now.wall.us += ms * TORAP_US_PER_MS;
	dc09_session_tick(&d->s, d->now);
}

/* Gives a verdict on everything that was offered and not yet judged. */
static inline void desk_judge(struct desk *d, bool taken)
{
	while (d->judged < d->seen_count) {
		uint64_t ticket = d->seen[d->judged++].ticket;
		dc09_session_verdict(&d->s, ticket, taken, d->now);
	}
}

static inline void desk_feed(struct desk *d, const void *bytes, size_t size)
{
	dc09_session_bytes(&d->s, torap_bytes(bytes, size), d->now);
	if (!d->by_hand)
		desk_judge(d, true);
}

static inline void desk_text(struct desk *d, const char *text)
{
	desk_feed(d, text, strlen(text));
}

/* A frame around `body`, as a faultless panel would send it, fed to the session. */
static inline void desk_say(struct desk *d, const char *body)
{
	char frame[4200];
	int size = snprintf(frame, sizeof frame, "\n%04X%04X%s\r",
		(unsigned)dc09_crc(torap_bytes(body, strlen(body))), (unsigned)strlen(body), body);
	desk_feed(d, frame, (size_t)size);
}

/* Exactly this, since the start. */
static inline bool desk_sent(const struct desk *d, const void *bytes, size_t size)
{
	return d->sent_size == size && !memcmp(d->sent, bytes, size);
}

static inline bool desk_sent_text(const struct desk *d, const char *text)
{
	return desk_sent(d, text, strlen(text));
}

static inline uint64_t desk_silent(const struct desk *d)
{
	uint64_t sum = 0;
	for (int i = 0; i < DC09_SILENCES; i++)
		sum += d->counters.silent[i];
	return sum;
}

/* Corpus files are read where they lie; NULL and one line on the screen when the corpus is not there. */
static inline const char *desk_corpus(void)
{
	static char path[512];
	const char *root = getenv("TORAP_CORPUS");
	snprintf(path, sizeof path, "%s/dc09", root ? root : "../shared/corpus");
	if (!access(path, R_OK))
		return path;
	printf("no corpus at %s: nothing was compared with it\n", path);
	return NULL;
}

static inline uint8_t *desk_read(const char *folder, const char *name, size_t *size)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	uint8_t *bytes = malloc(1 << 16);
	cr_assert(bytes);
	*size = fread(bytes, 1, 1 << 16, f);
	fclose(f);
	return bytes;
}
