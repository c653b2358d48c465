#include "agents/rtsp/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "conf/file.h"

enum { DIGEST = 16, HEAD = DIGEST + 4 };
static const char *const magics[] = { "torap-rtsp baselines 2\n", "torap-rtsp faults 2\n" };

/* Reading. */

static struct torap_bytes read_part(struct torap_reader *r)
{
	return torap_read_bytes(r, torap_read_u32(r));
}

static bool take_faults(
	struct rtsp_camera *c, struct torap_bytes health, uint32_t excused, struct rtsp_now now)
{
	if (!rtsp_health_decode(&c->health, health, now))
		return false;
	c->told = rtsp_health_open(&c->health);
	c->excused = c->told_excused = c->told & excused;
	for (unsigned f = 0; f < RTSP_FAULTS; f++) {
		c->told_since_us[f] = c->health.troubles[f].bad_since.wall.us;
		c->told_cause[f] = (uint8_t)c->health.troubles[f].cause;
		c->main_bad |= rtsp_fault_is_sight(f) && c->told & rtsp_fault_bit(f); /* until it is known */
	}
	return true;
}

/* False: it is damaged, or of another version. */
static bool read_record(enum rtsp_state_part part, struct torap_bytes body,
	const struct rtsp_cameras *cameras, struct rtsp_now now)
{
	struct torap_reader r = torap_reader(body);
	struct torap_bytes address = read_part(&r), content = read_part(&r);
	uint32_t excused = part == RTSP_STATE_FAULTS ? torap_read_u32(&r) : 0;
	uint64_t view = part == RTSP_STATE_BASELINES ? torap_read_u64(&r) : 0;
	char name[TORAP_ADDRESS_MAX + 1];
	if (!torap_read_end(&r) || address.size > TORAP_ADDRESS_MAX)
		return false;
	memcpy(name, address.data, address.size);
	name[address.size] = 0;
	struct rtsp_camera *c = rtsp_cameras_named(cameras, name);
	if (!c)
		return true; /* the registry does not name it any more */
	if (part == RTSP_STATE_FAULTS)
		return take_faults(c, content, excused, now);
	/* Turned meanwhile: what was learned is of another scene. */
	return view != c->view || rtsp_baseline_decode(&c->sight.baseline, content);
}

static int load_records(enum rtsp_state_part part, FILE *f, const struct rtsp_cameras *cameras,
	struct rtsp_now now, uint32_t *known, uint32_t *damaged)
{
	uint8_t head[HEAD], body[RTSP_STATE_RECORD_MAX], digest[DIGEST];
	while (fread(head, 1, HEAD, f) == HEAD) {
		struct torap_reader r = torap_reader(torap_bytes(head + DIGEST, 4));
		uint32_t size = torap_read_u32(&r);
		if (size > sizeof body || fread(body, 1, size, f) != size) {
			++*damaged; /* and whatever comes after it */
			break;
		}
		crypto_generichash(digest, DIGEST, body, size, NULL, 0);
		if (memcmp(digest, head, DIGEST) == 0 &&
			read_record(part, torap_bytes(body, size), cameras, now))
			++*known;
		else
			++*damaged;
	}
	return ferror(f) ? -EIO : 0;
}

int rtsp_state_load(enum rtsp_state_part part, const char *path, const struct rtsp_cameras *cameras,
	struct rtsp_now now, uint32_t *known, uint32_t *damaged, struct torap_error *err)
{
	char begin[64];
	size_t size = strlen(magics[part]);
	*known = *damaged = 0;
	FILE *f = fopen(path, "rbe");
	if (!f)
		return errno == ENOENT ? 0 : torap_errorf(err, -errno, "%s: %s", path, strerror(errno));
	int r = 0;
	if (fread(begin, 1, size, f) != size || memcmp(begin, magics[part], size) != 0)
		r = torap_errorf(err, -EINVAL, "%s: is no state of torap-rtsp", path);
	else if (load_records(part, f, cameras, now, known, damaged))
		r = torap_errorf(err, -EIO, "%s: cannot be read", path);
	(void)fclose(f);
	return r;
}

/* Writing. */

static void write_part(struct torap_writer *w, struct torap_bytes part)
{
	torap_write_u32(w, (uint32_t)part.size);
	torap_write_bytes(w, part);
}

/* As the node knows it: what is open in `health` and was not told yet is not there, what is over and was not told yet is. */
static void write_faults(struct torap_writer *w, const struct rtsp_camera *c)
{
	struct rtsp_health told = { 0 };
	for (unsigned f = 0; f < RTSP_FAULTS; f++) {
		if (!(c->told & rtsp_fault_bit(f)))
			continue;
		told.troubles[f] = (struct rtsp_trouble){ .open = true,
			.starts = c->health.troubles[f].starts,
			.times = c->health.troubles[f].times ? c->health.troubles[f].times : 1,
			.bad_since.wall.us = c->told_since_us[f],
			.cause = (enum rtsp_cause)c->told_cause[f] };
	}
	rtsp_health_encode(&told, w);
}

