#include "agents/rtsp/outage/outage_state.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/kit/plan.h"
#include "base/error.h"
#include "base/log.h"
#include "conf/file.h"

enum { DIGEST = 16, TEXT_MAX = 255, DARK = 1, UNTOLD = 2 /* flags of a member */ };
static const char magic[] = "torap-rtsp outages 3\n", old_magic[] = "torap-rtsp outages 2\n";

/* Writing. */

static void write_text(struct torap_writer *w, const char *text)
{
	torap_write_u32(w, (uint32_t)strlen(text));
	torap_write_bytes(w, torap_bytes(text, strlen(text)));
}

static void write_members(const struct rtsp_outages *o, const struct rtsp_cameras *cameras, uint32_t place,
	struct torap_writer *w)
{
	const enum rtsp_fault fault = o->shares[place].outage->what.fault;
	/* A change that a restart would lose: it names all of them then. */
	const bool on_its_way = o->shares[place].pending;
	uint32_t count = 0;
	for (uint32_t i = 0; i < o->room; i++)
		count += o->seats[i].number && rtsp_outages_member(o, fault, i)->share == place;
	torap_write_u32(w, count);
	for (uint32_t i = 0; i < o->room; i++) {
		const struct rtsp_member *m = rtsp_outages_member(o, fault, i);
		if (!o->seats[i].number || m->share != place)
			continue;
		write_text(w, cameras->slots[i]->address);
		torap_write_u8(
			w, (m->state == RTSP_MEMBER_IN ? DARK : 0) | (m->untold || on_its_way ? UNTOLD : 0));
		torap_write_u64(w, (uint64_t)m->since.us);
		torap_write_u8(w, (uint8_t)m->cause);
		torap_write_u8(w, (uint8_t)m->reported);
	}
}

static void write_share(const struct rtsp_outages *o, const struct rtsp_cameras *cameras, uint32_t place,
	struct torap_writer *w)
{
	const struct rtsp_share *share = &o->shares[place];
	const struct rtsp_outage *outage = share->outage;
	const struct rtsp_camera *first = rtsp_cameras_find(cameras, share->first);
	torap_write_u8(w, (uint8_t)outage->common);
	write_text(w, outage->name);
	torap_write_u8(w, (uint8_t)outage->what.fault);
	torap_write_u8(w, (uint8_t)outage->cause);
	torap_write_u8(w, (uint8_t)outage->what.kind);
	torap_write_u64(w, (uint64_t)outage->began.us);
	torap_write_u32(w, outage->before);
	torap_write_u64(w, share->audience);
	torap_write_u64(w, (uint64_t)share->since.us);
	write_text(w, first ? first->address : "");
	torap_write_u8(w, share->ended);
	torap_write_u32(w, share->ended ? share->members : 0);
	torap_write_u8(w, outage->what.excused);
	if (outage->what.excused) {
		write_text(w, share->planned ? share->planned->who : "");
		write_text(w, share->planned ? share->planned->why : "");
	}
	write_members(o, cameras, place, w);
}

void rtsp_outage_state_encode(
	const struct rtsp_outages *o, const struct rtsp_cameras *cameras, struct torap_writer *w)
{
	struct torap_writer body = { 0 };
	uint8_t digest[DIGEST];
	for (uint32_t i = 0; i < o->shares_room; i++)
		if (o->shares[i].number && o->shares[i].durable)
			write_share(o, cameras, i, &body);
	crypto_generichash(digest, DIGEST, body.data, body.size, NULL, 0);
	torap_write_bytes(w, torap_bytes(magic, strlen(magic)));
	torap_write_bytes(w, torap_bytes(digest, DIGEST));
	torap_write_bytes(w, torap_bytes(body.data, body.size));
	w->failed |= body.failed;
	torap_writer_finish(&body);
}

/* Reading. */

