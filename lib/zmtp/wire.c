#include "zmtp/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"

enum {
	READ_SIZE = 64 << 10,
	READS_A_TURN = 16, /* of one wire, before others have their turn */
	/* Likewise, some 4 ms when each is a message that is answered: of small frames it is not the reading that takes time.  At full rate, batches
	 * and offers come in some hundreds a turn. */
	FRAMES_A_TURN = 2048,
	WRITE_SIZE =
		64 << 10,    /* sealed at once for one wire, then likewise; a larger frame is sealed whole */
	TURN_SIZE = 2 << 20, /* sealed in one turn, some 4 ms: alarms that come meanwhile wait for it */
	WRITES_A_TURN = 512, /* likewise: of small messages it is not the sealing that takes time */
	SCRATCH_KEPT = 512 << 10, /* what stays of the memory for sealing */
	KEEPALIVE_IDLE_S = 30,
	KEEPALIVE_INTERVAL_S = 5,
	KEEPALIVE_COUNT = 3,
};

/* Who has something that waits, oldest first. */
struct dirty_list {
	struct torap_zmtp_wire *first, *last;
};

struct torap_zmtp_turn {
	uv_loop_t *loop;
	uv_prepare_t prepare; /* before the loop sleeps: what waits is sent */
	uv_idle_t idle;       /* something waits: do not sleep */
	struct dirty_list urgent, others;
	struct torap_zmtp_wire *first_behind,
		*last_behind;      /* of whom more came than a turn takes, oldest first */
	uint8_t *read;             /* READ_SIZE */
	struct torap_writer write; /* sealed, for one wire at a time */
	uint64_t number;
	size_t users; /* and 1 until it is closed */
	unsigned handles;
};

/* What the kernel did not take. */
struct rest {
	uv_write_t request;
	struct torap_zmtp_wire *wire;
	uint8_t data[];
};

/* What came and waits for its turn. */
struct torap_zmtp_backlog {
	size_t at, size;
	uint8_t data[];
};

/* --- who has something that waits --- */

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* That it is there keeps the loop awake. */
}

static void mark_dirty(struct torap_zmtp_wire *w)
{
	struct dirty_list *list = w->urgent ? &w->turn->urgent : &w->turn->others;
	if (w->dirty || w->closing)
		return;
	uv_idle_start(&w->turn->idle,
		on_idle); /* Should this turn's sending be over, the loop does not sleep before the next. */
	w->dirty = true;
	w->next_dirty = NULL;
	if (list->first)
		list->last->next_dirty = w;
	else
		list->first = w;
	list->last = w;
}

static struct torap_zmtp_wire *take_dirty(struct dirty_list *list)
{
	struct torap_zmtp_wire *w = list->first;
	list->first = w->next_dirty;
	w->dirty = false;
	return w;
}

static void forget_dirty(struct dirty_list *list, const struct torap_zmtp_wire *w)
{
	struct torap_zmtp_wire *before = NULL;
	for (struct torap_zmtp_wire *at = list->first; at; before = at, at = at->next_dirty) {
		if (at != w)
			continue;
		if (before)
			before->next_dirty = w->next_dirty;
		else
			list->first = w->next_dirty;
		if (list->last == w)
			list->last = before;
		return;
	}
}

void torap_zmtp_wire_due(struct torap_zmtp_wire *w)
{
	if (!w->writing)
		mark_dirty(w);
}

void torap_zmtp_wire_break(struct torap_zmtp_wire *w, const char *why)
{
	w->broken = why;
	mark_dirty(w);
}

/* --- out --- */

static void lose(struct torap_zmtp_wire *w, const char *why)
{
	w->owner->on_lost(w, why);
}

static void on_rest_written(uv_write_t *request, int status)
{
	struct rest *rest = (struct rest *)request;
	struct torap_zmtp_wire *w = rest->wire;
	free(rest);
	w->writing = false;
	w->stopped = status < 0;
	mark_dirty(w);
}

static int write_rest(struct torap_zmtp_wire *w, const uint8_t *data, size_t size)
{
	struct rest *rest = malloc(sizeof *rest + size);
	if (!rest)
		return -ENOMEM;
	memcpy(rest->data, data, size);
	rest->wire = w;
	uv_buf_t buffer = uv_buf_init((char *)rest->data, (unsigned)size);
	int r = uv_write(&rest->request, &w->stream, &buffer, 1, on_rest_written);
	if (r)
		free(rest);
	else
		w->writing = true;
	return r;
}

static int write_all(struct torap_zmtp_wire *w, const struct torap_writer *bytes)
{
	uv_buf_t buffer = uv_buf_init((char *)bytes->data, (unsigned)bytes->size);
	int n = uv_try_write(&w->stream, &buffer, 1);
	if (n == UV_EAGAIN)
		n = 0;
	if (n < 0)
		return n;
	return (size_t)n < bytes->size ? write_rest(w, bytes->data + n, bytes->size - (size_t)n) : 0;
}

