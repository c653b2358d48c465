#include "agents/rtsp/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/rtsp/decode.h"
#include "agents/rtsp/peek.h"
#include "base/error.h"
#include "loop/app.h"
#include "loop/wake.h"

enum {
	THREADS_MAX = 64,
	/* Of each worker, the one that is in work among them.  With fewer a worker may be idle until the loop has read more; with more
	 * keyframes only wait longer, 10 ms each. */
	ENOUGH = 4,
	SOME = 4, /* beyond that */
	PEEKS = 8, /* beyond twice as many: they are short, and who missed its turn has to find room above them */
	/* Well before nobody begins any more: agent.c. */
	ENOUGH_MAX = RTSP_LOOKS_MAX / 8,
	ENOUGH_PEEKS_MAX = RTSP_LOOKS_MAX * 5 / 32,
	ENOUGH_URGENT = RTSP_LOOKS_MAX * 3 / 16,
};

struct queue {
	struct rtsp_look *first, **last;
};

struct rtsp_pool {
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t more;
	struct queue todo, done;
	bool closing;

	unsigned threads_count;
	pthread_t threads[THREADS_MAX];
	struct torap_wake wake;
	unsigned waiting; /* the loop's, as all below */
	size_t bytes;
	uint64_t busy_us;
	void *hint;
	void (*on_done)(void *hint, const struct rtsp_look *look);
};

static void push(struct queue *q, struct rtsp_look *l)
{
	l->next = NULL;
	*q->last = l;
	q->last = &l->next;
}

static struct rtsp_look *take_all(struct queue *q)
{
	struct rtsp_look *l = q->first;
	q->first = NULL;
	q->last = &q->first;
	return l;
}

static void free_look(struct rtsp_look *l)
{
	free(l->data);
	free(l);
}

static void free_all(struct rtsp_look *l)
{
	while (l) {
		struct rtsp_look *next = l->next;
		free_look(l);
		l = next;
	}
}

static struct rtsp_look *wait_for_one(struct rtsp_pool *p)
{
	struct rtsp_look *l = NULL;
	pthread_mutex_lock(&p->lock);
	while (!p->todo.first && !p->closing)
		pthread_cond_wait(&p->more, &p->lock);
	if (!p->closing) {
		l = p->todo.first;
		p->todo.first = l->next;
		if (!l->next)
			p->todo.last = &p->todo.first;
	}
	pthread_mutex_unlock(&p->lock);
	return l;
}

/* Enough was seen of it. */
static bool peek(struct rtsp_look *l)
{
	if (!l->part)
		return false;
	l->seen.peeked = true;
	l->seen.likeness = rtsp_peek(&l->seen.upper, &l->familiar, l->data, l->part);
	return l->seen.likeness == RTSP_ALIKE;
}

static void decode(struct rtsp_look *l, struct rtsp_picture *picture)
{
	l->decoded = picture && rtsp_decode(picture, &l->shot, l->data, l->size);
	if (!l->decoded)
		return;
	rtsp_measure_picture(&l->seen.measure, picture);
	rtsp_upper_of(&l->seen.upper, picture, RTSP_PICTURE_HEIGHT);
}

static void *work(void *hint)
{
	struct rtsp_pool *p = hint;
	struct rtsp_picture *picture = malloc(sizeof *picture);
	struct rtsp_look *l;
	while ((l = wait_for_one(p))) {
		int64_t begun = torap_app_mono().us;
		l->alike = peek(l);
		if (!l->alike)
			decode(l, picture);
		l->took_us = torap_app_mono().us - begun;
		pthread_mutex_lock(&p->lock);
		push(&p->done, l);
		pthread_mutex_unlock(&p->lock);
		torap_wake_send(&p->wake);
	}
	free(picture);
	return NULL;
}