/* Into room for TEXT_MAX + 1. */
static void read_text(struct torap_reader *r, char *out)
{
	uint32_t size = torap_read_u32(r);
	struct torap_bytes text = torap_read_bytes(r, size);
	r->failed |=
		size > TEXT_MAX || memchr(r->failed ? "" : (const char *)text.data, 0, r->failed ? 0 : size);
	size = r->failed ? 0 : size;
	if (size)
		memcpy(out, text.data, size);
	out[size] = 0;
}

/* By whom and why: the plan itself may have changed since. */
static struct kit_planned *read_planned(struct torap_reader *r)
{
	char who[TEXT_MAX + 1], why[TEXT_MAX + 1];
	read_text(r, who);
	read_text(r, why);
	struct kit_planned *p = r->failed ? NULL : calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->refs = 1;
	p->who = strdup(who);
	p->why = strdup(why);
	return p->who && p->why ? p : kit_planned_unref(p);
}

static void read_member(struct rtsp_outages *o, struct rtsp_share *share, const struct rtsp_cameras *cameras,
	struct torap_reader *r, struct rtsp_now now)
{
	char address[TEXT_MAX + 1];
	read_text(r, address);
	unsigned flags = torap_read_u8(r);
	int64_t since = (int64_t)torap_read_u64(r);
	unsigned cause = torap_read_u8(r), outcome = torap_read_u8(r);
	r->failed |= cause >= RTSP_CAUSES || outcome >= RTSP_OUTCOMES || since < 0;
	struct rtsp_camera *c = r->failed ? NULL : rtsp_cameras_named(cameras, address);
	if (!c)
		return;
	const enum rtsp_fault fault = share->outage->what.fault;
	uint32_t slot = rtsp_camera_slot(c);
	if (slot >= o->room || rtsp_outages_member(o, fault, slot)->share != RTSP_NO_SHARE)
		return;
	const struct rtsp_member like = { .state = flags & DARK ? RTSP_MEMBER_IN : RTSP_MEMBER_FREE,
		.untold = flags & UNTOLD,
		.since = { since },
		.cause = (enum rtsp_cause)cause,
		.reported = (enum rtsp_outcome)outcome };
	if (!rtsp_outages_restore_member(o, share, slot, &like, now.mono) || !(flags & DARK))
		return;
	struct rtsp_trouble *t = &c->health.troubles[fault];
	*t = (struct rtsp_trouble){ .open = true,
		.starts = 1,
		.times = 1,
		.bad_since = { now.mono, like.since },
		.window = now.mono,
		.cause = (enum rtsp_cause)cause };
}

/* Into `name`, with room for TEXT_MAX + 1.  `old`: of version 2. */
static void read_outage(struct torap_reader *r, struct rtsp_outage *out, char *name, bool old)
{
	unsigned common = torap_read_u8(r);
	read_text(r, name);
	unsigned fault = old ? RTSP_OFFLINE : torap_read_u8(r);
	unsigned cause = torap_read_u8(r), kind = torap_read_u8(r);
	out->name = name;
	out->began.us = (int64_t)torap_read_u64(r);
	out->before = torap_read_u32(r);
	r->failed |= common >= RTSP_COMMONS || fault < RTSP_OFFLINE || fault >= RTSP_FAULTS ||
		     cause >= RTSP_CAUSES || kind >= RTSP_OUTCOMES || out->began.us < 0 ||
		     (fault != RTSP_OFFLINE && kind != RTSP_OUTCOME_PICTURE);
	out->common = (enum rtsp_common)common;
	out->what.fault = (enum rtsp_fault)fault;
	out->what.kind = (enum rtsp_outcome)kind;
	out->cause = (enum rtsp_cause)cause;
}

