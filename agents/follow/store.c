#include "agents/follow/store.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/follow/mended.h"
#include "base/error.h"

/* In the table meta, beside what mended.h has there: "started/LANE", "late/STREAM" (that they are there is all they say), "length/OUTPUT" (u64). */

enum { KEY_MAX = 192, POSITION_SIZE = 8 + 8 + 1 + TORAP_DIGEST_SIZE, GRANT_HEADER_SIZE = 8 };

int follow_store_open(
	struct torap_kv **out, const char *dir, uint64_t bytes, bool read_only, struct torap_error *err)
{
	static const char *const tables[] = {
		TORAP_JOURNAL_TABLE_NAMES,
		"cursor",
		"heads",
		"proofs",
		"grants",
		"spans",
		"trust",
		"meta",
		"printed",
		NULL,
	};
	struct torap_kv_options options = {
		.tables = tables,
		.map_size = read_only ? 0 : bytes,
		.read_only = read_only,
	};
	return torap_kv_open(out, dir, &options, err);
}

/* A key put together in place. */
struct key {
	uint8_t data[KEY_MAX];
	size_t size;
};

static void key_text(struct key *k, const char *text)
{
	size_t n = strlen(text);
	assert(k->size + n <= sizeof k->data);
	memcpy(k->data + k->size, text, n);
	k->size += n;
}

static void key_number(struct key *k, uint64_t value, size_t size)
{
	assert(k->size + size <= sizeof k->data);
	for (size_t i = size; i-- > 0; value >>= 8)
		k->data[k->size + i] = (uint8_t)value;
	k->size += size;
}

static struct key stream_key(const struct torap_stream_id *stream)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct key k = { .size = 0 };
	key_text(&k, torap_stream_id_format(stream, text));
	return k;
}

static struct torap_bytes key_bytes(const struct key *k)
{
	return torap_bytes(k->data, k->size);
}

/* Positions and cursors. */

static void write_u64(uint8_t *to, uint64_t value)
{
	for (int i = 7; i >= 0; i--, value >>= 8)
		to[i] = (uint8_t)value;
}

static void write_position(uint8_t to[static POSITION_SIZE], const struct torap_position *p)
{
	write_u64(to, p->next_batch);
	write_u64(to + 8, p->next_seq);
	to[16] = p->has_digest;
	memset(to + 17, 0, TORAP_DIGEST_SIZE);
	if (p->has_digest)
		memcpy(to + 17, p->last_digest, TORAP_DIGEST_SIZE);
}

static void read_position(struct torap_reader *r, struct torap_position *p)
{
	*p = (struct torap_position){ .next_batch = torap_read_u64(r), .next_seq = torap_read_u64(r) };
	p->has_digest = torap_read_u8(r) == 1;
	struct torap_bytes digest = torap_read_bytes(r, TORAP_DIGEST_SIZE);
	if (digest.size)
		memcpy(p->last_digest, digest.data, digest.size);
}

static int put_cursor(struct torap_kv_txn *txn, const struct follow_cursor *c)
{
	uint8_t row[2 * POSITION_SIZE];
	write_position(row, &c->begin);
	write_position(row + POSITION_SIZE, &c->at);
	struct key k = stream_key(&c->stream);
	return torap_kv_put(txn, FOLLOW_CURSOR, key_bytes(&k), torap_bytes(row, sizeof row));
}

static int read_cursor(struct torap_bytes key, struct torap_bytes row, struct follow_cursor *out)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	if (key.size >= sizeof text)
		return -EBADMSG;
	memcpy(text, key.data, key.size);
	text[key.size] = '\0';

	struct follow_cursor c = { 0 };
	struct torap_reader r = torap_reader(row);
	read_position(&r, &c.begin);
	read_position(&r, &c.at);
	if (!torap_stream_id_parse(&c.stream, text) || !torap_read_end(&r) || c.begin.next_batch == 0 ||
		c.at.next_batch < c.begin.next_batch)
		return -EBADMSG;
	*out = c;
	return 0;
}

