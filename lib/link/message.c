#include "link/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "link/grant.h"
#include "proto/session.pb-c.h"
#include "wire/arena.h"

/* A message of 9 MiB holds empty positions by the million, of 100 bytes in memory each, before anyone counts them.  A welcome with
 * its trust file, 4,096 positions and some million holes stays below. */
enum { DECODE_MEMORY_MAX = 32 << 20 };

/* A packed protobuf message as a buffer. */
static struct torap_buffer *pack(const ProtobufCMessage *message)
{
	struct torap_buffer *b = torap_buffer_create(protobuf_c_message_get_packed_size(message));
	if (b)
		protobuf_c_message_pack(message, b->data);
	return b;
}

static bool copy_text(char *out, size_t size, const char *text)
{
	size_t n = strlen(text);
	if (n >= size)
		return false;
	memcpy(out, text, n + 1);
	return true;
}

static int position_decode(
	struct torap_stream_position *out, const Torap__StreamPosition *in, struct torap_error *err)
{
	*out = (struct torap_stream_position){ 0 };
	if (!torap_stream_id_decode(&out->stream, in->stream))
		return torap_errorf(err, -EBADMSG, "a position without a valid stream");
	if (in->next_batch == 0)
		return torap_errorf(err, -EBADMSG, "a position before batch 1");
	if (in->last_digest.len != 0 && in->last_digest.len != TORAP_DIGEST_SIZE)
		return torap_errorf(err, -EBADMSG, "a position's digest has %zu bytes", in->last_digest.len);
	if (in->n_holes > TORAP_HOLES_MAX)
		return torap_errorf(err, -EBADMSG, "%zu holes in a position", in->n_holes);
	out->at.next_batch = in->next_batch;
	out->at.has_digest = in->last_digest.len != 0;
	if (out->at.has_digest)
		memcpy(out->at.last_digest, in->last_digest.data, TORAP_DIGEST_SIZE);
	if (in->n_holes) {
		out->holes = malloc(in->n_holes * sizeof *out->holes);
		if (!out->holes)
			return torap_errorf(err, -ENOMEM, "out of memory");
		memcpy(out->holes, in->holes, in->n_holes * sizeof *out->holes);
		out->holes_count = in->n_holes;
	}
	return 0;
}

void torap_positions_destroy(struct torap_stream_position *positions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(positions[i].holes);
	free(positions);
}

static int compare_streams(const void *a, const void *b)
{
	const struct torap_stream_position *const *x = a, *const *y = b;
	return torap_stream_id_compare(&(*x)->stream, &(*y)->stream);
}

/* Work is done for each of them.  Without memory it is taken for granted that it does not. */
static bool names_twice(const struct torap_stream_position *positions, size_t count)
{
	const struct torap_stream_position **sorted =
		count > 1 ? malloc(count * sizeof(const struct torap_stream_position *)) : NULL;
	bool twice = false;
	for (size_t i = 0; sorted && i < count; i++)
		sorted[i] = &positions[i];
	if (sorted)
		qsort(sorted, count, sizeof *sorted, compare_streams);
	for (size_t i = 1; sorted && i < count; i++)
		twice = twice || compare_streams(&sorted[i - 1], &sorted[i]) == 0;
	free(sorted);
	return twice;
}

static int positions_decode(struct torap_stream_position **out, size_t *out_count,
	Torap__StreamPosition *const *in, size_t count, struct torap_error *err)
{
	if (count > TORAP_POSITIONS_MAX)
		return torap_errorf(err, -EBADMSG, "%zu positions in one message", count);
	struct torap_stream_position *positions = calloc(count ? count : 1, sizeof *positions);
	if (!positions)
		return torap_errorf(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		int r = position_decode(&positions[i], in[i], err);
		if (r) {
			torap_positions_destroy(positions, i);
			return r;
		}
	}
	if (names_twice(positions, count)) {
		torap_positions_destroy(positions, count);
		return torap_errorf(err, -EBADMSG, "a stream stands twice in one message");
	}
	*out = positions;
	*out_count = count;
	return 0;
}

/* Protobuf structs of positions; they borrow from `in`. */
struct positions_form {
	Torap__StreamPosition **list;
	Torap__StreamPosition *positions;
	Torap__StreamId *streams;
};

static void positions_form_finish(struct positions_form *f)
{
	free(f->list);
	free(f->positions);
	free(f->streams);
}