/* Seals and writes a part of what waits; the rest of it takes another turn.  Returns how much that was. */
static size_t flush(struct torap_zmtp_wire *w)
{
	struct torap_writer *bytes = &w->turn->write;
	if (w->broken) {
		lose(w, w->broken);
		return 0;
	}
	if (w->writing || w->stopped || !torap_zmtp_waiting(&w->connection))
		return 0;
	bytes->size = 0;
	if (torap_zmtp_fill(&w->connection, bytes, WRITE_SIZE)) {
		torap_writer_finish(bytes);
		lose(w, "out of memory");
		return 0;
	}
	size_t size = bytes->size;
	if (write_all(w, bytes))
		w->stopped = true;
	else if (!w->writing && torap_zmtp_waiting(&w->connection))
		mark_dirty(w);
	return size;
}

static void flush_list(struct dirty_list *list, unsigned writes_max)
{
	size_t sealed = 0;
	for (unsigned writes = 0; list->first && sealed < TURN_SIZE && writes < writes_max; writes++)
		sealed += flush(take_dirty(list));
}

size_t torap_zmtp_wire_flush(struct torap_zmtp_wire *w)
{
	size_t sealed = 0;
	for (size_t more; (more = flush(w)) > 0;)
		sealed += more;
	return sealed;
}

/* --- in --- */

static void begin_turn(struct torap_zmtp_wire *w)
{
	if (w->read_turn == w->turn->number)
		return;
	w->read_turn = w->turn->number;
	w->read_count = 0;
	w->frames_left = FRAMES_A_TURN;
}

static bool has_had_its_turn(struct torap_zmtp_wire *w)
{
	begin_turn(w);
	return w->read_count++ >= READS_A_TURN || w->frames_left == 0;
}

static void join_behind(struct torap_zmtp_wire *w)
{
	struct torap_zmtp_turn *t = w->turn;
	w->next_behind = NULL;
	if (t->first_behind)
		t->last_behind->next_behind = w;
	else
		t->first_behind = w;
	t->last_behind = w;
	uv_idle_start(&t->idle, on_idle); /* The next turn comes at once. */
}

static void forget_backlog(struct torap_zmtp_wire *w)
{
	struct torap_zmtp_wire *before = NULL;
	for (struct torap_zmtp_wire *at = w->turn->first_behind; at; before = at, at = at->next_behind) {
		if (at != w)
			continue;
		if (before)
			before->next_behind = w->next_behind;
		else
			w->turn->first_behind = w->next_behind;
		if (w->turn->last_behind == w)
			w->turn->last_behind = before;
		break;
	}
	free(w->backlog);
	w->backlog = NULL;
}

static bool keep_backlog(struct torap_zmtp_wire *w, const uint8_t *data, size_t size)
{
	w->backlog = malloc(sizeof *w->backlog + size);
	if (!w->backlog)
		return false;
	w->backlog->at = 0;
	w->backlog->size = size;
	memcpy(w->backlog->data, data, size);
	uv_read_stop(&w->stream);
	join_behind(w);
	return true;
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct torap_zmtp_wire *w = handle->data;
	size_t size;
	(void)suggested;
	bool opening = w->connection.state != TORAP_ZMTP_OPEN;
	if ((opening && w->owner->may_step && !w->owner->may_step(w)) || has_had_its_turn(w)) {
		*out = uv_buf_init(NULL, 0); /* Nothing is read, and the next turn asks again. */
		return;
	}
	uint8_t *room = torap_zmtp_room(&w->connection, &size);
	*out = room ? uv_buf_init((char *)room, (unsigned)size)
		    : uv_buf_init((char *)w->turn->read, READ_SIZE);
}

static void go_on(struct torap_zmtp_wire *w, const char *why)
{
	if (w->closing)
		return;
	if (why)
		lose(w, why);
	else if (w->connection.state == TORAP_ZMTP_REFUSED)
		uv_read_stop(&w->stream); /* What it says until it is cut takes no steps from others. */
	else if (torap_zmtp_waiting(&w->connection))
		torap_zmtp_wire_due(w);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct torap_zmtp_wire *w = stream->data;
	struct torap_zmtp_connection *c = &w->connection;
	if (n == 0 || n == UV_ENOBUFS)
		return;
	if (n < 0) {
		lose(w, NULL);
		return;
	}
	uint8_t *data = (uint8_t *)buffer->base;
	size_t left = data == w->turn->read ? (size_t)n : 0;
	const char *why =
		left ? torap_zmtp_take(c, &data, &left, &w->frames_left) : torap_zmtp_filled(c, (size_t)n);
	if (!why && left && !w->closing && !keep_backlog(w, data, left))
		why = "out of memory";
	go_on(w, why);
}

/* What was left of the first one goes on.  It may be lost by that, and then be closed. */
static void take_backlog(struct torap_zmtp_turn *t)
{
	struct torap_zmtp_wire *w = t->first_behind;
	struct torap_zmtp_backlog *b = w->backlog;
	uint8_t *data = b->data + b->at;
	size_t left = b->size - b->at;
	t->first_behind = w->next_behind;
	w->backlog = NULL;
	begin_turn(w);
	const char *why = torap_zmtp_take(&w->connection, &data, &left, &w->frames_left);
	if (!why && left && !w->closing) {
		b->at = b->size - left;
		w->backlog = b;
		join_behind(w);
	} else {
		free(b);
		if (!why && !w->closing && uv_read_start(&w->stream, on_room, on_read))
			why = "it cannot be read";
	}
	go_on(w, why);
}