int follow_store_cursor(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, struct follow_cursor *out)
{
	struct key k = stream_key(stream);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_CURSOR, key_bytes(&k), &row);
	return r ? r : read_cursor(key_bytes(&k), row, out);
}

struct cursor_walk {
	int (*each)(void *hint, const struct follow_cursor *c);
	void *hint;
};

static int on_cursor(void *hint, struct torap_bytes key, struct torap_bytes row)
{
	struct cursor_walk *w = hint;
	struct follow_cursor c;
	int r = read_cursor(key, row, &c);
	return r ? r : w->each(w->hint, &c);
}

int follow_store_cursors(
	struct torap_kv_txn *txn, int (*each)(void *hint, const struct follow_cursor *c), void *hint)
{
	struct cursor_walk w = { each, hint };
	return torap_kv_walk(txn, FOLLOW_CURSOR, torap_bytes(NULL, 0), on_cursor, &w);
}

static struct key late_key(const struct torap_stream_id *stream)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct key k = { .size = 0 };
	key_text(&k, "late/");
	key_text(&k, torap_stream_id_format(stream, text));
	return k;
}

int follow_store_pin(struct torap_kv_txn *txn, const struct torap_stream_position *begin, bool late)
{
	struct follow_cursor c;
	int r = follow_store_cursor(txn, &begin->stream, &c);
	if (r != TORAP_KV_MISSING)
		return r;
	c = (struct follow_cursor){ .stream = begin->stream, .begin = begin->at, .at = begin->at };
	r = put_cursor(txn, &c);
	if (r || !late || begin->at.next_batch == 1)
		return r;
	struct key k = late_key(&begin->stream);
	return torap_kv_put(txn, FOLLOW_META, key_bytes(&k), torap_bytes("1", 1));
}

int follow_store_late(struct torap_kv_txn *txn, const struct torap_stream_id *stream, bool *out)
{
	struct key k = late_key(stream);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_META, key_bytes(&k), &row);
	if (r && r != TORAP_KV_MISSING)
		return r;
	*out = r == 0;
	return 0;
}

/* Room. */

int follow_store_full(struct torap_kv *kv, struct torap_error *err)
{
	struct torap_kv_size size = torap_kv_size(kv);
	uint64_t most = size.map_bytes / 100 * TORAP_KV_HIGH_PERCENT;
	/* What did not fit is at most a batch; so near to the end it is dir_size that was in its way. */
	uint64_t near = most / 4 < TORAP_BATCH_SIZE_MAX ? most / 4 : TORAP_BATCH_SIZE_MAX;
	uint64_t used_mib = size.used_bytes >> 20, most_mib = most >> 20;
	if (size.used_bytes + near >= most)
		return torap_errorf(err, -ENOSPC,
			"the directory is full: it holds %" PRIu64 " of the %" PRIu64
			" MiB that dir_size leaves for what is received; raise dir_size, and start again",
			used_mib, most_mib);
	return torap_errorf(err, -ENOSPC,
		"the file system of the directory is full: dir_size allows %" PRIu64
		" MiB and the directory holds %" PRIu64 "; make room, and start again",
		most_mib, used_mib);
}

/* Batches. */

static int put_span(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, uint64_t batch_no, uint32_t grant)
{
	struct torap_journal_head head;
	int r = torap_journal_head(txn, stream, &head);
	if (r)
		return r;
	uint32_t before;
	r = follow_store_grant_of(txn, head.number, batch_no, &before);
	if (r == 0 && before == grant)
		return 0;
	if (r && r != TORAP_KV_MISSING)
		return r;

	struct key k = { .size = 0 }, value = { .size = 0 };
	key_number(&k, head.number, 4);
	key_number(&k, batch_no, 8);
	key_number(&value, grant, 4);
	return torap_kv_put(txn, FOLLOW_SPANS, key_bytes(&k), key_bytes(&value));
}