static bool positions_form_make(
	struct positions_form *f, const struct torap_stream_position *in, size_t count)
{
	size_t n = count ? count : 1;
	f->list = calloc(n, sizeof *f->list);
	f->positions = calloc(n, sizeof *f->positions);
	f->streams = calloc(n, sizeof *f->streams);
	if (!f->list || !f->positions || !f->streams)
		return false;
	for (size_t i = 0; i < count; i++) {
		Torap__StreamPosition *p = &f->positions[i];
		torap__stream_position__init(p);
		torap__stream_id__init(&f->streams[i]);
		torap_stream_id_encode(&f->streams[i], &in[i].stream);
		p->stream = &f->streams[i];
		p->next_batch = in[i].at.next_batch;
		if (in[i].at.has_digest) {
			p->last_digest.data = (uint8_t *)(uintptr_t)in[i].at.last_digest;
			p->last_digest.len = TORAP_DIGEST_SIZE;
		}
		p->holes = in[i].holes;
		p->n_holes = in[i].holes_count;
		f->list[i] = p;
	}
	return true;
}

static int hello_fill(struct torap_hello *out, const Torap__Hello *in, struct torap_error *err)
{
	out->version = in->protocol_version;
	if (in->role != TORAP__ROLE__ROLE_WRITER && in->role != TORAP__ROLE__ROLE_SUBSCRIBER)
		return torap_errorf(err, -EBADMSG, "hello with role %d", (int)in->role);
	if (in->lane < TORAP__LANE__LANE_CRITICAL || in->lane > TORAP__LANE__LANE_BULK)
		return torap_errorf(err, -EBADMSG, "hello with lane %d", (int)in->lane);
	if ((int)in->start < 0 || in->start > TORAP__START__START_TIME)
		return torap_errorf(err, -EBADMSG, "hello with start %d", (int)in->start);
	out->role = (uint8_t)in->role;
	out->lane = (uint8_t)in->lane;
	out->start = (uint8_t)in->start;
	out->start_at.us = in->start_at_us;
	out->credit_bytes = in->credit_bytes;
	if (!copy_text(out->name, sizeof out->name, in->name) || !*out->name)
		return torap_errorf(err, -EBADMSG, "hello with a name of %zu bytes", strlen(in->name));
	if (!copy_text(out->software, sizeof out->software, in->software))
		return torap_errorf(
			err, -EBADMSG, "hello with a software name of %zu bytes", strlen(in->software));
	int r = positions_decode(&out->positions, &out->positions_count, in->positions, in->n_positions, err);
	if (r)
		return r;
	for (size_t i = 0; i < out->positions_count; i++)
		if (out->positions[i].stream.lane != out->lane)
			return torap_errorf(err, -EBADMSG, "hello names a stream of another lane");
	return torap_grant_rows_decode(
		&out->expected, &out->expected_count, in->expected, in->n_expected, err);
}

/* Field numbers of session.proto, and wire types of protobuf. */
enum { HELLO_ROLE = 2, HELLO_LANE, WIRE_VARINT = 0, WIRE_BYTES = 2, HELLO_PEEKED_FIELDS = 8 };

void torap_hello_peek(uint8_t *out_role, uint8_t *out_lane, struct torap_bytes body)
{
	struct torap_reader r = torap_reader(body);
	uint64_t role = 0, lane = 0;
	for (int i = 0; i < HELLO_PEEKED_FIELDS && r.at < r.end && !r.failed; i++) {
		uint64_t tag = torap_read_varint(&r), value = torap_read_varint(&r);
		if (tag == (HELLO_ROLE << 3 | WIRE_VARINT))
			role = value;
		else if (tag == (HELLO_LANE << 3 | WIRE_VARINT))
			lane = value;
		else if ((tag & 7) == WIRE_BYTES)
			torap_read_bytes(&r, value);
		else if ((tag & 7) != WIRE_VARINT)
			break;
	}
	bool fits = (role == TORAP__ROLE__ROLE_WRITER || role == TORAP__ROLE__ROLE_SUBSCRIBER) &&
		    lane >= TORAP__LANE__LANE_CRITICAL && lane <= TORAP__LANE__LANE_BULK;
	*out_role = fits ? (uint8_t)role : 0;
	*out_lane = fits ? (uint8_t)lane : 0;
}

int torap_hello_decode(struct torap_hello *out, struct torap_bytes body, struct torap_error *err)
{
	*out = (struct torap_hello){ 0 };
	struct torap_arena arena;
	torap_arena_init(&arena, DECODE_MEMORY_MAX);
	Torap__Hello *in = torap__hello__unpack(&arena.allocator, body.size, body.data);
	int r = in ? hello_fill(out, in, err) : torap_errorf(err, -EBADMSG, "hello cannot be decoded");
	torap_arena_finish(&arena);
	if (r)
		torap_hello_finish(out);
	return r;
}

