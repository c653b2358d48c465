#include "agents/follow/grants.h"

#include <errno.h>
#include <string.h>

#include "agents/follow/store.h"
#include "store/kv_key.h"

enum { HEADER_SIZE = 8 }; /* since when */

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

int follow_grant_last(struct torap_kv_txn *txn, struct follow_grant *out)
{
	struct torap_bytes key, row;
	*out = (struct follow_grant){ 0 };
	int r = torap_kv_last(txn, FOLLOW_GRANTS, torap_bytes(NULL, 0), &key, &row);
	if (r)
		return r == TORAP_KV_MISSING ? 0 : r;
	return read_grant(key, row, out);
}

int follow_grant_put(struct torap_kv_txn *txn, const struct follow_grant *grant)
{
	struct torap_kv_key k = { .size = 0 };
	torap_kv_key_u32(&k, grant->number);
	uint8_t *row =
		torap_kv_reserve(txn, FOLLOW_GRANTS, torap_kv_key_bytes(&k), HEADER_SIZE + grant->body->size);
	if (!row)
		return txn->failure;
	struct torap_kv_key since = { .size = 0 };
	torap_kv_key_u64(&since, (uint64_t)grant->since.us);
	memcpy(row, since.data, HEADER_SIZE);
	if (grant->body->size)
		memcpy(row + HEADER_SIZE, grant->body->data, grant->body->size);
	return 0;
}

int follow_grant_rows(
	struct torap_kv_txn *txn, uint32_t number, struct torap_grant_row **out, size_t *out_count)
{
	struct torap_kv_key k = { .size = 0 };
	torap_kv_key_u32(&k, number);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_GRANTS, torap_kv_key_bytes(&k), &row);
	if (r)
		return r;
	if (row.size < HEADER_SIZE)
		return -EBADMSG;
	struct torap_bytes body = { row.data + HEADER_SIZE, row.size - HEADER_SIZE };
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
	struct torap_kv_key from = { .size = 0 };
	torap_kv_key_u32(&from, stream_number);
	struct span_walk w = { .stream_number = stream_number, .batch_no = batch_no };
	int r = torap_kv_walk(txn, FOLLOW_SPANS, torap_kv_key_bytes(&from), on_span, &w);
	if (r < 0)
		return r;
	if (!w.found)
		return TORAP_KV_MISSING;
	*out_grant = w.grant;
	return 0;
}

int follow_grant_of(struct torap_kv_txn *txn, uint32_t stream_number, uint64_t batch_no, uint32_t *out_grant)
{
	/* The newest is nearly always the one. */
	struct torap_kv_key prefix = { .size = 0 };
	torap_kv_key_u32(&prefix, stream_number);
	struct torap_bytes key, row;
	int r = torap_kv_last(txn, FOLLOW_SPANS, torap_kv_key_bytes(&prefix), &key, &row);
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

int follow_grant_hold(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, uint64_t batch_no, uint32_t grant)
{
	struct torap_journal_head head;
	int r = torap_journal_head(txn, stream, &head);
	if (r)
		return r;
	uint32_t before;
	r = follow_grant_of(txn, head.number, batch_no, &before);
	if (r == 0 && before == grant)
		return 0;
	if (r && r != TORAP_KV_MISSING)
		return r;

	struct torap_kv_key k = { .size = 0 }, value = { .size = 0 };
	torap_kv_key_u32(&k, head.number);
	torap_kv_key_u64(&k, batch_no);
	torap_kv_key_u32(&value, grant);
	return torap_kv_put(txn, FOLLOW_SPANS, torap_kv_key_bytes(&k), torap_kv_key_bytes(&value));
}