/* Did any open frame come? */
static bool compare_frames(
	struct follow_mended *m, const struct torap_batch *before, const struct torap_batch *after)
{
	bool any = false;
	for (unsigned g = 0; g < after->manifest->groups_count; g++) {
		unsigned open = after->manifest->groups[g].first_frame; /* always listed, and first */
		m->came[open] = after->frames[open] && !before->frames[open];
		any = any || m->came[open];
	}
	return any;
}

static int note_merge(
	struct torap_kv_txn *txn, const struct torap_journal_head *head, const struct torap_batch *before)
{
	uint64_t batch_no = before->manifest->batch_no;
	struct follow_mended m = { .stream_number = head->number, .batch_no = batch_no };
	struct torap_batch *after = NULL;
	int r = torap_journal_read(txn, head->number, batch_no, NULL, NULL, &after, NULL, NULL);
	if (r)
		return r;
	if (compare_frames(&m, before, after))
		r = follow_mended_add(txn, &m);
	if (!r && !torap_batch_lacks(after))
		r = follow_hole_delete(txn, &head->stream, batch_no);
	torap_batch_destroy(after);
	return r;
}

/* A batch that is there already.  What of it comes only now is kept for the outputs; what nobody can give any more is no hole. */
static int append_old(
	struct torap_kv_txn *txn, const struct torap_batch *batch, struct torap_wall received_at)
{
	struct torap_journal_head head;
	struct torap_batch *before = NULL;
	int r = torap_journal_head(txn, &batch->manifest->stream, &head);
	if (r)
		return r == TORAP_KV_MISSING ? TORAP_JOURNAL_GAP : r;
	r = torap_journal_read(txn, head.number, batch->manifest->batch_no, NULL, NULL, &before, NULL, NULL);
	if (r && r != -EBADMSG && r != TORAP_KV_MISSING)
		return r;
	r = torap_journal_append(txn, batch, received_at);
	if (r == TORAP_JOURNAL_MERGED && before) {
		int noted = note_merge(txn, &head, before);
		r = noted ? noted : r;
	}
	torap_batch_destroy(before);
	return r;
}

int follow_store_append(struct torap_kv_txn *txn, const struct torap_batch *batch,
	struct torap_wall received_at, uint32_t grant)
{
	const struct torap_manifest *m = batch->manifest;
	struct follow_cursor c;
	int r = follow_store_cursor(txn, &m->stream, &c);
	if (r == TORAP_KV_MISSING) {
		struct torap_position first = { .next_batch = 1, .next_seq = 1 };
		c = (struct follow_cursor){ .stream = m->stream, .begin = first, .at = first };
		r = 0;
	}
	if (r)
		return r;
	/* The journal lets a stream begin anywhere; a cursor that is pinned says where. */
	if (m->batch_no > c.at.next_batch)
		return TORAP_JOURNAL_GAP;
	if (m->batch_no < c.begin.next_batch)
		return TORAP_JOURNAL_OLD;
	if (m->batch_no < c.at.next_batch)
		return append_old(txn, batch, received_at);

	r = torap_journal_append(txn, batch, received_at);
	if (r)
		return r;
	torap_position_advance(&c.at, m);
	r = put_cursor(txn, &c);
	if (!r && torap_batch_lacks(batch))
		r = follow_hole_put(txn, &m->stream, m->batch_no);
	return r ? r : put_span(txn, &m->stream, m->batch_no, grant);
}

/* Heads and proofs. */

int follow_store_put_head(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, struct torap_bytes signed_head)
{
	struct key k = stream_key(stream);
	return torap_kv_put(txn, FOLLOW_HEADS, key_bytes(&k), signed_head);
}

int follow_store_put_proof(struct torap_kv_txn *txn, const struct torap_stream_id *stream,
	enum torap_proof sort, uint64_t number, struct torap_bytes document)
{
	return torap_proof_put(txn, FOLLOW_PROOFS, stream, sort, number, document);
}

