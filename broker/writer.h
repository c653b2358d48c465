/* writer.h: one writer's session: a lane of a node.
 *
 * Receives its batches and heads, judges them (admission.h), sends them to the disk (commit.h) and acknowledges what was flushed, one
 * acknowledgement for all that a flush held. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/lag.h"

struct broker;
struct broker_session;
struct broker_stream;
struct broker_writer;
struct torap_buffer;
struct torap_envelope;
struct torap_error;
struct torap_hello;

/* Takes part in a session: sends the welcome, now or when what was accepted of its streams is on the disk.  Takes the positions of the hello.
 * 0, or the code of a refusal with its reason. */
int broker_writer_create(
	struct broker_writer **out, struct broker_session *s, struct torap_hello *h, const char **reason);
/* Accepts NULL.  Returns NULL. */
struct broker_writer *broker_writer_destroy(struct broker_writer *w);

/* 0, or -EBADMSG with the reason: the session ends. */
int broker_writer_message(struct broker_writer *w, const struct torap_envelope *envelope,
	struct torap_buffer **frames, size_t count, struct torap_error *err);
/* Accepts NULL, like the two with a writer below.  The stream moved on the disk: it is owed an acknowledgement. */
void broker_writer_owe(struct broker_writer *w, struct broker_stream *stream);
/* The acknowledgement that it gets now tells it the holes that are due.  False: the stream has no writer here. */
bool broker_writer_ask(struct broker_stream *stream);
/* There was no room: it is to come back later. */
void broker_writer_full(struct broker_writer *w);
/* Another batch turned out to stand under that number: the session ends. */
void broker_writer_forked(struct broker_writer *w, uint64_t batch_no);
/* How far we are behind the newest heads of the writer's streams of the lane, whether or not it is here. */
struct broker_lag broker_writer_lag(
	const struct broker *b, const char *writer, uint8_t lane, struct torap_wall now);
/* Its welcome waits for the disk. */
bool broker_writer_waits(const struct broker_writer *w);
/* Sends the acknowledgements and welcomes that are due to any writer. */
void broker_writers_turn(struct broker *b);
/* Trust file or policy changed: ends the session when the writer is not admitted any more. */
void broker_writer_judge(struct broker_writer *w);
