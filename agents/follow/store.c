#include "agents/follow/store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agents/follow/grants.h"
#include "agents/follow/mended.h"
#include "base/error.h"
#include "store/kv_key.h"

/* In the table meta, beside what mended.h and printed.h have there: "started/LANE": when its first welcome came; "late/STREAM": that it is there is all it says. */

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
		.cut_short_too = read_only,
	};
	return torap_kv_open(out, dir, &options, err);
}

static struct torap_kv_key stream_key(const struct torap_stream_id *stream)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_kv_key k = { .size = 0 };
	torap_kv_key_text(&k, torap_stream_id_format(stream, text));
	return k;
}

/* Positions and cursors. */

static void write_position(struct torap_kv_key *row, const struct torap_position *p)
{
	static const uint8_t none[TORAP_DIGEST_SIZE];
	torap_kv_key_u64(row, p->next_batch);
	torap_kv_key_u64(row, p->next_seq);
	torap_kv_key_u8(row, p->has_digest);
	torap_kv_key_add(row, torap_bytes(p->has_digest ? p->last_digest : none, TORAP_DIGEST_SIZE));
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
	struct torap_kv_key k = stream_key(&c->stream), row = { .size = 0 };
	write_position(&row, &c->begin);
	write_position(&row, &c->at);
	return torap_kv_put(txn, FOLLOW_CURSOR, torap_kv_key_bytes(&k), torap_kv_key_bytes(&row));
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
	struct torap_kv_key k = stream_key(stream);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_CURSOR, torap_kv_key_bytes(&k), &row);
	return r ? r : read_cursor(torap_kv_key_bytes(&k), row, out);
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

static struct torap_kv_key late_key(const struct torap_stream_id *stream)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	struct torap_kv_key k = { .size = 0 };
	torap_kv_key_text(&k, "late/");
	torap_kv_key_text(&k, torap_stream_id_format(stream, text));
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
	struct torap_kv_key k = late_key(&begin->stream);
	return torap_kv_put(txn, FOLLOW_META, torap_kv_key_bytes(&k), torap_bytes("1", 1));
}

int follow_store_late(struct torap_kv_txn *txn, const struct torap_stream_id *stream, bool *out)
{
	struct torap_kv_key k = late_key(stream);
	struct torap_bytes row;
	int r = torap_kv_get(txn, FOLLOW_META, torap_kv_key_bytes(&k), &row);
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
			" MiB that dir_size leaves for what is received; raise dir_size, and start it again",
			used_mib, most_mib);
	return torap_errorf(err, -ENOSPC,
		"the file system of the directory is full: dir_size allows %" PRIu64
		" MiB and the directory holds %" PRIu64 "; make room",
		most_mib, used_mib);
}

/* Batches. */

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
	return r ? r : follow_grant_hold(txn, &m->stream, m->batch_no, grant);
}

/* Heads and proofs. */

int follow_store_put_head(
	struct torap_kv_txn *txn, const struct torap_stream_id *stream, struct torap_bytes signed_head)
{
	struct torap_kv_key k = stream_key(stream);
	return torap_kv_put(txn, FOLLOW_HEADS, torap_kv_key_bytes(&k), signed_head);
}

int follow_store_put_proof(struct torap_kv_txn *txn, const struct torap_stream_id *stream,
	enum torap_proof sort, uint64_t number, struct torap_bytes document)
{
	return torap_proof_put(txn, FOLLOW_PROOFS, stream, sort, number, document);
}

/* Trust. */

int follow_store_put_trust(struct torap_kv_txn *txn, uint64_t version, struct torap_bytes signed_trust)
{
	struct torap_kv_key k = { .size = 0 };
	torap_kv_key_u64(&k, version);
	return torap_kv_put(txn, FOLLOW_TRUST, torap_kv_key_bytes(&k), signed_trust);
}

int follow_store_last_trust(struct torap_kv_txn *txn, struct torap_bytes *out)
{
	struct torap_bytes key;
	return torap_kv_last(txn, FOLLOW_TRUST, torap_bytes(NULL, 0), &key, out);
}

/* Meta. */

static struct torap_kv_key started_key(uint8_t lane)
{
	struct torap_kv_key k = { .size = 0 };
	torap_kv_key_text(&k, "started/");
	torap_kv_key_text(&k, torap_lane_name(lane));
	return k;
}

int follow_store_put_started(struct torap_kv_txn *txn, uint8_t lane, struct torap_wall at)
{
	struct torap_kv_key k = started_key(lane), row = { .size = 0 };
	struct torap_bytes before;
	int r = torap_kv_get(txn, FOLLOW_META, torap_kv_key_bytes(&k), &before);
	if (r != TORAP_KV_MISSING)
		return r;
	torap_kv_key_u64(&row, (uint64_t)at.us);
	return torap_kv_put(txn, FOLLOW_META, torap_kv_key_bytes(&k), torap_kv_key_bytes(&row));
}

int follow_store_started(struct torap_kv_txn *txn, uint8_t lane, struct torap_wall *out)
{
	struct torap_kv_key k = started_key(lane);
	struct torap_bytes row;
	*out = (struct torap_wall){ 0 };
	int r = torap_kv_get(txn, FOLLOW_META, torap_kv_key_bytes(&k), &row);
	if (r)
		return r == TORAP_KV_MISSING ? 0 : r;
	struct torap_reader reader = torap_reader(row);
	out->us = row.size == 1 ? FOLLOW_STARTED_ONCE : (int64_t)torap_read_u64(&reader);
	return row.size == 1 || (torap_read_end(&reader) && out->us > 0) ? 0 : -EBADMSG;
}