static void on_wake(struct torap_wake *wake)
{
	struct rtsp_pool *p = wake->poll.data;
	pthread_mutex_lock(&p->lock);
	struct rtsp_look *l = take_all(&p->done);
	pthread_mutex_unlock(&p->lock);
	while (l) {
		struct rtsp_look *next = l->next;
		p->waiting--;
		p->bytes -= l->size;
		p->busy_us += (uint64_t)l->took_us;
		p->on_done(p->hint, l);
		free_look(l);
		l = next;
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct rtsp_pool *p = handle->data;
	free_all(take_all(&p->todo));
	free_all(take_all(&p->done));
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->more);
	free(p);
}

int rtsp_pool_open(struct rtsp_pool **out, uv_loop_t *loop, unsigned threads, void *hint,
	void (*on_done)(void *hint, const struct rtsp_look *look), struct torap_error *err)
{
	struct rtsp_pool *p = calloc(1, sizeof *p);
	if (!p)
		return torap_errorf(err, -ENOMEM, "out of memory");
	take_all(&p->todo);
	take_all(&p->done);
	p->hint = hint;
	p->on_done = on_done;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	int r = torap_wake_open(&p->wake, loop, on_wake, err);
	if (r) {
		free(p);
		return r;
	}
	p->wake.poll.data = p;
	while (p->threads_count < threads && p->threads_count < THREADS_MAX) {
		r = pthread_create(&p->threads[p->threads_count], NULL, work, p);
		if (r) {
			rtsp_pool_close(p);
			return torap_errorf(err, -r, "cannot start a thread: %s", strerror(r));
		}
		p->threads_count++;
	}
	*out = p;
	return 0;
}

bool rtsp_pool_peek(struct rtsp_pool *p, uint64_t number, const struct rtsp_shot *shot,
	struct torap_writer *take, size_t part, const struct rtsp_familiar *familiar)
{
	size_t size = take->size;
	if (p->waiting == RTSP_LOOKS_MAX || p->bytes + size > RTSP_LOOK_BYTES_MAX ||
		!torap_write_room(take, RTSP_FRAME_PADDING))
		return false;
	struct rtsp_look *l = calloc(1, sizeof *l);
	if (!l)
		return false;
	l->number = number;
	l->shot = *shot;
	l->data = take->data;
	l->size = size;
	l->part = part;
	if (part)
		l->familiar = *familiar;
	*take = (struct torap_writer){ 0 };
	p->waiting++;
	p->bytes += size;
	pthread_mutex_lock(&p->lock);
	push(&p->todo, l);
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
	return true;
}

bool rtsp_pool_add(
	struct rtsp_pool *p, uint64_t number, const struct rtsp_shot *shot, struct torap_writer *take)
{
	return rtsp_pool_peek(p, number, shot, take, 0, NULL);
}

bool rtsp_pool_behind(const struct rtsp_pool *p, enum rtsp_need need)
{
	unsigned enough = ENOUGH * p->threads_count;
	enough = enough < ENOUGH_MAX ? enough : ENOUGH_MAX;
	unsigned peeks = 2 * enough + PEEKS;
	switch (need) {
	case RTSP_NEED_URGENT:
		return p->waiting > ENOUGH_URGENT;
	case RTSP_NEED_PEEK:
		return p->waiting > (peeks < ENOUGH_PEEKS_MAX ? peeks : ENOUGH_PEEKS_MAX);
	case RTSP_NEED_SOME:
		return p->waiting > enough + SOME;
	default:
		return p->waiting > enough;
	}
}

unsigned rtsp_pool_waiting(const struct rtsp_pool *p)
{
	return p->waiting;
}

uint64_t rtsp_pool_busy_us(const struct rtsp_pool *p)
{
	return p->busy_us;
}

void rtsp_pool_close(struct rtsp_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->threads_count; i++)
		pthread_join(p->threads[i], NULL);
	p->threads_count = 0;
	torap_wake_close(&p->wake, on_closed);
	torap_wake_finish(&p->wake);
}
