/* wire.h: a connection (connection.h) with its socket on the loop, TCP or local.  Private to lib/zmtp.
 *
 * What is said in one turn of the loop leaves at its end, in few writes; urgent wires go first.  What the kernel does not take stays with
 * libuv, at most one writing of each. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "zmtp/connection.h"
#include "zmtp/turn.h"

struct torap_zmtp_wire;

/* Whoever has wires. */
struct torap_zmtp_wire_owner {
	/* It went, or cannot go on: `why` is NULL when that was its own choice.  To be closed. */
	void (*on_lost)(struct torap_zmtp_wire *w, const char *why);
	/* libuv has let go of it. */
	void (*on_closed)(struct torap_zmtp_wire *w);
	/* May it take a step of its handshake in this turn?  NULL: always. */
	bool (*may_step)(struct torap_zmtp_wire *w);
};

struct torap_zmtp_wire {
	struct torap_zmtp_connection connection; /* first: connection.h's callbacks hand it back */
	struct torap_zmtp_turn *turn;
	const struct torap_zmtp_wire_owner *owner;
	struct torap_zmtp_wire *next_dirty;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	};
	const char *broken;   /* to be told at the end of this turn */
	uint64_t read_turn;   /* when it was read last… */
	unsigned read_count;  /* …how much of it came then… */
	unsigned frames_left; /* …and how many frames it may yet bring */
	/* What came beyond them.  Nothing is read of it until it is taken, in the next turns. */
	struct torap_zmtp_backlog *backlog;
	struct torap_zmtp_wire *next_behind;
	bool dirty, urgent;
	bool writing; /* what the kernel did not take is libuv's */
	bool stopped; /* writing failed: what the other side has said before it went is read yet */
	bool closing;
};

/* The wire is zeroed.  Its handle is initialised, and is closed by torap_zmtp_wire_close() also when this fails: 0 or a negative errno. */
int torap_zmtp_wire_begin(struct torap_zmtp_wire *w, struct torap_zmtp_turn *t,
	const struct torap_zmtp_wire_owner *owner, const struct torap_zmtp_manners *manners);
/* It is connected: reads, and sends what waits. */
int torap_zmtp_wire_start(struct torap_zmtp_wire *w);
/* NODELAY and keep-alive. */
int torap_zmtp_wire_set_tcp(struct torap_zmtp_wire *w);
/* Something waits in its connection. */
void torap_zmtp_wire_due(struct torap_zmtp_wire *w);
/* on_lost is to be called, but not from here. */
void torap_zmtp_wire_break(struct torap_zmtp_wire *w, const char *why);
/* Sends now what the kernel takes of what waits.  Returns how much that was. */
size_t torap_zmtp_wire_flush(struct torap_zmtp_wire *w);
/* At once; on_closed follows. */
void torap_zmtp_wire_close(struct torap_zmtp_wire *w);
/* -1: none. */
int torap_zmtp_wire_fd(const struct torap_zmtp_wire *w);

uv_loop_t *torap_zmtp_turn_loop(struct torap_zmtp_turn *t);
/* Held as long as its users have handles on the loop. */
void torap_zmtp_turn_hold(struct torap_zmtp_turn *t);
void torap_zmtp_turn_release(struct torap_zmtp_turn *t);
