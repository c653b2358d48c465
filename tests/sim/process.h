/* process.h: a real process of ours inside the simulator: its loop, its clocks, its store, its sockets, and the moment of its death.
 *
 * The code of the process is linked as it is.  What it calls below itself is here: libuv's timers and workers, the loop's wakes (process.c), LMDB as
 * tables in memory (lmdb.c), the store's other files (store_files.c), the committer without its thread (committer.c), ZeroMQ as lines of net.c
 * (socket.c).  Whatever the process
 * does begins in sim_process_step(); `sim_here` is the one that runs. */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "sim/sim.h"

struct torap_committer;
struct torap_kv_txn;
struct MDB_env;
struct sim_handle;
struct sim_socket;

struct sim_process {
	struct sim_world *world;
	const char *name;
	uv_loop_t *loop; /* its `data` is this process */
	struct MDB_env *store;
	struct torap_committer *committer;
	struct sim_handle *handles; /* timers, wakers, workers, and what is being closed */
	struct sim_socket *sockets; /* that it watches */
	bool dead; /* killed, or it ended: what it still does on its way out reaches nobody */
	bool disk_full, disk_failed;
	int64_t clock_off_us; /* of its wall clock */
};
extern struct sim_process *sim_here;

/* What is due now, one callback after the other; between any two of them it may die.  False: it is to die now. */
bool sim_process_step(struct sim_process *p);
/* Everything that still waits, for the last time. */
void sim_process_drain(struct sim_process *p);
/* That, and what it has not closed goes with it: one that was killed in the middle of commits never closes its waker. */
void sim_process_end(struct sim_process *p);
/* Runs closed(hint) from the loop. */
void sim_process_later(struct sim_process *p, void (*closed)(void *hint), void *hint);

/* --- lmdb.c: the store on the disk (store.h) --- */

struct MDB_env *sim_store_create(struct sim_world *w);
void sim_store_destroy(struct MDB_env *store);
/* From now on the store takes so many more rows; SIZE_MAX: as many as there are. */
void sim_store_room(struct MDB_env *store, size_t rows);
/* What runs now may use what is kept back. */
void sim_store_deletes(struct MDB_env *store, bool deletes);
/* Its process dies, perhaps in the middle of a flush. */
void sim_store_crash(struct MDB_env *store);
/* A transaction that sees what the next start must find: the last commit, and what `redo` holds beyond it. */
void sim_store_look(struct MDB_env *store, struct torap_kv_txn *out);
/* Changes with whatever that sees. */
uint64_t sim_store_version(const struct MDB_env *store);
/* Flips a bit of the row; false: there is no such row, or it is empty.  The first is row 0 of the table. */
bool sim_store_damage(struct MDB_env *store, unsigned table, size_t row, uint64_t luck,
	uint8_t key[static 16], size_t *key_size);
size_t sim_store_rows(const struct MDB_env *store, unsigned table);

/* --- committer.c --- */

/* Commits what was submitted, or leaves a group that was told before its commit.  False: a flush failed, or it was killed between two: it is to
 * die now. */
bool sim_committer_run(struct sim_process *p);
/* Somebody waits for the commit of what was told: it comes.  The process may be dead then. */
void sim_committer_wait(struct sim_process *p);
/* Gives every job back as one that found no room. */
void sim_committer_drop(struct sim_process *p);

/* --- socket.c --- */

bool sim_socket_ready(struct sim_world *w, const struct sim_socket *s);
struct sim_socket *sim_socket_next(const struct sim_socket *s);
void sim_socket_run(struct sim_socket *s);
