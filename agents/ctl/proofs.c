/* torap proofs: what writers signed that cannot both be true, out of the store of a broker or of a subscriber. */
#include "store/proofs.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/ctl/command.h"
#include "base/bytes.h"
#include "base/error.h"
#include "conf/examine.h"
#include "conf/file.h"
#include "conf/keys.h"
#include "conf/trust.h"
#include "store/journal.h"
#include "wire/verify.h"

static const char help[] =
	"usage: torap proofs DIR [--json] [-o DIR] [--trust FILE --root FILE]\n"
	"\n"
	"Shows each document that a broker or `torap follow` kept in DIR (its store) because its writer signed it and it\n"
	"contradicts what was there first: the document, and the other one.  Two signatures of one writer, one of them a lie.\n"
	"Also while the process runs.  Exit status: 0, or 1 when something cannot be read or is not signed as it says.\n"
	"\n"
	"    -o DIR          writes each document into a file there, as it was signed (SignedManifest, SignedHead); one that\n"
	"                    is there from an earlier run stays\n"
	"    --json          one JSON object for each, the documents in hexadecimal\n"
	"    --trust FILE    the signed trust file: signatures are verified, by the keys of their time\n"
	"    --root FILE     the root's public key, with --trust\n";

enum { TABLE_PROOFS = TORAP_JOURNAL_TABLES, NOT_CHECKED = -1, DOCUMENT_SIZE_MAX = 1 << 20 };

/* One signed document. */
struct document {
	enum torap_proof sort;
	struct torap_bytes bytes;
	uint64_t batch_no; /* a head's: its last */
	struct torap_wall at;
	bool has_digest;
	uint8_t digest[TORAP_DIGEST_SIZE], key_id[TORAP_KEY_ID_SIZE];
	int verdict; /* enum torap_verdict, or NOT_CHECKED */
};

struct kept {
	struct torap_stream_id stream;
	struct document document;
};

struct listing {
	struct torap_kv_txn txn;
	struct torap_trust *trust; /* or NULL */
	const char *out;           /* a folder, or NULL */
	bool json;
	struct kept *list;
	size_t count;
	unsigned shown, bad;
	struct torap_error *err;
};

static int read_manifest(const struct listing *l, struct document *d, struct torap_bytes bytes)
{
	struct torap_batch *batch = NULL;
	struct torap_buffer *copy = torap_buffer_copy(bytes);
	int r = copy ? torap_batch_create(&batch, copy, l->err)
		     : torap_errorf(l->err, -ENOMEM, "out of memory");
	torap_buffer_unref(copy);
	if (r)
		return r;
	const struct torap_manifest *m = batch->manifest;
	*d = (struct document){ .sort = TORAP_PROOF_MANIFEST,
		.bytes = bytes,
		.batch_no = m->batch_no,
		.at = { m->sealed_at_us },
		.has_digest = true,
		.verdict = NOT_CHECKED };
	memcpy(d->digest, m->digest, sizeof d->digest);
	memcpy(d->key_id, m->key_id, sizeof d->key_id);
	if (l->trust)
		d->verdict = (int)torap_verify_manifest(batch, torap_trust_lookup, l->trust);
	torap_batch_destroy(batch);
	return 0;
}

static int read_head(const struct listing *l, struct document *d, struct torap_bytes bytes)
{
	struct torap_head head;
	if (!torap_head_decode(&head, bytes))
		return torap_errorf(l->err, -EBADMSG, "a head that was kept cannot be decoded");
	*d = (struct document){ .sort = TORAP_PROOF_HEAD,
		.bytes = bytes,
		.batch_no = head.last_batch,
		.at = head.at,
		.has_digest = head.has_digest,
		.verdict = NOT_CHECKED };
	memcpy(d->digest, head.last_digest, sizeof d->digest);
	memcpy(d->key_id, head.key_id, sizeof d->key_id);
	if (l->trust)
		d->verdict = (int)torap_verify_head(&head, bytes, torap_trust_lookup, l->trust);
	return 0;
}

