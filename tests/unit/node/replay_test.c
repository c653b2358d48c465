#include "node/replay.h"

#include "conf/trust.h"
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
		cr_assert_eq(node_batcher_add(r->f.batcher, &told.entry), 0);
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

static struct torap_bytes manifest_key(const struct reading *r, uint64_t batch_no, uint8_t key[static 12])
{
	struct torap_kv_txn txn;
	struct torap_journal_head head;
	torap_kv_begin(&txn, r->f.kv, false);
	cr_assert_eq(torap_journal_head(&txn, &r->replay.stream, &head), 0);
	torap_kv_abort(&txn);
	memset(key, 0, 12);
	key[3] = (uint8_t)head.number;
	key[11] = (uint8_t)batch_no;
	return torap_bytes(key, 12);
}

enum { TABLE_MANIFESTS = 1 };

static void lose(struct reading *r, uint64_t batch_no)
{
	uint8_t key[12];
	struct torap_kv_txn txn;
	struct torap_error err;
	torap_kv_begin(&txn, r->f.kv, true);
	cr_assert_eq(torap_kv_delete(&txn, TABLE_MANIFESTS, manifest_key(r, batch_no, key)), 0);
	cr_assert_eq(torap_kv_commit(&txn, &err), 0, "%s", err.text);
}

/* Flips a bit of the row, so many bytes before its end. */
static void flip(struct reading *r, uint64_t batch_no, size_t from_end)
{
	uint8_t key[12], row[4096];
	struct torap_kv_txn txn;
	struct torap_error err;
	struct torap_bytes value;
	torap_kv_begin(&txn, r->f.kv, true);
	cr_assert_eq(torap_kv_get(&txn, TABLE_MANIFESTS, manifest_key(r, batch_no, key), &value), 0);
	memcpy(row, value.data, value.size);
	row[value.size - from_end] ^= 1;
	cr_assert_eq(
		torap_kv_put(&txn, TABLE_MANIFESTS, torap_bytes(key, 12), torap_bytes(row, value.size)), 0);
	cr_assert_eq(torap_kv_commit(&txn, &err), 0, "%s", err.text);
}

/* A row that is gone must never look like the end of the stream, nor take what is around it with it. */
Test(replay, ends_before_a_batch_that_is_gone_and_names_it)
{
	struct reading r;
	begin(&r, 5, 10);
	lose(&r, 3);
	ask(&r, 1, 5);
	cr_assert_not(r.replay.failed);
	cr_expect_eq(take(&r, 1), 2);
	cr_expect_eq(r.replay.unreadable_count, 0);
	cr_expect_eq(r.replay.next, 3);
	ask(&r, 3, 5);
	cr_assert_not(r.replay.failed);
	cr_expect_eq(take(&r, 3), 0);
	cr_expect_neq(r.replay.err.text[0], 0);
	cr_assert_eq(r.replay.unreadable_count, 1);
	cr_expect_eq(r.replay.unreadable[0], 3);
	cr_expect_eq(r.replay.unreadable_events, 1);
	ask(&r, 4, 5);
	cr_expect_eq(r.replay.unreadable_count, 0, "the next question is one of its own");
	cr_expect_eq(take(&r, 4), 2);
	end(&r);
}

Test(replay, goes_on_behind_what_is_gone_when_it_is_asked_to)
{
	enum { BATCHES = 6 };
	for (uint64_t gone = 1; gone <= BATCHES; gone++) {
		struct reading r;
		begin(&r, BATCHES, 10);
		lose(&r, gone);
		r.replay.skip_unreadable = true;
		ask(&r, 1, BATCHES);
		cr_assert_not(r.replay.failed);
		cr_expect_eq(r.replay.next, BATCHES + 1);
		cr_assert_eq(r.replay.unreadable_count, 1);
		cr_expect_eq(r.replay.unreadable[0], gone);
		unsigned count = 0;
		for (const struct node_sealed *s = r.replay.batches; s; s = s->next)
			count += s->batch->manifest->batch_no != gone;
		cr_expect_eq(count, BATCHES - 1);
		node_sealed_unref_list(r.replay.batches);
		end(&r);
	}
}

/* What can be decoded need not be what was signed: sent, it would end the link at the broker. */
Test(replay, takes_no_manifest_that_its_writer_did_not_sign)
{
	struct reading r;
	begin(&r, 3, 10);
	flip(&r, 2, 12); /* in the signature, behind which the key's id stands */
	ask(&r, 2, 3);
	cr_expect_eq(r.replay.unreadable_count, 0, "nobody said which keys are good");
	cr_expect_eq(take(&r, 2), 2);
	struct torap_trust_key key = { .until = { INT64_MAX } };
	memcpy(key.key, r.f.key.public, sizeof key.key);
	memcpy(key.id, r.f.key.id, sizeof key.id);
	struct torap_trust_writer writer = { .id = "node-test", .keys = &key, .keys_count = 1 };
	struct torap_trust known = { .writers = &writer, .writers_count = 1, .refs = 1 }, *trust = &known;
	r.replay.trust = &trust;
	ask(&r, 1, 3);
	cr_expect_eq(take(&r, 1), 1);
	ask(&r, 2, 3);
	cr_expect_eq(take(&r, 2), 0);
	cr_assert_eq(r.replay.unreadable_count, 1);
	cr_expect_eq(r.replay.unreadable[0], 2);
	end(&r);
}

/* A key that the trust file does not know any more is no damage. */
Test(replay, believes_the_chain_where_the_key_is_not_known)
{
	struct reading r;
	begin(&r, 3, 10);
	struct torap_trust_writer other = { .id = "node-other" };
	struct torap_trust known = { .writers = &other, .writers_count = 1, .refs = 1 }, *trust = &known;
	r.replay.trust = &trust;
	ask(&r, 1, 3);
	cr_expect_eq(r.replay.unreadable_count, 0);
	cr_expect_eq(take(&r, 1), 3);
	end(&r);
}

/* Damaged together with the one behind it, a manifest's digest is nowhere: the other claims are judged all the same. */
Test(replay, judges_other_claims_when_one_cannot_be_compared)
{
	struct reading r;
	begin(&r, 5, 10);
	lose(&r, 2);
	lose(&r, 3);
	struct node_claim claims[2] = {
		{ .stream = r.replay.stream, .next_batch = 3, .has_digest = true, .digest = { 1 } },
		{ .stream = r.replay.stream, .next_batch = 6, .has_digest = true, .digest = { 1 } },
	};
	r.replay.claims = claims;
	r.replay.claims_count = 2;
	ask(&r, 0, 0);
	cr_assert_not(r.replay.failed, "%s", r.replay.err.text);
	cr_expect_eq(claims[0].word, NODE_CLAIM_TRUE);
	cr_expect_eq(claims[0].mark.batch_no, 2);
	cr_expect_eq(claims[1].word, NODE_CLAIM_DIFFERS);
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
