#include "store/proofs.h"

#include <errno.h>

#include "base/error.h"
#include "tests/unit/lib/store/place.h"

static const char *const tables[] = { "proofs", NULL };
enum { PROOFS };

static struct place place;
static struct torap_kv *kv;
static struct torap_kv_txn txn;

static void make(void)
{
	struct torap_error err;
	struct torap_kv_options options = { .tables = tables, .map_size = 16 << 20 };
	place_make(&place);
	cr_assert_eq(torap_kv_open(&kv, place.dir, &options, &err), 0, "%s", err.text);
	torap_kv_begin(&txn, kv, true);
}

static void clean(void)
{
	torap_kv_abort(&txn);
	torap_kv_close(kv);
	place_remove(&place);
}

TestSuite(proofs, .init = make, .fini = clean);

static void put(const char *stream, enum torap_proof sort, uint64_t number, const char *document)
{
	struct torap_stream_id id;
	cr_assert(torap_stream_id_parse(&id, stream));
	cr_assert_eq(
		torap_proof_put(&txn, PROOFS, &id, sort, number, torap_bytes(document, strlen(document))), 0);
}

static int on_row(void *hint, const struct torap_proof_row *row)
{
	char *seen = hint, line[256], stream[TORAP_STREAM_TEXT_SIZE];
	snprintf(line, sizeof line, "%s %c %llu %.*s\n", torap_stream_id_format(&row->stream, stream),
		row->sort, (unsigned long long)row->number, (int)row->document.size, row->document.data);
	strcat(seen, line);
	return 0;
}

Test(proofs, come_back_as_they_were_put_in)
{
	char seen[1024] = "";
	put("node-b/bulk/0000000000000001", TORAP_PROOF_HEAD, 1795000000000000, "late");
	put("node-a/critical/ffffffffffffffff", TORAP_PROOF_MANIFEST, 7, "seven");
	put("node-a/critical/ffffffffffffffff", TORAP_PROOF_MANIFEST, 300, "other");
	put("node-a/critical/ffffffffffffffff", TORAP_PROOF_MANIFEST, 7, "seven otherwise");
	put("node-a/critical/ffffffffffffffff", TORAP_PROOF_MANIFEST, 7, "seven");
	put("node-a/critical/ffffffffffffffff", TORAP_PROOF_MANIFEST, 7, "seven otherwise");
	cr_assert_eq(torap_proofs(&txn, PROOFS, on_row, seen), 0);
	cr_expect_str_eq(seen, "node-a/critical/ffffffffffffffff m 7 seven\n"
			       "node-a/critical/ffffffffffffffff m 7 seven otherwise\n"
			       "node-a/critical/ffffffffffffffff m 300 other\n"
			       "node-b/bulk/0000000000000001 h 1795000000000000 late\n");
}

/* A table of proofs that says nothing sensible must not look like one that is empty. */
Test(proofs, refuse_a_key_that_is_none_of_theirs)
{
	static const char *const keys[] = { "x", "node-a/critical/ffffffffffffffff",
		"node-a/critical/ffffffffffffffff m1234567", "node-a/party/ffffffffffffffff m12345678" };
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char seen[64] = "";
		struct torap_bytes key = torap_bytes(keys[i], strlen(keys[i]));
		cr_assert_eq(torap_kv_put(&txn, PROOFS, key, torap_bytes("d", 1)), 0);
		cr_expect_eq(torap_proofs(&txn, PROOFS, on_row, seen), -EBADMSG, "%s was taken", keys[i]);
		cr_assert_eq(torap_kv_delete(&txn, PROOFS, key), 0);
	}
}
