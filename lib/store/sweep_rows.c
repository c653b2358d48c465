#include "store/sweep_rows.h"

#include <errno.h>
#include <string.h>

#include "store/journal_rows.h"

/* No stream has these numbers: TORAP_STREAMS_MAX is far below. */
static const uint32_t swept_mark = 0xfffffffe, account_mark = 0xfffffffd;

static struct torap_kv_key swept_key(uint32_t number, size_t term)
{
	struct torap_kv_key key = { 0 };
	torap_kv_key_u32(&key, swept_mark);
	torap_kv_key_u32(&key, number);
	torap_kv_key_u16(&key, (uint16_t)term);
	return key;
}

static bool read_swept(struct torap_bytes value, uint64_t *fingerprint, uint64_t *next)
{
	struct torap_reader reader = torap_reader(value);
	*fingerprint = torap_read_u64(&reader);
	*next = torap_read_u64(&reader);
	return torap_read_end(&reader);
}

int torap_swept_get(
	struct torap_kv_txn *txn, uint32_t number, size_t term, uint64_t fingerprint, uint64_t *out_next)
{
	struct torap_kv_key key = swept_key(number, term);
	struct torap_bytes value;
	*out_next = 0;
	int r = torap_kv_get(txn, ROWS_STREAMS, torap_kv_key_bytes(&key), &value);
	if (r)
		return r == TORAP_KV_MISSING ? 0 : r;
	uint64_t of, next;
	if (read_swept(value, &of, &next) && of == fingerprint)
		*out_next = next;
	return 0;
}

int torap_swept_put(
	struct torap_kv_txn *txn, uint32_t number, size_t term, uint64_t fingerprint, uint64_t next)
{
	struct torap_kv_key key = swept_key(number, term), value = { 0 };
	torap_kv_key_u64(&value, fingerprint);
	torap_kv_key_u64(&value, next);
	return torap_kv_put(txn, ROWS_STREAMS, torap_kv_key_bytes(&key), torap_kv_key_bytes(&value));
}

int torap_swept_back(struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no)
{
	for (size_t term = 0; term < TORAP_SWEEP_TERMS_MAX; term++) {
		struct torap_kv_key key = swept_key(number, term);
		struct torap_bytes value;
		uint64_t fingerprint, next;
		int r = torap_kv_get(txn, ROWS_STREAMS, torap_kv_key_bytes(&key), &value);
		if (r == TORAP_KV_MISSING)
			continue;
		if (!r && read_swept(value, &fingerprint, &next) && next > batch_no)
			r = torap_swept_put(txn, number, term, fingerprint, batch_no);
		if (r)
			return r;
	}
	return 0;
}

void torap_sweep_account_key(uint8_t key[static TORAP_SWEEP_KEY_SIZE], uint32_t account, unsigned reason)
{
	struct torap_kv_key whole = { 0 };
	torap_kv_key_u32(&whole, account_mark);
	torap_kv_key_u32(&whole, account);
	torap_kv_key_u8(&whole, (uint8_t)reason);
	memcpy(key, whole.data, TORAP_SWEEP_KEY_SIZE);
}

void torap_sweep_tally_add(struct torap_sweep_tally *sum, const struct torap_sweep_tally *more)
{
	sum->batches += more->batches;
	sum->frames += more->frames;
	sum->bytes += more->bytes;
	for (unsigned lane = 0; lane < TORAP_LANES; lane++)
		sum->lanes[lane] += more->lanes[lane];
}

static bool read_tally(struct torap_sweep_tally *out, struct torap_bytes value)
{
	struct torap_reader reader = torap_reader(value);
	out->batches = torap_read_u64(&reader);
	out->frames = torap_read_u64(&reader);
	out->bytes = torap_read_u64(&reader);
	for (unsigned lane = 0; lane < TORAP_LANES; lane++)
		out->lanes[lane] = torap_read_u64(&reader);
	return torap_read_end(&reader);
}

int torap_account_add(
	struct torap_kv_txn *txn, uint32_t account, unsigned reason, const struct torap_sweep_tally *tally)
{
	uint8_t key[TORAP_SWEEP_KEY_SIZE];
	struct torap_kv_key value = { 0 };
	struct torap_bytes before;
	struct torap_sweep_tally sum = { 0 };
	torap_sweep_account_key(key, account, reason);
	int r = torap_kv_get(txn, ROWS_STREAMS, torap_bytes(key, sizeof key), &before);
	if (r && r != TORAP_KV_MISSING)
		return r;
	if (r == 0 && !read_tally(&sum, before))
		return -EBADMSG;
	torap_sweep_tally_add(&sum, tally);
	torap_kv_key_u64(&value, sum.batches);
	torap_kv_key_u64(&value, sum.frames);
	torap_kv_key_u64(&value, sum.bytes);
	for (unsigned lane = 0; lane < TORAP_LANES; lane++)
		torap_kv_key_u64(&value, sum.lanes[lane]);
	return torap_kv_put(txn, ROWS_STREAMS, torap_bytes(key, sizeof key), torap_kv_key_bytes(&value));
}

struct walk {
	int (*each)(void *hint, uint32_t account, unsigned reason, const struct torap_sweep_tally *tally);
	void *hint;
};

enum { WALK_OVER = 1 };

static int on_row(void *hint, struct torap_bytes key, struct torap_bytes value)
{
	const struct walk *walk = hint;
	struct torap_sweep_tally tally;
	struct torap_reader reader = torap_reader(key);
	if (torap_read_u32(&reader) != account_mark)
		return WALK_OVER;
	uint32_t account = torap_read_u32(&reader);
	unsigned reason = torap_read_u8(&reader);
	if (!torap_read_end(&reader) || reason >= TORAP_SWEEP_REASONS || !read_tally(&tally, value))
		return -EBADMSG;
	return walk->each(walk->hint, account, reason, &tally);
}

int torap_sweep_accounts(struct torap_kv_txn *txn,
	int (*each)(void *hint, uint32_t account, unsigned reason, const struct torap_sweep_tally *tally),
	void *hint)
{
	struct torap_kv_key from = { 0 };
	struct walk walk = { each, hint };
	torap_kv_key_u32(&from, account_mark);
	int r = torap_kv_walk(txn, ROWS_STREAMS, torap_kv_key_bytes(&from), on_row, &walk);
	return r == WALK_OVER ? 0 : r;
}
