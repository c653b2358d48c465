/* carrier_flow.h: what flows over a carrier that was welcomed: batches out, acknowledgements in.  Private to the carrier. */
#pragma once

#include "link/message.h"
#include "node/carrier.h"

/* Forgets what was in flight and what was read ahead. */
void node_flow_reset(struct node_carrier *c);
/* The broker's claims (owned by the carrier from now on) are to be judged, then sending goes on from them. */
void node_flow_resume(struct node_carrier *c, struct node_claim *claims, size_t count, uint64_t credit_bytes,
	struct node_now now);
/* Sends what the window lets through.  0, or negative: there is no connection. */
int node_flow_pump(struct node_carrier *c, struct node_now now);
/* 0, or -EBADMSG: it acknowledges what was never sent. */
int node_flow_ack(struct node_carrier *c, const struct torap_stream_position *at, struct node_now now);
/* The broker lacks frames of these batches: they go out once more, when there is room. */
void node_flow_asked(struct node_carrier *c, const struct torap_stream_position *at);
/* The carrier's number of a stream; -1: not one of ours. */
int node_flow_find(const struct node_carrier *c, const struct torap_stream_id *id);

/* Tells the broker how long a stream was that ended for it. */
void node_flow_last_head(struct node_carrier *c, size_t stream, struct node_now now);

/* The manifest that the stream waited for is back, and it goes on, or it ends. */
void node_flow_fetched(struct node_carrier *c, uint32_t stream, bool mended, struct node_now now);

/* The done of the carrier's replay. */
void node_flow_answered(struct node_replay *r);

/* Sends frames over the connection and tells the dialler.  0 or negative: it did not go. */
int node_carrier_send(
	struct node_carrier *c, struct torap_buffer *const *frames, size_t count, struct node_now now);
/* Steps the dialler and does what it says. */
void node_carrier_step(struct node_carrier *c, enum torap_dial_input in, int refusal, struct node_now now);