/* Grants. */

static int read_grant(struct torap_bytes key, struct torap_bytes row, struct follow_grant *out)
{
	struct torap_reader k = torap_reader(key), r = torap_reader(row);
	struct follow_grant g = { .number = torap_read_u32(&k), .since = { (int64_t)torap_read_u64(&r) } };
	if (!torap_read_end(&k) || r.failed)
		return -EBADMSG;
	struct torap_bytes body = torap_read_bytes(&r, (size_t)(r.end - r.at));
	g.body = torap_buffer_copy(body);
	if (!g.body)
		return -ENOMEM;
	*out = g;
	return 0;
}

int follow_store_last_grant(struct torap_kv_txn *txn, struct follow_grant *out)
{
	struct torap_bytes key, row;
	*out = (struct follow_grant){ 0 };
	int r = torap_kv_last(txn, FOLLOW_GRANTS, torap_bytes(NULL, 0), &key, &row);
	if (r)
		return r == TORAP_KV_MISSING ? 0 : r;
	return read_grant(key, row, out);
}

int follow_store_put_grant(struct torap_kv_txn *txn, const struct follow_grant *grant)
{
	struct key k = { .size = 0 };
	key_number(&k, grant->number, 4);
	uint8_t *row =
		torap_kv_reserve(txn, FOLLOW_GRANTS, key_bytes(&k), GRANT_HEADER_SIZE + grant->body->size);
	if (!row)
		return txn->failure;
	write_u64(row, (uint64_t)grant->since.us);
	if (grant->body->size)
		memcpy(row + GRANT_HEADER_SIZE, grant->body->data, grant->body->size);
	return 0;
}

int follow_store_grant_rows(
	struct torap_kv_txn *txn, uint32_t number, struct torap_grant_row **out, size_t *out_count)
{
	struct key k = { .size = 0 };
	key_number(&k, number, 4);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_GRANTS, key_bytes(&k), &row);
	if (r)
		return r;
	if (row.size < GRANT_HEADER_SIZE)
		return -EBADMSG;
	struct torap_bytes body = { row.data + GRANT_HEADER_SIZE, row.size - GRANT_HEADER_SIZE };
	return torap_grant_decode(out, out_count, body, NULL);
}

struct span_walk {
	uint32_t stream_number;
	uint64_t batch_no;
	bool found;
	uint32_t grant;
};

static int on_span(void *hint, struct torap_bytes key, struct torap_bytes row)
{
	struct span_walk *w = hint;
	struct torap_reader k = torap_reader(key), v = torap_reader(row);
	uint32_t stream_number = torap_read_u32(&k);
	uint64_t from = torap_read_u64(&k);
	uint32_t grant = torap_read_u32(&v);
	if (!torap_read_end(&k) || !torap_read_end(&v))
		return -EBADMSG;
	if (stream_number != w->stream_number || from > w->batch_no)
		return 1;
	w->found = true;
	w->grant = grant;
	return 0;
}

/* Spans are few: there is a new one only when the policy has changed. */
static int find_span(struct torap_kv_txn *txn, uint32_t stream_number, uint64_t batch_no, uint32_t *out_grant)
{
	struct key from = { .size = 0 };
	key_number(&from, stream_number, 4);
	struct span_walk w = { .stream_number = stream_number, .batch_no = batch_no };
	int r = torap_kv_walk(txn, FOLLOW_SPANS, key_bytes(&from), on_span, &w);
	if (r < 0)
		return r;
	if (!w.found)
		return TORAP_KV_MISSING;
	*out_grant = w.grant;
	return 0;
}

