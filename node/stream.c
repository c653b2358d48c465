#include "node/stream.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "node/writes.h"
#include "store/journal.h"
#include "store/kv.h"

void node_stream_init(struct node_stream *s, const struct torap_stream_id *id)
{
	*s = (struct node_stream){ .id = *id, .sealed = { .next_seq = 1 } };
}

int node_stream_read(struct node_stream *s, struct torap_kv_txn *txn, struct torap_error *err)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_journal_head head;
	int r = torap_journal_head(txn, &s->id, &head);
	if (r == TORAP_KV_MISSING || (r == 0 && head.last_batch == 0))
		return 0;
	if (r < 0)
		return torap_errorf(err, r, "%s: cannot be read", torap_stream_id_format(&s->id, text));
	struct node_mark mark;
	r = node_mark_read(&mark, &s->id, head.last_batch, txn);
	if (r || mark.next_seq != head.next_seq)
		return torap_errorf(err, -EBADMSG, "%s: journal and table marks differ",
			torap_stream_id_format(&s->id, text));
	s->sealed = mark;
	memcpy(s->digest, head.last_digest, sizeof s->digest);
	return 0;
}

/* The writer is not part of the key: a node's journal holds its own streams only. */
static void make_key(struct torap_writer *key, const struct torap_stream_id *stream, uint64_t batch_no)
{
	torap_write_u8(key, stream->lane);
	torap_write_u64(key, stream->incarnation);
	torap_write_u64(key, batch_no);
}

void node_mark_write(
	const struct node_mark *m, const struct torap_stream_id *stream, struct torap_writer *writes)
{
	struct torap_writer key = { 0 }, value = { 0 };
	make_key(&key, stream, m->batch_no);
	torap_write_u64(&value, m->bytes);
	torap_write_u64(&value, m->next_seq);
	torap_write_u64(&value, (uint64_t)m->sealed_at.us);
	node_writes_put(writes, NODE_TABLE_MARKS, torap_bytes(key.data, key.size),
		torap_bytes(value.data, value.size));
	writes->failed = writes->failed || key.failed || value.failed;
	torap_writer_finish(&key);
	torap_writer_finish(&value);
}

int node_mark_read(struct node_mark *out, const struct torap_stream_id *stream, uint64_t batch_no,
	struct torap_kv_txn *txn)
{
	if (batch_no == 0) {
		*out = (struct node_mark){ .next_seq = 1 };
		return 0;
	}
	struct torap_writer key = { 0 };
	make_key(&key, stream, batch_no);
	struct torap_bytes value = { 0 };
	int r = key.failed ? -ENOMEM
			   : torap_kv_get(txn, NODE_TABLE_MARKS, torap_bytes(key.data, key.size), &value);
	torap_writer_finish(&key);
	if (r)
		return r;
	struct torap_reader reader = torap_reader(value);
	struct node_mark m = { .batch_no = batch_no };
	m.bytes = torap_read_u64(&reader);
	m.next_seq = torap_read_u64(&reader);
	m.sealed_at.us = (int64_t)torap_read_u64(&reader);
	if (!torap_read_end(&reader))
		return -EBADMSG;
	*out = m;
	return 0;
}