static void take_backlogs(struct torap_zmtp_turn *t)
{
	while (t->first_behind && t->first_behind->read_turn != t->number)
		take_backlog(t);
}

/* --- a wire --- */

int torap_zmtp_wire_begin(struct torap_zmtp_wire *w, struct torap_zmtp_turn *t,
	const struct torap_zmtp_wire_owner *owner, const struct torap_zmtp_manners *manners)
{
	w->turn = t;
	w->owner = owner;
	w->handle.data = w;
	torap_zmtp_turn_hold(t);
	return torap_zmtp_begin(&w->connection, manners);
}

int torap_zmtp_wire_start(struct torap_zmtp_wire *w)
{
	mark_dirty(w);
	return uv_read_start(&w->stream, on_room, on_read);
}

int torap_zmtp_wire_set_tcp(struct torap_zmtp_wire *w)
{
	int interval = KEEPALIVE_INTERVAL_S, count = KEEPALIVE_COUNT, fd = torap_zmtp_wire_fd(w);
	int r = uv_tcp_nodelay(&w->tcp, 1);
	if (!r)
		r = uv_tcp_keepalive(&w->tcp, 1, KEEPALIVE_IDLE_S);
	if (!r && (setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval) < 0 ||
			  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count) < 0))
		r = -errno;
	return r;
}

int torap_zmtp_wire_fd(const struct torap_zmtp_wire *w)
{
	uv_os_fd_t fd;
	return uv_fileno(&w->handle, &fd) == 0 ? fd : -1;
}

static void on_wire_closed(uv_handle_t *handle)
{
	struct torap_zmtp_wire *w = handle->data;
	struct torap_zmtp_turn *t = w->turn;
	torap_zmtp_finish(&w->connection);
	w->owner->on_closed(w);
	torap_zmtp_turn_release(t);
}

void torap_zmtp_wire_close(struct torap_zmtp_wire *w)
{
	if (w->closing)
		return;
	w->closing = true;
	torap_zmtp_end(&w->connection);
	if (w->backlog)
		forget_backlog(w);
	if (w->dirty) { /* Urgent now, it may have been less so then. */
		forget_dirty(&w->turn->urgent, w);
		forget_dirty(&w->turn->others, w);
	}
	uv_close(&w->handle, on_wire_closed);
}

/* --- the turn --- */

static void on_prepare(uv_prepare_t *prepare)
{
	struct torap_zmtp_turn *t = prepare->data;
	bool was_left = t->first_behind; /* Then what is due after it is not to wait until the loop wakes. */
	t->number++;
	take_backlogs(t);
	flush_list(&t->urgent, WRITES_A_TURN);
	flush_list(&t->others, WRITES_A_TURN);
	if (!was_left && !t->first_behind && !t->urgent.first && !t->others.first)
		uv_idle_stop(&t->idle);
	if (t->write.room > SCRATCH_KEPT)
		torap_writer_finish(&t->write);
}

int torap_zmtp_turn_create(struct torap_zmtp_turn **out, uv_loop_t *loop, struct torap_error *err)
{
	struct torap_zmtp_turn *t = calloc(1, sizeof *t);
	uint8_t *read = malloc(READ_SIZE);
	if (!t || !read) {
		free(t);
		free(read);
		return torap_errorf(err, -ENOMEM, "out of memory for connections");
	}
	t->loop = loop;
	t->read = read;
	t->users = 1;
	t->handles = 2;
	uv_prepare_init(loop, &t->prepare);
	uv_idle_init(loop, &t->idle);
	t->prepare.data = t->idle.data = t;
	uv_prepare_start(&t->prepare, on_prepare);
	uv_unref((uv_handle_t *)&t->prepare); /* It alone keeps no loop going. */
	*out = t;
	return 0;
}

static void on_turn_closed(uv_handle_t *handle)
{
	struct torap_zmtp_turn *t = handle->data;
	if (--t->handles > 0)
		return;
	torap_writer_finish(&t->write);
	free(t->read);
	free(t);
}

void torap_zmtp_turn_hold(struct torap_zmtp_turn *t)
{
	t->users++;
}

void torap_zmtp_turn_release(struct torap_zmtp_turn *t)
{
	if (--t->users > 0)
		return;
	uv_close((uv_handle_t *)&t->prepare, on_turn_closed);
	uv_close((uv_handle_t *)&t->idle, on_turn_closed);
}

void torap_zmtp_turn_close(struct torap_zmtp_turn *t)
{
	if (t)
		torap_zmtp_turn_release(t);
}

uv_loop_t *torap_zmtp_turn_loop(struct torap_zmtp_turn *t)
{
	return t->loop;
}
