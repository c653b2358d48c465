#include "store/sweep_rows.h"

#include <errno.h>
#include <string.h>

#include "store/journal_rows.h"

/* No stream has these numbers: TORAP_STREAMS_MAX is far below. */
static const uint32_t swept_mark = 0xfffffffe, account_mark = 0xfffffffd;

static void put_number(uint8_t *at, uint64_t number, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(number >> (8 * (size - 1 - i)));
}

enum { SWEPT_KEY_SIZE = 4 + 4 + 2, SWEPT_SIZE = 8 + 8 };

static void swept_key(uint8_t key[static SWEPT_KEY_SIZE], uint32_t number, size_t term)
{
	put_number(key, swept_mark, 4);
	put_number(key + 4, number, 4);
	put_number(key + 8, term, 2);
}

int torap_swept_get(
	struct torap_kv_txn *txn, uint32_t number, size_t term, uint64_t fingerprint, uint64_t *out_next)
{
	uint8_t key[SWEPT_KEY_SIZE];
	struct torap_bytes value;
	swept_key(key, number, term);
	*out_next = 0;
	int r = torap_kv_get(txn, ROWS_STREAMS, torap_bytes(key, sizeof key), &value);
	if (r)
		return r == TORAP_KV_MISSING ? 0 : r;
	struct torap_reader reader = torap_reader(value);
	uint64_t of = torap_read_u64(&reader), next = torap_read_u64(&reader);
	if (torap_read_end(&reader) && of == fingerprint)
		*out_next = next;
	return 0;
}

int torap_swept_put(
	struct torap_kv_txn *txn, uint32_t number, size_t term, uint64_t fingerprint, uint64_t next)
{
	uint8_t key[SWEPT_KEY_SIZE], value[SWEPT_SIZE];
	swept_key(key, number, term);
	put_number(value, fingerprint, 8);
	put_number(value + 8, next, 8);
	return torap_kv_put(
		txn, ROWS_STREAMS, torap_bytes(key, sizeof key), torap_bytes(value, sizeof value));
}

void torap_sweep_account_key(uint8_t key[static TORAP_SWEEP_KEY_SIZE], uint32_t account, unsigned reason)
{
	put_number(key, account_mark, 4);
	put_number(key + 4, account, 4);
	key[8] = (uint8_t)reason;
}

enum { TALLY_NUMBERS = 3 + TORAP_LANES, TALLY_SIZE = 8 * TALLY_NUMBERS };

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
	uint8_t key[TORAP_SWEEP_KEY_SIZE], value[TALLY_SIZE];
	struct torap_bytes before;
	struct torap_sweep_tally sum = { 0 };
	torap_sweep_account_key(key, account, reason);
	int r = torap_kv_get(txn, ROWS_STREAMS, torap_bytes(key, sizeof key), &before);
	if (r && r != TORAP_KV_MISSING)
		return r;
	if (r == 0 && !read_tally(&sum, before))
		return -EBADMSG;
	torap_sweep_tally_add(&sum, tally);
	put_number(value, sum.batches, 8);
	put_number(value + 8, sum.frames, 8);
	put_number(value + 16, sum.bytes, 8);
	for (unsigned lane = 0; lane < TORAP_LANES; lane++)
		put_number(value + 24 + (size_t)8 * lane, sum.lanes[lane], 8);
	return torap_kv_put(
		txn, ROWS_STREAMS, torap_bytes(key, sizeof key), torap_bytes(value, sizeof value));
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
	uint8_t from[4];
	struct walk walk = { each, hint };
	put_number(from, account_mark, 4);
	int r = torap_kv_walk(txn, ROWS_STREAMS, torap_bytes(from, sizeof from), on_row, &walk);
	return r == WALK_OVER ? 0 : r;
}
