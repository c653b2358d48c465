
#include "store/journal_rows.h"
#include "store/sweep.h"

/* The two ends of what a journal holds: its oldest frame, its newest batch.  A stream whose row there is damaged does not count. */

static int receipt(struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no, struct torap_wall *out)
{
	struct torap_rows_manifest row;
	int r = torap_rows_manifest_get(txn, number, batch_no, &row);
	if (r == 0)
		*out = row.received_at;
	return r;
}

struct first {
	uint32_t number;
	uint64_t batch_no; /* 0: none */
};

static int on_frame(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	struct first *first = hint;
	struct torap_reader reader = torap_reader(key);
	(void)value;
	uint32_t number = torap_read_u32(&reader);
	uint64_t batch_no = torap_read_u64(&reader);
	if (!reader.failed && number == first->number)
		first->batch_no = batch_no;
	return 1; /* The first is enough. */
}

int torap_sweep_oldest(struct torap_kv_txn *txn, struct torap_wall *out)
{
	struct torap_journal_head head;
	int r;
	*out = (struct torap_wall){ 0 };
	for (uint32_t number = 1; (r = torap_rows_head_get(txn, number, &head)) == 0; number++) {
		struct first first = { .number = number };
		struct torap_kv_key from = torap_rows_stream_key(number);
		struct torap_wall at;
		r = torap_kv_walk(txn, ROWS_FRAMES, torap_kv_key_bytes(&from), on_frame, &first);
		if (r < 0 || first.batch_no == 0) {
			if (r < 0)
				return r;
			continue;
		}
		r = receipt(txn, number, first.batch_no, &at);
		if (txn->failure)
			return txn->failure;
		if (r == 0 && (out->us == 0 || at.us < out->us))
			*out = at;
	}
	return r == TORAP_KV_MISSING ? 0 : r;
}

int torap_sweep_newest(struct torap_kv_txn *txn, struct torap_wall *out)
{
	struct torap_journal_head head;
	int r;
	*out = (struct torap_wall){ 0 };
	for (uint32_t number = 1; (r = torap_rows_head_get(txn, number, &head)) == 0; number++) {
		struct torap_wall at;
		if (head.last_batch == 0)
			continue;
		r = receipt(txn, number, head.last_batch, &at);
		if (txn->failure)
			return txn->failure;
		if (r == 0 && at.us > out->us)
			*out = at;
	}
	return r == TORAP_KV_MISSING ? 0 : r;
}