static void write_record(enum rtsp_state_part which, struct torap_writer *w, const struct rtsp_camera *c,
	struct torap_writer *scratch)
{
	struct torap_writer body = *scratch, part = { 0 };
	body.size = 0;
	write_part(&body, torap_bytes(c->address, strlen(c->address)));
	if (which == RTSP_STATE_BASELINES)
		rtsp_baseline_encode(&c->sight.baseline, &part);
	else
		write_faults(&part, c);
	write_part(&body, torap_bytes(part.data, part.size));
	if (which == RTSP_STATE_FAULTS)
		torap_write_u32(&body, c->told_excused);
	else
		torap_write_u64(&body, c->view);
	uint8_t digest[DIGEST];
	if (body.failed || part.failed || body.size > RTSP_STATE_RECORD_MAX) {
		w->failed = true;
	} else {
		crypto_generichash(digest, DIGEST, body.data, body.size, NULL, 0);
		torap_write_bytes(w, torap_bytes(digest, DIGEST));
		write_part(w, torap_bytes(body.data, body.size));
	}
	torap_writer_finish(&part);
	*scratch = body;
}

/* Some cameras, from *slot on. */
static int write_slice(
	enum rtsp_state_part part, int fd, const struct rtsp_cameras *cameras, uint32_t *slot, uint32_t most)
{
	struct torap_writer w = { 0 }, scratch = { 0 };
	for (uint32_t n = 0; *slot < cameras->room && n < most; ++*slot) {
		const struct rtsp_camera *c = cameras->slots[*slot];
		if (!c || !c->number || (part == RTSP_STATE_FAULTS && !c->told))
			continue;
		write_record(part, &w, c, &scratch);
		n++;
	}
	int r = w.failed ? -ENOMEM : 0;
	for (size_t done = 0; !r && done < w.size;) {
		ssize_t size = write(fd, w.data + done, w.size - done);
		if (size < 0 && errno != EINTR)
			r = -errno;
		else if (size > 0)
			done += (size_t)size;
	}
	torap_writer_finish(&w);
	torap_writer_finish(&scratch);
	return r;
}

static int flush_and_rename(const struct rtsp_saving *s)
{
	if (fsync(s->fd) || rename(s->fresh, s->path))
		return -errno;
	return torap_file_flush_folder(s->path, NULL);
}

static void end(struct rtsp_saving *s, int r)
{
	if (s->fd >= 0)
		close(s->fd);
	if (r && s->fresh)
		unlink(s->fresh);
	free(s->path);
	free(s->fresh);
	s->path = s->fresh = NULL;
	s->fd = -1;
	s->active = false;
}

int rtsp_saving_begin(
	struct rtsp_saving *s, enum rtsp_state_part part, const char *path, struct torap_error *err)
{
	size_t size = strlen(magics[part]);
	s->part = part;
	s->slot = 0;
	s->result = 0;
	s->fd = -1;
	s->path = strdup(path);
	if (asprintf(&s->fresh, "%s.new", path) < 0)
		s->fresh = NULL;
	if (s->path && s->fresh)
		s->fd = open(s->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = !s->path || !s->fresh ? -ENOMEM : s->fd < 0 ? -errno : 0;
	if (!r && write(s->fd, magics[part], size) != (ssize_t)size)
		r = -EIO;
	if (r) {
		torap_errorf(err, r, "%s.new: %s", path, strerror(-r));
		end(s, r);
		return r;
	}
	s->active = true;
	return 0;
}

static void on_work(uv_work_t *work)
{
	struct rtsp_saving *s = work->data;
	s->result = flush_and_rename(s);
}

static void on_worked(uv_work_t *work, int status)
{
	struct rtsp_saving *s = work->data;
	int r = status ? status : s->result;
	end(s, r);
	if (s->on_done)
		s->on_done(s, r);
}

void rtsp_saving_step(struct rtsp_saving *s, uv_loop_t *loop, const struct rtsp_cameras *cameras)
{
	if (!s->active || s->slot == UINT32_MAX)
		return;
	int r = write_slice(s->part, s->fd, cameras, &s->slot, RTSP_STATE_SLICE);
	if (!r && s->slot < cameras->room)
		return;
	s->slot = UINT32_MAX; /* a thread has it, or nobody */
	s->work.data = s;
	r = r ? r : uv_queue_work(loop, &s->work, on_work, on_worked);
	if (!r)
		return;
	end(s, r);
	if (s->on_done)
		s->on_done(s, r);
}

void rtsp_saving_abandon(struct rtsp_saving *s)
{
	s->on_done = NULL;
	if (s->active && s->slot != UINT32_MAX)
		end(s, -ECANCELED);
}

int rtsp_state_save(enum rtsp_state_part part, const char *path, const struct rtsp_cameras *cameras,
	struct torap_error *err)
{
	struct rtsp_saving s = { 0 };
	int r = rtsp_saving_begin(&s, part, path, err);
	if (r)
		return r;
	r = write_slice(part, s.fd, cameras, &s.slot, UINT32_MAX);
	r = r ? r : flush_and_rename(&s);
	end(&s, r);
	return r ? torap_errorf(err, r, "%s: %s", path, strerror(-r)) : 0;
}
