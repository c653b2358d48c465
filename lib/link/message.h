/* message.h: the bodies of proto/session.proto as plain structs: bounded, checked, copied.  Protobuf ends here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/time.h"
#include "link/grant.h"
#include "wire/batch.h"
#include "wire/verify.h"

struct torap_error;

struct torap_stream_position {
	struct torap_stream_id stream;
	struct torap_position at;
	uint64_t *holes; /* owned by the message */
	size_t holes_count;
};

struct torap_hello {
	uint32_t version;
	uint8_t role; /* Torap__Role */
	uint8_t lane;
	char name[64];
	char software[64];
	struct torap_stream_position *positions;
	size_t positions_count;
	uint64_t credit_bytes;
	uint8_t start; /* Torap__Start */
	struct torap_wall start_at;
	struct torap_grant_row *expected;
	size_t expected_count;
};

struct torap_welcome {
	uint32_t version;
	char broker[64];
	struct torap_stream_position *positions;
	size_t positions_count;
	uint64_t credit_bytes;
	struct torap_grant_row *granted;
	size_t granted_count;
	struct torap_buffer *trust; /* or NULL */
	uint32_t heartbeat_ms;
};

struct torap_refusal {
	int code; /* Torap__Refusal__Code */
	char reason[256];
	bool has_resume;
	struct torap_stream_position resume;
};

/* Decoders: 0, or -EBADMSG with the reason.  What they allocate, _finish frees. */
int torap_hello_decode(struct torap_hello *out, struct torap_bytes body, struct torap_error *err);
/* Role and lane of a hello that is not decoded yet, which may be large and nonsense: what its first fields say.  Both 0: nothing that fits. */
void torap_hello_peek(uint8_t *out_role, uint8_t *out_lane, struct torap_bytes body);
struct torap_buffer *torap_hello_encode(const struct torap_hello *in);
void torap_hello_finish(struct torap_hello *h);

int torap_welcome_decode(struct torap_welcome *out, struct torap_bytes body, struct torap_error *err);
struct torap_buffer *torap_welcome_encode(const struct torap_welcome *in);
void torap_welcome_finish(struct torap_welcome *w);

int torap_ack_decode(struct torap_stream_position **out, size_t *out_count, struct torap_bytes body,
	struct torap_error *err);
struct torap_buffer *torap_ack_encode(const struct torap_stream_position *positions, size_t count);
void torap_positions_destroy(struct torap_stream_position *positions, size_t count);

int torap_refusal_decode(struct torap_refusal *out, struct torap_bytes body, struct torap_error *err);
struct torap_buffer *torap_refusal_encode(const struct torap_refusal *in);
void torap_refusal_finish(struct torap_refusal *r);

int torap_credit_decode(uint64_t *out_bytes, struct torap_bytes body, struct torap_error *err);

/* Grant: the body of a GRANT message. */
int torap_grant_decode(
	struct torap_grant_row **out, size_t *out_count, struct torap_bytes body, struct torap_error *err);
struct torap_buffer *torap_grant_encode(const struct torap_grant_row *rows, size_t count);