struct torap_buffer *torap_hello_encode(const struct torap_hello *in)
{
	struct positions_form positions = { 0 };
	struct torap_grant_form rows = { 0 };
	struct torap_buffer *b = NULL;
	if (positions_form_make(&positions, in->positions, in->positions_count) &&
		torap_grant_form_make(&rows, in->expected, in->expected_count)) {
		Torap__Hello m = TORAP__HELLO__INIT;
		m.protocol_version = in->version;
		m.role = (Torap__Role)in->role;
		m.lane = (Torap__Lane)in->lane;
		m.name = (char *)(uintptr_t)in->name;
		m.software = (char *)(uintptr_t)in->software;
		m.positions = positions.list;
		m.n_positions = in->positions_count;
		m.credit_bytes = in->credit_bytes;
		m.start = (Torap__Start)in->start;
		m.start_at_us = in->start_at.us;
		m.expected = rows.list;
		m.n_expected = in->expected_count;
		b = pack(&m.base);
	}
	torap_grant_form_finish(&rows);
	positions_form_finish(&positions);
	return b;
}

void torap_hello_finish(struct torap_hello *h)
{
	torap_positions_destroy(h->positions, h->positions_count);
	torap_grant_rows_destroy(h->expected, h->expected_count);
	*h = (struct torap_hello){ 0 };
}

static int welcome_fill(struct torap_welcome *out, const Torap__Welcome *in, struct torap_error *err)
{
	out->version = in->protocol_version;
	out->credit_bytes = in->credit_bytes;
	out->heartbeat_ms = in->heartbeat_ms;
	if (!copy_text(out->broker, sizeof out->broker, in->broker))
		return torap_errorf(err, -EBADMSG, "welcome with a name of %zu bytes", strlen(in->broker));
	int r = positions_decode(&out->positions, &out->positions_count, in->positions, in->n_positions, err);
	if (r)
		return r;
	r = torap_grant_rows_decode(&out->granted, &out->granted_count, in->granted, in->n_granted, err);
	if (r)
		return r;
	if (in->trust.len) {
		out->trust = torap_buffer_copy(torap_bytes(in->trust.data, in->trust.len));
		if (!out->trust)
			return torap_errorf(err, -ENOMEM, "out of memory");
	}
	return 0;
}

int torap_welcome_decode(struct torap_welcome *out, struct torap_bytes body, struct torap_error *err)
{
	*out = (struct torap_welcome){ 0 };
	struct torap_arena arena;
	torap_arena_init(&arena, DECODE_MEMORY_MAX);
	Torap__Welcome *in = torap__welcome__unpack(&arena.allocator, body.size, body.data);
	int r = in ? welcome_fill(out, in, err) : torap_errorf(err, -EBADMSG, "welcome cannot be decoded");
	torap_arena_finish(&arena);
	if (r)
		torap_welcome_finish(out);
	return r;
}

struct torap_buffer *torap_welcome_encode(const struct torap_welcome *in)
{
	struct positions_form positions = { 0 };
	struct torap_grant_form rows = { 0 };
	struct torap_buffer *b = NULL;
	if (positions_form_make(&positions, in->positions, in->positions_count) &&
		torap_grant_form_make(&rows, in->granted, in->granted_count)) {
		Torap__Welcome m = TORAP__WELCOME__INIT;
		m.protocol_version = in->version;
		m.broker = (char *)(uintptr_t)in->broker;
		m.positions = positions.list;
		m.n_positions = in->positions_count;
		m.credit_bytes = in->credit_bytes;
		m.granted = rows.list;
		m.n_granted = in->granted_count;
		m.heartbeat_ms = in->heartbeat_ms;
		if (in->trust) {
			m.trust.data = in->trust->data;
			m.trust.len = in->trust->size;
		}
		b = pack(&m.base);
	}
	torap_grant_form_finish(&rows);
	positions_form_finish(&positions);
	return b;
}

void torap_welcome_finish(struct torap_welcome *w)
{
	torap_positions_destroy(w->positions, w->positions_count);
	torap_grant_rows_destroy(w->granted, w->granted_count);
	torap_buffer_unref(w->trust);
	*w = (struct torap_welcome){ 0 };
}