static int on_row(void *hint, const struct torap_proof_row *row)
{
	struct listing *l = hint;
	struct kept *more = realloc(l->list, (l->count + 1) * sizeof *more);
	if (!more)
		return torap_errorf(l->err, -ENOMEM, "out of memory");
	l->list = more;
	struct kept *k = &l->list[l->count];
	k->stream = row->stream;
	int r = row->sort == TORAP_PROOF_HEAD ? read_head(l, &k->document, row->document)
					      : read_manifest(l, &k->document, row->document);
	if (r == 0)
		l->count++;
	return r;
}

static bool want_no_frame(void *hint, const struct torap_batch *batch, size_t group, size_t part)
{
	(void)hint;
	(void)batch;
	(void)group;
	(void)part;
	return false;
}

/* What stands in the journal under this number; *out_buffer is the caller's.  False: it is not there. */
static bool find_stored(struct listing *l, const struct torap_stream_id *stream, uint64_t batch_no,
	struct document *out, struct torap_buffer **out_buffer)
{
	struct torap_journal_head head;
	struct torap_batch *batch = NULL;
	if (batch_no == 0 || torap_journal_head(&l->txn, stream, &head) ||
		torap_journal_read(&l->txn, head.number, batch_no, want_no_frame, NULL, &batch, NULL, l->err))
		return false;
	*out_buffer = torap_buffer_ref(batch->signed_manifest);
	torap_batch_destroy(batch);
	if (read_manifest(l, out, torap_buffer_bytes(*out_buffer)) == 0)
		return true;
	*out_buffer = torap_buffer_unref(*out_buffer);
	return false;
}

static bool differ(const struct document *a, const struct document *b)
{
	return a->has_digest != b->has_digest || memcmp(a->digest, b->digest, sizeof a->digest) != 0;
}

/* A head that another one contradicts. */
static const struct document *find_head(const struct listing *l, const struct kept *k)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct document *other = &l->list[i].document, *d = &k->document;
		if (other == d || other->sort != TORAP_PROOF_HEAD ||
			!torap_stream_id_equal(&l->list[i].stream, &k->stream))
			continue;
		bool fork = other->batch_no == d->batch_no && differ(other, d);
		bool rollback = (other->at.us < d->at.us) == (other->batch_no > d->batch_no) &&
				other->batch_no != d->batch_no;
		if (fork || rollback)
			return other;
	}
	return NULL;
}

/* Showing. */

static const char *sort_name(const struct document *d)
{
	return d->sort == TORAP_PROOF_HEAD ? "head" : "manifest";
}

static const char *signature_of(const struct document *d)
{
	return d->verdict == NOT_CHECKED ? "not checked" : torap_verdict_name((enum torap_verdict)d->verdict);
}

static json_t *json_of(const struct document *d)
{
	char at[TORAP_WALL_TEXT_SIZE], digest[2 * TORAP_DIGEST_SIZE + 1], key[2 * TORAP_KEY_ID_SIZE + 1];
	char *hex = malloc(2 * d->bytes.size + 1);
	json_t *j = !hex ? NULL
			 : json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "sort", sort_name(d), "batch",
				   (json_int_t)d->batch_no, "at", torap_wall_format(d->at, at), "digest",
				   torap_hex(digest, torap_bytes(d->digest, sizeof d->digest)), "key",
				   torap_hex(key, torap_bytes(d->key_id, sizeof d->key_id)), "signature",
				   signature_of(d), "document", torap_hex(hex, d->bytes));
	free(hex);
	return j;
}

static void print_document(const char *which, const struct document *d, const char *writer)
{
	char at[TORAP_WALL_TEXT_SIZE], digest[2 * TORAP_DIGEST_SIZE + 1], key[2 * TORAP_KEY_ID_SIZE + 1];
	printf("    %s: %s %s %" PRIu64 ", dated %s, digest %.16s, signed by %s, key %s: %s\n", which,
		sort_name(d), d->sort == TORAP_PROOF_HEAD ? "at batch" : "of batch", d->batch_no,
		torap_wall_format(d->at, at), torap_hex(digest, torap_bytes(d->digest, sizeof d->digest)),
		writer, torap_hex(key, torap_bytes(d->key_id, sizeof d->key_id)), signature_of(d));
}