static bool read_share(struct rtsp_outages *o, const struct rtsp_cameras *cameras, struct torap_reader *r,
	bool old, struct rtsp_now now)
{
	char name[TEXT_MAX + 1], first[TEXT_MAX + 1];
	struct rtsp_outage outage = { 0 };
	struct rtsp_share like = { .outage = &outage };
	read_outage(r, &outage, name, old);
	like.audience = torap_read_u64(r);
	like.since.us = (int64_t)torap_read_u64(r);
	read_text(r, first);
	like.ended = torap_read_u8(r);
	like.members = torap_read_u32(r);
	outage.what.excused = torap_read_u8(r);
	like.planned = outage.what.excused ? read_planned(r) : NULL;
	uint32_t count = torap_read_u32(r);
	r->failed |= like.since.us < 0 ||
		     (like.ended ? count : like.members); /* who was in one that has ended is free again */
	const struct rtsp_camera *camera = rtsp_cameras_named(cameras, first);
	like.first = camera ? camera->number : 0;
	struct rtsp_share *share = r->failed ? NULL : rtsp_outages_restore(o, &like, now.mono);
	kit_planned_unref(like.planned);
	for (uint32_t i = 0; share && i < count && !r->failed; i++)
		read_member(o, share, cameras, r, now);
	return share && !r->failed;
}

bool rtsp_outage_state_decode(struct rtsp_outages *o, const struct rtsp_cameras *cameras,
	struct torap_bytes bytes, struct rtsp_now now)
{
	struct torap_reader r = torap_reader(bytes);
	struct torap_bytes head = torap_read_bytes(&r, strlen(magic)), digest = torap_read_bytes(&r, DIGEST);
	uint8_t found[DIGEST];
	bool old = !r.failed && memcmp(head.data, old_magic, head.size) == 0;
	if (r.failed || (!old && memcmp(head.data, magic, head.size) != 0))
		return false;
	crypto_generichash(found, DIGEST, r.at, (size_t)(r.end - r.at), NULL, 0);
	if (memcmp(found, digest.data, DIGEST) != 0)
		return false;
	while (!torap_read_end(&r))
		if (!read_share(o, cameras, &r, old, now))
			return false;
	return true;
}

static void on_work(uv_work_t *work)
{
	struct rtsp_outage_saving *s = work->data;
	s->result = torap_file_replace(s->path, 0600, torap_bytes(s->body.data, s->body.size), &s->err);
}

static void on_worked(uv_work_t *work, int status)
{
	struct rtsp_outage_saving *s = work->data;
	torap_writer_finish(&s->body);
	s->active = false;
	if (!status && s->result)
		torap_fail("RTSP-STATE", "%s; the old one stays", s->err.text);
	if (s->on_done)
		s->on_done(s->hint, status ? status : s->result);
}

void rtsp_outage_state_save(struct rtsp_outage_saving *s, uv_loop_t *loop, const struct rtsp_outages *o,
	const struct rtsp_cameras *cameras, const char *path)
{
	rtsp_outage_state_encode(o, cameras, &s->body);
	s->path = path;
	s->work.data = s;
	s->active = true;
	int r = s->body.failed ? -ENOMEM : loop ? uv_queue_work(loop, &s->work, on_work, on_worked) : 0;
	if (r)
		torap_fail("RTSP-STATE", "%s: %s; the old one stays", path, strerror(-r));
	else if (!loop)
		on_work(&s->work);
	if (r || !loop)
		on_worked(&s->work, r);
}

int rtsp_outage_state_load(struct rtsp_outages *o, const struct rtsp_cameras *cameras, const char *path,
	struct rtsp_now now, struct torap_error *err)
{
	struct torap_buffer *file = NULL;
	if (access(path, F_OK) && errno == ENOENT)
		return 0;
	int r = torap_file_read(&file, path, RTSP_OUTAGE_STATE_SIZE_MAX, err);
	if (r)
		return r;
	if (!rtsp_outage_state_decode(o, cameras, torap_bytes(file->data, file->size), now))
		r = torap_errorf(err, -EINVAL, "%s: is damaged, or no state of torap-rtsp", path);
	torap_buffer_unref(file);
	return r;
}
