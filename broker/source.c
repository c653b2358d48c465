#include "broker/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/state.h"
#include "broker/streams.h"
#include "store/journal.h"
#include "store/kv.h"
#include "store/kv_key.h"

enum { KEY_MAX = 1 + TORAP_WRITER_ID_MAX + 1 + TORAP_STREAM_TEXT_SIZE };

static size_t key_of(
	char key[static KEY_MAX], const struct broker_source *source, const struct torap_stream_id *stream)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	return (size_t)snprintf(key, KEY_MAX, "%c%s %s", source->kind == BROKER_SOURCE_WRITER ? 'w' : 'u',
		source->name, torap_stream_id_format(stream, text));
}

static int get(struct torap_kv_txn *txn, const struct broker_source *source,
	const struct torap_stream_id *stream, uint64_t *out)
{
	char key[KEY_MAX];
	struct torap_bytes value;
	size_t size = key_of(key, source, stream);
	int r = torap_kv_get(txn, BROKER_TABLE_SOURCES, torap_bytes(key, size), &value);
	if (r)
		return r;
	struct torap_reader reader = torap_reader(value);
	*out = torap_read_u64(&reader);
	return torap_read_end(&reader) ? 0 : -EBADMSG;
}

int broker_source_put(struct torap_kv_txn *txn, const struct broker_source *source,
	const struct torap_stream_id *stream, uint64_t next_batch)
{
	uint64_t before = 0;
	if (source->kind == BROKER_SOURCE_NONE)
		return 0;
	int r = get(txn, source, stream, &before);
	if (r && r != TORAP_KV_MISSING)
		return r;
	if (next_batch <= before || before < source->after)
		return 0;
	char key[KEY_MAX];
	struct torap_kv_key value = { 0 };
	size_t size = key_of(key, source, stream);
	torap_kv_key_u64(&value, next_batch);
	return torap_kv_put(txn, BROKER_TABLE_SOURCES, torap_bytes(key, size), torap_kv_key_bytes(&value));
}

/* Before batch `next_batch`, which is there.  By what this one names: a digest of a manifest that is damaged would have a writer believe in
 * another history, and one that cannot be read may not hide what is missing behind it. */
static int position_before(struct torap_kv_txn *txn, const struct broker_stream *stream, uint64_t next_batch,
	struct torap_position *out)
{
	struct torap_batch *before = NULL;
	struct torap_journal_head head;
	*out = (struct torap_position){ .next_batch = next_batch, .next_seq = next_batch == 1 };
	int r = torap_journal_read(
		txn, stream->number, next_batch - 1, torap_journal_want_none, NULL, &before, NULL, NULL);
	if (r && r != -EBADMSG)
		return r == TORAP_KV_MISSING ? 0 : r; /* The stream begins here. */
	if (before)
		torap_position_advance(out, before->manifest);
	torap_batch_destroy(before);
	r = torap_journal_head(txn, &stream->id, &head);
	if (!r)
		r = torap_journal_digest(txn, &head, next_batch - 1, out->last_digest, NULL);
	out->has_digest = !r;
	return r == -EBADMSG || r == TORAP_KV_MISSING ? 0 : r;
}

int broker_source_resume(struct torap_kv_txn *txn, const struct broker_source *source,
	const struct broker_stream *stream, struct torap_position *out)
{
	uint64_t from = stream->first_batch, partial;
	*out = stream->flushed;
	if (!stream->stored)
		return 0;
	int r = get(txn, source, &stream->id, &from);
	if (r && r != TORAP_KV_MISSING)
		return r;
	r = torap_journal_find_partial(txn, stream->number, from, &partial);
	if (r || partial >= stream->flushed.next_batch)
		return r == TORAP_KV_MISSING ? 0 : r;
	struct torap_position at;
	r = position_before(txn, stream, partial, &at);
	if (!r)
		*out = at;
	return r;
}
