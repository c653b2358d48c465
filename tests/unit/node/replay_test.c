#include "node/replay.h"

#include "tests/unit/node/fixture.h"

struct reading {
	struct fixture f;
	uv_loop_t loop;
	struct node_replay replay;
	unsigned answers;
};

static void on_answer(struct node_replay *replay)
{
	((struct reading *)replay->hint)->answers++;
}

/* So many batches of one alarm each, with a text of so many bytes. */
static void begin(struct reading *r, int batches, size_t text_size)
{
	char *text = calloc(1, text_size + 1);
	memset(text, 'x', text_size);
	fixture_begin(&r->f, 64 << 20);
	for (int i = 1; i <= batches; i++) {
		struct told told = { .entry.done = fixture_on_told, .result = -1 };
		told.entry.event = fixture_event(
			&r->f, TORAP__KIND__KIND_PANIC, TORAP__SEVERITY__SEVERITY_CRITICAL, "1", text);
		cr_assert_eq(node_batcher_add(r->f.batcher, &told.entry, r->f.now), 0);
		fixture_settle(&r->f);
		cr_assert_eq(told.result, NODE_ENTRY_DURABLE);
	}
	free(text);
	cr_assert_eq(uv_loop_init(&r->loop), 0);
	r->answers = 0;
	r->replay = (struct node_replay){
		.loop = &r->loop,
		.kv = r->f.kv,
		.done = on_answer,
		.hint = r,
		.stream = fixture_stream(&r->f, CRITICAL)->id,
	};
}

static void end(struct reading *r)
{
	cr_expect_eq(uv_loop_close(&r->loop), 0);
	fixture_end(&r->f);
}

static void ask(struct reading *r, uint64_t from, uint64_t to)
{
	unsigned before = r->answers;
	r->replay.from = from;
	r->replay.to = to;
	node_replay_ask(&r->replay);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	cr_assert_eq(r->answers, before + 1);
	cr_assert_not(r->replay.busy);
}

/* Checks that the answer's batches go on from `first`, and gives them back.  Returns how many. */
static unsigned take(struct reading *r, uint64_t first)
{
	unsigned count = 0;
	for (const struct node_sealed *s = r->replay.batches; s; s = s->next) {
		cr_expect_eq(s->batch->manifest->batch_no, first + count);
		cr_expect_eq(s->mark.batch_no, first + count);
		cr_expect_eq(s->mark.next_seq, first + count + 1);
		count++;
	}
	node_sealed_unref_list(r->replay.batches);
	r->replay.batches = NULL;
	return count;
}

/* The sums that a live batch had must be those that it has when it is read back: lag is their difference. */
Test(replay, reads_batches_in_order_with_the_marks_they_were_sealed_with)
{
	struct reading r;
	begin(&r, 5, 10);
	ask(&r, 2, 4);
	cr_assert_not(r.replay.failed);
	cr_expect_eq(take(&r, 2), 3);
	ask(&r, 5, UINT64_MAX);
	cr_assert_not(r.replay.failed);
	cr_assert_not_null(r.replay.batches);
	cr_expect_eq(r.replay.batches->mark.bytes, fixture_stream(&r.f, CRITICAL)->sealed.bytes);
	cr_expect_eq(take(&r, 5), 1, "and ends where the stream ends");
	ask(&r, 6, 9);
	cr_expect_not(r.replay.failed);
	cr_expect_eq(take(&r, 6), 0, "not there yet is no failure");
	end(&r);
}

Test(replay, answers_in_pieces_that_are_bounded_in_number_and_in_bytes)
{
	enum { BATCHES = NODE_REPLAY_BATCHES + 3, TEXT = 50 << 10, MANY = (2 << 20) / TEXT };
	struct reading r;
	begin(&r, BATCHES, 10);
	ask(&r, 1, BATCHES);
	cr_expect_eq(take(&r, 1), NODE_REPLAY_BATCHES);
	ask(&r, NODE_REPLAY_BATCHES + 1, BATCHES);
	cr_expect_eq(take(&r, NODE_REPLAY_BATCHES + 1), 3);
	end(&r);
	begin(&r, MANY, TEXT);
	ask(&r, 1, MANY);
	unsigned count = take(&r, 1);
	cr_expect_gt(count, 1);
	cr_expect_leq(count, NODE_REPLAY_BYTES / TEXT + 1);
	end(&r);
}

/* A row that is gone must never look like the end of the stream. */
Test(replay, fails_at_a_batch_that_is_gone)
{
	struct reading r;
	struct torap_kv_txn txn;
	struct torap_error err;
	struct torap_journal_head head;
	begin(&r, 3, 10);
	torap_kv_begin(&txn, r.f.kv, true);
	cr_assert_eq(torap_journal_head(&txn, &r.replay.stream, &head), 0);
	uint8_t key[12] = { 0 };
	key[3] = (uint8_t)head.number;
	key[11] = 2;
	cr_assert_eq(torap_kv_delete(&txn, 1, torap_bytes(key, sizeof key)), 0, "the table manifests");
	cr_assert_eq(torap_kv_commit(&txn, &err), 0, "%s", err.text);
	ask(&r, 2, 3);
	cr_expect(r.replay.failed);
	cr_expect_neq(r.replay.err.text[0], 0);
	cr_expect_eq(take(&r, 2), 0);
	ask(&r, 3, 3);
	cr_expect_not(r.replay.failed, "the next question is one of its own");
	cr_expect_eq(take(&r, 3), 1);
	end(&r);
}

/* What decides between going on and a new incarnation: never continue a stream that the broker knows otherwise. */
Test(replay, tells_a_true_claim_from_one_that_is_ahead_or_differs)
{
	enum { CLAIMS = 6 };
	struct reading r;
	begin(&r, 3, 10);
	struct node_claim claims[CLAIMS];
	for (uint32_t i = 0; i < CLAIMS; i++)
		claims[i] = (struct node_claim){
			.index = i, .stream = r.replay.stream, .next_batch = 4, .has_digest = true
		};
	memcpy(claims[0].digest, fixture_stream(&r.f, CRITICAL)->digest, TORAP_DIGEST_SIZE);
	memcpy(claims[1].digest, claims[0].digest, TORAP_DIGEST_SIZE);
	claims[1].digest[TORAP_DIGEST_SIZE - 1] ^= 1;
	claims[2].next_batch = 5;
	claims[3].stream.incarnation++;
	claims[4].next_batch = 1;
	claims[5].next_batch = 3;
	claims[5].has_digest = false;
	r.replay.claims = claims;
	r.replay.claims_count = CLAIMS;
	ask(&r, 0, 0);
	cr_assert_not(r.replay.failed, "%s", r.replay.err.text);
	cr_expect_eq(claims[0].word, NODE_CLAIM_TRUE);
	cr_expect_eq(claims[0].mark.batch_no, 3);
	cr_expect_eq(claims[0].mark.bytes, fixture_stream(&r.f, CRITICAL)->sealed.bytes);
	cr_expect_eq(claims[1].word, NODE_CLAIM_DIFFERS);
	cr_expect_eq(claims[2].word, NODE_CLAIM_AHEAD);
	cr_expect_eq(claims[3].word, NODE_CLAIM_AHEAD, "a stream that this journal never had");
	cr_expect_eq(claims[4].word, NODE_CLAIM_TRUE, "a broker that has nothing");
	cr_expect_eq(claims[4].mark.bytes, 0);
	cr_expect_eq(claims[5].word, NODE_CLAIM_TRUE);
	cr_expect_eq(claims[5].mark.batch_no, 2);
	end(&r);
}