/* A document says the same in each run: one that is there already is left as it is. */
static int write_once(const char *path, struct torap_bytes bytes, struct torap_error *err)
{
	struct torap_buffer *there;
	if (access(path, F_OK) != 0)
		return torap_file_create(path, 0644, bytes, err);
	int r = torap_file_read(&there, path, DOCUMENT_SIZE_MAX, err);
	if (r)
		return r;
	if (!torap_bytes_equal(torap_buffer_bytes(there), bytes))
		r = torap_errorf(err, -EEXIST, "%s holds something else; give another folder", path);
	torap_buffer_unref(there);
	return r;
}

enum { NAME_BYTES = 8 };

static char *short_name(const struct document *d, char text[static 2 * NAME_BYTES + 1])
{
	uint8_t hash[crypto_generichash_BYTES];
	crypto_generichash(hash, sizeof hash, d->bytes.data, d->bytes.size, NULL, 0);
	return torap_hex(text, torap_bytes(hash, NAME_BYTES));
}

/* Named by what they are, not by a number that the next contradiction would shift; both documents of one begin alike. */
static int write_document(const struct listing *l, const struct torap_stream_id *stream,
	const struct document *kept, const struct document *d)
{
	char text[TORAP_STREAM_TEXT_SIZE], pair[2 * NAME_BYTES + 1], own[2 * NAME_BYTES + 1], *path;
	torap_stream_id_format(stream, text);
	for (char *at = text; *at; at++)
		if (*at == '/')
			*at = '.';
	if (asprintf(&path, "%s/%s-%s-%s-%s-%s-%" PRIu64, l->out, text, short_name(kept, pair),
		    d == kept ? "kept" : "other", short_name(d, own), sort_name(d), d->batch_no) < 0)
		return torap_errorf(l->err, -ENOMEM, "out of memory");
	int r = write_once(path, d->bytes, l->err);
	free(path);
	return r;
}