int follow_store_grant_of(
	struct torap_kv_txn *txn, uint32_t stream_number, uint64_t batch_no, uint32_t *out_grant)
{
	/* The newest is nearly always the one. */
	struct key prefix = { .size = 0 };
	key_number(&prefix, stream_number, 4);
	struct torap_bytes key, row;
	int r = torap_kv_last(txn, FOLLOW_SPANS, key_bytes(&prefix), &key, &row);
	if (r)
		return r;
	struct torap_reader k = torap_reader(key), v = torap_reader(row);
	torap_read_u32(&k);
	uint64_t from = torap_read_u64(&k);
	uint32_t grant = torap_read_u32(&v);
	if (!torap_read_end(&k) || !torap_read_end(&v))
		return -EBADMSG;
	if (from <= batch_no) {
		*out_grant = grant;
		return 0;
	}
	return find_span(txn, stream_number, batch_no, out_grant);
}

/* Trust. */

int follow_store_put_trust(struct torap_kv_txn *txn, uint64_t version, struct torap_bytes signed_trust)
{
	struct key k = { .size = 0 };
	key_number(&k, version, 8);
	return torap_kv_put(txn, FOLLOW_TRUST, key_bytes(&k), signed_trust);
}

int follow_store_last_trust(struct torap_kv_txn *txn, struct torap_bytes *out)
{
	struct torap_bytes key;
	return torap_kv_last(txn, FOLLOW_TRUST, torap_bytes(NULL, 0), &key, out);
}

/* Meta. */

static struct key started_key(uint8_t lane)
{
	struct key k = { .size = 0 };
	key_text(&k, "started/");
	key_text(&k, torap_lane_name(lane));
	return k;
}

int follow_store_put_started(struct torap_kv_txn *txn, uint8_t lane)
{
	struct key k = started_key(lane);
	return torap_kv_put(txn, FOLLOW_META, key_bytes(&k), torap_bytes("1", 1));
}

int follow_store_started(struct torap_kv_txn *txn, uint8_t lane, bool *out)
{
	struct key k = started_key(lane);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_META, key_bytes(&k), &row);
	if (r && r != TORAP_KV_MISSING)
		return r;
	*out = r == 0;
	return 0;
}

static struct key output_key(const char *output, const struct torap_stream_id *stream)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct key k = { .size = 0 };
	key_text(&k, output);
	key_text(&k, " ");
	key_text(&k, torap_stream_id_format(stream, text));
	return k;
}

int follow_store_put_printed(struct torap_kv_txn *txn, const char *output,
	const struct torap_stream_id *stream, struct follow_printed at)
{
	uint8_t row[16];
	write_u64(row, at.next_batch);
	write_u64(row + 8, at.next_seq);
	struct key k = output_key(output, stream);
	return torap_kv_put(txn, FOLLOW_PRINTED, key_bytes(&k), torap_bytes(row, sizeof row));
}

int follow_store_printed(struct torap_kv_txn *txn, const char *output, const struct torap_stream_id *stream,
	struct follow_printed *out)
{
	struct key k = output_key(output, stream);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_PRINTED, key_bytes(&k), &row);
	if (r)
		return r;
	struct torap_reader v = torap_reader(row);
	*out = (struct follow_printed){ .next_batch = torap_read_u64(&v), .next_seq = torap_read_u64(&v) };
	return torap_read_end(&v) ? 0 : -EBADMSG;
}

static struct key length_key(const char *output)
{
	struct key k = { .size = 0 };
	key_text(&k, "length/");
	key_text(&k, output);
	return k;
}

int follow_store_put_length(struct torap_kv_txn *txn, const char *output, uint64_t length)
{
	uint8_t row[8];
	write_u64(row, length);
	struct key k = length_key(output);
	return torap_kv_put(txn, FOLLOW_META, key_bytes(&k), torap_bytes(row, sizeof row));
}

int follow_store_length(struct torap_kv_txn *txn, const char *output, uint64_t *out)
{
	struct key k = length_key(output);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_META, key_bytes(&k), &row);
	if (r)
		return r;
	struct torap_reader v = torap_reader(row);
	*out = torap_read_u64(&v);
	return torap_read_end(&v) ? 0 : -EBADMSG;
}