int torap_ack_decode(struct torap_stream_position **out, size_t *out_count, struct torap_bytes body,
	struct torap_error *err)
{
	struct torap_arena arena;
	torap_arena_init(&arena, DECODE_MEMORY_MAX);
	Torap__Ack *in = torap__ack__unpack(&arena.allocator, body.size, body.data);
	int r = in ? positions_decode(out, out_count, in->positions, in->n_positions, err)
		   : torap_errorf(err, -EBADMSG, "ack cannot be decoded");
	torap_arena_finish(&arena);
	return r;
}

struct torap_buffer *torap_ack_encode(const struct torap_stream_position *positions, size_t count)
{
	struct positions_form form = { 0 };
	struct torap_buffer *b = NULL;
	if (positions_form_make(&form, positions, count)) {
		Torap__Ack m = TORAP__ACK__INIT;
		m.positions = form.list;
		m.n_positions = count;
		b = pack(&m.base);
	}
	positions_form_finish(&form);
	return b;
}

static int refusal_fill(struct torap_refusal *out, const Torap__Refusal *in, struct torap_error *err)
{
	out->code = (int)in->code;
	size_t n = strlen(in->reason);
	if (n >= sizeof out->reason)
		n = sizeof out->reason - 1; /* A text for people: cut, not refused. */
	memcpy(out->reason, in->reason, n);
	if (!in->resume)
		return out->code == TORAP__REFUSAL__CODE__RESUME
			       ? torap_errorf(err, -EBADMSG, "a refusal to resume says not where")
			       : 0;
	int r = position_decode(&out->resume, in->resume, err);
	out->has_resume = r == 0;
	return r;
}

int torap_refusal_decode(struct torap_refusal *out, struct torap_bytes body, struct torap_error *err)
{
	*out = (struct torap_refusal){ 0 };
	struct torap_arena arena;
	torap_arena_init(&arena, DECODE_MEMORY_MAX);
	Torap__Refusal *in = torap__refusal__unpack(&arena.allocator, body.size, body.data);
	int r = in ? refusal_fill(out, in, err) : torap_errorf(err, -EBADMSG, "refusal cannot be decoded");
	torap_arena_finish(&arena);
	return r;
}

struct torap_buffer *torap_refusal_encode(const struct torap_refusal *in)
{
	struct positions_form form = { 0 };
	struct torap_buffer *b = NULL;
	if (positions_form_make(&form, &in->resume, in->has_resume ? 1 : 0)) {
		Torap__Refusal m = TORAP__REFUSAL__INIT;
		m.code = (Torap__Refusal__Code)in->code;
		m.reason = (char *)(uintptr_t)in->reason;
		m.resume = in->has_resume ? form.list[0] : NULL;
		b = pack(&m.base);
	}
	positions_form_finish(&form);
	return b;
}

void torap_refusal_finish(struct torap_refusal *r)
{
	free(r->resume.holes);
	*r = (struct torap_refusal){ 0 };
}

int torap_credit_decode(uint64_t *out_bytes, struct torap_bytes body, struct torap_error *err)
{
	struct torap_arena arena;
	torap_arena_init(&arena, DECODE_MEMORY_MAX);
	Torap__Credit *in = torap__credit__unpack(&arena.allocator, body.size, body.data);
	if (in)
		*out_bytes = in->credit_bytes;
	torap_arena_finish(&arena);
	return in ? 0 : torap_errorf(err, -EBADMSG, "credit cannot be decoded");
}

int torap_grant_decode(
	struct torap_grant_row **out, size_t *out_count, struct torap_bytes body, struct torap_error *err)
{
	struct torap_arena arena;
	torap_arena_init(&arena, DECODE_MEMORY_MAX);
	Torap__Grant *in = torap__grant__unpack(&arena.allocator, body.size, body.data);
	int r = in ? torap_grant_rows_decode(out, out_count, in->granted, in->n_granted, err)
		   : torap_errorf(err, -EBADMSG, "grant cannot be decoded");
	torap_arena_finish(&arena);
	return r;
}

struct torap_buffer *torap_grant_encode(const struct torap_grant_row *rows, size_t count)
{
	struct torap_grant_form form = { 0 };
	struct torap_buffer *b = NULL;
	if (torap_grant_form_make(&form, rows, count)) {
		Torap__Grant m = TORAP__GRANT__INIT;
		m.granted = form.list;
		m.n_granted = count;
		b = pack(&m.base);
	}
	torap_grant_form_finish(&form);
	return b;
}