static int show(struct listing *l, const struct torap_stream_id *stream, const char *what,
	const struct document *kept, const struct document *other)
{
	char text[TORAP_STREAM_TEXT_SIZE];
	torap_stream_id_format(stream, text);
	l->shown++;
	l->bad += (kept->verdict > TORAP_VERDICT_GOOD) + (other && other->verdict > TORAP_VERDICT_GOOD);
	int r = l->out ? write_document(l, stream, kept, kept) : 0;
	if (r == 0 && l->out && other)
		r = write_document(l, stream, kept, other);
	if (r)
		return r;
	if (l->json) {
		json_t *j = json_pack("{s:s, s:s, s:o, s:o}", "stream", text, "what", what, "kept",
			json_of(kept), "other", other ? json_of(other) : json_null());
		if (!j)
			return torap_errorf(l->err, -ENOMEM, "out of memory");
		json_dumpf(j, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(j);
		return 0;
	}
	printf("%s: %s\n", what, text);
	print_document("kept ", kept, stream->writer);
	if (other)
		print_document("other", other, stream->writer);
	return 0;
}

/* A manifest contradicts the one of its number that was first, or does not continue the one before. */
static int show_manifest(struct listing *l, const struct kept *k)
{
	struct document other;
	struct torap_buffer *buffer = NULL;
	uint64_t batch_no = k->document.batch_no;
	bool found = find_stored(l, &k->stream, batch_no, &other, &buffer);
	if (!found)
		found = find_stored(l, &k->stream, batch_no - 1, &other, &buffer);
	int r = show(l, &k->stream, "fork", &k->document, found ? &other : NULL);
	torap_buffer_unref(buffer);
	return r;
}

/* A head contradicts another one, or a batch: of its number, or one that it should have known. */
static int show_head(struct listing *l, const struct kept *k)
{
	struct document stored;
	struct torap_buffer *buffer = NULL;
	const struct document *other = find_head(l, k), *d = &k->document;
	bool fork = other && other->batch_no == d->batch_no;
	if (!other && find_stored(l, &k->stream, d->batch_no, &stored, &buffer) && differ(&stored, d)) {
		fork = true;
		other = &stored;
	} else if (!other) {
		buffer = torap_buffer_unref(buffer);
		if (find_stored(l, &k->stream, d->batch_no + 1, &stored, &buffer))
			other = &stored;
	}
	int r = 0;
	/* Of two heads the later one is shown with the other, of two of one moment that which is listed later. */
	if (!other || other == &stored || other->at.us < d->at.us || (other->at.us == d->at.us && other < d))
		r = show(l, &k->stream, fork ? "fork" : "rollback", d, other);
	torap_buffer_unref(buffer);
	return r;
}

static int list(struct listing *l, const char *dir, struct torap_error *err)
{
	static const char *const tables[] = { TORAP_JOURNAL_TABLE_NAMES, "proofs", NULL };
	struct torap_kv_options options = { .tables = tables, .read_only = true, .cut_short_too = true };
	struct torap_kv *kv = NULL;
	char *file;
	if (asprintf(&file, "%s/data.mdb", dir) < 0)
		return torap_errorf(err, -ENOMEM, "out of memory");
	int r = access(file, R_OK) == 0 ? 0 : torap_errorf(err, -errno, "%s: %s", file, strerror(errno));
	free(file);
	if (r == 0)
		r = torap_kv_open(&kv, dir, &options, err);
	if (r)
		return r;
	torap_kv_begin(&l->txn, kv, false);
	torap_errorf(err, 0, "%s: the table of proofs cannot be read", dir);
	r = torap_proofs(&l->txn, TABLE_PROOFS, on_row, l);
	for (size_t i = 0; i < l->count && r == 0; i++)
		r = l->list[i].document.sort == TORAP_PROOF_HEAD ? show_head(l, &l->list[i])
								 : show_manifest(l, &l->list[i]);
	torap_kv_abort(&l->txn);
	torap_kv_close(kv);
	return r;
}

static int load_trust(
	struct torap_trust **out, const char *path, const char *root_path, struct torap_error *err)
{
	struct torap_keys root;
	int r = torap_keys_load_public(&root, root_path, err);
	/* History is judged by each key's own time. */
	return r ? r : torap_trust_load(out, path, root.sign.public, (struct torap_wall){ 0 }, err);
}

int ctl_proofs(int argc, char **argv)
{
	const char *json = NULL, *out = NULL, *trust = NULL, *root = NULL;
	const struct ctl_option table[] = { { "--json", &json }, { "-o=", &out }, { "--trust=", &trust },
		{ "--root=", &root }, { NULL, NULL } };
	int words = ctl_options("proofs", table, help, 1, argc, argv);
	if (words < 0)
		return 2;
	if (words == 0 || !trust != !root)
		return ctl_misuse("proofs", "DIR is needed, and --trust and --root together or neither");
	struct torap_error err = { "" };
	struct listing l = { .out = out, .json = json != NULL, .err = &err };
	torap_examine_catch_crashes(1);
	int r = trust ? load_trust(&l.trust, trust, root, &err) : 0;
	if (r == 0 && out && mkdir(out, 0755) && errno != EEXIST)
		r = torap_errorf(&err, -errno, "%s: %s", out, strerror(errno));
	if (r == 0)
		r = list(&l, argv[1], &err);
	torap_trust_unref(l.trust);
	free(l.list);
	if (r)
		return ctl_fail("%s", err.text);
	if (!l.json)
		printf("%u contradictions; signatures %s\n", l.shown,
			trust ? (l.bad ? "that are not good among them" : "good")
			      : "not checked (--trust and --root)");
	return l.bad ? 1 : 0;
}
