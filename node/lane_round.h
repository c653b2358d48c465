/* lane_round.h: what a lane's round does on the committer's thread: it numbers what the loop gave it, seals what is due, and writes.
 * Private to the batcher.
 *
 * So the loop takes the next observations in while batches are sealed, compressed, signed and flushed.  From the submission of the job
 * until it is done the job, the sealer and the key belong to that thread; the loop reads neither. */
#pragma once

struct node_lane;
struct node_stream;
struct torap_commit_job;
struct torap_kv_txn;

/* `apply` of a lane's job. */
int node_lane_round_apply(struct torap_commit_job *commit, struct torap_kv_txn *txn);

/* On the loop, while no job is under way.  A sealer at the stream's durable end, with the events that are unsealed in its open batch. */
void node_lane_round_open(struct node_lane *l, const struct node_stream *s);
/* On the loop, for the job that is being made: a new stream.  What was unsealed gets new numbers in it and is sealed in the same commit. */
void node_lane_round_begin_stream(struct node_lane *l);
